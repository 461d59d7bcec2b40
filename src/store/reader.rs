//! Reading: a connection of its own that cannot write. Every call blocks: not for a worker.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::alerts::{self, AlertRow};
use super::bans::{self, BanRow, LockdownRow};
use super::decisions::{self, Impact};
use super::error::{OpenError, reason};
use super::identities::{self, IdentityRow};
use super::keys::{self, KeyRow};
use super::kv::{self, KvRow};
use super::reloads::{self, ReloadRow};
use super::sessions::{self, SessionRow};
use super::trace::Trace;
use super::usage::{self, UsageFilter, UsageListed};
use super::users::{self, UserRow};
use super::{error, open, search, values};
use crate::base::secret::Secret;

/// A read-only connection.
pub struct Reader {
    path: PathBuf,
    connection: Connection,
}

impl Reader {
    /// Opens a database for reading, whether or not a gateway has it open.
    ///
    /// # Errors
    /// There is none, or it is not ours to read; see [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { path: path.to_owned(), connection: open::readable(path)? })
    }

    /// The key under which people and addresses became pseudonyms in rows.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn pseudonym_key(&self) -> Result<Secret<[u8; 32]>, OpenError> {
        let sql = "SELECT value FROM meta WHERE key = 'pseudonym_key'";
        self.explain(self.connection.query_row(sql, [], |row| row.get::<_, [u8; 32]>(0))).map(Secret::new)
    }

    /// Opens a database that this process has open for writing.
    pub(super) fn beside_writer(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { path: path.to_owned(), connection: open::readable_again(path)? })
    }

    /// Every session that has not expired at `now_ms` (milliseconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn sessions(&self, now_ms: i64) -> Result<Vec<SessionRow>, OpenError> {
        self.explain(sessions::load(&self.connection, now_ms))
    }

    /// Every user, by name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn users(&self) -> Result<Vec<UserRow>, OpenError> {
        self.explain(users::load(&self.connection))
    }

    /// Every API key, newest first, revoked ones too.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn keys(&self) -> Result<Vec<KeyRow>, OpenError> {
        self.explain(keys::load(&self.connection))
    }

    /// Every identity at a provider.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn identities(&self) -> Result<Vec<IdentityRow>, OpenError> {
        self.explain(identities::load(&self.connection))
    }

    /// The newest usage rows, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn usage(&self, most: usize) -> Result<Vec<UsageListed>, OpenError> {
        self.requests(&UsageFilter::default(), most)
    }

    /// Requests that a filter lets through: the newest first, or, after a row, the oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn requests(&self, filter: &UsageFilter, most: usize) -> Result<Vec<UsageListed>, OpenError> {
        self.explain(search::find(&self.connection, filter, most))
    }

    /// Every request of a correlation id, the newest first, with its trace: clients choose their ids, and may choose one
    /// twice.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn request(&self, id: &str) -> Result<Vec<(UsageListed, Option<Trace>)>, OpenError> {
        self.explain(usage::of_id(&self.connection, id))
    }

    /// What a plugin in shadow would have done since a time in milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn impact(&self, plugin: &str, since_ms: i64) -> Result<Impact, OpenError> {
        self.explain(decisions::impact(&self.connection, plugin, since_ms))
    }

    /// The newest messages of alerts not before a time in milliseconds since 1970-01-01 UTC, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn alerts(&self, since_ms: i64, most: usize) -> Result<Vec<AlertRow>, OpenError> {
        self.explain(alerts::newest(&self.connection, since_ms, most))
    }

    /// The newest reloads, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn reloads(&self, most: usize) -> Result<Vec<ReloadRow>, OpenError> {
        self.explain(reloads::newest(&self.connection, most))
    }

    /// What rules remember, as far as it has not ended at `now_ms` (milliseconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn kv(&self, now_ms: i64) -> Result<Vec<KvRow>, OpenError> {
        self.explain(kv::load(&self.connection, now_ms))
    }

    /// Every ban that has not ended at `now_ms` (milliseconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn bans(&self, now_ms: i64) -> Result<Vec<BanRow>, OpenError> {
        self.explain(bans::load(&self.connection, now_ms))
    }

    /// Lockdown, where it was begun and not ended; it may have run out.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn lockdown(&self) -> Result<Option<LockdownRow>, OpenError> {
        self.explain(bans::lockdown(&self.connection))
    }

    /// Hands over every text and blob of every table, with the names of its table and column.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn each_value(&self, value: impl FnMut(&str, &str, &[u8])) -> Result<(), OpenError> {
        self.explain(values::each(&self.connection, value))
    }

    fn explain<T>(&self, read: rusqlite::Result<T>) -> Result<T, OpenError> {
        read.map_err(|error| match error {
            rusqlite::Error::SqliteFailure(..) if !error::is_damage(&error) => {
                OpenError::Refused { path: self.path.clone(), reason: reason(&error) }
            }
            // A row that does not have the form in which it was written.
            _ => OpenError::Damaged { path: self.path.clone() },
        })
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}
