//! What can go wrong with the database, one sentence each.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open for writing.
    #[error("{} is in use by another pluginmind process", .path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// It is not there, and reading does not make one.
    #[error("there is no database at {}", .path.display())]
    Absent {
        /// The database file.
        path: PathBuf,
    },
    /// The folder, the file or the lock file cannot be made or opened.
    #[error("cannot open {}: {source}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a SQLite file, or one that was cut off.
    #[error("{} is not a SQLite database; restore it from a backup, or move it away to begin anew", .path.display())]
    NotADatabase {
        /// The database file.
        path: PathBuf,
    },
    /// A SQLite file that is damaged.
    #[error("{} is damaged; restore it from a backup, or move it away to begin anew", .path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
    },
    /// A database of something else.
    #[error("{} belongs to another application (application id {application_id})", .path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// What it says it is.
        application_id: i32,
    },
    /// Written by a newer version of this program.
    #[error("{} was written by a newer pluginmind (schema {found}, this one knows {known})", .path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Written by an older version, and only the writer brings it up to date.
    #[error("{} was written by an older pluginmind; start the gateway once to bring it up to date", .path.display())]
    Older {
        /// The database file.
        path: PathBuf,
    },
    /// The SQLite library is one that can corrupt a database in WAL mode.
    #[error("SQLite {found} is too old: 3.51.3 or newer is needed")]
    SqliteTooOld {
        /// The library's version.
        found: &'static str,
    },
    /// SQLite refused.
    #[error("cannot open {}: {reason}", .path.display())]
    Refused {
        /// The database file.
        path: PathBuf,
        /// SQLite's word for it.
        reason: &'static str,
    },
    /// The writer's thread could not be started.
    #[error("cannot start the storage thread: {source}")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
}

/// Why a write is not on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Too many writes wait.
    #[error("the storage queue is full")]
    QueueFull,
    /// The database is closed or closing.
    #[error("the storage is closed")]
    Closed,
    /// Another user has that name.
    #[error("there is already an account of that name")]
    NameTaken,
    /// A newer sweep took this one's place.
    #[error("a newer sweep took over")]
    Superseded,
    /// SQLite refused, and nothing was written.
    #[error("the database did not take the write: {0}")]
    Refused(&'static str),
}

/// The writer was not done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database was not closed in time")]
pub struct CloseError;

/// SQLite's word for an error, without its text: that may quote a row.
pub(super) fn reason(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "disk full",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "locked by another process",
        Some(ErrorCode::ReadOnly) => "read-only",
        Some(ErrorCode::SystemIoFailure) => "input/output error",
        Some(ErrorCode::DatabaseCorrupt) => "damaged",
        Some(ErrorCode::NotADatabase) => "not a database",
        Some(ErrorCode::CannotOpen) => "cannot open the file",
        Some(ErrorCode::PermissionDenied) => "permission denied",
        Some(ErrorCode::OutOfMemory) => "out of memory",
        Some(ErrorCode::ConstraintViolation) => "a constraint does not hold",
        _ => "unexpected error",
    }
}

/// Whether the same write may work later.
pub(super) fn is_passing(error: &rusqlite::Error) -> bool {
    is_busy(error)
        || matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::OutOfMemory
            )
        )
}

/// Whether somebody else holds the database.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the file itself is broken.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
