//! Header lines, one after another.

use memchr::memchr;

use super::Fault;
use super::bytes::{token_length, trimmed};

/// One header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it came; compare without regard to case.
    pub name: &'a [u8],
    /// The value without the white space around it.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// Whether this is its name, whatever the case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Goes through header lines that [`Finder`](super::Finder) has let pass: each ends with CRLF, none holds a control
/// character. After a fault the next line follows; an empty line ends it.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// For these lines, each with its CRLF.
    pub fn new(lines: &'a [u8]) -> Self {
        Self { rest: lines }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let lf = memchr(b'\n', self.rest)?;
        let line = &self.rest[..lf];
        self.rest = &self.rest[lf + 1..];
        let Some(line) = line.strip_suffix(b"\r") else { return Some(Err(Fault::LineEnd)) };
        (!line.is_empty()).then(|| field(line))
    }
}

/// Reads one line without its end.
///
/// # Errors
/// It is folded, has no colon, or has white space or anything else in its name that no token holds.
pub(super) fn field(line: &[u8]) -> Result<Field<'_>, Fault> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Fault::Fold);
    }
    let length = token_length(line);
    match line.get(length) {
        Some(b':') if length > 0 => Ok(Field { name: &line[..length], value: trimmed(&line[length + 1..]) }),
        _ => Err(Fault::Name),
    }
}
