//! Takes people and machines out of texts that scripts keep or say: addresses and e-mails become their pseudonyms, the same
//! that stand in the log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::base::address::{Pseudonymiser, canonical};

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+")
        .expect("the pattern is a constant and a test compiles it")
});
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\b\d{1,3}(?:\.\d{1,3}){3}\b|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*";
    Regex::new(pattern).expect("the pattern is a constant and a test compiles it")
});

/// The text with `ip-…` for every address and `mail-…` for every e-mail address.
pub(super) fn without_people<'a>(text: &'a str, people: &Pseudonymiser) -> Cow<'a, str> {
    let mails = EMAIL.replace_all(text, |found: &Captures<'_>| {
        format!("mail-{}", people.text(&found[0].to_ascii_lowercase()))
    });
    match mails {
        Cow::Borrowed(text) => ADDRESS.replace_all(text, |found: &Captures<'_>| address(&found[0], people)),
        Cow::Owned(text) => Cow::Owned(
            ADDRESS.replace_all(&text, |found: &Captures<'_>| address(&found[0], people)).into_owned(),
        ),
    }
}

/// The pseudonym of an address.
pub(super) fn of_address(address: IpAddr, people: &Pseudonymiser) -> String {
    format!("ip-{}", people.address(canonical(address)))
}

/// What the pattern found, which may have a colon or a dot too many around the address.
fn address(found: &str, people: &Pseudonymiser) -> String {
    let trimmed = found.trim_end_matches('.');
    let after_colon = trimmed.strip_prefix(':').unwrap_or(trimmed);
    match (trimmed.parse::<IpAddr>(), after_colon.parse::<IpAddr>()) {
        (Ok(ip), _) => of_address(ip, people),
        (_, Ok(ip)) => format!(":{}", of_address(ip, people)),
        _ => found.to_owned(),
    }
}
