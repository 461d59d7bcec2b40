//! Small things about texts that every floor needs.

use std::fmt::Write as _;

/// The beginning of a text, at most that many bytes, never in the middle of a character.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_falls_between_characters() {
        assert_eq!(cut("grüße", 3), "gr");
        assert_eq!(cut("grüße", 4), "grü");
        assert_eq!(cut("grüße", 99), "grüße");
        assert_eq!(cut("ü", 0), "");
    }

    #[test]
    fn hexadecimal_has_two_digits_a_byte() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
