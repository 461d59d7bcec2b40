//! All keys: in memory for every request, on disk for the next start.
//!
//! Revoking is memory first, then disk, as for sessions: no request that starts after [`ApiKeys::revoke`] was called finds
//! the key good, and if the disk does not follow, the caller hears of it and may ask again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use super::super::durable::{KeyLog, Unavailable};
use super::super::ids::UserId;
use super::form::{self, KeyId, KeySecret, SecretDigest};
use super::{ApiKey, Issued, KeyRow, NewKey};

/// Most keys, revoked ones included.
pub const KEYS_MAX: usize = 100_000;

const SHARDS: usize = 16;

/// Why a key was not made or revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no such key.
    #[error("there is no such key")]
    Unknown,
    /// [`KEYS_MAX`].
    #[error("there are too many keys")]
    TooMany,
    /// Storage did not take the change.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The table. One for the whole process, shared by all workers.
pub struct ApiKeys {
    shards: [RwLock<HashMap<KeyId, Arc<ApiKey>>>; SHARDS],
    count: AtomicUsize,
    log: Arc<dyn KeyLog>,
}

impl ApiKeys {
    /// An empty table over a durable log.
    pub fn new(log: Arc<dyn KeyLog>) -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()), count: AtomicUsize::new(0), log }
    }

    /// Takes in what was on disk when the process started.
    pub fn load(&self, rows: Vec<KeyRow>) {
        for row in rows {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.put(row);
        }
    }

    /// Makes a key, on disk before it returns.
    ///
    /// # Errors
    /// There are too many, or storage refused; then there is no such key.
    pub async fn create(&self, made: NewKey, now_ms: i64) -> Result<Issued, KeyError> {
        let place = Place::take(&self.count)?;
        let (id, secret) = (KeyId::generate(), KeySecret::generate());
        let digest = secret.digest();
        let row = KeyRow { id, digest, made, created_ms: now_ms, last_used_ms: None, revoked_ms: None };
        self.log.insert(&row).await?;
        place.keep();
        Ok(Issued { key: self.put(row), text: secret.text(id) })
    }

    /// Revokes a key: good for no request that starts from now on; `Ok` once the disk knows. Revoking again tells the disk
    /// again and is no error.
    ///
    /// # Errors
    /// There is none, or the disk does not know yet: the caller must not report success.
    pub async fn revoke(&self, id: KeyId, now_ms: i64) -> Result<Arc<ApiKey>, KeyError> {
        let key = self.get(id).ok_or(KeyError::Unknown)?;
        let revoked_ms = key.revoke(now_ms);
        self.log.revoke(id, revoked_ms).await?;
        Ok(key)
    }

    /// Drops the keys of an account that is forgotten; storage dropped them with the account.
    pub fn forget(&self, owner: UserId) {
        for shard in &self.shards {
            let mut shard = shard.write();
            let before = shard.len();
            shard.retain(|_, key| key.account() != Some(owner));
            self.count.fetch_sub(before - shard.len(), Ordering::Relaxed);
        }
    }

    /// The key whose whole text this is, whether or not it is still good. An id that nobody has costs the same as a wrong
    /// secret: a look, a hash and a comparison in constant time.
    pub fn genuine(&self, text: &str) -> Option<Arc<ApiKey>> {
        let (id, secret) = form::read(text)?;
        let shown = secret.digest();
        let key = self.get(id);
        let nobodys = SecretDigest::from_bytes([0; 32]);
        let right = *key.as_ref().map_or(&nobodys, |key| &key.digest) == shown;
        key.filter(|_| right)
    }

    /// Notes that a key was used; at most once a minute that is noted on disk.
    pub fn note_use(&self, key: &ApiKey, now_ms: i64) {
        if key.used(now_ms) {
            self.log.touch(key.id(), now_ms);
        }
    }

    /// All keys, newest first.
    pub fn list(&self) -> Vec<Arc<ApiKey>> {
        let mut all: Vec<_> =
            self.shards.iter().flat_map(|s| s.read().values().cloned().collect::<Vec<_>>()).collect();
        all.sort_unstable_by_key(|key| std::cmp::Reverse((key.created_ms, key.id)));
        all
    }

    /// How many there are, revoked ones included.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn get(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.shard(id).read().get(&id).cloned()
    }

    fn put(&self, row: KeyRow) -> Arc<ApiKey> {
        let key = Arc::new(ApiKey::from_row(row));
        self.shard(key.id).write().insert(key.id, Arc::clone(&key));
        key
    }

    fn shard(&self, id: KeyId) -> &RwLock<HashMap<KeyId, Arc<ApiKey>>> {
        &self.shards[usize::from(id.as_bytes()[0]) % SHARDS]
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({})", self.count())
    }
}

/// A place among [`KEYS_MAX`], given back unless it is kept.
struct Place<'a>(Option<&'a AtomicUsize>);

impl<'a> Place<'a> {
    fn take(count: &'a AtomicUsize) -> Result<Self, KeyError> {
        let room = |n: usize| (n < KEYS_MAX).then_some(n + 1);
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map(|_| Self(Some(count)))
            .map_err(|_| KeyError::TooMany)
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
