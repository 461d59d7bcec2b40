//! The rows of sessions.

use rusqlite::{Connection, params};

/// A session on disk; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: [u8; 16],
    /// Whose it is; that user's row must be there.
    pub user: [u8; 16],
    /// When it began.
    pub created_ms: i64,
    /// When it ends at the latest.
    pub expires_ms: i64,
    /// The last request, at most a minute behind.
    pub last_seen_ms: i64,
}

/// Which sessions are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionsRemoved {
    /// These.
    Ids(Vec<[u8; 16]>),
    /// All of one user.
    User([u8; 16]),
    /// All.
    All,
}

pub(super) fn insert(
    connection: &Connection,
    row: &SessionRow,
    gave_way: &[[u8; 16]],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO sessions (id, user_id, created_ms, expires_ms, last_seen_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        row.id,
        row.user,
        row.created_ms,
        row.expires_ms,
        row.last_seen_ms
    ])?;
    remove_ids(connection, gave_way)
}

pub(super) fn remove(connection: &Connection, which: &SessionsRemoved) -> rusqlite::Result<()> {
    match which {
        SessionsRemoved::Ids(ids) => remove_ids(connection, ids),
        SessionsRemoved::User(user) => {
            connection.prepare_cached("DELETE FROM sessions WHERE user_id = ?1")?.execute([user]).map(drop)
        }
        SessionsRemoved::All => connection.prepare_cached("DELETE FROM sessions")?.execute([]).map(drop),
    }
}

fn remove_ids(connection: &Connection, ids: &[[u8; 16]]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM sessions WHERE id = ?1")?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}

pub(super) fn extend(connection: &Connection, id: &[u8; 16], expires_ms: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE sessions SET expires_ms = max(expires_ms, ?2) WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, expires_ms]).map(drop)
}

pub(super) fn touch(connection: &Connection, id: &[u8; 16], last_seen_ms: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE sessions SET last_seen_ms = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, last_seen_ms]).map(drop)
}

pub(super) fn load(connection: &Connection, now_ms: i64) -> rusqlite::Result<Vec<SessionRow>> {
    let sql = "SELECT id, user_id, created_ms, expires_ms, last_seen_ms FROM sessions WHERE expires_ms > ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([now_ms], |row| {
        Ok(SessionRow {
            id: row.get(0)?,
            user: row.get(1)?,
            created_ms: row.get(2)?,
            expires_ms: row.get(3)?,
            last_seen_ms: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// Looks at the `most` sessions that follow the id `after` and removes those that ended by themselves. Returns the id to
/// go on from, or `None` at the end: a bounded look, for the table may be large and has no index on time.
pub(super) fn sweep(
    connection: &Connection,
    after: &[u8],
    now_ms: i64,
    seen_before_ms: i64,
    most: usize,
) -> rusqlite::Result<Option<[u8; 16]>> {
    let sql =
        "SELECT id, expires_ms <= ?2 OR last_seen_ms < ?3 FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let most_sql = i64::try_from(most).unwrap_or(i64::MAX);
    let looked_at = statement
        .query_map(params![after, now_ms, seen_before_ms, most_sql], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<([u8; 16], bool)>>>()?;
    let over: Vec<[u8; 16]> = looked_at.iter().filter(|(_, over)| *over).map(|(id, _)| *id).collect();
    remove_ids(connection, &over)?;
    Ok(looked_at.last().filter(|_| looked_at.len() == most).map(|(id, _)| *id))
}
