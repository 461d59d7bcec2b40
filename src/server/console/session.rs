//! Who has signed in to the console: in memory, for some hours, and only as long as what they signed in with holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::{constant_time, digest};
use parking_lot::Mutex;

use crate::auth::{Lifetimes, Moment, SessionId, UserId};
use crate::base::text::cut;
use crate::config::new_secret;
use crate::pipeline::gateway::Gateway;
use crate::server::admin::Token;

/// The cookie.
pub(super) const COOKIE: &str = crate::proxy::hops::CONSOLE_COOKIE;

/// How long a sign-in lasts at most.
pub(super) const TTL: Duration = Duration::from_secs(8 * 60 * 60);

/// Most sign-ins at a time; one more ends the oldest.
pub(super) const SESSIONS_MAX: usize = 64;

/// The role whose accounts may sign in.
pub(super) const ROLE: &str = "admin";

/// Longest sentence that is kept for the next page, in bytes.
const FLASH_BYTES_MAX: usize = 1_024;

/// Everybody who has signed in. Clones share it.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<Key, Session>>>);

/// What is kept of a cookie: with memory alone nobody can sign in.
type Key = [u8; 32];

struct Session {
    who: Who,
    csrf: Arc<str>,
    began: Instant,
    flash: Option<String>,
}

/// What somebody signed in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The admin token that has this fingerprint.
    Token([u8; 32]),
    /// An account, in a session of its own: whatever ends that ends this.
    Account { user: UserId, session: SessionId },
}

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct SignedIn {
    key: Key,
    pub(super) who: Who,
    /// What a form must bring.
    csrf: Arc<str>,
}

impl Sessions {
    /// Takes somebody in; gives the cookie's value.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn begin(&self, who: Who, now: Instant) -> std::io::Result<String> {
        let (cookie, csrf) = (new_secret()?.expose().clone(), new_secret()?.expose().as_str().into());
        let mut all = self.0.lock();
        all.retain(|_, session| now < session.began + TTL);
        if all.len() >= SESSIONS_MAX
            && let Some(oldest) = all.iter().min_by_key(|(_, session)| session.began).map(|(key, _)| *key)
        {
            all.remove(&oldest);
        }
        all.insert(key(&cookie), Session { who, csrf, began: now, flash: None });
        Ok(cookie)
    }

    /// Who has that cookie, if they still may.
    pub(super) fn find(&self, cookie: &str, gateway: &Gateway, token: &Token) -> Option<SignedIn> {
        self.of(key(cookie), gateway, token)
    }

    /// Whether somebody who was signed in still is.
    pub(super) fn holds(&self, signed_in: &SignedIn, gateway: &Gateway, token: &Token) -> bool {
        self.of(signed_in.key, gateway, token).is_some()
    }

    fn of(&self, key: Key, gateway: &Gateway, token: &Token) -> Option<SignedIn> {
        let now = Moment::of(&gateway.clock);
        let found = {
            let all = self.0.lock();
            let session = all.get(&key).filter(|session| now.at < session.began + TTL)?;
            SignedIn { key, who: session.who.clone(), csrf: Arc::clone(&session.csrf) }
        };
        if found.who.holds(gateway, token, now) {
            return Some(found);
        }
        self.end(&found);
        None
    }

    /// Signs out.
    pub(super) fn end(&self, signed_in: &SignedIn) {
        self.0.lock().remove(&signed_in.key);
    }

    /// Keeps a sentence for the next page.
    pub(super) fn tell(&self, signed_in: &SignedIn, told: &str) {
        if let Some(session) = self.0.lock().get_mut(&signed_in.key) {
            session.flash = Some(cut(told, FLASH_BYTES_MAX).to_owned());
        }
    }

    /// The sentence that was kept, once.
    pub(super) fn told(&self, signed_in: &SignedIn) -> Option<String> {
        self.0.lock().get_mut(&signed_in.key)?.flash.take()
    }
}

impl SignedIn {
    /// What the forms of this session bring with them.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether a form is one of ours. Compared in constant time.
    pub(super) fn is_own(&self, csrf: &str) -> bool {
        constant_time::verify_slices_are_equal(self.csrf.as_bytes(), csrf.as_bytes()).is_ok()
    }
}

impl Who {
    /// Whether they could sign in again: the token is the same, the account's session lives, and it has the role still (AD-07).
    fn holds(&self, gateway: &Gateway, token: &Token, now: Moment) -> bool {
        match self {
            Self::Token(fingerprint) => token.fingerprint() == *fingerprint,
            Self::Account { user, session } => {
                let lifetimes = Lifetimes::of(&gateway.live.current().config.session);
                let account = gateway.auth.accounts.get(*user);
                account.is_some_and(|account| {
                    !account.disabled && account.roles.iter().any(|role| &**role == ROLE)
                }) && gateway.auth.sessions.lookup(*session, lifetimes, now).is_ok()
            }
        }
    }
}

fn key(cookie: &str) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, cookie.as_bytes()).as_ref());
    key
}
