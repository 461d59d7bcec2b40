//! Retention: what is past its time is removed in slices, so that no other write waits for long.

use rusqlite::{Connection, TransactionBehavior, params};

use super::{bans, blocks, kv, sessions};

/// Most rows of a table that one commit looks at and removes.
pub(super) const SLICE_ROWS: usize = 500;
/// Usage rows from further in the future than this are a clock's mistake.
const FUTURE_MS: i64 = 86_400_000;

/// What to remove; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Now: sessions and entries of rules that have ended go.
    pub now_ms: i64,
    /// Sessions that were last seen before this go: now less the idle time.
    pub sessions_seen_before_ms: i64,
    /// Usage rows, decisions and alerts from before this go: now less the retention.
    pub usage_before_ms: i64,
    /// Most usage rows that stay, the newest; 0 sets no bound.
    pub usage_rows_max: usize,
}

/// How far a sweep has come.
pub(super) struct Progress {
    pub(super) sweep: Sweep,
    /// The session to go on from; `None` when all have been looked at.
    after: Option<Vec<u8>>,
}

impl Progress {
    pub(super) fn begin(sweep: Sweep) -> Self {
        Self { sweep, after: Some(Vec::new()) }
    }
}

/// Does one slice; whether there may be more.
pub(super) fn slice(connection: &mut Connection, progress: &mut Progress) -> rusqlite::Result<bool> {
    let sweep = progress.sweep;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let after = match &progress.after {
        Some(after) => {
            sessions::sweep(&transaction, after, sweep.now_ms, sweep.sessions_seen_before_ms, SLICE_ROWS)?
        }
        None => None,
    };
    let future_ms = sweep.now_ms.saturating_add(FUTURE_MS);
    let surplus = surplus(&transaction, sweep.usage_rows_max)?;
    let usage = oldest(&transaction, "query_logs", sweep.usage_before_ms, future_ms, surplus)?;
    let decisions = oldest(&transaction, "decisions", sweep.usage_before_ms, future_ms, 0)?;
    let alerts = oldest(&transaction, "alerts", sweep.usage_before_ms, future_ms, 0)?;
    let block = blocks::sweep(&transaction)?;
    let kv = kv::sweep(&transaction, sweep.now_ms, SLICE_ROWS)?;
    let bans = bans::sweep(&transaction, sweep.now_ms, SLICE_ROWS)?;
    transaction.commit()?;
    progress.after = after.map(Vec::from);
    let gone = usage + decisions + alerts;
    Ok(progress.after.is_some() || gone > 0 || block || kv > 0 || bans > 0)
}

/// The number of the last usage row that is one too many; 0 where none is.
fn surplus(connection: &Connection, rows_max: usize) -> rusqlite::Result<i64> {
    if rows_max == 0 {
        return Ok(0);
    }
    let last: Option<i64> = connection.query_row("SELECT max(id) FROM query_logs", [], |row| row.get(0))?;
    Ok(last.unwrap_or(0).saturating_sub(i64::try_from(rows_max).unwrap_or(i64::MAX)))
}

/// Looks at the [`SLICE_ROWS`] oldest rows of a table and removes those from before `before_ms` or after `after_ms`, and
/// those numbered up to `surplus`; how many. Rows are written in the order of time, so the oldest are the lowest ids and no
/// index is needed. Rows from the
/// future are what a clock that once ran ahead leaves; they would bar the way for ever.
fn oldest(
    connection: &Connection,
    table: &str,
    before_ms: i64,
    after_ms: i64,
    surplus: i64,
) -> rusqlite::Result<usize> {
    let sql = format!(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM \
         (SELECT id, time_ms FROM {table} ORDER BY id LIMIT ?3) WHERE time_ms < ?1 OR time_ms > ?2 OR id <= ?4)"
    );
    let most = i64::try_from(SLICE_ROWS).unwrap_or(i64::MAX);
    connection.prepare_cached(&sql)?.execute(params![before_ms, after_ms, most, surplus])
}
