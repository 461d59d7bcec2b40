//! Signing in and out: the whole trade behind one handle.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::accounts::{Account, AccountError, Accounts};
use super::api_key::{ApiKey, ApiKeys};
use super::durable::{AccountLog, KeyLog, SessionLog, Unavailable};
use super::ids::{SessionId, UserId};
use super::keyring::Keyring;
use super::lockout::{self, LockedOut, Lockout};
use super::moment::Moment;
use super::name::AccountName;
use super::password::{self, Busy, Checks, PasswordDigest};
use super::session::{Lifetimes, Limits, Session, Sessions};
use super::token;
use super::verified::{Authenticated, Reason, Verified};
use crate::base::secret::Secret;

/// Everything about who is asking that outlives a reload. One for the whole process.
#[derive(Debug)]
pub struct Auth {
    /// The live sessions.
    pub sessions: Sessions,
    /// The accounts.
    pub accounts: Accounts,
    /// The machines' keys.
    pub keys: ApiKeys,
    /// The gate in front of password work.
    pub checks: Checks,
    /// Who guessed wrong too often.
    pub lockout: Arc<Lockout>,
    /// The tokens known to be genuine.
    pub verified: Verified,
}

/// A sign-in that worked.
#[derive(Debug)]
pub struct SignedIn {
    /// The new session.
    pub session: Arc<Session>,
    /// Whose it is.
    pub account: Arc<Account>,
    /// The cookie's value.
    pub token: Secret<String>,
    /// The cookie's `Max-Age`.
    pub max_age: Duration,
}

/// A session that was renewed.
#[derive(Debug)]
pub struct Renewed {
    /// The cookie's value.
    pub token: Secret<String>,
    /// The cookie's `Max-Age`.
    pub max_age: Duration,
}

/// Why a sign-in did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// Wrong password, no such name, no password, disabled: one and the same to whoever asks.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many wrong passwords, for this name or from this network, whether an account has the name or not.
    #[error(transparent)]
    LockedOut(#[from] LockedOut),
    /// Too many passwords are being checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The session could not be made durable.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What stands between a stranger and the password check.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Where the stranger is.
    pub address: IpAddr,
    /// When they are locked out.
    pub lockout: lockout::Terms,
}

impl Auth {
    /// Empty tables over durable logs; `checks_max` passwords are checked at a time.
    pub fn new(
        sessions: Arc<dyn SessionLog>,
        accounts: Arc<dyn AccountLog>,
        keys: Arc<dyn KeyLog>,
        checks_max: usize,
    ) -> Self {
        Self {
            sessions: Sessions::new(sessions),
            accounts: Accounts::new(accounts),
            keys: ApiKeys::new(keys),
            checks: Checks::new(checks_max),
            lockout: Arc::default(),
            verified: Verified::default(),
        }
    }

    /// Who a token stands for, now.
    ///
    /// # Errors
    /// [`Reason`] when it stands for nobody.
    pub fn authenticate(
        &self,
        ring: &Keyring,
        token: Option<&str>,
        lifetimes: Lifetimes,
        now: Moment,
    ) -> Result<Authenticated, Reason> {
        self.verified.authenticate(ring, &self.sessions, &self.accounts, token, lifetimes, now)
    }

    /// Who a token would stand for now; looking changes nothing.
    pub fn peek(
        &self,
        ring: &Keyring,
        token: &str,
        lifetimes: Lifetimes,
        now: Moment,
    ) -> Option<Authenticated> {
        let claims = token::verify(ring, token, now.unix_s()).ok()?;
        let too_old = claims.iat.saturating_add(lifetimes.ttl.as_secs()) <= now.unix_s();
        let session = self.sessions.peek(claims.sid, lifetimes, now).filter(|_| !too_old)?;
        let account = self.accounts.get(claims.sub).filter(|account| !account.disabled)?;
        (session.user() == claims.sub).then_some(Authenticated { session, account })
    }

    /// Whether a genuine key is good now: not revoked, in its time, and the account that it belongs to, if there is one,
    /// may act. A good one counts as used.
    ///
    /// # Errors
    /// [`Reason`] when it is not.
    pub fn admit_key(&self, key: &ApiKey, now_ms: i64) -> Result<(), Reason> {
        self.check_key(key, now_ms)?;
        self.keys.note_use(key, now_ms);
        Ok(())
    }

    /// As [`Auth::admit_key`], but nothing counts as used.
    ///
    /// # Errors
    /// [`Reason`] when the key is not good.
    pub fn check_key(&self, key: &ApiKey, now_ms: i64) -> Result<(), Reason> {
        let account_may_act = |id| self.accounts.get(id).is_some_and(|account| !account.disabled);
        if key.is_revoked() || !key.account().is_none_or(account_may_act) {
            return Err(Reason::Revoked);
        }
        if key.is_expired(now_ms) {
            return Err(Reason::Expired);
        }
        Ok(())
    }

    /// Whether a session that somebody holds for longer than a request is alive now, and its account may act. `is_used`
    /// counts as a request of the session.
    pub fn session_holds(&self, session: &Session, is_used: bool, lifetimes: Lifetimes, now: Moment) -> bool {
        let may_act = self.accounts.get(session.user()).is_some_and(|account| !account.disabled);
        may_act && self.sessions.holds(session, is_used, lifetimes, now)
    }

    /// Signs in with a name and a password. A name that nobody has, or that is none, takes as long as a wrong password.
    ///
    /// # Errors
    /// [`SignInError`]; only `Wrong` says anything about the credential.
    pub async fn sign_in(
        &self,
        ring: &Keyring,
        name: &str,
        password: Secret<String>,
        door: Door,
        limits: Limits,
        now: Moment,
    ) -> Result<SignedIn, SignInError> {
        let account = self.vouch(name, password, door, now).await?;
        let session = self.sessions.create(account.id, limits, now).await?;
        // A password that was changed, or an account that was disabled, while this went on: the change wins.
        let current = self.accounts.get(account.id);
        if !current.is_some_and(|now| !now.disabled && now.password == account.password) {
            self.sessions.end(session.id()).await?;
            return Err(SignInError::Wrong);
        }
        Ok(SignedIn::new(ring, session, account, now))
    }

    /// The account of a name and a password, without a session. A name that nobody has, or that is none, takes as long as a
    /// wrong password.
    ///
    /// # Errors
    /// [`SignInError`]; only `Wrong` says anything about the credential.
    pub async fn vouch(
        &self,
        name: &str,
        password: Secret<String>,
        door: Door,
        now: Moment,
    ) -> Result<Arc<Account>, SignInError> {
        let account = AccountName::parse(name).ok().and_then(|name| self.accounts.find(&name));
        self.checked(account, name, password, door, now).await?.ok_or(SignInError::Wrong)
    }

    /// The account, where the password is its own and it may act. Whoever is locked out is told so before any work, once
    /// more when a place is free: those who waited for it cannot all guess before the first is counted. It is counted where
    /// the work is done, so a client that hangs up has guessed all the same.
    async fn checked(
        &self,
        account: Option<Arc<Account>>,
        name: &str,
        password: Secret<String>,
        door: Door,
        now: Moment,
    ) -> Result<Option<Arc<Account>>, SignInError> {
        let attempt = self.lockout.attempt(name, door.address);
        self.lockout.check(attempt, now.at)?;
        let lockout = Arc::clone(&self.lockout);
        let work = move || {
            lockout.check(attempt, now.at)?;
            let stored = account.as_ref().and_then(|account| account.password.clone());
            let right = password::verify(&password, stored.as_ref());
            let account = account.filter(|account| right && !account.disabled);
            lockout.record(attempt, account.is_some(), door.lockout, now.at);
            Ok::<_, LockedOut>(account)
        };
        Ok(self.checks.run(work).await??)
    }

    /// Opens a session for somebody whom a provider vouched for.
    ///
    /// # Errors
    /// [`SignInError::Wrong`] for a disabled account, [`SignInError::Unavailable`] when storage refused.
    pub async fn open(
        &self,
        ring: &Keyring,
        account: Arc<Account>,
        limits: Limits,
        now: Moment,
    ) -> Result<SignedIn, SignInError> {
        if account.disabled {
            return Err(SignInError::Wrong);
        }
        let session = self.sessions.create(account.id, limits, now).await?;
        // An account that was disabled while this went on: the change wins.
        if self.accounts.get(account.id).is_none_or(|current| current.disabled) {
            self.sessions.end(session.id()).await?;
            return Err(SignInError::Wrong);
        }
        Ok(SignedIn::new(ring, session, account, now))
    }

    /// Ends the session of a token, also one that is dead here and not on disk yet, and whatever the clock says. A token
    /// that is none of ours ends nothing and is no error.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk does not know yet: the caller must not report success.
    pub async fn sign_out(&self, ring: &Keyring, token: &str) -> Result<(), Unavailable> {
        match token::genuine(ring, token) {
            Some(claims) => self.sessions.end(claims.sid).await,
            None => Ok(()),
        }
    }

    /// Renews the session of a token that has less than half of its life left: the same session, a new token, and a later
    /// end, which is on disk before this returns. `None` where it is not time, where it was just done, and where the session
    /// ended meanwhile.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk did not take it: the session keeps the time that it had.
    pub async fn renew(
        &self,
        ring: &Keyring,
        token: &str,
        session: &Session,
        lifetimes: Lifetimes,
        now: Moment,
    ) -> Result<Option<Renewed>, Unavailable> {
        let Ok(claims) = self.verified.claims(ring, token, now) else { return Ok(None) };
        if claims.sid != session.id() {
            return Ok(None);
        }
        let Some(expires_ms) = session.offer(claims.exp, lifetimes, now) else { return Ok(None) };
        if !self.sessions.extend(session, expires_ms).await? {
            return Ok(None);
        }
        let (token, max_age) = issue(ring, session.user(), session.id(), expires_ms, now);
        Ok(Some(Renewed { token, max_age }))
    }

    /// Erases an account with its API keys and ends its sessions. Its id goes with it, so that what was written about it under a hash of that
    /// id is nobody's any more. Returns how many sessions were alive.
    ///
    /// # Errors
    /// No such account, or storage refused; it is disabled in this process then.
    pub async fn forget(&self, user: UserId) -> Result<usize, AccountError> {
        let ended = self.sessions.count_of(user);
        self.accounts.forget(user).await?;
        self.keys.forget(user);
        // The rows went with the account's, so a disk that refuses only this has nothing left to forget.
        let _ = self.sessions.end_all_of(user).await;
        Ok(ended)
    }

    /// Changes a password and ends the account's sessions.
    ///
    /// # Errors
    /// No such account, or storage refused.
    pub async fn change_password(&self, user: UserId, password: PasswordDigest) -> Result<(), AccountError> {
        self.accounts.set_password(user, password).await?;
        if let Some(account) = self.accounts.get(user) {
            self.lockout.forgive(&account.name);
        }
        self.sessions.end_all_of(user).await?;
        Ok(())
    }

    /// Disables an account and ends its sessions.
    ///
    /// # Errors
    /// No such account, or storage refused; it is disabled in this process all the same.
    pub async fn disable(&self, user: UserId) -> Result<(), AccountError> {
        self.accounts.set_disabled(user, true).await?;
        self.sessions.end_all_of(user).await?;
        Ok(())
    }
}

impl SignedIn {
    fn new(ring: &Keyring, session: Arc<Session>, account: Arc<Account>, now: Moment) -> Self {
        let (token, max_age) = issue(ring, account.id, session.id(), session.expires_ms(), now);
        Self { session, account, token, max_age }
    }
}

/// A token that begins now and ends with its session, and how long that is.
fn issue(
    ring: &Keyring,
    user: UserId,
    session: SessionId,
    expires_ms: i64,
    now: Moment,
) -> (Secret<String>, Duration) {
    let exp = u64::try_from(expires_ms / 1_000).unwrap_or(0);
    let token = token::issue(ring, user, session, now.unix_s(), exp);
    (Secret::new(token), Duration::from_secs(exp.saturating_sub(now.unix_s())))
}

#[cfg(test)]
mod tests;
