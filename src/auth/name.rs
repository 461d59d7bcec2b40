//! What a person types to sign in: an e-mail address or a word, in one canonical form.

use std::fmt;

/// Longest word, in bytes.
pub const WORD_BYTES_MAX: usize = 64;
/// Longest e-mail address, in bytes (RFC 5321 section 4.5.3.1.3, as corrected by erratum 1690).
pub const EMAIL_BYTES_MAX: usize = 254;

/// A canonical account name. Personal: no `Display`, and `Debug` says only that it is there.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(Box<str>);

/// Why a text is no account name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Neither form.
    #[error(
        "a user name is an e-mail address or a word of A-Z a-z 0-9 . _ - of at most {WORD_BYTES_MAX} characters"
    )]
    Form,
}

impl AccountName {
    /// Reads a name: blanks around it are dropped, letters become lower-case. ASCII only, so that no two names look alike.
    ///
    /// # Errors
    /// [`NameError`] for what is neither an e-mail address with exactly one `@` nor a word.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim_matches([' ', '\t']);
        let fits = match text.split_once('@') {
            Some((local, domain)) => is_email(local, domain),
            None => is_word(text),
        };
        if fits { Ok(Self(text.to_ascii_lowercase().into_boxed_str())) } else { Err(NameError::Form) }
    }

    /// The canonical form, for storage, for the page of the person's own account, and for the upstream's header.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The canonical form, if it is an e-mail address.
    pub fn email(&self) -> Option<&str> {
        self.0.contains('@').then_some(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountName(…)")
    }
}

fn is_word(text: &str) -> bool {
    (1..=WORD_BYTES_MAX).contains(&text.len()) && text.bytes().all(word_byte)
}

/// The dot-atom form of RFC 5322 section 3.2.3 without its quoted variants.
fn is_email(local: &str, domain: &str) -> bool {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let whole = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.contains("..")
    };
    whole(local)
        && whole(domain)
        && local.len() + 1 + domain.len() <= EMAIL_BYTES_MAX
        && local.bytes().all(atom)
        && domain.bytes().all(host)
}

fn word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_canonical_form() {
        for (text, canonical) in [
            ("alice", "alice"),
            (" Alice\t", "alice"),
            ("A.b_c-9", "a.b_c-9"),
            ("Ada@Example.ORG", "ada@example.org"),
            ("o'hara+x@mail.example", "o'hara+x@mail.example"),
        ] {
            assert_eq!(AccountName::parse(text).unwrap().expose(), canonical);
        }
        assert!(AccountName::parse(&"x".repeat(WORD_BYTES_MAX)).is_ok());
    }

    #[test]
    fn what_is_neither_an_address_nor_a_word_is_refused() {
        let long = [&"x".repeat(WORD_BYTES_MAX + 1), &format!("a@{}", "b".repeat(EMAIL_BYTES_MAX))]
            .map(String::clone);
        for bad in [
            "",
            " ",
            "@",
            "a@",
            "@b",
            "a@b@c",
            "a b",
            "a\r\nb@c",
            "al\u{131}ce",
            "ada@ex\u{e4}mple.org",
            "a..b@c",
            "a@.c",
            "<x>@c",
        ] {
            assert_eq!(AccountName::parse(bad), Err(NameError::Form), "{bad}");
        }
        for bad in &long {
            assert!(AccountName::parse(bad).is_err());
        }
    }

    #[test]
    fn debug_does_not_show_a_name() {
        assert_eq!(format!("{:?}", AccountName::parse("ada@example.org").unwrap()), "AccountName(…)");
    }
}
