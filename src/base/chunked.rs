//! The chunked coding, followed byte by byte without being decoded: where does a body end, and is every byte of its
//! framing one that all parsers read alike?
//!
//! # Source
//! RFC 9112 section 7.1; THREATS SM-19 to SM-22, UP-07.

/// Most hexadecimal digits of a chunk's size.
pub const SIZE_DIGITS_MAX: u8 = 16;

/// Most bytes of chunk extensions in one body.
pub const EXTENSION_BYTES_MAX: usize = 8 * 1024;

/// Most bytes of trailers in one body.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// A chunked body that cannot be read, or can be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chunk cannot be read")]
pub struct Malformed;

/// How far a chunked body is.
#[derive(Clone, Debug)]
pub struct Chunked {
    state: State,
    /// The size that is being read, then the bytes of the chunk that are to come.
    left: u64,
    digits: u8,
    extension_bytes: usize,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    /// Space before an extension's semicolon; it may stand nowhere else.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The beginning of a trailer field or of the last line.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    End,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { state: State::Size, left: 0, digits: 0, extension_bytes: 0, trailer_bytes: 0 }
    }
}

impl Chunked {
    /// Whether the last line has come.
    pub fn has_ended(&self) -> bool {
        self.state == State::End
    }

    /// Follows the next bytes and says how many of them belong to the body: all, unless it ends among them.
    ///
    /// # Errors
    /// [`Malformed`]; there is no going on after it.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::End {
            if self.state == State::Data {
                let here = (bytes.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                at += here;
                self.left -= here as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.state = self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        use State as S;
        let next = match (self.state, byte) {
            (S::Size, digit) if digit.is_ascii_hexdigit() => self.digit(digit)?,
            (S::Size, b'\r') if self.digits > 0 => S::SizeLf,
            (S::Size | S::Space, b' ' | b'\t') if self.digits > 0 => self.extension(S::Space)?,
            (S::Size | S::Space, b';') if self.digits > 0 => self.extension(S::Extension)?,
            (S::Extension, b'\r') => S::SizeLf,
            (S::Extension, byte) if is_text(byte) => self.extension(S::Extension)?,
            (S::SizeLf, b'\n') => {
                self.digits = 0;
                if self.left == 0 { S::Trailer } else { S::Data }
            }
            (S::DataCr, b'\r') => S::DataLf,
            (S::DataLf, b'\n') => S::Size,
            (S::Trailer, b'\r') => S::LastLf,
            (S::Trailer | S::TrailerName, byte) if is_name(byte) => self.trailer(S::TrailerName)?,
            (S::TrailerName, b':') => self.trailer(S::TrailerValue)?,
            (S::TrailerValue, b'\r') => S::TrailerLf,
            (S::TrailerValue, byte) if is_text(byte) => self.trailer(S::TrailerValue)?,
            (S::TrailerLf, b'\n') => S::Trailer,
            (S::LastLf, b'\n') => S::End,
            _ => return Err(Malformed),
        };
        Ok(next)
    }

    fn digit(&mut self, digit: u8) -> Result<State, Malformed> {
        self.digits += 1;
        if self.digits > SIZE_DIGITS_MAX {
            return Err(Malformed);
        }
        let value = char::from(digit).to_digit(16).ok_or(Malformed)?;
        self.left = (self.left << 4) | u64::from(value);
        Ok(State::Size)
    }

    fn extension(&mut self, next: State) -> Result<State, Malformed> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX { Err(Malformed) } else { Ok(next) }
    }

    fn trailer(&mut self, next: State) -> Result<State, Malformed> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX { Err(Malformed) } else { Ok(next) }
    }
}

/// `tchar` (RFC 9110 section 5.6.2).
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A tab, a space, a visible character, or a byte beyond ASCII.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the body, given whole and byte by byte; `None` where it does not end.
    fn followed(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut whole = Chunked::default();
        let taken = whole.follow(bytes);
        let mut slow = Chunked::default();
        let mut count = 0;
        let mut outcome = Ok(());
        for byte in bytes {
            match slow.follow(std::slice::from_ref(byte)) {
                Ok(n) => count += n,
                Err(e) => {
                    outcome = Err(e);
                    break;
                }
            }
        }
        assert_eq!(taken, outcome.map(|()| count), "{}", bytes.escape_ascii());
        taken.map(|n| whole.has_ended().then_some(n))
    }

    #[test]
    fn a_body_ends_after_its_last_line_and_what_follows_is_left_alone() {
        for body in [
            "0\r\n\r\n",
            "000\r\n\r\n",
            "2\r\nok\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n0\r\n\r\n",
            "1;a=b\r\nx\r\n0;c\r\n\r\n",
            "1 ;a = \"b\"\r\nx\r\n0\r\n\r\n",
            "0\r\nX-A: b\r\nY:\r\n\r\n",
            "4\r\n\r\n\r\n\r\n0\r\n\r\n",
        ] {
            assert_eq!(followed(body.as_bytes()), Ok(Some(body.len())), "{body:?}");
            let more = format!("{body}HTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(followed(more.as_bytes()), Ok(Some(body.len())), "{body:?}");
            for cut in 0..body.len() {
                assert_eq!(followed(&body.as_bytes()[..cut]), Ok(None), "{body:?} {cut}");
            }
        }
    }

    #[test]
    fn sm_19_to_sm_22_what_can_be_read_in_two_ways_is_malformed() {
        for body in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            "1_0\r\n",
            " 1\r\n",
            "\t1\r\n",
            ";a\r\n",
            "1 \r\n",
            "1\t\r\n",
            "1 1\r\n",
            "1\nx",
            "1\rx",
            "1\r\r\n",
            "1;a\nx",
            "1;a\rx",
            "1;\0\r\n",
            "1;\x7f\r\n",
            "1 a\r\n",
            "1\0\r\n",
            "1\x0b\r\n",
            "fffffffffffffffff\r\n",
            "00000000000000000\r\n",
            "1\r\nxx",
            "1\r\nx\n",
            "1\r\nx\rx",
            "0\r\n\n",
            "0\n\r\n",
            "0\r\n\rx",
            "0\r\n: a\r\n",
            "0\r\nX\r\n",
            "0\r\nX : a\r\n",
            "0\r\n X: a\r\n",
            "0\r\nX: a\n",
            "0\r\nX: a\rb",
            "0\r\nX: a\r\n b\r\n",
            "0\r\nX: \0\r\n",
        ] {
            assert_eq!(followed(body.as_bytes()), Err(Malformed), "{body:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let extension = |n: usize| format!("0;{}\r\n\r\n", "a".repeat(n - 1));
        assert!(followed(extension(EXTENSION_BYTES_MAX).as_bytes()).is_ok());
        assert!(followed(extension(EXTENSION_BYTES_MAX + 1).as_bytes()).is_err());
        let spread = "1;a\r\nx\r\n".repeat(EXTENSION_BYTES_MAX / 2 + 1);
        assert!(followed(spread.as_bytes()).is_err(), "over all chunks of a body");
        let trailers = |n: usize| format!("0\r\nX:{}\r\n\r\n", "a".repeat(n - 2));
        assert!(followed(trailers(TRAILER_BYTES_MAX).as_bytes()).is_ok());
        assert!(followed(trailers(TRAILER_BYTES_MAX + 1).as_bytes()).is_err());
    }

    #[test]
    fn the_largest_size_is_no_overflow() {
        let mut body = Chunked::default();
        assert_eq!(body.follow(b"ffffffffffffffff\r\nabc"), Ok(21));
        assert_eq!((body.left, body.has_ended()), (u64::MAX - 3, false));
    }
}
