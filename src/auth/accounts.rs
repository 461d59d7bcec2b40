//! Accounts: in memory for every request, on disk for the next start.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::durable::{AccountLog, Unavailable, Written};
use super::id_map::IdMap;
use super::ids::UserId;
use super::name::AccountName;
use super::password::PasswordDigest;
use super::person::Person;

/// Most accounts.
pub const ACCOUNTS_MAX: usize = 1_000_000;
/// Most roles of one account.
pub const ROLES_MAX: usize = 64;

const SHARDS: usize = 16;

/// One account. Immutable: a change replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Opaque; what tokens, upstreams and buckets know.
    pub id: UserId,
    /// What the person signs in with.
    pub name: AccountName,
    /// Absent for an account that signs in some other way.
    pub password: Option<PasswordDigest>,
    /// What routes may ask for.
    pub roles: Arc<[Arc<str>]>,
    /// May not act: its sessions do not authenticate.
    pub disabled: bool,
    /// In milliseconds since 1970-01-01 UTC.
    pub created_ms: i64,
    /// What they are called where nobody is to be named.
    pub person: Person,
}

/// Why an account was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The name belongs to another account.
    #[error("there is already an account of that name")]
    Taken,
    /// There is no such account.
    #[error("there is no such account")]
    Unknown,
    /// [`ACCOUNTS_MAX`] or [`ROLES_MAX`].
    #[error("too many accounts or roles")]
    TooMany,
    /// Storage did not take the change.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// All accounts. One for the whole process.
pub struct Accounts {
    shards: [RwLock<IdMap<UserId, Arc<Account>>>; SHARDS],
    /// Also the reservation of names whose account is not on disk yet.
    names: Mutex<HashMap<AccountName, UserId>>,
    log: Arc<dyn AccountLog>,
}

impl Accounts {
    /// An empty list over a durable log.
    pub fn new(log: Arc<dyn AccountLog>) -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()), names: Mutex::default(), log }
    }

    /// Takes in what was on disk when the process started.
    pub fn load(&self, accounts: Vec<Account>) {
        for account in accounts {
            self.names.lock().insert(account.name.clone(), account.id);
            self.put(account);
        }
    }

    /// The account of that id.
    pub fn get(&self, id: UserId) -> Option<Arc<Account>> {
        self.shard(id).read().get(&id).cloned()
    }

    /// The account of that name.
    pub fn find(&self, name: &AccountName) -> Option<Arc<Account>> {
        let id = self.names.lock().get(name).copied()?;
        self.get(id)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.names.lock().len()
    }

    /// All accounts by name.
    pub fn list(&self) -> Vec<Arc<Account>> {
        let mut all: Vec<_> =
            self.shards.iter().flat_map(|s| s.read().values().cloned().collect::<Vec<_>>()).collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Adds an account, on disk before it returns.
    ///
    /// # Errors
    /// The name is taken, there are too many, or storage refused; then nothing has changed.
    pub async fn add(
        &self,
        name: AccountName,
        password: Option<PasswordDigest>,
        roles: Vec<Arc<str>>,
        now_ms: i64,
    ) -> Result<Arc<Account>, AccountError> {
        if roles.len() > ROLES_MAX {
            return Err(AccountError::TooMany);
        }
        let id = UserId::generate();
        let account = Account {
            id,
            name,
            password,
            roles: roles.into(),
            disabled: false,
            created_ms: now_ms,
            person: Person::new(id),
        };
        let reserved = NameReservation::take(self, &account)?;
        self.log.save(&account).await?;
        let account = self.put(account);
        reserved.confirm();
        Ok(account)
    }

    /// Changes the password, on disk before it returns. The caller ends the account's sessions.
    ///
    /// # Errors
    /// No such account, or storage refused; then the old password holds.
    pub async fn set_password(&self, id: UserId, password: PasswordDigest) -> Result<(), AccountError> {
        let (before, written) = self.change(id, |account| account.password = Some(password.clone()))?;
        let refused = written.await;
        if refused.is_err() {
            self.revert(id, |account| {
                if account.password.as_ref() == Some(&password) {
                    account.password.clone_from(&before.password);
                }
            });
        }
        Ok(refused?)
    }

    /// Lets an account act again, or no longer, on disk before it returns.
    ///
    /// # Errors
    /// No such account, or storage refused: the caller must not report success. The account is disabled then, either way.
    pub async fn set_disabled(&self, id: UserId, disabled: bool) -> Result<(), AccountError> {
        let (before, written) = self.change(id, |account| account.disabled = disabled)?;
        let refused = written.await;
        if refused.is_err() && before.disabled {
            self.revert(id, |account| account.disabled = true);
        }
        Ok(refused?)
    }

    /// Erases an account, on disk before it returns: nobody from the moment this is called, and its name free once it is
    /// gone. The caller ends its sessions.
    ///
    /// # Errors
    /// No such account, or storage refused: then it is still there, disabled.
    pub async fn forget(&self, id: UserId) -> Result<(), AccountError> {
        let (account, written) = {
            let mut shard = self.shard(id).write();
            let account = shard.remove(&id).ok_or(AccountError::Unknown)?;
            // Under the lock, as in `change`: what changed the account before is on disk before it is erased, and nothing
            // can change it afterwards, which would write it anew.
            (account, self.log.erase(id))
        };
        let erasure = Erasure { accounts: self, account: Some(account) };
        written.await?;
        erasure.confirm();
        Ok(())
    }

    fn shard(&self, id: UserId) -> &RwLock<IdMap<UserId, Arc<Account>>> {
        &self.shards[usize::from(id.as_bytes()[0]) % SHARDS]
    }

    fn put(&self, account: Account) -> Arc<Account> {
        let account = Arc::new(account);
        self.shard(account.id).write().insert(account.id, Arc::clone(&account));
        account
    }

    /// Replaces one account and hands it to the log, both under its shard's lock: the disk sees changes in the order in
    /// which they were made here. Returns what was before, and the write under way.
    fn change(
        &self,
        id: UserId,
        change: impl FnOnce(&mut Account),
    ) -> Result<(Arc<Account>, Written), AccountError> {
        let mut shard = self.shard(id).write();
        let account = shard.get_mut(&id).ok_or(AccountError::Unknown)?;
        let mut next = Account::clone(account);
        change(&mut next);
        let before = std::mem::replace(account, Arc::new(next));
        Ok((before, self.log.save(account)))
    }

    /// Takes a change back that the disk refused.
    fn revert(&self, id: UserId, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.shard(id).write().get_mut(&id) {
            change(Arc::make_mut(account));
        }
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Accounts({})", self.count())
    }
}

/// An account that is on its way out. Dropped unconfirmed (refused, or whoever asked is gone), it is back, disabled, to be
/// erased once more.
struct Erasure<'a> {
    accounts: &'a Accounts,
    account: Option<Arc<Account>>,
}

impl Erasure<'_> {
    fn confirm(mut self) {
        if let Some(account) = self.account.take() {
            self.accounts.names.lock().remove(&account.name);
        }
    }
}

impl Drop for Erasure<'_> {
    fn drop(&mut self) {
        if let Some(account) = self.account.take() {
            self.accounts.put(Account { disabled: true, ..Account::clone(&account) });
        }
    }
}

/// A name that is taken while its account is being written. Dropped unconfirmed, it is free again.
struct NameReservation<'a> {
    accounts: &'a Accounts,
    name: Option<AccountName>,
}

impl<'a> NameReservation<'a> {
    fn take(accounts: &'a Accounts, account: &Account) -> Result<Self, AccountError> {
        let mut names = accounts.names.lock();
        if names.len() >= ACCOUNTS_MAX {
            return Err(AccountError::TooMany);
        }
        if names.contains_key(&account.name) {
            return Err(AccountError::Taken);
        }
        names.insert(account.name.clone(), account.id);
        Ok(Self { accounts, name: Some(account.name.clone()) })
    }

    fn confirm(mut self) {
        self.name = None;
    }
}

impl Drop for NameReservation<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.accounts.names.lock().remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
