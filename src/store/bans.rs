//! The rows of bans, and the one of lockdown.

use rusqlite::{Connection, OptionalExtension, params};

/// A ban on disk; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanRow {
    /// `network` or `user`.
    pub kind: &'static str,
    /// The network, or the account's id.
    pub target: String,
    /// Why.
    pub reason: String,
    /// By whom.
    pub made_by: String,
    /// Since when.
    pub created_ms: i64,
    /// Until when; absent: until it is revoked.
    pub expires_ms: Option<i64>,
}

/// Lockdown on disk; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockdownRow {
    /// Why.
    pub reason: String,
    /// By whom.
    pub made_by: String,
    /// Since when.
    pub since_ms: i64,
    /// Until when; absent: until it is ended.
    pub expires_ms: Option<i64>,
}

/// The kinds of targets.
const KINDS: [&str; 2] = ["network", "user"];

pub(super) fn save(connection: &Connection, row: &BanRow) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO bans (kind, target, reason, made_by, created_ms, expires_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let BanRow { kind, target, reason, made_by, created_ms, expires_ms } = row;
    connection
        .prepare_cached(sql)?
        .execute(params![kind, target, reason, made_by, created_ms, expires_ms])
        .map(drop)
}

pub(super) fn remove(connection: &Connection, targets: &[(&'static str, String)]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM bans WHERE kind = ?1 AND target = ?2")?;
    for (kind, target) in targets {
        statement.execute(params![kind, target])?;
    }
    Ok(())
}

pub(super) fn load(connection: &Connection, now_ms: i64) -> rusqlite::Result<Vec<BanRow>> {
    let sql = "SELECT kind, target, reason, made_by, created_ms, expires_ms FROM bans \
               WHERE expires_ms IS NULL OR expires_ms > ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([now_ms], |row| {
        let kind: String = row.get(0)?;
        Ok(BanRow {
            kind: KINDS.into_iter().find(|known| *known == kind).unwrap_or_default(),
            target: row.get(1)?,
            reason: row.get(2)?,
            made_by: row.get(3)?,
            created_ms: row.get(4)?,
            expires_ms: row.get(5)?,
        })
    })?;
    rows.collect()
}

/// Removes up to `most` bans that have ended; how many.
pub(super) fn sweep(connection: &Connection, now_ms: i64, most: usize) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM bans WHERE (kind, target) IN \
               (SELECT kind, target FROM bans WHERE expires_ms <= ?1 LIMIT ?2)";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.execute(params![now_ms, most])
}

pub(super) fn set_lockdown(connection: &Connection, row: Option<&LockdownRow>) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM lockdown")?.execute([])?;
    let Some(LockdownRow { reason, made_by, since_ms, expires_ms }) = row else { return Ok(()) };
    let sql = "INSERT INTO lockdown (id, reason, made_by, since_ms, expires_ms) VALUES (1, ?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![reason, made_by, since_ms, expires_ms]).map(drop)
}

pub(super) fn lockdown(connection: &Connection) -> rusqlite::Result<Option<LockdownRow>> {
    let sql = "SELECT reason, made_by, since_ms, expires_ms FROM lockdown";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(LockdownRow {
            reason: row.get(0)?,
            made_by: row.get(1)?,
            since_ms: row.get(2)?,
            expires_ms: row.get(3)?,
        })
    };
    connection.query_row(sql, [], read).optional()
}
