//! One head: its limits, its lines, and what it says of its body.

use crate::base::head::request::{self, Length, Line, METHOD_BYTES_MAX, Version};
use crate::base::head::{Facts, Fault, Fields, Finder, Once};
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;
use crate::live::routes::USUAL_METHODS;
use crate::pipeline::arrival::X_REQUEST_ID;
use crate::pipeline::unparsed::Unparsed;
use crate::telemetry::access::known_method;

use super::Limits;

/// Empty lines that are tolerated before a head (RFC 9112 section 2.2; THREATS SM-32).
const BLANK_LINES_MAX: usize = 4;
/// Longest name of a header, in bytes.
const NAME_BYTES_MAX: usize = 1_024;
/// Bytes of a first line besides its target: the method, two spaces and the version.
const FIRST_LINE_OVERHEAD: usize = METHOD_BYTES_MAX + 2 + 8;

/// A head that was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its bytes, with the empty lines before it.
    pub bytes: usize,
    /// How long its body is.
    pub length: Length,
    /// Whether it asks for another protocol.
    pub asks_upgrade: bool,
}

/// A head that may still be incomplete.
#[derive(Clone, Copy, Debug)]
pub struct Heading {
    finder: Finder,
    /// The first line was judged: it is refused before the rest is there.
    first_judged: bool,
}

impl Default for Heading {
    fn default() -> Self {
        Self { finder: Finder::new(BLANK_LINES_MAX), first_judged: false }
    }
}

impl Heading {
    /// Before its first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether any byte of it has come; empty lines are none.
    pub fn has_begun(&self, bytes: &[u8]) -> bool {
        !matches!(bytes.get(self.finder.start()..), None | Some(b"" | b"\r"))
    }

    /// Judges what has come so far; `bytes` begins where it began the last time. None while the head is incomplete.
    ///
    /// # Errors
    /// The refusal.
    pub fn judge(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Head>, Refusal> {
        let found = self.finder.find(bytes).map_err(malformed)?;
        self.check_size(found.unwrap_or(bytes.len()), limits)?;
        let Some(line) = self.finder.first_line(bytes) else { return Ok(None) };
        if found.is_none() && self.first_judged {
            return Ok(None);
        }
        let line = first_line(line, limits)?;
        self.first_judged = true;
        let Some(end) = found else { return Ok(None) };
        let facts = Facts::gather(self.finder.field_lines(bytes, end)).map_err(malformed)?;
        if facts.size > limits.fields || facts.name_max > NAME_BYTES_MAX {
            return Err(Refusal::HeadersTooLarge);
        }
        let length = request::length(line.version, &facts).map_err(malformed)?;
        // As hyper has it: the header alone asks, whatever `Connection` says.
        let asks_upgrade = line.version == Version::Http11 && facts.upgrade != Once::Absent;
        Ok(Some(Head { bytes: end, length, asks_upgrade }))
    }

    /// The limits that can be told before the end.
    fn check_size(&self, length: usize, limits: &Limits) -> Result<(), Refusal> {
        let Some(first) = self.finder.first_line_end() else {
            let line = length - self.finder.start();
            return if line > limits.target + FIRST_LINE_OVERHEAD {
                Err(Refusal::UriTooLong)
            } else {
                Ok(())
            };
        };
        let is_many = self.finder.lines() > limits.count + 1;
        // The empty line at the end is two bytes more.
        let is_large = length - first > limits.lines() + 2;
        if is_many || is_large { Err(Refusal::HeadersTooLarge) } else { Ok(()) }
    }

    /// What is known of a head that is refused: the client's id where it stands in the lines that could be read.
    pub fn unparsed(&self, bytes: &[u8], refusal: Refusal) -> Unparsed {
        let mut given = Once::Absent;
        for field in Fields::new(self.finder.field_lines(bytes, bytes.len())).flatten() {
            if field.is(X_REQUEST_ID.as_str()) {
                given.add(field.value);
            }
        }
        let id = match given {
            Once::One(id) => CorrelationId::accept(id),
            Once::Absent | Once::Many => None,
        };
        let line = self.finder.first_line(bytes).or_else(|| bytes.get(self.finder.start()..));
        let method = line.and_then(request::method_of).and_then(|m| std::str::from_utf8(m).ok());
        Unparsed {
            refusal,
            id: id.unwrap_or_else(CorrelationId::generate),
            method: known_method(method.unwrap_or_default()),
        }
    }
}

fn first_line<'a>(line: &'a [u8], limits: &Limits) -> Result<Line<'a>, Refusal> {
    let line = Line::parse(line).map_err(malformed)?;
    if line.target.len() > limits.target {
        return Err(Refusal::UriTooLong);
    }
    // Its target is of a form of its own, and hyper would open a tunnel for it: it goes no further.
    if line.method == b"CONNECT" {
        return Err(Refusal::MethodNotAllowed { allow: USUAL_METHODS.join(", ") });
    }
    Ok(line)
}

fn malformed(fault: Fault) -> Refusal {
    Refusal::BadRequest(fault.sentence())
}
