//! Looks for canaries in bytes, in every form in which they could have been written by accident: as they are in any case,
//! percent-encoded, in base64 and hexadecimal, escaped as JSON escapes. What was turned round or encrypted is not found.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::canary::{Canary, Kind};
use crate::base::target::percent_encode;
use crate::base::text::hex;

/// A form shorter than this is not looked for: chance would find it.
const BYTES_MIN: usize = 8;

/// The canaries, ready to be looked for.
pub struct Searcher {
    canaries: Vec<Canary>,
    /// By the first eight bytes: the whole form, and whose it is.
    forms: HashMap<[u8; BYTES_MIN], Vec<(Vec<u8>, usize)>>,
}

impl Searcher {
    /// Makes every form of every canary.
    pub fn new(canaries: Vec<Canary>) -> Self {
        let mut forms: HashMap<[u8; BYTES_MIN], Vec<(Vec<u8>, usize)>> = HashMap::new();
        for (nth, canary) in canaries.iter().enumerate() {
            for form in forms_of(canary) {
                let Some(first) = form.first_chunk::<BYTES_MIN>() else { continue };
                let alike = forms.entry(*first).or_default();
                // Without its end, the base64 of a number is that of its neighbours too: then the first of them is told, and
                // that something is there is what counts.
                if !alike.iter().any(|(other, _)| *other == form) {
                    alike.push((form, nth));
                }
            }
        }
        Self { canaries, forms }
    }

    /// The canaries that stand in the bytes, each once.
    pub fn search(&self, bytes: &[u8]) -> Vec<&Canary> {
        let mut found = BTreeSet::new();
        self.scan(bytes, &mut found);
        // Forms with letters are kept in lower case; what is case-sensitive is found in the bytes as they are.
        self.scan(&bytes.to_ascii_lowercase(), &mut found);
        found.into_iter().map(|nth| &self.canaries[nth]).collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.canaries.len()
    }

    fn scan(&self, bytes: &[u8], found: &mut BTreeSet<usize>) {
        for (at, window) in bytes.windows(BYTES_MIN).enumerate() {
            let Some(forms) = window.first_chunk::<BYTES_MIN>().and_then(|first| self.forms.get(first))
            else {
                continue;
            };
            for (form, nth) in forms {
                if bytes[at..].starts_with(form) {
                    found.insert(*nth);
                }
            }
        }
    }
}

fn forms_of(canary: &Canary) -> BTreeSet<Vec<u8>> {
    let mut texts = vec![canary.value.clone()];
    match canary.kind {
        // The part before the sign names the person too.
        Kind::Email | Kind::Account => {
            texts.extend(canary.value.split_once('@').map(|(local, _)| local.to_owned()));
        }
        // A part of a token is a credential, or somebody's claims.
        Kind::Jwt => texts.extend(canary.value.split('.').skip(1).map(str::to_owned)),
        Kind::Ipv6 => texts.extend(spelled_out(&canary.value)),
        Kind::Phone => texts.extend(canary.value.strip_prefix('+').map(str::to_owned)),
        Kind::Card => texts.push(grouped(&canary.value)),
        _ => {}
    }
    let mut forms: BTreeSet<Vec<u8>> = texts.iter().flat_map(|text| encoded(text)).collect();
    // Sixteen bytes do not come about by chance; four would.
    if let Ok(address) = canary.value.parse::<std::net::Ipv6Addr>() {
        forms.insert(address.octets().to_vec());
        forms.insert(hex(&address.octets()).into_bytes());
    }
    forms
}

fn encoded(text: &str) -> Vec<Vec<u8>> {
    let lower = text.to_ascii_lowercase();
    let unicode: String =
        lower.chars().map(|c| if c.is_alphanumeric() { c.to_string() } else { escape(c) }).collect();
    let mut forms: Vec<Vec<u8>> = vec![
        text.into(),
        lower.clone().into(),
        percent_encode(&lower).to_ascii_lowercase().into(),
        unicode.into(),
        hex(text.as_bytes()).into(),
        hex(lower.as_bytes()).into(),
    ];
    // In base64 a text looks different at each of three places; what its neighbours change at the ends is left out.
    for before in 0..3 {
        let padded = [&b"\0\0"[..before], text.as_bytes()].concat();
        let whole = padded.len() / 3 * 3;
        let skipped = [0, 2, 3][before];
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&padded[..whole]).into_bytes().split_off(skipped));
        }
    }
    forms
}

/// As JSON writes a character that it need not write so.
fn escape(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}

/// The address with every digit written.
fn spelled_out(address: &str) -> Option<String> {
    let segments = address.parse::<std::net::Ipv6Addr>().ok()?.segments();
    Some(segments.map(|segment| format!("{segment:04x}")).join(":"))
}

/// The number in groups of four, as people write it.
fn grouped(number: &str) -> String {
    let digits: Vec<char> = number.chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::canary::of_place;
    use super::*;

    fn searcher() -> Searcher {
        Searcher::new((0..20).flat_map(|nth| of_place("a header's value", nth)).collect())
    }

    #[test]
    fn a_canary_is_found_in_each_form_and_only_it() {
        let searcher = searcher();
        for kind in Kind::EVERYWHERE {
            let value = kind.value(7);
            let json: String =
                value.chars().fold(String::new(), |text, c| text + &format!("\\u{:04x}", u32::from(c)));
            let around = |text: &str| format!("before {text} after").into_bytes();
            let places = vec![
                around(&value),
                around(&value.to_ascii_uppercase()),
                around(&percent_encode(&value)),
                around(&hex(value.as_bytes())),
                around(&hex(value.as_bytes()).to_ascii_uppercase()),
                [&[0xff, 0x00][..], value.as_bytes(), &[0xfe]].concat(),
            ];
            for before in ["", "x", "xy"] {
                let bytes = around(&STANDARD_NO_PAD.encode(format!("{before}{value};")));
                let found = searcher.search(&bytes);
                assert!(matches!(found[..], [canary] if canary.kind == kind), "{kind:?} after {before}");
            }
            for bytes in places {
                let found = searcher.search(&bytes);
                assert!(
                    matches!(found[..], [canary] if canary.kind == kind && canary.value == value),
                    "{kind:?} in {}",
                    String::from_utf8_lossy(&bytes)
                );
            }
            assert!(searcher.search(&around(&json[..json.len() / 2])).is_empty(), "half of it is not it");
        }
    }

    #[test]
    fn parts_that_name_somebody_or_open_something_are_found() {
        let searcher = searcher();
        let claims = Kind::Jwt.value(3).split('.').nth(1).unwrap().to_owned();
        let octets = "2001:db8:c0de:77::103".parse::<std::net::Ipv6Addr>().unwrap().octets();
        for (bytes, kind) in [
            (b"user=canary003.mailbox".to_vec(), Kind::Email),
            (claims.into_bytes(), Kind::Jwt),
            (b"2001:0db8:c0de:0077:0000:0000:0000:0103".to_vec(), Kind::Ipv6),
            (octets.to_vec(), Kind::Ipv6),
            (b"tel:12025550103".to_vec(), Kind::Phone),
            (grouped(&Kind::Card.value(3)).into_bytes(), Kind::Card),
            (b"canary003.mailbox\\u0040example.org".to_vec(), Kind::Email),
        ] {
            let found = searcher.search(&bytes);
            assert!(matches!(found[..], [canary] if canary.kind == kind), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_clean_has_none() {
        let searcher = searcher();
        assert!(searcher.search(b"").is_empty() && searcher.search(b"short").is_empty());
        let line = b"{\"message\":\"request\",\"client.hash\":\"0f3c\",\"mail\":\"mail-77aa\"} 203.0.113.1 4000007710";
        assert!(searcher.search(line).is_empty());
        let noise: Vec<u8> =
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        assert!(searcher.search(&noise).is_empty());
        assert_eq!(searcher.count(), 160);
    }
}
