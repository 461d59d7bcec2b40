//! Tokens of HTTP.

/// Whether the text is a token (RFC 9110 section 5.6.2): the form of header names, methods and cookie names.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
