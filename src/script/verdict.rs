//! What a final verb records, and the words for the client that come of it.

use std::sync::Arc;
use std::time::Duration;

use super::ledger::Outcome;
use crate::base::refusal::RuleRefusal;

/// The longest message for a client, in characters.
pub(super) const MESSAGE_CHARS_MAX: usize = 500;
/// The longest code or tag, in bytes.
pub(super) const CODE_BYTES_MAX: usize = 64;
/// The longest `throttle`.
pub(super) const THROTTLE_MAX: Duration = Duration::from_secs(86_400);
/// The longest target of a redirect, in bytes.
const LOCATION_BYTES_MAX: usize = 2_048;

/// The first final verb of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub word: Word,
    pub code: Arc<str>,
    /// `plugin/main.rhai:LINE`.
    pub rule: String,
}

/// A final verb with its arguments, all in range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Allow,
    Deny { status: u16, message: String },
    Throttle { after: Duration, message: String },
    Redirect { location: String },
    Challenge,
    Drop,
}

impl Verdict {
    pub fn outcome(&self) -> Outcome {
        match self.word {
            Word::Allow => Outcome::Allow,
            Word::Deny { .. } => Outcome::Deny,
            Word::Throttle { .. } => Outcome::Throttle,
            Word::Redirect { .. } => Outcome::Redirect,
            Word::Challenge => Outcome::Challenge,
            Word::Drop => Outcome::Drop,
        }
    }

    /// The refusal, unless it is `allow`.
    pub fn refusal(self) -> Option<Arc<RuleRefusal>> {
        let plain = |status, message| RuleRefusal {
            status,
            code: self.code.clone(),
            message,
            retry_after: None,
            location: None,
            silent: false,
            sign_in: false,
        };
        let refusal = match self.word {
            Word::Allow => return None,
            Word::Deny { status, message } => plain(status, message),
            Word::Throttle { after, message } => {
                RuleRefusal { retry_after: Some(after), ..plain(429, message) }
            }
            Word::Redirect { location } => {
                RuleRefusal { location: Some(location), ..plain(302, "See the location.".to_owned()) }
            }
            Word::Challenge => RuleRefusal { sign_in: true, ..plain(401, "Sign in first.".to_owned()) },
            Word::Drop => RuleRefusal { silent: true, ..plain(403, "Access denied.".to_owned()) },
        };
        Some(Arc::new(refusal))
    }
}

/// Whether the text is a code: `[a-z0-9_.]+`, bounded.
pub(super) fn is_code(text: &str) -> bool {
    let clean =
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'));
    !text.is_empty() && text.len() <= CODE_BYTES_MAX && clean
}

/// A text for the outside: control characters become spaces, the length is capped.
pub(super) fn public_text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect()
}

/// Whether the text leads to this site and nowhere else, whoever reads it.
///
/// # Source
/// THREATS OR-01: WHATWG URL readers treat `\` as `/`, drop tabs and newlines, and resolve dot segments, so a path may
/// become `//host`. What passes here has none of these.
pub(super) fn is_same_site(location: &str) -> bool {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let plain = location.len() <= LOCATION_BYTES_MAX
        && location.bytes().all(|b| matches!(b, 0x21..=0x7e) && b != b'\\');
    let dots = path.split('/').any(|s| {
        let s = s.to_ascii_lowercase().replace("%2e", ".");
        s == "." || s == ".."
    });
    let encoded = path.to_ascii_lowercase();
    plain
        && path.starts_with('/')
        && !path.contains("//")
        && !dots
        && !encoded.contains("%5c")
        && !encoded.contains("%2f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn or_01_a_redirect_stays_on_this_site() {
        for good in ["/", "/a/b?next=//x", "/a#f", "/a.b/..c"] {
            assert!(is_same_site(good), "{good}");
        }
        for bad in [
            "",
            "x",
            "//evil",
            "/\\evil",
            "/\t/evil",
            "/.//evil",
            "/a/..//evil",
            "/%5cevil",
            "https:evil",
            "/a b",
            "/é",
            "//evil%2f@good",
            "javascript:x",
            "/%2fevil",
            "/a/../b",
            "/%2e%2e/b",
            "/a//b",
            "/a\r\nb",
            "?x",
            "#x",
        ] {
            assert!(!is_same_site(bad), "{bad:?}");
        }
        assert!(!is_same_site(&format!("/{}", "a".repeat(10_240))));
    }

    #[test]
    fn a_message_for_the_client_is_short_and_has_no_control_characters() {
        assert_eq!(public_text("a\r\nb\u{7f}"), "a  b ");
        assert_eq!(public_text(&"é".repeat(900)).chars().count(), MESSAGE_CHARS_MAX);
    }

    #[test]
    fn codes_are_few_characters_of_a_small_alphabet() {
        assert!(is_code("trap.sprung_2"));
        for bad in ["", "Trap", "a b", "a-b", "é", &"a".repeat(65)] {
            assert!(!is_code(bad), "{bad}");
        }
    }
}
