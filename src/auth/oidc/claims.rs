//! What an ID token must say. A claim of the wrong kind is never taken for an absent one.
//!
//! # Source
//! OpenID Connect Core sections 2, 3.1.3.7 and 5.1; THREATS OI-02, OI-06 to OI-10, JW-07, JW-08.

use serde_json::{Map, Value};

use super::email;
use super::identity::Identity;
use super::provider::{Algorithm, Provider};

/// How far the provider's clock may be ahead, in seconds. There is no leeway for the end of a token.
pub const LEEWAY_S: u64 = 30;
/// The furthest end of a token, and the longest time since it was made, in seconds.
pub const LIFETIME_S_MAX: u64 = 24 * 60 * 60;
/// Longest subject, in bytes (OpenID Connect Core section 2).
const SUBJECT_BYTES_MAX: usize = 255;
/// Longest name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What is expected of a token.
pub(super) struct Expected<'a> {
    /// Who issued it, and for whom.
    pub(super) provider: &'a Provider,
    /// How it is signed.
    pub(super) algorithm: Algorithm,
    /// The nonce that went with the request, where there was one.
    pub(super) nonce: Option<&'a str>,
    /// Now, in seconds since 1970-01-01 UTC.
    pub(super) now_s: u64,
}

type Claims = Map<String, Value>;
type Checked<T> = Result<T, &'static str>;

/// Who the claims are about.
///
/// # Errors
/// The name of the first claim that is not accepted.
pub(super) fn identity(claims: &Claims, expected: &Expected<'_>) -> Checked<Identity> {
    let provider = expected.provider;
    if !provider.is_issuer(required_text(claims, "iss")?) {
        return Err("iss");
    }
    check_audience(claims, &provider.client_id)?;
    check_times(claims, expected.now_s)?;
    check_purpose(claims)?;
    if let Some(nonce) = expected.nonce
        && required_text(claims, "nonce")? != nonce
    {
        return Err("nonce");
    }
    Ok(Identity {
        issuer: provider.issuer.clone(),
        subject: subject(claims)?,
        email: verified_email(claims, provider.unverified_email)?,
        name: name(claims),
    })
}

fn required_text<'a>(claims: &'a Claims, name: &'static str) -> Checked<&'a str> {
    claims.get(name).and_then(Value::as_str).ok_or(name)
}

/// We are among those it is for, and the one it was issued to where that is said or could be another.
fn check_audience(claims: &Claims, client_id: &str) -> Checked<()> {
    let several = match claims.get("aud") {
        Some(Value::String(one)) if one == client_id => false,
        Some(Value::Array(all)) if all.iter().all(Value::is_string) && all.iter().any(|a| a == client_id) => {
            all.len() > 1
        }
        _ => return Err("aud"),
    };
    match claims.get("azp") {
        None if several => Err("azp"),
        None => Ok(()),
        Some(azp) if azp == client_id => Ok(()),
        Some(_) => Err("azp"),
    }
}

fn check_times(claims: &Claims, now_s: u64) -> Checked<()> {
    let seconds = |name: &'static str| claims.get(name).and_then(Value::as_u64).ok_or(name);
    let (exp, iat) = (seconds("exp")?, seconds("iat")?);
    if exp <= now_s || exp > now_s.saturating_add(LIFETIME_S_MAX) {
        return Err("exp");
    }
    if iat > now_s.saturating_add(LEEWAY_S) || iat < now_s.saturating_sub(LIFETIME_S_MAX) || iat >= exp {
        return Err("iat");
    }
    if claims.contains_key("nbf") && seconds("nbf")? > now_s.saturating_add(LEEWAY_S) {
        return Err("nbf");
    }
    Ok(())
}

/// Tokens for another purpose that some providers sign with the same key for the same audience: access tokens and
/// notices of a sign-out.
fn check_purpose(claims: &Claims) -> Checked<()> {
    if claims.contains_key("events") {
        return Err("events");
    }
    if claims.get("typ").is_some_and(|typ| typ != "ID" && typ != "JWT") {
        return Err("typ");
    }
    if claims.get("token_use").is_some_and(|usage| usage != "id") {
        return Err("token_use");
    }
    Ok(())
}

fn subject(claims: &Claims) -> Checked<String> {
    let sub = required_text(claims, "sub")?;
    let fits = (1..=SUBJECT_BYTES_MAX).contains(&sub.len()) && !sub.chars().any(char::is_control);
    if fits { Ok(sub.to_owned()) } else { Err("sub") }
}

/// The address, if the provider says that it belongs to the person.
fn verified_email(claims: &Claims, unverified_allowed: bool) -> Checked<Option<String>> {
    let verified = claims.get("email_verified").map_or(Ok(false), |v| v.as_bool().ok_or("email_verified"))?;
    match claims.get("email") {
        None => Ok(None),
        Some(Value::String(address)) => match (email::canonical(address), verified) {
            (Some(address), true) => Ok(Some(address)),
            (Some(_), false) if unverified_allowed => Ok(None),
            (Some(_), false) => Err("email_verified"),
            (None, _) => Err("email"),
        },
        Some(_) => Err("email"),
    }
}

fn name(claims: &Claims) -> Option<String> {
    let name = claims.get("name").and_then(Value::as_str)?.trim();
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned())
}
