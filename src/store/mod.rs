//! Floor 3: SQLite. One writer thread, short-lived readers, plain rows; nothing here knows what a session means.
//!
//! Sessions and users are on disk before their write is answered. Usage rows wait in a bounded queue; what does not fit
//! is dropped and counted. A worker never waits for the disk: it hands a write over and awaits a [`Pending`], or not.

mod alerts;
mod bans;
mod blocks;
mod copy;
mod decisions;
mod error;
mod identities;
mod identity;
mod keys;
mod kv;
mod label;
mod lock;
mod migrate;
mod open;
mod queue;
mod reader;
mod reloads;
mod search;
mod sessions;
mod sweep;
mod trace;
mod usage;
mod users;
mod values;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub use self::alerts::AlertRow;
pub use self::bans::{BanRow, LockdownRow};
pub use self::copy::copy;
pub use self::decisions::{DecisionRow, Impact};
pub use self::error::{CloseError, OpenError, WriteError};
pub use self::identities::IdentityRow;
pub use self::keys::KeyRow;
pub use self::kv::KvRow;
pub use self::label::Label;
pub use self::queue::Pending;
pub use self::reader::Reader;
pub use self::reloads::{REASON_BYTES_MAX, ReloadRow};
pub use self::sessions::{SessionRow, SessionsRemoved};
pub use self::sweep::Sweep;
pub use self::trace::{
    ANSWER, BucketTrace, HeaderNames, OTHER_NAME, RuleAsked, RuleTrace, STAGES, StageTrace, Trace,
    TraceBytes, TraceWriter,
};
pub use self::usage::{UsageFilter, UsageListed, UsageRow};
pub use self::users::UserRow;

use self::queue::{Batched, Op, Queues};
use crate::base::secret::Secret;

/// How a database is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most usage rows that wait.
    pub usage_queue_max: usize,
    /// How long a write waits for another process that holds the database; then it is refused.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { usage_queue_max: 10_000, busy_timeout: Duration::from_secs(2) }
    }
}

/// The open database: a handle that is cheap to clone. When the last one is dropped, what was handed over is written.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    pseudonym_key: Secret<[u8; 32]>,
    shared: Arc<Shared>,
}

/// What the handles and the writer thread share.
struct Shared {
    queues: Queues,
    write_errors: AtomicU64,
    healthy: AtomicBool,
}

impl Store {
    /// Opens the database, making its folder (0700) and file (0600) if they are not there, and starts its writer.
    /// Blocks; for the start of the process, not for a worker.
    ///
    /// # Errors
    /// One clear sentence for each way in which a file is not ours to use; see [`OpenError`].
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let opened = open::writable(path)?;
        let shared = Arc::new(Shared {
            queues: Queues::new(options.usage_queue_max),
            write_errors: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
        });
        let pseudonym_key = opened.pseudonym_key.clone();
        writer::start(opened, options.busy_timeout, Arc::clone(&shared))
            .map_err(|source| OpenError::Thread { source })?;
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), pseudonym_key, shared }) })
    }

    /// A connection that only reads. Opening and reading block: not for a worker.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader, OpenError> {
        Reader::beside_writer(&self.inner.path)
    }

    /// Makes room for more or fewer usage rows that wait; those that wait already stay.
    pub fn set_usage_queue_max(&self, usage_queue_max: usize) {
        self.inner.shared.queues.set_batched_max(usage_queue_max);
    }

    /// The key under which people and addresses become pseudonyms in rows; made when the database was.
    pub fn pseudonym_key(&self) -> &Secret<[u8; 32]> {
        &self.inner.pseudonym_key
    }

    /// Adds a session and removes those that gave way to it, both or neither.
    pub fn insert_session(&self, row: SessionRow, gave_way: Vec<[u8; 16]>) -> Pending {
        self.urgent(Op::InsertSession { row, gave_way })
    }

    /// Removes sessions; those that are not there are no error.
    pub fn remove_sessions(&self, which: SessionsRemoved) -> Pending {
        self.urgent(Op::RemoveSessions(which))
    }

    /// Adds a user, or replaces the one with its id.
    pub fn save_user(&self, row: UserRow) -> Pending {
        self.urgent(Op::SaveUser(row))
    }

    /// Adds an API key.
    pub fn insert_key(&self, row: KeyRow) -> Pending {
        self.urgent(Op::InsertKey(row))
    }

    /// Notes when an API key was revoked; one that is not there is no error.
    pub fn revoke_key(&self, id: [u8; 8], revoked_ms: i64) -> Pending {
        self.urgent(Op::RevokeKey { id, revoked_ms })
    }

    /// Lets a session live longer, never shorter; one that is not there is no error and stays so.
    pub fn extend_session(&self, id: [u8; 16], expires_ms: i64) -> Pending {
        self.urgent(Op::ExtendSession { id, expires_ms })
    }

    /// Removes a user and what belongs to it, its sessions and the API keys whose owner is `owner`, and overwrites where
    /// it stood, as far as no reader holds on to it.
    pub fn erase_user(&self, id: [u8; 16], owner: String) -> Pending {
        self.urgent(Op::EraseUser { id, owner })
    }

    /// Adds an identity at a provider, or replaces the one of that issuer and subject.
    pub fn save_identity(&self, row: IdentityRow) -> Pending {
        self.urgent(Op::SaveIdentity(row))
    }

    /// Notes the outcome of a reload.
    pub fn add_reload(&self, row: ReloadRow) -> Pending {
        self.urgent(Op::AddReload(row))
    }

    /// Writes down a message of an alert.
    pub fn add_alert(&self, row: AlertRow) -> Pending {
        self.urgent(Op::AddAlert(row))
    }

    /// Notes what became of a message of an alert; one that is not there is no error.
    pub fn alert_became(&self, event_id: String, delivered: &'static str) -> Pending {
        self.urgent(Op::AlertBecame { event_id, delivered })
    }

    /// Saves what rules remember, all of it or nothing; a row without a value is deleted.
    pub fn save_kv(&self, rows: Vec<KvRow>) -> Pending {
        self.urgent(Op::SaveKv(rows))
    }

    /// Adds a ban, or replaces the one of its target.
    pub fn save_ban(&self, row: BanRow) -> Pending {
        self.urgent(Op::SaveBan(row))
    }

    /// Removes bans by kind and target; those that are not there are no error.
    pub fn remove_bans(&self, targets: Vec<(&'static str, String)>) -> Pending {
        self.urgent(Op::RemoveBans(targets))
    }

    /// Notes that lockdown is on, or, with nothing, that it is off.
    pub fn set_lockdown(&self, row: Option<LockdownRow>) -> Pending {
        self.urgent(Op::SetLockdown(row))
    }

    /// Notes when a session was last seen. Written with the usage rows; may be late, or lost when their queue is full.
    pub fn touch_session(&self, id: [u8; 16], last_seen_ms: i64) {
        // Not counted: no row is lost, and the next request of the session notes it again.
        let _ = self.inner.shared.queues.batch(Batched::Touch { id, last_seen_ms });
    }

    /// Notes when an API key was last used; otherwise as [`Store::touch_session`].
    pub fn touch_key(&self, id: [u8; 8], last_used_ms: i64) {
        let _ = self.inner.shared.queues.batch(Batched::TouchKey { id, last_used_ms });
    }

    /// Hands over a usage row. Never waits; a row that does not fit is dropped and counted.
    pub fn add_usage(&self, row: UsageRow) {
        let queues = &self.inner.shared.queues;
        if !queues.batch(Batched::Usage(row)) {
            queues.count_dropped(1);
        }
    }

    /// Hands over what a rule decided; otherwise as [`Store::add_usage`].
    pub fn add_decision(&self, row: DecisionRow) {
        let queues = &self.inner.shared.queues;
        if !queues.batch(Batched::Decision(row)) {
            queues.count_dropped(1);
        }
    }

    /// Removes what is past its time, in slices that let other writes go first. One sweep at a time: a second one while
    /// the first goes on takes its place.
    pub fn sweep(&self, sweep: Sweep) -> Pending {
        self.inner.shared.queues.sweep(sweep)
    }

    /// Ready when everything handed over before, usage rows too, is on disk or has been refused once.
    pub fn flush(&self) -> Pending {
        self.inner.shared.queues.flush()
    }

    /// Usage rows that were dropped since the start.
    pub fn usage_rows_dropped(&self) -> u64 {
        self.inner.shared.queues.dropped()
    }

    /// Commits that the database refused since the start.
    pub fn write_errors(&self) -> u64 {
        self.inner.shared.write_errors.load(Ordering::Relaxed)
    }

    /// Whether the last commit worked.
    pub fn is_healthy(&self) -> bool {
        self.inner.shared.healthy.load(Ordering::Relaxed)
    }

    /// Writes what was handed over, folds the log into the database file and closes it. Blocks for at most `within`.
    /// What is handed over later is refused.
    ///
    /// # Errors
    /// [`CloseError`] when it is not done in time; it goes on in its thread for as long as the process lives.
    pub fn close(&self, within: Duration) -> Result<(), CloseError> {
        self.inner.shared.queues.close(within)
    }

    fn urgent(&self, op: Op) -> Pending {
        self.inner.shared.queues.urgent(op)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queues.begin_close();
    }
}
