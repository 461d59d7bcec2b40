//! What an upstream is told about who is asking, signed, so that it need not trust the network: a JWT, ES256, that holds
//! for a minute and for one service.
//!
//! # Source
//! RFC 7519, RFC 7518 section 3.4 (ES256), RFC 7638 (the `kid` is the key's thumbprint), RFC 7517 (the key set).

mod key;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use jsonwebtoken::{Algorithm, Header};
use moka::sync::Cache;
use serde::Serialize;
use serde_json::{Value, json};

use self::key::SigningKey;
pub use self::key::{KEY_FILE, KeyError};
use super::moment::Moment;
use super::token::ISSUER;

/// How long an assertion holds, in seconds.
pub const HOLDS_S: u64 = 60;
/// How long one is sent again before a new one is signed, in seconds: what is sent holds for as long again at least.
pub const KEPT_S: u64 = 30;
/// Most assertions that are kept.
pub const KEPT_MAX: u64 = 20_000;
const _: () = assert!(KEPT_S < HOLDS_S, "what is sent still holds");

/// Who is asking. `holder` is the session (or key) that was found alive for this very request: what is kept for it is
/// not found by anybody else, and not at all once it is dead.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The credential's 128-bit id.
    pub holder: [u8; 16],
    /// The opaque id of the user.
    pub user: &'a str,
    /// The e-mail address, where it is known.
    pub email: Option<&'a str>,
    /// The roles.
    pub roles: &'a [String],
}

/// Signs, and keeps what it signed for a moment. One for the whole process.
pub struct Assertions {
    folder: PathBuf,
    key: OnceLock<SigningKey>,
    kept: Cache<(Holder, Box<str>), Arc<Kept>>,
}

/// Why there is no assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// [`Assertions::prepare`] did not run, or failed.
    #[error("there is no key to sign assertions with")]
    NoKey,
    /// The key does not sign.
    #[error("the assertion could not be signed")]
    Unsigned,
}

type Holder = [u8; 16];

/// An assertion, and what it says, so that a changed account gets a new one at once.
struct Kept {
    user: String,
    email: Option<String>,
    roles: Vec<String>,
    iat: u64,
    value: HeaderValue,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    roles: &'a [String],
    iat: u64,
    exp: u64,
}

impl Assertions {
    /// With its key in the data folder, once [`Self::prepare`] has been called.
    pub fn new(data_folder: PathBuf) -> Self {
        let kept = Cache::builder().max_capacity(KEPT_MAX).time_to_live(Duration::from_secs(KEPT_S)).build();
        Self { folder: data_folder, key: OnceLock::new(), kept }
    }

    /// Reads the key from the data folder, or makes it there, once. Blocks: not for a worker.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds no key.
    pub fn prepare(&self) -> Result<(), KeyError> {
        if self.key.get().is_none() {
            let key = SigningKey::of_folder(&self.folder)?;
            // Whoever came first read the same file.
            self.key.set(key).ok();
        }
        Ok(())
    }

    /// The value of `X-PluginMind-Assertion` for one service.
    ///
    /// # Errors
    /// There is no key, or it does not sign: the request must not go on without its assertion.
    pub fn sign(&self, who: Subject<'_>, service: &str, now: Moment) -> Result<HeaderValue, AssertionError> {
        let place = (who.holder, Box::from(service));
        let now_s = now.unix_s();
        if let Some(kept) = self.kept.get(&place).filter(|kept| kept.says(who) && kept.is_fresh(now_s)) {
            return Ok(kept.value.clone());
        }
        let key = self.key.get().ok_or(AssertionError::NoKey)?;
        let claims = Claims {
            iss: ISSUER,
            aud: service,
            sub: who.user,
            email: who.email,
            roles: who.roles,
            iat: now_s,
            exp: now_s + HOLDS_S,
        };
        let header = Header { kid: Some(key.kid().to_owned()), ..Header::new(Algorithm::ES256) };
        let token =
            jsonwebtoken::encode(&header, &claims, key.signs()).map_err(|_| AssertionError::Unsigned)?;
        let mut value = HeaderValue::try_from(token).map_err(|_| AssertionError::Unsigned)?;
        value.set_sensitive(true);
        self.kept.insert(place, Arc::new(Kept::of(who, now_s, value.clone())));
        Ok(value)
    }

    /// The public key as a JWK set; none while there is no key.
    pub fn jwks(&self) -> Option<Value> {
        Some(json!({ "keys": [self.key.get()?.jwk()] }))
    }
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assertions({} kept)", self.kept.entry_count())
    }
}

impl Kept {
    fn of(who: Subject<'_>, iat: u64, value: HeaderValue) -> Self {
        let (user, email) = (who.user.to_owned(), who.email.map(str::to_owned));
        Self { user, email, roles: who.roles.to_vec(), iat, value }
    }

    fn says(&self, who: Subject<'_>) -> bool {
        self.user == who.user && self.email.as_deref() == who.email && self.roles == who.roles
    }

    /// By the wall clock, which the reader judges by; one that was set back ends it too.
    fn is_fresh(&self, now_s: u64) -> bool {
        (self.iat..self.iat + KEPT_S).contains(&now_s)
    }
}

#[cfg(test)]
mod tests;
