//! Small things about texts that every floor needs.

use super::digits::write_hex;

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
    let mut digits = vec![0; bytes.len() * 2];
    write_hex(&mut digits, bytes);
    // They always are.
    String::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_two_lower_case_digits_each() {
        let all: Vec<u8> = (0..=255).collect();
        let text = hex(&all);
        assert_eq!(text.len(), 512);
        assert!(all.iter().all(|byte| text[2 * usize::from(*byte)..].starts_with(&format!("{byte:02x}"))));
        assert_eq!(hex(&[]), "");
    }

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
