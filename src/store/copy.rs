//! A database with all that decides about requests, and without the history: for a gateway that is thrown away again.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::error::{OpenError, reason};
use super::open;

/// What is copied, so that nothing stands before what it refers to. Rows of requests and of reloads stay behind.
const TABLES: [&str; 8] = ["meta", "users", "sessions", "api_keys", "identities", "kv", "bans", "lockdown"];

/// Makes the database `to` of what stands in the database `from`, which is only read, also while a gateway has it open.
///
/// # Errors
/// There is none, or it is not ours to read; then nothing is copied.
pub fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
    let source = open::readable_again(from)?;
    let mut target = open::writable(to)?;
    let refused =
        |error: rusqlite::Error| OpenError::Refused { path: from.to_owned(), reason: reason(&error) };
    all(&source, &mut target.connection).map_err(refused)
}

fn all(source: &Connection, target: &mut Connection) -> rusqlite::Result<()> {
    // One view of all tables, whatever is written meanwhile.
    let source = source.unchecked_transaction()?;
    let target = target.transaction()?;
    for table in TABLES {
        let mut rows = source.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = rows.column_count();
        let places = vec!["?"; columns].join(", ");
        let mut insert = target.prepare(&format!("INSERT OR REPLACE INTO {table} VALUES ({places})"))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|i| row.get::<_, Value>(i)).collect::<Result<Vec<_>, _>>()?;
            insert.execute(params_from_iter(values))?;
        }
    }
    target.commit()
}
