//! Request methods.

use super::token::is_token;

/// The methods that a route takes which lists none.
pub(super) const USUAL: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Methods whose requests have no content that means anything (RFC 9110 section 9.3).
const BODILESS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// Longest method, in bytes.
const METHOD_BYTES_MAX: usize = 32;

/// Reads a method name. CONNECT and TRACE never pass, whatever a route says.
///
/// # Errors
/// A sentence that says what is wrong.
pub(super) fn parse_method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "CONNECT" | "TRACE" => Err(format!("`{upper}` never passes")),
        _ if !is_token(text) || text.len() > METHOD_BYTES_MAX => Err(format!("`{text}` is not a method")),
        _ if text != upper => Err(format!("methods stand in upper case: write \"{upper}\"")),
        _ => Ok(upper),
    }
}

/// Whether one of the methods (the usual ones where empty) comes with a body.
pub(super) fn take_bodies(methods: &[String]) -> bool {
    methods.is_empty() || methods.iter().any(|m| !BODILESS.contains(&m.as_str()))
}

/// Whether both lists (the usual ones where empty) name one method.
pub(super) fn overlap(a: &[String], b: &[String]) -> bool {
    let named = |list: &[String], method: &str| {
        if list.is_empty() { USUAL.contains(&method) } else { list.iter().any(|m| m == method) }
    };
    match (a.is_empty(), b.is_empty()) {
        (true, true) => true,
        (true, false) => b.iter().any(|m| named(a, m)),
        (false, _) => a.iter().any(|m| named(b, m)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_upper_case_tokens_and_two_never_pass() {
        assert_eq!(parse_method("PROPFIND").as_deref(), Ok("PROPFIND"));
        for bad in ["get", "TRACE", "CONNECT", "trace", "", "A B", "GET\r\n"] {
            assert!(parse_method(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_list_is_the_seven_usual_methods() {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert!(overlap(&[], &list(&["GET"])));
        assert!(!overlap(&list(&["PROPFIND"]), &[]));
        assert!(!overlap(&list(&["GET"]), &list(&["POST"])));
        assert!(
            take_bodies(&[]) && !take_bodies(&list(&["GET", "HEAD"])) && take_bodies(&list(&["PROPFIND"]))
        );
    }
}
