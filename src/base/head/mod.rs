//! A strict reader of HTTP/1 heads and chunked bodies: total, without an allocation, the same for what clients and what
//! upstreams send. It is there because lenient readers disagree with one another, and what two readers understand
//! differently is how requests are smuggled. It judges bytes; who asked for them decides what becomes of the verdict.
//!
//! In this order: [`Finder`] finds the end of a head and refuses bytes that no head may hold, [`request::Line`] reads the
//! first line of a request, [`Fields`] goes through the header lines, [`Facts`] gathers what framing depends on, and
//! [`chunks::Chunks`] follows a chunked body to its end.
//!
//! # Source
//! RFC 9112 sections 2.2, 3, 5, 6 and 7; RFC 9110 sections 5.1, 5.5 and 5.6.2; THREATS section SM.

mod bytes;
pub mod chunks;
mod facts;
mod fields;
mod finder;
pub mod host;
pub mod request;
mod whole;

pub use bytes::is_token;
pub use facts::{Facts, Once, decimal, is_chunked};
pub use fields::{Field, Fields};
pub use finder::Finder;

/// Why bytes are no head. Closed: a new reason is a new variant and a new sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line that ends with LF alone.
    LineEnd,
    /// A control character: NUL, a CR that ends no line, DEL and their like.
    Control,
    /// More empty lines before the head than are tolerated.
    BlankLines,
    /// A header line that begins with white space: the obsolete folding, or a first line that pretends to be one.
    Fold,
    /// A header line without a colon, or whose name is no token.
    Name,
    /// The first line is not what it should be.
    FirstLine,
    /// The request target is none of the forms that its method may have.
    Target,
    /// Another version than HTTP/1.0 or HTTP/1.1.
    Version,
    /// `Content-Length` twice, or no plain number.
    ContentLength,
    /// `Transfer-Encoding` twice, or anything but `chunked`, or where it may not stand.
    TransferEncoding,
    /// `Content-Length` beside `Transfer-Encoding`.
    BothLengths,
    /// No `Host` where one must be, two, or one that is no host.
    Host,
    /// A chunk that is not framed as chunks are.
    Chunk,
    /// Chunk extensions or trailers that are longer than their limit.
    Overhead,
}

impl Fault {
    /// A sentence for whoever sent it, which holds nothing of what was sent.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::LineEnd => "A line does not end with CR and LF.",
            Self::Control => "The head holds a control character.",
            Self::BlankLines => "Too many empty lines came first.",
            Self::Fold => "A header line begins with white space.",
            Self::Name => "A header line has no valid name.",
            Self::FirstLine => "The first line is malformed.",
            Self::Target => "The request target is malformed.",
            Self::Version => "This version of HTTP is not spoken here.",
            Self::ContentLength => "The Content-Length is not one plain number.",
            Self::TransferEncoding => "The transfer coding is not one that is read here.",
            Self::BothLengths => "Content-Length and Transfer-Encoding contradict each other.",
            Self::Host => "There must be one Host header, and it must name a host.",
            Self::Chunk => "A chunk of the body is malformed.",
            Self::Overhead => "The chunks of the body carry too much besides it.",
        }
    }
}

#[cfg(test)]
mod tests;
