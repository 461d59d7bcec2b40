//! Follows a chunked body without changing it, to know where it ends.
//!
//! # Source
//! RFC 9112 sections 7.1 and 7.1.2; THREATS rows SM-19 to SM-22.

use super::Fault;
use super::bytes::is_token;

/// Most bytes of chunk extensions over one body.
pub const EXTENSION_BYTES_MAX: usize = 8 * 1024;
/// Most bytes of trailers.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// Most trailer lines.
pub const TRAILERS_MAX: usize = 64;
/// Most digits of a chunk's size.
const SIZE_DIGITS_MAX: u8 = 16;

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug)]
pub struct Chunks {
    at: At,
    /// White space may stand before an extension.
    blanks: bool,
    extensions: usize,
    trailers: usize,
    trailer_lines: usize,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// In the digits of a size, of which so many were read.
    Size {
        digits: u8,
        size: u64,
    },
    /// In the white space that may stand before an extension.
    Blank {
        size: u64,
    },
    /// In an extension of the chunk of that size.
    Extension {
        size: u64,
        quoted: Quoted,
    },
    /// Behind the CR of a size line.
    SizeLf {
        size: u64,
    },
    /// In the data, of which so much is left.
    Data {
        left: u64,
    },
    /// Behind the data.
    DataCr,
    DataLf,
    /// At the beginning of a trailer line, or of the empty line that ends the body.
    TrailerStart,
    /// In the name of a trailer.
    TrailerName,
    /// In its value.
    TrailerValue,
    /// Behind the CR of its line.
    TrailerLf,
    /// Behind the CR of the last, empty line.
    EndLf,
    End,
    Broken,
}

/// Whether an extension's value is inside quotes, where `;` and spaces mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoted {
    No,
    Yes,
    Escaped,
}

/// What part of the bytes belongs to the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// So many bytes at the front.
    pub length: usize,
    /// The body ends with them.
    pub is_end: bool,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            at: At::Size { digits: 0, size: 0 },
            blanks: false,
            extensions: 0,
            trailers: 0,
            trailer_lines: 0,
        }
    }
}

impl Chunks {
    /// At the beginning of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// At the beginning of a body in which white space may stand before an extension: a recipient must take it, and
    /// nobody reads it differently, for the size ends before it.
    pub fn with_blanks() -> Self {
        Self { blanks: true, ..Self::default() }
    }

    /// Whether the body came to its end.
    pub fn is_end(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// Looks at the bytes that come next.
    ///
    /// # Errors
    /// Why they are no chunks, and how many bytes at the front still were. From then on it is the same fault.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<Followed, (Fault, usize)> {
        let mut i = 0;
        while i < bytes.len() && !self.is_end() {
            if let At::Data { left } = &mut self.at {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - i);
                i += here;
                *left -= here as u64;
                if *left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            if let Err(fault) = self.step(bytes[i]) {
                self.at = At::Broken;
                return Err((fault, i));
            }
            i += 1;
        }
        Ok(Followed { length: i, is_end: self.is_end() })
    }

    /// One byte outside the data.
    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        self.at = match (self.at, byte) {
            (At::Size { digits: 1.., size }, b' ' | b'\t') if self.blanks => At::Blank { size },
            (At::Size { digits, size }, _) => size_byte(digits, size, byte)?,
            (At::Blank { size }, b' ' | b'\t') => {
                self.count_extension()?;
                At::Blank { size }
            }
            (At::Blank { size }, b';') => At::Extension { size, quoted: Quoted::No },
            (At::Extension { size, quoted }, _) => {
                self.count_extension()?;
                extension_byte(size, quoted, byte)?
            }
            (At::SizeLf { size: 0 }, b'\n') => At::TrailerStart,
            (At::SizeLf { size }, b'\n') => At::Data { left: size },
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size { digits: 0, size: 0 },
            (At::TrailerStart, b'\r') => At::EndLf,
            (At::TrailerStart | At::TrailerName | At::TrailerValue | At::TrailerLf, _) => {
                self.trailer_byte(byte)?
            }
            (At::EndLf, b'\n') => At::End,
            _ => return Err(Fault::Chunk),
        };
        Ok(())
    }

    fn count_extension(&mut self) -> Result<(), Fault> {
        self.extensions += 1;
        if self.extensions > EXTENSION_BYTES_MAX { Err(Fault::Overhead) } else { Ok(()) }
    }

    /// Trailers are dropped, but they must be what everybody takes for trailers.
    fn trailer_byte(&mut self, byte: u8) -> Result<At, Fault> {
        self.trailers += 1;
        if self.trailers > TRAILER_BYTES_MAX {
            return Err(Fault::Overhead);
        }
        match (self.at, byte) {
            (At::TrailerStart, b' ' | b'\t') => Err(Fault::Fold),
            (At::TrailerName, b':') => Ok(At::TrailerValue),
            (At::TrailerStart | At::TrailerName, _) if is_token(&[byte]) => Ok(At::TrailerName),
            (At::TrailerStart | At::TrailerName, _) => Err(Fault::Name),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, 0..=8 | 10..=31 | 127) => Err(Fault::Control),
            (At::TrailerValue, _) => Ok(At::TrailerValue),
            (At::TrailerLf, b'\n') if self.trailer_lines == TRAILERS_MAX => Err(Fault::Overhead),
            (At::TrailerLf, b'\n') => {
                self.trailer_lines += 1;
                Ok(At::TrailerStart)
            }
            _ => Err(Fault::Chunk),
        }
    }
}

fn size_byte(digits: u8, size: u64, byte: u8) -> Result<At, Fault> {
    match (char::from(byte).to_digit(16), byte) {
        (Some(digit), _) if digits < SIZE_DIGITS_MAX => {
            let size = size << 4 | u64::from(digit);
            // What no memory and no disk holds is not worth the sums that would overflow.
            if size > i64::MAX.unsigned_abs() {
                Err(Fault::Chunk)
            } else {
                Ok(At::Size { digits: digits + 1, size })
            }
        }
        (None, b'\r') if digits > 0 => Ok(At::SizeLf { size }),
        (None, b';') if digits > 0 => Ok(At::Extension { size, quoted: Quoted::No }),
        _ => Err(Fault::Chunk),
    }
}

/// Extensions mean nothing here, but they must end where everybody thinks that they end.
fn extension_byte(size: u64, quoted: Quoted, byte: u8) -> Result<At, Fault> {
    let quoted = match (quoted, byte) {
        (Quoted::No, b'\r') => return Ok(At::SizeLf { size }),
        (_, 0..=8 | 10..=31 | 127..) => return Err(Fault::Chunk),
        (Quoted::Escaped, _) => Quoted::Yes,
        (Quoted::Yes, b'\\') => Quoted::Escaped,
        (Quoted::Yes, b'"') => Quoted::No,
        (Quoted::No, b'"') => Quoted::Yes,
        (same, _) => same,
    };
    Ok(At::Extension { size, quoted })
}
