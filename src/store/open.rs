//! Opening: whose file this is, whether it is whole, and how it is written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior};

use super::error::{OpenError, reason};
use super::identity::Identity;
use super::lock::{Lock, beside};
use super::migrate::{APPLICATION_ID, migrate, newest};
use crate::base::secret::Secret;

/// The first version without the WAL-reset corruption.
///
/// # Source
/// SQLite 3.51.3 release notes.
const SQLITE_MIN: i32 = 3_051_003;
/// A file up to this size is checked whole at start; in a larger one, the tables that decide who may enter.
const CHECK_WHOLE_BYTES_MAX: u64 = 16 << 20;
/// The write-ahead log is cut back to this size after a checkpoint.
const WAL_BYTES_MAX: i64 = 16 << 20;
const BUSY_AT_START: Duration = Duration::from_secs(2);
/// The smallest page that SQLite knows, and so the smallest database that is not empty.
const PAGE_BYTES_MIN: u64 = 512;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A database that is ours, whole, locked and of the newest schema.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) lock: Lock,
    pub(super) identity: Identity,
    pub(super) pseudonym_key: Secret<[u8; 32]>,
}

/// Opens for writing.
pub(super) fn writable(path: &Path) -> Result<Opened, OpenError> {
    sound_library()?;
    let file_error = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::File { path, source }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(file_error(folder))?;
    }
    let lock = Lock::take(path)?;
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(file_error(path))?;
    let identity = Identity::of(path).map_err(file_error(path))?;
    begins_like_sqlite(path)?;
    let refused = |error: rusqlite::Error| explain(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(refused)?;
    connection.busy_timeout(BUSY_AT_START).map_err(refused)?;
    let found = ours(&connection, path)?;
    check(&connection, path, found)?;
    settings(&connection).map_err(refused)?;
    migrate(&mut connection, found).map_err(refused)?;
    let pseudonym_key = pseudonym_key(&connection).map_err(refused)?;
    person_keys(&mut connection).map_err(refused)?;
    Ok(Opened { connection, lock, identity, pseudonym_key })
}

/// Opens for reading; makes nothing. Not for a file that this process has open: see [`readable_again`].
pub(super) fn readable(path: &Path) -> Result<Connection, OpenError> {
    exists(path)?;
    begins_like_sqlite(path)?;
    readable_again(path)
}

/// Opens for reading a file that this process may have open already. Its head is not looked at first: to close any
/// descriptor of a file ends all locks that the process holds on it, `SQLite`'s too, and another process would then take
/// the database for one that nobody uses.
///
/// # Source
/// POSIX `fcntl`; sqlite.org/howtocorrupt.html section 2.2.
pub(super) fn readable_again(path: &Path) -> Result<Connection, OpenError> {
    sound_library()?;
    exists(path)?;
    let refused = |error: rusqlite::Error| explain(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(refused)?;
    connection.busy_timeout(BUSY_AT_START).map_err(refused)?;
    match ours(&connection, path)? {
        // Nothing of ours in it yet.
        0 => Err(OpenError::Absent { path: path.to_owned() }),
        found if found < newest() => Err(OpenError::Older { path: path.to_owned() }),
        _ => Ok(connection),
    }
}

fn exists(path: &Path) -> Result<(), OpenError> {
    match fs::metadata(path) {
        Ok(found) if found.len() > 0 => Ok(()),
        Ok(_) => Err(OpenError::Absent { path: path.to_owned() }),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(OpenError::Absent { path: path.to_owned() }),
        Err(source) => Err(OpenError::File { path: path.to_owned(), source }),
    }
}

fn sound_library() -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::SqliteTooOld { found: rusqlite::version() });
    }
    Ok(())
}

/// An empty file is a new database, unless a write-ahead log lies beside it: then what it belonged to is lost, and to
/// begin anew is for a person to decide. Without a log, a file ends where a page ends.
fn begins_like_sqlite(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let not_a_database = || OpenError::NotADatabase { path: path.to_owned() };
    let mut file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    if bytes == 0 {
        return if has_log { Err(OpenError::Damaged { path: path.to_owned() }) } else { Ok(()) };
    }
    if bytes < PAGE_BYTES_MIN {
        // SQLite itself would take such a stump for a new database.
        return Err(not_a_database());
    }
    let mut head = [0; 18];
    file.read_exact(&mut head).map_err(|_| not_a_database())?;
    if !head.starts_with(MAGIC) {
        return Err(not_a_database());
    }
    // Offset 16: the page size, where 1 stands for 65,536. SQLite itself would fill up a page that was cut off.
    let page_bytes = match u16::from_be_bytes([head[16], head[17]]) {
        1 => 65_536,
        size => u64::from(size).max(1),
    };
    if !has_log && !bytes.is_multiple_of(page_bytes) {
        return Err(OpenError::Damaged { path: path.to_owned() });
    }
    Ok(())
}

/// The schema version of a database that is ours or new.
fn ours(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let refused = |error: rusqlite::Error| explain(path, &error);
    let number =
        |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(refused);
    let application_id = i32::try_from(number("application_id")?).unwrap_or(0);
    let version = number("user_version")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(refused)?;
    match application_id {
        APPLICATION_ID if version > newest() => {
            Err(OpenError::Newer { path: path.to_owned(), found: version, known: newest() })
        }
        APPLICATION_ID if version >= 1 && tables > 0 => Ok(version),
        // Our name on a file without our tables: what it held is gone, and that must not pass for a new database.
        APPLICATION_ID => Err(OpenError::Damaged { path: path.to_owned() }),
        0 if version == 0 && tables == 0 => Ok(0),
        _ => Err(OpenError::Foreign { path: path.to_owned(), application_id }),
    }
}

/// Whether the pages are whole: a lost row must never pass for a session that was not there.
fn check(connection: &Connection, path: &Path, version: i64) -> Result<(), OpenError> {
    if version == 0 {
        return Ok(());
    }
    let bytes = fs::metadata(path).map_or(0, |file| file.len());
    let checks: &[&str] = if bytes <= CHECK_WHOLE_BYTES_MAX {
        &["PRAGMA quick_check(1)"]
    } else {
        &[
            "PRAGMA quick_check(users)",
            "PRAGMA quick_check(sessions)",
            "PRAGMA quick_check(api_keys)",
            "PRAGMA quick_check(meta)",
        ]
    };
    // A table that a later step brings is not there to be checked.
    let has_keys = version >= 2;
    for check in checks.iter().filter(|check| has_keys || !check.contains("api_keys")) {
        let outcome: String =
            connection.query_row(check, [], |row| row.get(0)).map_err(|e| explain(path, &e))?;
        if outcome != "ok" {
            return Err(OpenError::Damaged { path: path.to_owned() });
        }
    }
    Ok(())
}

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // What is removed is overwritten where the page is written anyway: no pass of its own over freed pages.
    connection.pragma_update_and_check(None, "secure_delete", "fast", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_MAX, |_| Ok(()))
}

fn pseudonym_key(connection: &Connection) -> rusqlite::Result<Secret<[u8; 32]>> {
    let fresh = random_key();
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('pseudonym_key', ?1) ON CONFLICT DO NOTHING",
        [fresh],
    )?;
    let kept = connection
        .query_row("SELECT value FROM meta WHERE key = 'pseudonym_key'", [], |row| row.get::<_, [u8; 32]>(0))
        .optional()?;
    Ok(Secret::new(kept.unwrap_or(fresh)))
}

/// Gives a key to everybody who has none yet: an account that was added before people had keys of their own.
fn person_keys(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let without: Vec<[u8; 16]> = transaction
        .prepare("SELECT id FROM users WHERE pseudonym_key IS NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in without {
        transaction.execute("UPDATE users SET pseudonym_key = ?1 WHERE id = ?2", (random_key(), id))?;
    }
    transaction.commit()
}

fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    rand::fill(&mut key).expect("the system's random generator does not fail once the process has started");
    key
}

fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path },
        _ => OpenError::Refused { path, reason: reason(error) },
    }
}
