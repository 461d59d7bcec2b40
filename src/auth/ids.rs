//! Names of people and sessions that say nothing about them.

use std::fmt;

use aws_lc_rs::rand;
use uuid::Uuid;

use crate::base::text::hex;

/// An account's opaque id (UUIDv4): what tokens and upstreams see in place of a name. No `Display`: logs take a hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Uuid);

impl UserId {
    /// A new random id.
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id with these bytes, as storage keeps it.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The bytes, for storage and for keyed hashes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads the one canonical form, lower-case with hyphens; every other spelling is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(Uuid::try_parse(text).ok()?);
        (id.text() == text).then_some(id)
    }

    /// The canonical form.
    pub fn text(&self) -> String {
        self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(…)")
    }
}

/// A session's id: 128 random bits. It is no credential by itself, for a token must carry it, signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// A new id from the system's random generator.
    ///
    /// # Panics
    /// If that generator fails: better no session than one that can be guessed.
    pub fn generate() -> Self {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes)
            .expect("the system's random generator does not fail once the process has started");
        Self(bytes)
    }

    /// The id with these bytes, as storage keeps it.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for storage.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let canonical = digits.len() == 32 && digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        canonical.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(|n| Self(n.to_be_bytes()))
    }

    /// 32 lower-case hexadecimal digits.
    pub fn text(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_from_their_one_canonical_form_only() {
        let (user, session) = (UserId::generate(), SessionId::generate());
        assert_eq!(UserId::parse(&user.text()), Some(user));
        assert_eq!(SessionId::parse(&session.text()), Some(session));
        let braced = format!("{{{}}}", user.text());
        for bad in ["", "x", &braced, &user.text().to_uppercase(), &user.text().replace('-', "")] {
            assert_eq!(UserId::parse(bad), None, "{bad}");
        }
        for bad in ["", &"0".repeat(31), &"0".repeat(33), &"A".repeat(32), "+0000000000000000000000000000000"]
        {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn debug_does_not_show_an_id() {
        assert_eq!(format!("{:?}", UserId::generate()), "UserId(…)");
        assert_eq!(format!("{:?}", SessionId::generate()), "SessionId(…)");
    }

    #[test]
    fn en_05_session_ids_do_not_repeat_and_use_all_their_bits() {
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| SessionId::generate()).collect();
        assert_eq!(ids.len(), 1_000);
        let seen = ids.iter().fold([0u8; 16], |acc, id| std::array::from_fn(|i| acc[i] | id.0[i]));
        assert_eq!(seen, [0xff; 16]);
    }
}
