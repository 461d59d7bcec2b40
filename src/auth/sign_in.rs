//! Signing in and out: the whole trade behind one handle.

use std::sync::Arc;
use std::time::Duration;

use super::accounts::{Account, AccountError, Accounts};
use super::durable::{AccountLog, SessionLog, Unavailable};
use super::ids::UserId;
use super::keyring::Keyring;
use super::moment::Moment;
use super::name::AccountName;
use super::password::{Busy, Checks, PasswordDigest};
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
    /// The gate in front of password work.
    pub checks: Checks,
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

/// Why a sign-in did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// Wrong password, no such name, no password, disabled: one and the same to whoever asks.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many passwords are being checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The session could not be made durable.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Auth {
    /// Empty tables over durable logs; `checks_max` passwords are checked at a time.
    pub fn new(sessions: Arc<dyn SessionLog>, accounts: Arc<dyn AccountLog>, checks_max: usize) -> Self {
        Self {
            sessions: Sessions::new(sessions),
            accounts: Accounts::new(accounts),
            checks: Checks::new(checks_max),
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

    /// Signs in with a name and a password. A name that nobody has, or that is none, takes as long as a wrong password.
    ///
    /// # Errors
    /// [`SignInError`]; only `Wrong` says anything about the credential.
    pub async fn sign_in(
        &self,
        ring: &Keyring,
        name: &str,
        password: Secret<String>,
        limits: Limits,
        now: Moment,
    ) -> Result<SignedIn, SignInError> {
        let account = AccountName::parse(name).ok().and_then(|name| self.accounts.find(&name));
        let stored = account.as_ref().and_then(|account| account.password.clone());
        let right = self.checks.verify(password, stored).await?;
        let account = account.filter(|account| right && !account.disabled).ok_or(SignInError::Wrong)?;
        let session = self.sessions.create(account.id, limits, now).await?;
        // A password that was changed, or an account that was disabled, while this went on: the change wins.
        let current = self.accounts.get(account.id);
        if !current.is_some_and(|now| !now.disabled && now.password == account.password) {
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

    /// Changes a password and ends the account's sessions.
    ///
    /// # Errors
    /// No such account, or storage refused.
    pub async fn change_password(&self, user: UserId, password: PasswordDigest) -> Result<(), AccountError> {
        self.accounts.set_password(user, password).await?;
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
        let exp = u64::try_from(session.expires_ms() / 1_000).unwrap_or(0);
        let token = token::issue(ring, account.id, session.id(), now.unix_s(), exp);
        let max_age = Duration::from_secs(exp.saturating_sub(now.unix_s()));
        Self { session, account, token: Secret::new(token), max_age }
    }
}

#[cfg(test)]
mod tests;
