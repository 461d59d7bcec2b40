//! One response head, whole: is it one that every parser reads alike, and how does its body end?

use super::fault::Fault;
use crate::base::head::{Facts, Fields, Finder, Once, decimal, is_chunked};

/// Largest response head, in bytes; the interim heads before it count too.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most header fields of a head.
pub const FIELDS_MAX: usize = 100;

/// What the request asked for, as far as it decides how the answer is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// HEAD: an answer has no body, whatever its fields say.
    pub head_only: bool,
    /// The request asked for another protocol, so that a 101 may answer it.
    pub upgrade: bool,
}

/// What a good head means for the bytes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 1xx but 101: another head follows.
    Interim,
    /// 101, asked for: what follows is another protocol.
    Switch,
    /// An answer.
    Final {
        /// How its body ends.
        framing: Framing,
        /// Whether the connection may take another request after it.
        stays: bool,
    },
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk and its trailers.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Judges a head that `finder` has found whole in `bytes`, of which it is the first `length`.
///
/// # Errors
/// The first fault in it.
pub fn judge(finder: &Finder, bytes: &[u8], length: usize, asked: Asked) -> Result<Verdict, Fault> {
    let (version, status) = status_line(finder.first_line(bytes).unwrap_or_default())?;
    let lines = finder.field_lines(bytes, length);
    let facts = Facts::gather(lines)?;
    if facts.count > FIELDS_MAX {
        return Err(Fault::TooLarge);
    }
    let body = declared(&facts)?;
    if body == Some(Framing::Chunked) && version == Version::Http10 {
        return Err(Fault::Framing);
    }
    let has_no_body = matches!(body, None | Some(Framing::Length(0)));
    match status {
        101 if asked.upgrade && has_no_body => return Ok(Verdict::Switch),
        101 => return Err(Fault::Switch),
        100..=199 if has_no_body => return Ok(Verdict::Interim),
        100..=199 => return Err(Fault::Framing),
        _ => {}
    }
    // RFC 9112 section 6.3. A 204 may not name a body; where one does, nobody can tell whether bytes of it follow.
    let doubtful = status == 204 && !has_no_body;
    let framing = match status {
        204 | 304 => Framing::Length(0),
        _ if asked.head_only => Framing::Length(0),
        _ => body.unwrap_or(Framing::UntilClose),
    };
    let closes = version == Version::Http10 || says_close(&facts, lines) || framing == Framing::UntilClose;
    Ok(Verdict::Final { framing, stays: !(closes || doubtful) })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// `HTTP/1.0|1.1 SP 3DIGIT SP reason`. The space after the status is left out by many servers that have no reason to
/// give; nothing else can be meant by that, so it may be.
fn status_line(line: &[u8]) -> Result<(Version, u16), Fault> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'1', b' ', a, b, c, reason @ ..] = line
    else {
        return Err(Fault::StatusLine);
    };
    let version = if *minor == b'0' { Version::Http10 } else { Version::Http11 };
    let digits = [*a, *b, *c];
    if !matches!(reason, [] | [b' ', ..]) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::StatusLine);
    }
    let status = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    if (100..=599).contains(&status) { Ok((version, status)) } else { Err(Fault::StatusLine) }
}

/// What the fields say about the body, in one way or not at all.
fn declared(facts: &Facts<'_>) -> Result<Option<Framing>, Fault> {
    match (facts.transfer_encoding, facts.content_length) {
        (Once::Absent, Once::Absent) => Ok(None),
        (Once::Absent, Once::One(value)) => {
            decimal(value).map(|length| Some(Framing::Length(length))).ok_or(Fault::Framing)
        }
        (Once::One(coding), Once::Absent) if is_chunked(coding) => Ok(Some(Framing::Chunked)),
        _ => Err(Fault::Framing),
    }
}

/// Whether any `Connection` line has the option `close`.
fn says_close(facts: &Facts<'_>, lines: &[u8]) -> bool {
    let closes = |value: &[u8]| {
        let mut options = value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
        options.any(|option| option.eq_ignore_ascii_case(b"close"))
    };
    match facts.connection {
        Once::Absent => false,
        Once::One(value) => closes(value),
        Once::Many => Fields::new(lines).flatten().any(|field| field.is("connection") && closes(field.value)),
    }
}
