//! Finds the end of a head that may come in any number of pieces, and refuses early what no head may hold.

use memchr::memchr;

use super::Fault;
use super::bytes::holds_control;
use super::whole::whole;

/// Looks for the end of one head. It remembers how far it came: bytes that come one at a time cost no more than bytes
/// that come at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finder {
    /// Bytes that were looked at.
    checked: usize,
    /// Where the line under way begins.
    line: usize,
    /// Where the first line begins, after the empty lines before it.
    start: usize,
    /// Where the first line ends, its CRLF included; 0 until it is there.
    first: usize,
    /// Lines that are complete, the first one included.
    lines: usize,
    /// Empty lines that may still come before the head.
    blank_left: usize,
}

impl Finder {
    /// For a head before which so many empty lines are tolerated (RFC 9112 section 2.2 allows a server one or more).
    pub fn new(blank_lines_max: usize) -> Self {
        Self { blank_left: blank_lines_max, ..Self::default() }
    }

    /// Looks at everything that has come so far; `bytes` begins where it began the last time. The length of the head with
    /// its empty line, or none while it is incomplete.
    ///
    /// # Errors
    /// A bare LF, a control character (a bare CR among them), or too many empty lines.
    pub fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        if self.checked == 0
            && let Some(whole) = whole(bytes)
        {
            let end = whole.end;
            *self = Self { checked: end, line: end, first: whole.first, lines: whole.lines, ..*self };
            return Ok(Some(end));
        }
        self.find_by_line(bytes)
    }

    /// As [`find`](Self::find), one line after another.
    pub(super) fn find_by_line(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        while let Some(at) = bytes.get(self.checked..).and_then(|rest| memchr(b'\n', rest)) {
            let lf = self.checked + at;
            let end = lf.checked_sub(1).filter(|cr| *cr >= self.line && bytes[*cr] == b'\r');
            let end = end.ok_or(Fault::LineEnd)?;
            if holds_control(&bytes[self.checked.min(end)..end]) {
                return Err(Fault::Control);
            }
            let is_empty = end == self.line;
            self.checked = lf + 1;
            self.line = lf + 1;
            match (is_empty, self.lines) {
                (true, 0) => {
                    self.blank_left = self.blank_left.checked_sub(1).ok_or(Fault::BlankLines)?;
                    self.start = lf + 1;
                }
                (true, _) => return Ok(Some(lf + 1)),
                (false, lines) => {
                    self.lines = lines + 1;
                    if lines == 0 {
                        self.first = lf + 1;
                    }
                }
            }
        }
        let rest = bytes.get(self.checked..).unwrap_or_default();
        // A CR at the very end may be the first half of a line's end.
        let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
        if holds_control(rest) {
            return Err(Fault::Control);
        }
        self.checked += rest.len();
        Ok(None)
    }

    /// Complete lines, the first one included, the empty ones not.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Where the first line begins: the bytes before it are empty lines.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Where the header lines begin, once the first line is complete.
    pub fn first_line_end(&self) -> Option<usize> {
        (self.first > 0).then_some(self.first)
    }

    /// The first line without its end, once it is complete.
    pub fn first_line<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.start..self.first.checked_sub(2)?)
    }

    /// The header lines of a head of which `length` bytes are there: all of them once [`find`](Self::find) gave it.
    pub fn field_lines<'a>(&self, bytes: &'a [u8], length: usize) -> &'a [u8] {
        let end = length.min(self.line.max(self.first));
        bytes.get(self.first..end).filter(|_| self.first > 0).unwrap_or_default()
    }
}
