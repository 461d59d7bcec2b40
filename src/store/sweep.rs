//! Retention: what is past its time is removed in slices, so that no other write waits for long.

use rusqlite::{Connection, TransactionBehavior};

use super::{sessions, usage};

/// Most rows of a table that one commit removes.
pub(super) const SLICE_ROWS: usize = 500;
/// Usage rows from further in the future than this are a clock's mistake.
const FUTURE_MS: i64 = 86_400_000;

/// What to remove; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Now: sessions that have expired go.
    pub now_ms: i64,
    /// Sessions that were last seen before this go: now less the idle time.
    pub sessions_seen_before_ms: i64,
    /// Usage rows from before this go: now less the retention.
    pub usage_before_ms: i64,
}

/// Removes one slice; whether there may be more.
pub(super) fn slice(connection: &mut Connection, sweep: Sweep) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sessions = sessions::sweep(&transaction, sweep.now_ms, sweep.sessions_seen_before_ms, SLICE_ROWS)?;
    let after_ms = sweep.now_ms.saturating_add(FUTURE_MS);
    let usage = usage::sweep(&transaction, sweep.usage_before_ms, after_ms, SLICE_ROWS)?;
    transaction.commit()?;
    Ok(sessions > 0 || usage > 0)
}
