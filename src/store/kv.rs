//! The rows of what rules remember.

use std::fmt;

use rusqlite::{Connection, params};

/// One entry on disk. `Debug` shows nothing of what a rule keeps.
#[derive(Clone, PartialEq, Eq)]
pub struct KvRow {
    /// The plugin.
    pub plugin: String,
    /// The list; empty for keys and counters.
    pub list: String,
    /// The key.
    pub key: String,
    /// The value; absent to delete the row.
    pub value: Option<String>,
    /// When it ends, in milliseconds since 1970-01-01 UTC; absent where it does not.
    pub expires_ms: Option<i64>,
}

impl fmt::Debug for KvRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvRow").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

pub(super) fn save(connection: &Connection, rows: &[KvRow]) -> rusqlite::Result<()> {
    let upsert = "INSERT INTO kv (plugin, list, key, value, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
                  ON CONFLICT (plugin, list, key) DO UPDATE SET value = ?4, expires_ms = ?5";
    let mut upsert = connection.prepare_cached(upsert)?;
    let mut delete =
        connection.prepare_cached("DELETE FROM kv WHERE plugin = ?1 AND list = ?2 AND key = ?3")?;
    for row in rows {
        match &row.value {
            Some(value) => upsert.execute(params![row.plugin, row.list, row.key, value, row.expires_ms])?,
            None => delete.execute(params![row.plugin, row.list, row.key])?,
        };
    }
    Ok(())
}

/// Every row that has not ended.
pub(super) fn load(connection: &Connection, now_ms: i64) -> rusqlite::Result<Vec<KvRow>> {
    let sql =
        "SELECT plugin, list, key, value, expires_ms FROM kv WHERE expires_ms IS NULL OR expires_ms > ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([now_ms], |row| {
        Ok(KvRow {
            plugin: row.get(0)?,
            list: row.get(1)?,
            key: row.get(2)?,
            value: row.get(3)?,
            expires_ms: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// Removes up to `most` rows that have ended; how many.
pub(super) fn sweep(connection: &Connection, now_ms: i64, most: usize) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM kv WHERE (plugin, list, key) IN \
               (SELECT plugin, list, key FROM kv WHERE expires_ms <= ?1 LIMIT ?2)";
    connection.prepare_cached(sql)?.execute(params![now_ms, i64::try_from(most).unwrap_or(i64::MAX)])
}
