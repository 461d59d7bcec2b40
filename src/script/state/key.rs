//! Keys of state. Whatever names a person or a machine is replaced by its pseudonym before it is kept, in memory too.

use std::borrow::Cow;

use crate::base::address::Pseudonymiser;
use crate::script::personal::without_people;

/// The longest key in bytes; a longer one is kept as its hash.
pub(in crate::script) const KEY_BYTES_MAX: usize = 256;
/// Bytes of a key that are looked at.
const INPUT_BYTES_MAX: usize = 4_096;

/// A key as it is kept: addresses and e-mails in it are pseudonyms. A network of more than one machine is nobody's, and
/// stays.
pub(in crate::script) fn kept<'a>(text: &'a str, people: &Pseudonymiser) -> Cow<'a, str> {
    let suspicious = text.bytes().any(|b| matches!(b, b'.' | b':' | b'@'));
    if !suspicious {
        return if text.len() > KEY_BYTES_MAX {
            Cow::Owned(hashed(text, people))
        } else {
            Cow::Borrowed(text)
        };
    }
    if text.parse::<ipnet::IpNet>().is_ok_and(|net| net.prefix_len() < net.max_prefix_len()) {
        return Cow::Borrowed(text);
    }
    if text.len() > INPUT_BYTES_MAX {
        return Cow::Owned(hashed(text, people));
    }
    let clean = without_people(text, people);
    if clean.len() > KEY_BYTES_MAX {
        Cow::Owned(hashed(text, people))
    } else {
        Cow::Owned(clean.into_owned())
    }
}

/// 64 bits of the keyed hash of a text.
pub(in crate::script) fn digest(text: &str, people: &Pseudonymiser) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&people.text(text).bytes()[..8]);
    u64::from_le_bytes(first)
}

fn hashed(text: &str, people: &Pseudonymiser) -> String {
    format!("text-{}", people.text(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::personal::of_address;

    #[test]
    fn addresses_and_e_mails_in_keys_are_hashed_and_everything_else_stays() {
        let people = Pseudonymiser::new(&[7; 32]);
        for personal in [
            "192.0.2.1",
            "a|192.0.2.1|b",
            "192.0.2.1:443",
            "2001:db8::1",
            "user:2001:db8::1",
            "::ffff:192.0.2.1",
            "Ann@x.org",
            "who=ann@x.org",
        ] {
            let key = kept(personal, &people);
            assert!(key.contains("ip-") || key.contains("mail-"), "{personal}: {key}");
            assert!(
                !key.contains("192.0.2.1") && !key.contains("db8") && !key.contains('@'),
                "{personal}: {key}"
            );
        }
        for plain in ["k1", "192.0.2.0/24", "2001:db8::/56", "v1.2.3", "10:30"] {
            assert_eq!(kept(plain, &people), plain);
        }
        assert_eq!(kept("192.0.2.1", &people), of_address("::ffff:192.0.2.1".parse().unwrap(), &people));
        assert_eq!(kept("ANN@x.org", &people), kept("ann@x.org", &people));
    }

    #[test]
    fn a_long_key_is_kept_as_a_hash_and_stays_itself() {
        let people = Pseudonymiser::new(&[7; 32]);
        let (a, b) = ("x".repeat(100_000), format!("{}y", "x".repeat(100_000)));
        assert!(kept(&a, &people).len() < KEY_BYTES_MAX);
        assert_ne!(kept(&a, &people), kept(&b, &people));
    }
}
