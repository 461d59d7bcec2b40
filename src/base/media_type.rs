//! Media types without their parameters (RFC 9110 section 8.3.1).

/// The type before its parameters, in lower case; nothing is said about whether it is one.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a type in lower case is JSON: `application/json` or `application/…+json`.
pub fn is_json(essence: &str) -> bool {
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Whether a type in lower case fits a pattern: the type itself, a whole kind such as `text/*`, or `*/*`.
pub fn fits(pattern: &str, essence: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => essence.split_once('/').is_some_and(|(k, _)| k.eq_ignore_ascii_case(kind)),
        None => pattern.eq_ignore_ascii_case(essence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_type_may_be_a_whole_kind() {
        assert!(fits("text/*", "text/plain"));
        assert!(!fits("text/*", "image/png"));
        assert!(fits("*/*", "image/png"));
        assert!(fits("Text/HTML", &essence("text/html; charset=utf-8")));
    }

    #[test]
    fn json_has_a_suffix_too() {
        assert!(is_json("application/json") && is_json("application/problem+json"));
        assert!(!is_json("text/json") && !is_json("application/jsonx") && !is_json(""));
    }
}
