//! The rows of `query_logs`: one a request, without a person in it.

use rusqlite::{Connection, params};

use super::label::Label;
use crate::base::ids::CorrelationId;

/// One request, as it is kept. People and addresses are keyed hashes; bodies, query values and tokens are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// When it arrived, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// Its id on every response and log line.
    pub correlation_id: CorrelationId,
    /// The method; for one that no route takes, a word that says so.
    pub method: Label,
    /// The route's name; empty without a route.
    pub route: Label,
    /// The answer's status.
    pub status: u16,
    /// The refusal's code.
    pub code: Option<Label>,
    /// The stage that refused.
    pub stage: Option<Label>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// Keyed hash of the address.
    pub client_hash: [u8; 16],
    /// Keyed hash of the user.
    pub user_hash: Option<[u8; 16]>,
    /// The plugin that decided.
    pub plugin: Option<Label>,
    /// The line of its rule.
    pub rule_line: Option<u32>,
    /// The generation of the policy.
    pub generation: u64,
}

/// One request, as it is read back for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageListed {
    /// When it arrived, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// Its correlation id.
    pub correlation_id: String,
    /// The method.
    pub method: String,
    /// The route's name.
    pub route: String,
    /// The answer's status.
    pub status: u16,
    /// The refusal's code.
    pub code: Option<String>,
    /// The stage that refused.
    pub stage: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: i64,
    /// The plugin that decided.
    pub plugin: Option<String>,
    /// The line of its rule.
    pub rule_line: Option<u32>,
    /// The generation of the policy.
    pub generation: i64,
}

pub(super) fn insert(connection: &Connection, row: &UsageRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO query_logs (time_ms, correlation_id, method, route, status, code, stage, duration_us, \
               bytes_in, bytes_out, client_hash, user_hash, plugin, rule_line, generation) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    connection
        .prepare_cached(sql)?
        .execute(params![
            row.time_ms,
            row.correlation_id.as_str(),
            row.method,
            row.route,
            row.status,
            row.code,
            row.stage,
            number(row.duration_us),
            number(row.bytes_in),
            number(row.bytes_out),
            row.client_hash,
            row.user_hash,
            row.plugin,
            row.rule_line,
            number(row.generation),
        ])
        .map(drop)
}

pub(super) fn newest(connection: &Connection, most: usize) -> rusqlite::Result<Vec<UsageListed>> {
    let sql = "SELECT time_ms, correlation_id, method, route, status, code, stage, duration_us, plugin, rule_line, \
               generation FROM query_logs ORDER BY id DESC LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        Ok(UsageListed {
            time_ms: row.get(0)?,
            correlation_id: row.get(1)?,
            method: row.get(2)?,
            route: row.get(3)?,
            status: row.get(4)?,
            code: row.get(5)?,
            stage: row.get(6)?,
            duration_us: row.get(7)?,
            plugin: row.get(8)?,
            rule_line: row.get(9)?,
            generation: row.get(10)?,
        })
    })?;
    rows.collect()
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
