//! Media types that a route takes.

use crate::config::token::is_token;

/// Reads `type/subtype` or `type/*` (RFC 9110 section 8.3.1), in lower case and without parameters.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if lower.contains(';') {
        return Err(format!("`{text}` has parameters: write the type alone"));
    }
    match lower.split_once('/') {
        Some((kind, sub))
            if is_token(kind)
                && is_token(sub)
                && !kind.contains('*')
                && (sub == "*" || !sub.contains('*')) =>
        {
            Ok(lower)
        }
        _ => Err(format!("`{text}` is not a media type such as \"application/json\" or \"image/*\"")),
    }
}
