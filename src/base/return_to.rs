//! Where a browser may be sent: only to a path of this site.
//!
//! # Source
//! THREATS section OR; WHATWG URL: a backslash is a slash, and tabs and newlines vanish.

use super::target::CanonicalPath;

/// The longest local target, in bytes.
pub const LOCAL_TARGET_BYTES_MAX: usize = 2048;

/// Whether the text is a path of this site, with or without a query, that no browser reads as another site.
pub fn is_local(text: &str) -> bool {
    let printable = text.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'\\');
    let (path, _) = text.split_once(['?', '#']).unwrap_or((text, ""));
    text.len() <= LOCAL_TARGET_BYTES_MAX
        && printable
        && CanonicalPath::parse(path)
            .is_ok_and(|p| p.check_slashes(super::target::EncodedSlashes::Refuse).is_ok())
}

/// The text where it is local, `/` otherwise.
pub fn local_or_root(text: &str) -> &str {
    if is_local(text) { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn or_01_and_or_02_nothing_leads_to_another_site() {
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil",
            "/.//evil",
            "/a/..//evil",
            "/%5cevil",
            "https:evil",
            "https://evil.example/",
            "//evil%2f@good",
            "javascript:alert(1)",
            "/ /evil",
            "evil",
            "/a b",
            "///evil",
            "/%2e%2e//evil",
            "/\u{e9}",
            "/%2fevil.example",
            "http:/evil",
        ] {
            assert!(!is_local(bad), "{bad}");
        }
        assert!(!is_local(&format!("/{}", "a".repeat(10_000))));
        for good in ["/", "/x", "/x/y?z=1&u=https://a.example/", "/a#b"] {
            assert!(is_local(good), "{good}");
        }
    }
}
