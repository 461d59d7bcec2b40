//! What can be wrong with an answer.

use std::io;

use crate::base::head;

/// Why an answer is not passed on, or why its connection is not used again. Each is the end of "the upstream …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum Fault {
    /// Bytes came while no request was waiting for an answer.
    Unasked,
    /// Bytes followed the end of an answer.
    LeftOver,
    /// The first line is not `HTTP/1.0|1.1 SP 3DIGIT [SP reason]`, or its status is not one of 100 to 599.
    StatusLine,
    /// A line does not end in CRLF, or a CR stands alone.
    LineEnd,
    /// A line of the head is no header field: no colon, a space before it, a name with other bytes than names have, a
    /// control character, a line that continues another.
    Field,
    /// The head is larger than [`HEAD_BYTES_MAX`](super::HEAD_BYTES_MAX) or has more than [`FIELDS_MAX`](super::FIELDS_MAX) fields.
    TooLarge,
    /// Two lengths, a length and a transfer coding, a coding other than `chunked`, a number that is none.
    Framing,
    /// More interim answers, or more bytes of them, than an exchange may have.
    Interim,
    /// A 101 to a request that did not ask for another protocol.
    Switch,
    /// A chunked body whose chunks cannot be read.
    Chunk,
}

impl Fault {
    /// The end of "the upstream …".
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Unasked => "spoke without being asked",
            Self::LeftOver => "sent more than its answer",
            Self::StatusLine => "sent a status line that cannot be read",
            Self::LineEnd => "ended a line with something else than CRLF",
            Self::Field => "sent a header field that cannot be read",
            Self::TooLarge => "sent a head that is too large",
            Self::Framing => "framed its answer ambiguously",
            Self::Interim => "sent too many interim answers",
            Self::Switch => "changed the protocol unasked",
            Self::Chunk => "sent a chunk that cannot be read",
        }
    }

    /// Tells the operator. Nothing of what the upstream sent is in it.
    pub fn tell(self, service: &str) {
        tracing::warn!(service, reason = self.sentence(), "upstream sent what is not passed on");
    }
}

impl From<head::Fault> for Fault {
    fn from(fault: head::Fault) -> Self {
        use head::Fault as F;
        match fault {
            F::LineEnd => Self::LineEnd,
            F::BlankLines | F::FirstLine | F::Target | F::Version => Self::StatusLine,
            F::Control | F::Fold | F::Name | F::Host => Self::Field,
            F::ContentLength | F::TransferEncoding | F::BothLengths => Self::Framing,
            F::Chunk | F::Overhead => Self::Chunk,
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}
