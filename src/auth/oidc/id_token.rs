//! An ID token: whether it is genuine, meant for us, and still holds.
//!
//! # Source
//! OpenID Connect Core sections 2 and 3.1.3.7, RFC 7515, RFC 7519, RFC 8725; THREATS section JW. Read by our own strict
//! types: the JWT library accepts `crit`, any `typ`, an issuer in an array, absent claims and repeated ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::claims::{self, Expected};
use super::identity::Identity;
use super::json::{self, text};
use super::jwk::{KID_BYTES_MAX, Key};
use super::provider::Algorithm;

/// Longest token that is looked at, in bytes.
pub const ID_TOKEN_BYTES_MAX: usize = 8 * 1_024;

/// Header members that bring a key along, change what is signed, or say that it is no plain signed token.
const REFUSED_MEMBERS: [&str; 10] = ["crit", "b64", "jku", "jwk", "x5u", "x5c", "enc", "zip", "cty", "p2c"];

/// Why a token is not believed: for the log, never for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Too long, not three parts, or not encoded as it must be.
    #[error("it has not the form of a token")]
    Form,
    /// Its header says something that is not accepted.
    #[error("its header is not accepted")]
    Header,
    /// It is signed in another way than this provider's tokens are.
    #[error("it is signed by another algorithm")]
    Algorithm,
    /// No key of this name.
    #[error("no key of the provider has its key id")]
    Key,
    /// The signature is not genuine.
    #[error("its signature is not genuine")]
    Signature,
    /// A claim is missing, of the wrong kind, or not what it must be.
    #[error("its claim `{0}` is not accepted")]
    Claim(&'static str),
}

/// A token that has the form of one. Nothing that it says is believed yet.
pub(super) struct IdToken<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    signed: &'a str,
    signature: Vec<u8>,
    payload: Vec<u8>,
}

impl<'a> IdToken<'a> {
    /// Takes a compact token apart.
    ///
    /// # Errors
    /// [`Rejected`] for what is no token, or none that any provider's could be.
    pub(super) fn parse(token: &'a str) -> Result<Self, Rejected> {
        if token.len() > ID_TOKEN_BYTES_MAX {
            return Err(Rejected::Form);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Rejected::Form);
        };
        let members = json::object(&octets(header)?).ok_or(Rejected::Form)?;
        let (algorithm, kid) = header_of(&members)?;
        let signed = &token[..header.len() + 1 + payload.len()];
        Ok(Self { algorithm, kid, signed, signature: octets(signature)?, payload: octets(payload)? })
    }

    /// The algorithm that it says it is signed by.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of the key that it says it is signed with.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Who it is about, if the key signed it and its claims are what they must be.
    ///
    /// # Errors
    /// [`Rejected`] says which check it fails.
    pub(super) fn identity(&self, key: &Key, expected: &Expected<'_>) -> Result<Identity, Rejected> {
        if self.algorithm != expected.algorithm {
            return Err(Rejected::Algorithm);
        }
        if !key.verify(expected.algorithm, self.signed.as_bytes(), &self.signature) {
            return Err(Rejected::Signature);
        }
        let members = json::object(&self.payload).ok_or(Rejected::Form)?;
        claims::identity(&members, expected).map_err(Rejected::Claim)
    }
}

/// Algorithm and key id of an acceptable header.
fn header_of(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), Rejected> {
    let algorithm = text(header, "alg").and_then(Algorithm::named).ok_or(Rejected::Algorithm)?;
    // `at+jwt`, `logout+jwt` and others are tokens for another purpose (RFC 8725 section 3.11).
    let is_jwt = header.get("typ").is_none_or(|typ| typ == "JWT");
    if !is_jwt || REFUSED_MEMBERS.iter().any(|name| header.contains_key(*name)) {
        return Err(Rejected::Header);
    }
    match header.get("kid") {
        None => Ok((algorithm, None)),
        Some(Value::String(kid)) if (1..=KID_BYTES_MAX).contains(&kid.len()) => {
            Ok((algorithm, Some(kid.clone())))
        }
        Some(_) => Err(Rejected::Header),
    }
}

fn octets(part: &str) -> Result<Vec<u8>, Rejected> {
    if part.is_empty() {
        Err(Rejected::Form)
    } else {
        URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Form)
    }
}
