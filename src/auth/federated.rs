//! People whom a provider vouches for: which account an issuer and a subject belong to, and what the provider says of
//! the person. An address never decides whose account it is: it may change hands.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::accounts::{Account, AccountError, Accounts};
use super::durable::{Unavailable, Written};
use super::id_map::IdMap;
use super::ids::UserId;
use super::name::AccountName;
use super::oidc::Identity;

/// A link between a person at a provider and an account here. Personal: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The provider's issuer.
    pub issuer: String,
    /// The provider's name for the person.
    pub subject: String,
    /// Whose account it is.
    pub user: UserId,
    /// What the provider says of the person.
    pub profile: Profile,
    /// The last sign-in, in milliseconds since 1970-01-01 UTC.
    pub updated_ms: i64,
}

/// What a provider says of a person.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The verified address.
    pub email: Option<String>,
    /// The name to show.
    pub name: Option<String>,
}

/// Where links are kept.
pub trait LinkLog: Send + Sync {
    /// Adds the link, or replaces the one of its issuer and subject.
    fn save(&self, link: &Link) -> Written;
}

/// All links. One for the whole process.
pub struct Federated {
    state: Mutex<State>,
    log: Arc<dyn LinkLog>,
}

/// Issuer and subject.
type Key = (String, String);

#[derive(Default)]
struct State {
    users: HashMap<Key, UserId>,
    profiles: IdMap<UserId, Arc<Profile>>,
    /// People whose account is being made: a second sign-in at the same time waits, and must not make another.
    making: HashMap<Key, watch::Receiver<()>>,
}

impl Federated {
    /// No links over a durable log.
    pub fn new(log: Arc<dyn LinkLog>) -> Self {
        Self { state: Mutex::default(), log }
    }

    /// Takes in what was on disk when the process started.
    pub fn load(&self, links: Vec<Link>) {
        let mut state = self.state.lock();
        for link in links {
            state.users.insert((link.issuer, link.subject), link.user);
            state.profiles.insert(link.user, Arc::new(link.profile));
        }
    }

    /// What a provider says of the person behind an account.
    pub fn profile(&self, user: UserId) -> Option<Arc<Profile>> {
        self.state.lock().profiles.get(&user).cloned()
    }

    /// The account of a person at a provider, made at the first sign-in with the given roles, durable before it
    /// returns. The name is the verified address where nobody has it yet; an account that has it already is somebody
    /// else's until an operator says otherwise, so the name is an opaque word then.
    ///
    /// # Errors
    /// Storage refused, or there are too many accounts or roles.
    pub async fn account(
        &self,
        accounts: &Accounts,
        provider: &str,
        identity: &Identity,
        roles: &[String],
        now_ms: i64,
    ) -> Result<Arc<Account>, Unavailable> {
        let key = (identity.issuer.clone(), identity.subject.clone());
        loop {
            match self.turn(&key, accounts) {
                Turn::Known(account) => {
                    self.link(provider, identity, account.id, now_ms).await?;
                    return Ok(account);
                }
                // Held until the link stands: whoever waits finds it then, or tries in turn.
                Turn::Mine(_making) => {
                    let account = self.first(accounts, provider, identity, &key, roles, now_ms).await?;
                    self.link(provider, identity, account.id, now_ms).await?;
                    return Ok(account);
                }
                Turn::Others(mut made) => {
                    // Ends with an error when the other is done, which is what is waited for.
                    let _ = made.changed().await;
                }
            }
        }
    }

    fn turn(&self, key: &Key, accounts: &Accounts) -> Turn<'_> {
        let mut state = self.state.lock();
        if let Some(account) = state.users.get(key).and_then(|user| accounts.get(*user)) {
            return Turn::Known(account);
        }
        if let Some(made) = state.making.get(key) {
            return Turn::Others(made.clone());
        }
        let (done, made) = watch::channel(());
        state.making.insert(key.clone(), made);
        Turn::Mine(Making { federated: self, key: key.clone(), _done: done })
    }

    async fn first(
        &self,
        accounts: &Accounts,
        provider: &str,
        identity: &Identity,
        key: &Key,
        roles: &[String],
        now_ms: i64,
    ) -> Result<Arc<Account>, Unavailable> {
        let roles: Vec<Arc<str>> = roles.iter().map(|r| Arc::from(r.as_str())).collect();
        let address = identity.email.as_deref().and_then(|email| AccountName::parse(email).ok());
        let word = AccountName::parse(&opaque(provider, key)).map_err(|_| Unavailable)?;
        for name in address.into_iter().chain([word.clone()]) {
            match accounts.add(name, None, roles.clone(), now_ms).await {
                Ok(account) => return Ok(account),
                Err(AccountError::Taken) => {}
                Err(_) => return Err(Unavailable),
            }
        }
        // The word is made of this very person's key: an account of that name that nobody can sign in to was left
        // behind when its link could not be written.
        accounts
            .find(&word)
            .filter(|a| a.password.is_none() && self.profile(a.id).is_none())
            .ok_or(Unavailable)
    }

    async fn link(
        &self,
        provider: &str,
        identity: &Identity,
        user: UserId,
        now_ms: i64,
    ) -> Result<(), Unavailable> {
        let profile = Profile {
            provider: provider.to_owned(),
            email: identity.email.clone(),
            name: identity.name.clone(),
        };
        let link = Link {
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            user,
            profile: profile.clone(),
            updated_ms: now_ms,
        };
        self.log.save(&link).await?;
        let mut state = self.state.lock();
        state.users.insert((link.issuer, link.subject), user);
        state.profiles.insert(user, Arc::new(profile));
        Ok(())
    }

    /// Drops what is known of people whose account is no more.
    pub fn forget_those_without(&self, accounts: &Accounts) {
        let mut state = self.state.lock();
        state.users.retain(|_, user| accounts.get(*user).is_some());
        state.profiles.retain(|user, _| accounts.get(*user).is_some());
    }
}

/// A word that stands for a person at a provider and tells nothing of them.
fn opaque(provider: &str, (issuer, subject): &Key) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    // The length keeps two different pairs from having the same bytes.
    context.update(&(issuer.len() as u64).to_be_bytes());
    context.update(issuer.as_bytes());
    context.update(subject.as_bytes());
    let hash = context.finish();
    let hex: String = hash.as_ref().iter().take(8).flat_map(|b| [b >> 4, b & 15]).map(hex_digit).collect();
    let provider: String = provider.chars().take(32).collect();
    format!("{provider}-{hex}")
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

/// What a sign-in finds.
enum Turn<'a> {
    /// There is an account.
    Known(Arc<Account>),
    /// There is none: it is this sign-in's to make.
    Mine(Making<'a>),
    /// Another one is making it.
    Others(watch::Receiver<()>),
}

/// Holds the making of one account; let go, and told to those who wait, when dropped.
struct Making<'a> {
    federated: &'a Federated,
    key: Key,
    _done: watch::Sender<()>,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.federated.state.lock().making.remove(&self.key);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl fmt::Debug for Federated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Federated({})", self.state.lock().users.len())
    }
}

#[cfg(test)]
mod tests;
