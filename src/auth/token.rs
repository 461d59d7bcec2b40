//! The session token: a compact JWT, HS256, that names a session and an opaque user and nothing about the person.
//!
//! # Source
//! RFC 7519, RFC 7515, RFC 8725 section 3. What `jsonwebtoken` leaves open (`crit`, `typ`, `iat`, array-valued claims,
//! duplicate claims, length) is closed here: header and claims are read by our own strict types.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde::{Deserialize, Serialize};

use super::ids::{SessionId, UserId};
use super::keyring::Keyring;
use super::session::LIFETIME_MAX;

/// Longest token that is looked at, in bytes. Our own are about 400.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// The `iss` of every token.
pub const ISSUER: &str = "pluginmind";
/// The `aud` of every token: a token of this ring that was made for another purpose is no session.
pub const AUDIENCE: &str = "pluginmind-session";

/// What a token says. Times in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose session.
    pub sub: UserId,
    /// Which session.
    pub sid: SessionId,
    /// When the token was made.
    pub iat: u64,
    /// When it begins to hold.
    pub nbf: u64,
    /// When it ceases to hold.
    pub exp: u64,
}

/// Why a token is not believed. The client never learns which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Not a token of ours.
    Invalid,
    /// Ours, and its time is over.
    Expired,
}

/// The claims as they are written. Unknown and repeated members are errors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    sub: &'a str,
    sid: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    iss: &'a str,
    aud: &'a str,
}

/// The one header that is accepted. `crit`, `jku`, `x5u`, `jwk`, `zip` and all others are unknown members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

/// Signs a token for a session that lives from `now_s` until `exp_s`, both in seconds since 1970-01-01 UTC.
///
/// # Panics
/// Never: strings and numbers serialise, and HMAC takes any key.
pub fn issue(ring: &Keyring, sub: UserId, sid: SessionId, now_s: u64, exp_s: u64) -> String {
    let (kid, key) = ring.signing();
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
    let (sub, sid) = (sub.text(), sid.text());
    let payload =
        Payload { sub: &sub, sid: &sid, iat: now_s, nbf: now_s, exp: exp_s, iss: ISSUER, aud: AUDIENCE };
    jsonwebtoken::encode(&header, &payload, key)
        .expect("strings and numbers serialise, and HMAC takes any key")
}

/// Whether a token is genuine and in its time at `now_s` (seconds since 1970-01-01 UTC). There is no leeway.
///
/// # Errors
/// [`Rejected::Expired`] for a genuine token whose time is over, [`Rejected::Invalid`] for everything else.
pub fn verify(ring: &Keyring, token: &str, now_s: u64) -> Result<Claims, Rejected> {
    let claims = genuine(ring, token).ok_or(Rejected::Invalid)?;
    claims.hold_at(now_s)?;
    Ok(claims)
}

impl Claims {
    /// Whether the claims hold at `now_s` (seconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// [`Rejected::Expired`] from `exp` on; [`Rejected::Invalid`] before `iat` or `nbf`.
    pub fn hold_at(&self, now_s: u64) -> Result<(), Rejected> {
        if self.iat > now_s || self.nbf > now_s {
            return Err(Rejected::Invalid);
        }
        if self.exp <= now_s { Err(Rejected::Expired) } else { Ok(()) }
    }
}

/// The three parts of a compact token: header, payload and signature, still encoded.
pub(super) fn parts(token: &str) -> Option<(&str, &str, &str)> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = token.split('.');
    let three = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !three.0.is_empty() && !three.1.is_empty() && !three.2.is_empty())
        .then_some(three)
}

/// What a genuine token says, whatever the time; to end its session, not to open anything.
pub(super) fn genuine(ring: &Keyring, token: &str) -> Option<Claims> {
    let (header, payload, signature) = parts(token)?;
    let header_json = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: StrictHeader<'_> = object(&header_json)?;
    if header.alg != "HS256" || header.typ != "JWT" {
        return None;
    }
    let key = ring.find(header.kid)?;
    let signed = &token[..token.len() - signature.len() - 1];
    let genuine = jsonwebtoken::crypto::verify(signature, signed.as_bytes(), key, Algorithm::HS256);
    if !matches!(genuine, Ok(true)) {
        return None;
    }
    let payload_json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let payload: Payload<'_> = object(&payload_json)?;
    read(&payload)
}

/// A JSON object; serde would take an array for a struct as well.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    if json.first() == Some(&b'{') { serde_json::from_slice(json).ok() } else { None }
}

fn read(payload: &Payload<'_>) -> Option<Claims> {
    if payload.iss != ISSUER || payload.aud != AUDIENCE {
        return None;
    }
    let lifetime = payload.exp.checked_sub(payload.iat)?;
    if lifetime > LIFETIME_MAX.as_secs() {
        return None;
    }
    Some(Claims {
        sub: UserId::parse(payload.sub)?,
        sid: SessionId::parse(payload.sid)?,
        iat: payload.iat,
        nbf: payload.nbf,
        exp: payload.exp,
    })
}

#[cfg(test)]
mod tests;
