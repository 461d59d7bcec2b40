//! From a token to a session: genuine, alive, and allowed to act.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;

use super::accounts::{Account, Accounts};
use super::ids::UserId;
use super::keyring::{Fingerprint, Keyring};
use super::moment::Moment;
use super::session::{Dead, Lifetimes, Session, Sessions};
use super::token::{self, Claims, Rejected};

/// Most verified tokens that are remembered.
pub const VERIFIED_MAX: u64 = 100_000;
/// An HMAC-SHA256 in base64url without padding.
const MAC_CHARS: usize = 43;

/// Who a token stands for.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The live session.
    pub session: Arc<Session>,
    /// Whose it is.
    pub account: Arc<Account>,
}

impl Authenticated {
    /// The opaque id of the user.
    pub fn user(&self) -> UserId {
        self.account.id
    }
}

/// Why nobody was authenticated. For logs and the choice of a page; the client gets one and the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There was no token.
    Missing,
    /// No token of ours, or one that fits no session or account.
    Invalid,
    /// Genuine, and its time or its session's is over.
    Expired,
    /// Genuine and in time, and its session was ended or its account may not act.
    Revoked,
}

impl From<Rejected> for Reason {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Invalid => Self::Invalid,
            Rejected::Expired => Self::Expired,
        }
    }
}

/// Remembers which tokens are genuine, so that the MAC is computed once per token. That a token is genuine never
/// changes; whether its session is alive does, and is looked up on every request, remembered token or not.
pub struct Verified {
    cache: Cache<Mac, Arc<Known>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Mac([u8; MAC_CHARS]);

struct Known {
    /// The ring under which it was verified: what a removed key signed is not found again.
    ring: Fingerprint,
    token: Box<str>,
    claims: Claims,
    /// How long to keep it, from when it was verified.
    keep: Duration,
}

/// Drops an entry when its token expires.
struct AtTokenExpiry;

impl Expiry<Mac, Arc<Known>> for AtTokenExpiry {
    fn expire_after_create(&self, _: &Mac, known: &Arc<Known>, _: Instant) -> Option<Duration> {
        Some(known.keep)
    }

    fn expire_after_update(
        &self,
        _: &Mac,
        known: &Arc<Known>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(known.keep)
    }
}

impl Default for Verified {
    fn default() -> Self {
        Self { cache: Cache::builder().max_capacity(VERIFIED_MAX).expire_after(AtTokenExpiry).build() }
    }
}

impl Verified {
    /// The claims of a genuine token in its time.
    ///
    /// # Errors
    /// As [`token::verify`].
    pub fn claims(&self, ring: &Keyring, token: &str, now: Moment) -> Result<Claims, Rejected> {
        let mac = Mac::of(token).ok_or(Rejected::Invalid)?;
        if let Some(known) = self.cache.get(&mac)
            && known.ring == ring.fingerprint()
            && *known.token == *token
        {
            known.claims.hold_at(now.unix_s())?;
            return Ok(known.claims);
        }
        let claims = token::verify(ring, token, now.unix_s())?;
        let keep = Duration::from_secs(claims.exp.saturating_sub(now.unix_s()));
        self.cache
            .insert(mac, Arc::new(Known { ring: ring.fingerprint(), token: token.into(), claims, keep }));
        Ok(claims)
    }

    /// Who a token stands for, now: one look at the cache, one at the shared table of sessions, one at the accounts.
    ///
    /// # Errors
    /// [`Reason`] when it stands for nobody.
    pub fn authenticate(
        &self,
        ring: &Keyring,
        sessions: &Sessions,
        accounts: &Accounts,
        token: Option<&str>,
        lifetimes: Lifetimes,
        now: Moment,
    ) -> Result<Authenticated, Reason> {
        let claims = self.claims(ring, token.ok_or(Reason::Missing)?, now)?;
        // A session that may be renewed outlives its tokens: a `ttl` that was shortened since holds for those as well.
        if claims.iat.saturating_add(lifetimes.ttl.as_secs()) <= now.unix_s() {
            return Err(Reason::Expired);
        }
        let session = sessions.lookup(claims.sid, lifetimes, now).map_err(|dead| match dead {
            Dead::Gone => Reason::Revoked,
            Dead::Expired => Reason::Expired,
        })?;
        if session.user() != claims.sub {
            return Err(Reason::Invalid);
        }
        match accounts.get(claims.sub) {
            Some(account) if !account.disabled => Ok(Authenticated { session, account }),
            _ => Err(Reason::Revoked),
        }
    }
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verified({})", self.cache.entry_count())
    }
}

impl Mac {
    fn of(token: &str) -> Option<Self> {
        let (_, _, signature) = token::parts(token)?;
        signature.as_bytes().try_into().ok().map(Self)
    }
}

#[cfg(test)]
mod tests;
