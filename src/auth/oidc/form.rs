//! Names and values in queries and forms.

/// Pairs as `application/x-www-form-urlencoded`.
pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", escape(name), escape(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A text in which everything but unreserved characters (RFC 3986 section 2.3) is escaped.
pub(super) fn escape(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_ends_it() {
        assert_eq!(encode(&[("a", "b c&d=e#f+g"), ("ä", "~")]), "a=b%20c%26d%3De%23f%2Bg&%C3%A4=~");
    }
}
