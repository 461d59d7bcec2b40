//! One writer per database: a lock file beside it, held for as long as the database is open.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::OpenError;

/// The lock. The system releases it when the process ends, however it ends; the file stays.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a database, or says who cannot have it. Advisory locks do not hold over NFS.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = beside(database, ".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| OpenError::File { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: database.to_owned() }),
            Err(TryLockError::Error(source)) => Err(OpenError::File { path, source }),
        }
    }
}

/// The file beside the database whose name is the database's with a suffix.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    PathBuf::from(name)
}
