//! The text of a key, and what is kept of it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;

use crate::base::secret::Secret;
use crate::base::text::hex;

/// How every key begins, so that people and scanners know one when they see it.
const PREFIX: &str = "pm_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
const ID_CHARS: usize = 2 * ID_BYTES;
const SECRET_CHARS: usize = 2 * SECRET_BYTES;

/// The public part of a key: 64 random bits in 16 lower-case hexadecimal digits. It opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; ID_BYTES]);

/// The secret part: 256 random bits. So much chance needs no slow hash: nobody can try them all.
#[derive(Clone)]
pub struct KeySecret(Secret<[u8; SECRET_BYTES]>);

/// SHA-256 of a secret. Compared in constant time, and therefore without `==` on its bytes.
#[derive(Clone, Eq)]
pub struct SecretDigest([u8; 32]);

impl KeyId {
    /// A new random id.
    ///
    /// # Panics
    /// If the system's random generator fails: better no key than one that can be guessed.
    pub fn generate() -> Self {
        Self(random())
    }

    /// Where ids of sessions and of keys stand side by side: the key's behind a mark of its own.
    pub fn holder(self) -> [u8; 16] {
        let mut holder = *b"api-key\0\0\0\0\0\0\0\0\0";
        holder[16 - ID_BYTES..].copy_from_slice(&self.0);
        holder
    }

    /// The id with these bytes, as storage keeps it.
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, for storage.
    pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    /// Reads 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }

    /// 16 lower-case hexadecimal digits.
    pub fn text(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.text())
    }
}

impl KeySecret {
    /// A new random secret.
    ///
    /// # Panics
    /// As [`KeyId::generate`].
    pub fn generate() -> Self {
        Self(Secret::new(random()))
    }

    /// What is kept of it.
    pub fn digest(&self) -> SecretDigest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, self.0.expose()).as_ref());
        SecretDigest(bytes)
    }

    /// The whole text of a key.
    pub fn text(&self, id: KeyId) -> Secret<String> {
        Secret::new(format!("{PREFIX}{}_{}", id.text(), hex(self.0.expose())))
    }
}

impl SecretDigest {
    /// The digest with these bytes, as storage keeps it.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for storage.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// Reads the one form of a key; every other spelling is none.
pub(super) fn read(text: &str) -> Option<(KeyId, KeySecret)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(ID_CHARS)?;
    let secret = secret.strip_prefix('_').filter(|s| s.len() == SECRET_CHARS)?;
    Some((KeyId::parse(id)?, KeySecret(Secret::new(from_hex(secret)?))))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random generator does not fail once the process has started");
    bytes
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let nibble = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}
