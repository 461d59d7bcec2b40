//! From a token to a session: genuine, alive, and allowed to act.

mod known;

use std::sync::Arc;

use known::KnownTokens;

use super::accounts::{Account, Accounts};
use super::ids::UserId;
use super::keyring::Keyring;
use super::moment::Moment;
use super::session::{Dead, Lifetimes, Session, Sessions};
use super::token::{self, Claims, Rejected};

pub use known::VERIFIED_MAX;

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
    known: KnownTokens,
}

impl Default for Verified {
    fn default() -> Self {
        Self { known: KnownTokens::new() }
    }
}

impl Verified {
    /// The claims of a genuine token in its time.
    ///
    /// # Errors
    /// As [`token::verify`].
    pub fn claims(&self, ring: &Keyring, token: &str, now: Moment) -> Result<Claims, Rejected> {
        if let Some(claims) = self.known.recall(ring.fingerprint(), token) {
            claims.hold_at(now.unix_s())?;
            return Ok(claims);
        }
        let claims = token::verify(ring, token, now.unix_s())?;
        self.known.remember(ring.fingerprint(), token, claims);
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
        write!(f, "Verified({})", self.known.len())
    }
}

#[cfg(test)]
mod tests;
