//! The first line of a request, and how long its body is.
//!
//! # Source
//! RFC 9112 sections 3, 3.2 and 6.3; THREATS sections SM and RT.

use memchr::memchr;

use super::bytes::is_path_and_query;
use super::host::is_host;
use super::{Facts, Fault, Once, decimal, is_chunked};

/// Longest method, in bytes.
pub const METHOD_BYTES_MAX: usize = 32;

/// The version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// The first line of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The method: a word, case-sensitive.
    pub method: &'a [u8],
    /// The target: `/path`, `http://host/path`, `*`, or for CONNECT a host and port.
    pub target: &'a [u8],
    /// The version.
    pub version: Version,
}

impl<'a> Line<'a> {
    /// Reads a line without its end: one word, one space, one target, one space, one version.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &'a [u8]) -> Result<Self, Fault> {
        let (method, rest) = split(line).ok_or(Fault::FirstLine)?;
        let (target, version) = split(rest).ok_or(Fault::FirstLine)?;
        if !is_method(method) {
            return Err(Fault::FirstLine);
        }
        let version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            _ => return Err(Fault::Version),
        };
        if is_target(method, target) { Ok(Self { method, target, version }) } else { Err(Fault::Target) }
    }
}

/// The method of a line that may be wrong from there on.
pub fn method_of(line: &[u8]) -> Option<&[u8]> {
    split(line).map(|(method, _)| method).filter(|method| is_method(method))
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr(b' ', line)?;
    Some((&line[..space], &line[space + 1..]))
}

/// A method is a word, as every registered one is; a token could be `G|T` too.
fn is_method(method: &[u8]) -> bool {
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    method.first().is_some_and(u8::is_ascii_alphabetic)
        && method.len() <= METHOD_BYTES_MAX
        && method.iter().all(is_word)
}

fn is_target(method: &[u8], target: &[u8]) -> bool {
    match target {
        _ if method == b"CONNECT" => is_host(target) && memchr(b':', target).is_some(),
        [b'/', ..] => is_path_and_query(target),
        b"*" => method == b"OPTIONS",
        _ => is_absolute(target),
    }
}

/// `http://host/path` or `https://host/path`; user information is nothing that a host may hold.
fn is_absolute(target: &[u8]) -> bool {
    let after = |scheme: &[u8]| {
        let (front, rest) = target.split_at_checked(scheme.len())?;
        front.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let Some(rest) = after(b"http://").or_else(|| after(b"https://")) else { return false };
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    is_host(&rest[..end]) && is_path_and_query(&rest[end..])
}

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is none, or one of known length.
    Exact(u64),
    /// As its chunks say.
    Chunked,
}

/// The one length that a request's headers may give its body, after its one `Host` was found in order.
///
/// # Errors
/// What is missing, doubled, unreadable or contradicted.
pub fn length(version: Version, facts: &Facts<'_>) -> Result<Length, Fault> {
    match (facts.host, version) {
        (Once::One(host), _) if is_host(host) => {}
        (Once::Absent, Version::Http10) => {}
        _ => return Err(Fault::Host),
    }
    match (facts.transfer_encoding, facts.content_length) {
        (Once::Absent, Once::Absent) => Ok(Length::Exact(0)),
        (Once::Absent, Once::One(value)) => decimal(value).map(Length::Exact).ok_or(Fault::ContentLength),
        (Once::Absent, Once::Many) => Err(Fault::ContentLength),
        (Once::One(coding), Once::Absent) if is_chunked(coding) && version == Version::Http11 => {
            Ok(Length::Chunked)
        }
        (_, Once::Absent) => Err(Fault::TransferEncoding),
        _ => Err(Fault::BothLengths),
    }
}
