//! The rows of reloads: what became of each edit.

use rusqlite::{Connection, params};

use crate::base::text::cut;

/// Most rows that are kept.
pub(super) const RELOADS_MAX: i64 = 1_000;
/// Longest reason that is kept, in bytes.
pub const REASON_BYTES_MAX: usize = 4_096;

/// One reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadRow {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// The generation in force afterwards.
    pub generation: u64,
    /// A closed word: what became of it.
    pub outcome: String,
    /// Hash of the content.
    pub hash: String,
    /// Why it was not taken; cut off at [`REASON_BYTES_MAX`].
    pub reason: Option<String>,
    /// What it changed: files with the numbers of lines added and removed, as JSON; absent in rows of before that was kept.
    pub changes: Option<String>,
}

pub(super) fn insert(connection: &Connection, row: &ReloadRow) -> rusqlite::Result<()> {
    let generation = i64::try_from(row.generation).unwrap_or(i64::MAX);
    let reason = row.reason.as_deref().map(|reason| cut(reason, REASON_BYTES_MAX));
    connection
        .prepare_cached(
            "INSERT INTO reloads (time_ms, generation, outcome, hash, reason, changes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![row.time_ms, generation, row.outcome, row.hash, reason, row.changes])?;
    connection
        .prepare_cached("DELETE FROM reloads WHERE id <= (SELECT max(id) FROM reloads) - ?1")?
        .execute([RELOADS_MAX])
        .map(drop)
}

pub(super) fn newest(connection: &Connection, most: usize) -> rusqlite::Result<Vec<ReloadRow>> {
    let sql =
        "SELECT time_ms, generation, outcome, hash, reason, changes FROM reloads ORDER BY id DESC LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        Ok(ReloadRow {
            time_ms: row.get(0)?,
            generation: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
            outcome: row.get(2)?,
            hash: row.get(3)?,
            reason: row.get(4)?,
            changes: row.get(5)?,
        })
    })?;
    rows.collect()
}
