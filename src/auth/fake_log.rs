//! A durable log for tests: keeps rows in memory, and refuses when told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::accounts::Account;
use super::api_key::{KeyId, KeyRow};
use super::durable::{AccountLog, Ended, KeyLog, SessionLog, SessionRow, Unavailable, Written};
use super::ids::{SessionId, UserId};

#[derive(Default)]
pub(crate) struct FakeLog {
    pub(crate) sessions: Arc<Mutex<BTreeMap<SessionId, SessionRow>>>,
    pub(crate) accounts: Mutex<BTreeMap<UserId, Account>>,
    pub(crate) keys: Mutex<BTreeMap<KeyId, KeyRow>>,
    pub(crate) touches: AtomicUsize,
    pub(crate) extensions: AtomicUsize,
    pub(crate) full: AtomicBool,
    /// Insertions take effect when they are answered, after removals that were asked for later.
    pub(crate) late_inserts: AtomicBool,
    /// Writes wait here while it holds a receiver.
    pub(crate) gate: Mutex<Option<tokio::sync::watch::Receiver<bool>>>,
}

impl FakeLog {
    pub(crate) fn shared() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    fn write(&self, change: impl FnOnce()) -> Written {
        let full = self.full.load(Ordering::SeqCst);
        if !full {
            change();
        }
        let gate = self.gate.lock().clone();
        Box::pin(async move {
            if let Some(mut gate) = gate {
                let _ = gate.wait_for(|open| *open).await;
            }
            if full { Err(Unavailable) } else { Ok(()) }
        })
    }
}

impl SessionLog for FakeLog {
    fn insert(&self, row: SessionRow, gave_way: Vec<SessionId>) -> Written {
        let rows = Arc::clone(&self.sessions);
        let insert = move || {
            let mut rows = rows.lock();
            rows.insert(row.id, row);
            rows.retain(|id, _| !gave_way.contains(id));
        };
        if self.late_inserts.load(Ordering::SeqCst) {
            let answered = self.write(|| ());
            return Box::pin(async move {
                answered.await?;
                insert();
                Ok(())
            });
        }
        self.write(insert)
    }

    fn remove(&self, which: Ended) -> Written {
        self.write(|| {
            self.sessions.lock().retain(|id, row| match &which {
                Ended::Ids(ids) => !ids.contains(id),
                Ended::User(user) => row.user != *user,
                Ended::All => false,
            });
        })
    }

    fn extend(&self, id: SessionId, expires_ms: i64) -> Written {
        self.extensions.fetch_add(1, Ordering::SeqCst);
        self.write(|| {
            if let Some(row) = self.sessions.lock().get_mut(&id) {
                row.expires_ms = row.expires_ms.max(expires_ms);
            }
        })
    }

    fn touch(&self, id: SessionId, last_seen_ms: i64) {
        self.touches.fetch_add(1, Ordering::SeqCst);
        if let Some(row) = self.sessions.lock().get_mut(&id) {
            row.last_seen_ms = last_seen_ms;
        }
    }
}

impl AccountLog for FakeLog {
    fn save(&self, account: &Account) -> Written {
        self.write(|| {
            self.accounts.lock().insert(account.id, account.clone());
        })
    }

    fn erase(&self, id: UserId) -> Written {
        self.write(|| {
            self.accounts.lock().remove(&id);
            self.sessions.lock().retain(|_, row| row.user != id);
        })
    }
}

impl KeyLog for FakeLog {
    fn insert(&self, row: &KeyRow) -> Written {
        self.write(|| {
            self.keys.lock().insert(row.id, row.clone());
        })
    }

    fn revoke(&self, id: KeyId, revoked_ms: i64) -> Written {
        self.write(|| {
            if let Some(row) = self.keys.lock().get_mut(&id) {
                row.revoked_ms = Some(revoked_ms);
            }
        })
    }

    fn touch(&self, id: KeyId, last_used_ms: i64) {
        self.touches.fetch_add(1, Ordering::SeqCst);
        if let Some(row) = self.keys.lock().get_mut(&id) {
            row.last_used_ms = Some(last_used_ms);
        }
    }
}
