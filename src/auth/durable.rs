//! What must outlive the process, as this trade asks for it. A floor above connects these traits to a database.

use std::future::Future;
use std::pin::Pin;

use super::accounts::Account;
use super::api_key::{KeyId, KeyRow};
use super::ids::{SessionId, UserId};

/// A write under way: ready when it is on disk, or when it is certain that it is not.
///
/// The write is handed over when the method is called; dropping the future gives up the answer, not the write.
pub type Written = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send>>;

/// Storage did not take the write: full, busy, gone, or closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("storage did not take the write")]
pub struct Unavailable;

/// A session as storage keeps it; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_ms: i64,
    /// When it ends at the latest.
    pub expires_ms: i64,
    /// The last request, at most a minute behind.
    pub last_seen_ms: i64,
}

/// Which sessions end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// These.
    Ids(Vec<SessionId>),
    /// All of one user.
    User(UserId),
    /// All.
    All,
}

/// Where sessions are kept. Writes take effect in the order of the calls.
pub trait SessionLog: Send + Sync {
    /// Adds a session and removes those that gave way to it, both or neither.
    fn insert(&self, row: SessionRow, gave_way: Vec<SessionId>) -> Written;

    /// Removes sessions; those that are not there are no error.
    fn remove(&self, which: Ended) -> Written;

    /// Lets a session live longer. One that is not there stays so, and a life is never shortened.
    fn extend(&self, id: SessionId, expires_ms: i64) -> Written;

    /// Notes the last request. It may be late or lost: then a restart sees the session idle for longer.
    fn touch(&self, id: SessionId, last_seen_ms: i64);
}

/// Where accounts are kept. Writes take effect in the order of the calls.
pub trait AccountLog: Send + Sync {
    /// Adds the account, or replaces the one with its id.
    fn save(&self, account: &Account) -> Written;

    /// Removes the account of that id, and with it its sessions and its API keys, so that nothing of it can be read again.
    fn erase(&self, id: UserId) -> Written;
}

/// Where API keys are kept. Writes take effect in the order of the calls.
pub trait KeyLog: Send + Sync {
    /// Adds a key.
    fn insert(&self, row: &KeyRow) -> Written;

    /// Notes when a key was revoked; one that is not there is no error.
    fn revoke(&self, id: KeyId, revoked_ms: i64) -> Written;

    /// Notes the last use. It may be late or lost.
    fn touch(&self, id: KeyId, last_used_ms: i64);
}
