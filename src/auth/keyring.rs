//! The keys of session tokens: the first signs, all verify.

use std::fmt;

use aws_lc_rs::digest;
use jsonwebtoken::{DecodingKey, EncodingKey};

use crate::base::secret::Secret;
use crate::base::text::hex;

/// Most keys in one ring: enough for a rotation every week of a quarter.
pub const KEYS_MAX: usize = 16;
/// Longest `kid` that is looked up, in bytes.
pub const KID_BYTES_MAX: usize = 128;

/// Keys in force. Immutable: a rotation makes a new ring.
pub struct Keyring {
    keys: Vec<Key>,
    fingerprint: Fingerprint,
}

/// Tells rings apart, so that nothing verified under one is believed under another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

/// Why a ring cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No key.
    #[error("there is no session secret")]
    Empty,
    /// A key without a byte: anybody could sign with it.
    #[error("a session secret is empty")]
    EmptyKey,
    /// More than [`KEYS_MAX`].
    #[error("there are more than {KEYS_MAX} session secrets")]
    TooMany,
}

struct Key {
    kid: String,
    signs: EncodingKey,
    verifies: DecodingKey,
}

impl Keyring {
    /// A ring of HMAC keys; the first signs. Whether a key is strong enough is the configuration's to judge.
    ///
    /// # Errors
    /// No key, an empty key, or too many.
    pub fn new(keys: &[Secret<Vec<u8>>]) -> Result<Self, KeyringError> {
        if keys.is_empty() {
            return Err(KeyringError::Empty);
        }
        if keys.len() > KEYS_MAX {
            return Err(KeyringError::TooMany);
        }
        if keys.iter().any(|key| key.expose().is_empty()) {
            return Err(KeyringError::EmptyKey);
        }
        let keys: Vec<Key> = keys.iter().map(|key| Key::new(key.expose())).collect();
        let fingerprint = Fingerprint::of(&keys);
        Ok(Self { keys, fingerprint })
    }

    /// Which ring this is.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The signing key and its `kid`.
    pub(super) fn signing(&self) -> (&str, &EncodingKey) {
        let first = self.keys.first().expect("`new` refuses an empty ring");
        (&first.kid, &first.signs)
    }

    /// The key with exactly this `kid`: a look in a short list, never a path, a query or an address.
    pub(super) fn find(&self, kid: &str) -> Option<&DecodingKey> {
        if kid.len() > KID_BYTES_MAX {
            return None;
        }
        self.keys.iter().find(|key| key.kid == kid).map(|key| &key.verifies)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let digest = labelled(b"pluginmind kid\0", secret);
        Self {
            kid: hex(&digest.as_ref()[..8]),
            signs: EncodingKey::from_secret(secret),
            verifies: DecodingKey::from_secret(secret),
        }
    }
}

impl Fingerprint {
    fn of(keys: &[Key]) -> Self {
        let mut all = digest::Context::new(&digest::SHA256);
        for key in keys {
            all.update(labelled(b"pluginmind ring\0", key.signs.as_bytes()).as_ref());
        }
        Self(std::array::from_fn(|i| all.clone().finish().as_ref()[i]))
    }
}

/// SHA-256 over a label and a key: the label keeps the `kid` from being a hash that something else publishes.
fn labelled(label: &[u8], secret: &[u8]) -> digest::Digest {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(label);
    hash.update(secret);
    hash.finish()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::auth) fn ring(keys: &[&str]) -> Keyring {
        let keys: Vec<_> = keys.iter().map(|k| Secret::new(k.as_bytes().to_vec())).collect();
        Keyring::new(&keys).unwrap()
    }

    #[test]
    fn cs_12_a_ring_without_a_key_or_with_an_empty_one_is_refused() {
        assert_eq!(Keyring::new(&[]).unwrap_err(), KeyringError::Empty);
        let empty = [Secret::new(b"good".to_vec()), Secret::new(Vec::new())];
        assert_eq!(Keyring::new(&empty).unwrap_err(), KeyringError::EmptyKey);
        assert_eq!(
            Keyring::new(&vec![Secret::new(vec![1]); KEYS_MAX + 1]).unwrap_err(),
            KeyringError::TooMany
        );
    }

    #[test]
    fn the_kid_is_sixteen_digits_that_show_neither_the_key_nor_its_plain_hash() {
        let ring = ring(&["a secret of many letters"]);
        let (kid, _) = ring.signing();
        let plain = hex(digest::digest(&digest::SHA256, b"a secret of many letters").as_ref());
        assert_eq!(kid.len(), 16);
        assert!(kid.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(!plain.starts_with(kid));
    }

    #[test]
    fn the_first_key_signs_and_every_key_is_found_by_its_exact_kid() {
        let (both, old) = (ring(&["new", "old"]), ring(&["old"]));
        assert_eq!(both.signing().0, ring(&["new"]).signing().0);
        assert!(both.find(old.signing().0).is_some());
        assert!(old.find(both.signing().0).is_none());
        assert!(
            both.find(&both.signing().0.to_uppercase()).is_none()
                || both.signing().0.bytes().all(|b| b.is_ascii_digit())
        );
        assert!(both.find(&"0".repeat(KID_BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn two_rings_differ_when_their_keys_or_the_order_of_keys_differ() {
        assert_eq!(ring(&["a", "b"]).fingerprint(), ring(&["a", "b"]).fingerprint());
        assert_ne!(ring(&["a", "b"]).fingerprint(), ring(&["a"]).fingerprint());
        assert_ne!(ring(&["a", "b"]).fingerprint(), ring(&["b", "a"]).fingerprint());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", ring(&["hunter2"])), "Keyring(1 keys)");
    }
}
