//! One response head, whole: is it one that every parser reads alike, and how does its body end?

use super::fault::Fault;

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

/// Where the head ends that begins at 0, looking from `from` on: every line before that was looked at already.
///
/// # Errors
/// [`Fault::LineEnd`] at the first line that does not end in CRLF.
pub fn end(bytes: &[u8], from: usize) -> Result<Option<usize>, Fault> {
    let mut at = from;
    while let Some(found) = bytes[at..].iter().position(|b| *b == b'\n') {
        let lf = at + found;
        match bytes[..lf] {
            [.., b'\n', b'\r'] | [b'\r'] => return Ok(Some(lf + 1)),
            [.., b'\r'] => at = lf + 1,
            _ => return Err(Fault::LineEnd),
        }
    }
    Ok(None)
}

/// Judges a head, its empty line included.
///
/// # Errors
/// The first fault in it.
pub fn judge(head: &[u8], asked: Asked) -> Result<Verdict, Fault> {
    let mut lines = head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (version, status) = status_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields { closes: version == Version::Http10, ..Fields::default() };
    let lines = lines.take_while(|line| !line.is_empty());
    for (n, line) in lines.enumerate() {
        if n == FIELDS_MAX {
            return Err(Fault::TooLarge);
        }
        fields.take(line)?;
    }
    if fields.chunked && (fields.length.is_some() || version == Version::Http10) {
        return Err(Fault::Framing);
    }
    match status {
        101 if asked.upgrade && fields.has_no_body() => Ok(Verdict::Switch),
        101 => Err(Fault::Switch),
        100..=199 if fields.has_no_body() => Ok(Verdict::Interim),
        100..=199 => Err(Fault::Framing),
        _ => Ok(fields.answer(status, asked)),
    }
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
    let reads = matches!(reason, [] | [b' ', ..]) && reason.iter().all(|b| is_text(*b));
    if !reads || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::StatusLine);
    }
    let status = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    if (100..=599).contains(&status) { Ok((version, status)) } else { Err(Fault::StatusLine) }
}

/// What the fields say about framing.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), Fault> {
        let colon = line.iter().position(|b| *b == b':').ok_or(Fault::Field)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().all(|b| is_name(*b)) || !value.iter().all(|b| is_text(*b)) {
            return Err(Fault::Field);
        }
        // Three lengths of names, so that most fields are not compared with anything.
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                let mut options = value.split(|b| *b == b',').map(trim);
                self.closes |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = number(trim(value)).ok_or(Fault::Framing)?;
                if self.length.replace(length).is_some() {
                    return Err(Fault::Framing);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !trim(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(Fault::Framing);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn has_no_body(&self) -> bool {
        !self.chunked && self.length.is_none_or(|length| length == 0)
    }

    /// RFC 9112 section 6.3. A 204 may not name a body; where one does, nobody can tell whether bytes of it follow, and
    /// the connection is not used again.
    fn answer(&self, status: u16, asked: Asked) -> Verdict {
        let (framing, doubtful) = match status {
            204 => (Framing::Length(0), !self.has_no_body()),
            304 => (Framing::Length(0), false),
            _ if asked.head_only => (Framing::Length(0), false),
            _ if self.chunked => (Framing::Chunked, false),
            _ => (self.length.map_or(Framing::UntilClose, Framing::Length), false),
        };
        let stays = !(self.closes || doubtful || framing == Framing::UntilClose);
        Verdict::Final { framing, stays }
    }
}

/// `1*DIGIT`, if it is a number that a length can be.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, d| {
        let digit = d.is_ascii_digit().then(|| u64::from(d - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// Without the spaces and tabs around it.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// `tchar` (RFC 9110 section 5.6.2).
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What stands in a value or a reason: a tab, a space, a visible character, or a byte beyond ASCII.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
