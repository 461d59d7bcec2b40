//! The canaries: values that look like what must never be written down, one of each kind for every place of a request, so that
//! a value that is found says where it came from. None of them is anybody's: the addresses and numbers are set aside for
//! examples.
//!
//! # Source
//! RFC 5737 and RFC 3849 (addresses), RFC 2606 (names); telephone numbers 555-0100 to 555-0199.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Most places: each has an address of its own, of which 155 have three digits at the end.
pub const PLACES_MAX: usize = 150;

/// What a canary looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A token of no known form.
    Token,
    /// A JSON Web Token.
    Jwt,
    /// The number of a card.
    Card,
    /// A telephone number.
    Phone,
    /// A password.
    Password,
    /// The name of the account that the run signs in with.
    Account,
    /// A session's token or an API key that the gateway gave out in the run.
    Issued,
}

impl Kind {
    /// The kinds that stand in every place.
    pub const EVERYWHERE: [Self; 8] = [
        Self::Email,
        Self::Ipv4,
        Self::Ipv6,
        Self::Token,
        Self::Jwt,
        Self::Card,
        Self::Phone,
        Self::Password,
    ];

    /// The kind as a person reads it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Email => "e-mail address",
            Self::Ipv4 => "IPv4 address",
            Self::Ipv6 => "IPv6 address",
            Self::Token => "token",
            Self::Jwt => "JWT",
            Self::Card => "card number",
            Self::Phone => "phone number",
            Self::Password => "password",
            Self::Account => "account name",
            Self::Issued => "session token or API key",
        }
    }

    /// The value of this kind in the `nth` place (from 0, below [`PLACES_MAX`]).
    pub fn value(self, nth: usize) -> String {
        match self {
            Self::Email => format!("canary{nth:03}.mailbox@example.org"),
            Self::Ipv4 => format!("203.0.113.{}", 100 + nth),
            Self::Ipv6 => format!("2001:db8:c0de:77::{:x}", 0x100 + nth),
            Self::Token => format!("tkCanary{nth:03}q7Zw41xLrT9bV2"),
            Self::Jwt => {
                let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
                let claims = format!("{{\"sub\":\"canary-claim-{nth:03}\",\"exp\":4102444800}}");
                let signature = format!("canary-signature-{nth:03}-padding-32-b");
                format!("{}.{}.{}", part("{\"alg\":\"HS256\"}"), part(&claims), part(&signature))
            }
            Self::Card => card(nth),
            Self::Phone => format!("+1202555{:04}", 100 + nth),
            Self::Password => format!("Canary-{nth:03}-pass-word!"),
            Self::Account => "canary.person@example.net".to_owned(),
            Self::Issued => String::new(),
        }
    }
}

/// Sixteen digits with a sound check digit.
///
/// # Source
/// ISO/IEC 7812-1, annex B (the Luhn formula).
fn card(nth: usize) -> String {
    let digits = format!("400000771{nth:06}");
    let sum: u32 = digits
        .bytes()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = if at % 2 == 0 { digit * 2 } else { digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// A value that must be found nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Canary {
    /// Where in a request it stood.
    pub place: &'static str,
    /// What it looks like.
    pub kind: Kind,
    /// The value.
    pub value: String,
}

/// The canaries of one place.
pub fn of_place(place: &'static str, nth: usize) -> Vec<Canary> {
    let canary = |kind: Kind| Canary { place, kind, value: kind.value(nth) };
    Kind::EVERYWHERE.map(canary).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_canaries_are_alike_and_none_is_part_of_another() {
        let all: Vec<String> =
            (0..PLACES_MAX).flat_map(|nth| Kind::EVERYWHERE.map(|kind| kind.value(nth))).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let of = |kind: Kind| (0..PLACES_MAX).map(move |nth| kind.value(nth));
        for kind in Kind::EVERYWHERE {
            let lengths: BTreeSet<usize> = of(kind).map(|value| value.len()).collect();
            assert_eq!(lengths.len(), 1, "{kind:?}: values of one length do not hold each other");
        }
    }

    #[test]
    fn a_card_has_a_sound_check_digit() {
        assert_eq!(card(0).len(), 16);
        let sound = |number: &str| {
            let sum: u32 = number
                .bytes()
                .rev()
                .enumerate()
                .map(|(at, digit)| {
                    let digit = u32::from(digit - b'0') * if at % 2 == 1 { 2 } else { 1 };
                    digit / 10 + digit % 10
                })
                .sum();
            sum.is_multiple_of(10)
        };
        assert!(sound("4111111111111111") && !sound("4111111111111112"));
        assert!((0..PLACES_MAX).all(|nth| sound(&card(nth))));
    }
}
