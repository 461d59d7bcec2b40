//! One public key of a provider.
//!
//! # Source
//! RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2; THREATS JK-06.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json::text;
use super::provider::Algorithm;

/// Longest key id, in bytes.
pub(super) const KID_BYTES_MAX: usize = 128;
/// Smallest and largest RSA modulus, in bits (NIST SP 800-131A; a larger one only costs time).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// Members of private keys: a key that was published with one is no secret any more.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A key that ID tokens may be signed with.
pub(super) struct Key {
    /// Its name in token headers.
    pub(super) kid: Option<String>,
    by: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Key {
    /// Reads a member of a key set. A key for another purpose, of another kind, weak or malformed, is none.
    pub(super) fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let kid = match jwk.get("kid") {
            None => None,
            Some(Value::String(kid)) if (1..=KID_BYTES_MAX).contains(&kid.len()) => Some(kid.clone()),
            Some(_) => return None,
        };
        if !verifies(jwk) || PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return None;
        }
        let mut by = match (text(jwk, "kty")?, text(jwk, "crv")) {
            ("RSA", _) => rsa(jwk)?,
            ("EC", Some("P-256")) => vec![(Algorithm::Es256, p256(jwk)?)],
            ("OKP", Some("Ed25519")) => vec![(Algorithm::EdDsa, ed25519(jwk)?)],
            _ => return None,
        };
        if let Some(alg) = jwk.get("alg") {
            by.retain(|(algorithm, _)| alg == algorithm.name());
        }
        (!by.is_empty()).then_some(Self { kid, by })
    }

    /// Whether it is a key of this algorithm.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.by.iter().any(|(a, _)| *a == algorithm)
    }

    /// Whether the signature over the message is genuine by this algorithm.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.by.iter().any(|(a, key)| *a == algorithm && key.verify_sig(message, signature).is_ok())
    }
}

/// Whether the key is meant to verify signatures: it says so, or does not say.
fn verifies(jwk: &Map<String, Value>) -> bool {
    let used = jwk.get("use").is_none_or(|u| u == "sig");
    let operations = jwk.get("key_ops").is_none_or(|ops| {
        ops.as_array().is_some_and(|ops| !ops.is_empty() && ops.iter().all(|op| op == "verify"))
    });
    used && operations
}

fn rsa(jwk: &Map<String, Value>) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
    let (n, e) = (octets(jwk, "n")?, octets(jwk, "e")?);
    let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
    let exponent = e.iter().try_fold(0u64, |all, b| all.checked_mul(256).map(|a| a + u64::from(*b)))?;
    let shortest = n.first() != Some(&0) && e.first() != Some(&0);
    let odd = n.last().is_some_and(|b| b % 2 == 1) && exponent % 2 == 1;
    if !shortest || !odd || exponent < 3 || !RSA_BITS.contains(&bits) {
        return None;
    }
    let components = RsaPublicKeyComponents { n, e };
    Some(vec![
        (Algorithm::Rs256, components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?),
        (Algorithm::Ps256, components.to_parsed_public_key(&RSA_PSS_2048_8192_SHA256).ok()?),
    ])
}

fn p256(jwk: &Map<String, Value>) -> Option<ParsedPublicKey> {
    let (x, y) = (octets(jwk, "x")?, octets(jwk, "y")?);
    if x.len() != 32 || y.len() != 32 {
        return None;
    }
    // SEC 1 section 2.3.3; a point that is not on the curve does not parse.
    let point = [&[4u8][..], &x, &y].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()
}

fn ed25519(jwk: &Map<String, Value>) -> Option<ParsedPublicKey> {
    let x = octets(jwk, "x").filter(|x| x.len() == 32)?;
    ParsedPublicKey::new(&ED25519, x).ok()
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}
