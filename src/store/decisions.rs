//! The rows of `decisions`: what rules refused, and what they would have refused.

use rusqlite::{Connection, params};

use super::label::Label;
use super::search;
use crate::base::ids::CorrelationId;

/// Most samples of an [`Impact`].
const SAMPLES_MAX: usize = 5;
/// Most codes, and most routes, that an [`Impact`] names.
const NAMES_MAX: usize = 50;

/// One verdict of one rule over one request. People and addresses are keyed hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// When the request arrived, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// The request's id.
    pub correlation_id: CorrelationId,
    /// The plugin.
    pub plugin: Label,
    /// The hook.
    pub hook: &'static str,
    /// `plugin/main.rhai:LINE`.
    pub rule: String,
    /// The code of the verdict.
    pub code: Label,
    /// `deny`, `throttle`, `redirect`, `drop`, `score`, or `fault`.
    pub outcome: &'static str,
    /// `shadow` where it did not count, else `enforce`.
    pub mode: &'static str,
    /// The route's name; empty without a route.
    pub route: Label,
    /// Keyed hash of the address.
    pub client_hash: [u8; 16],
    /// Keyed hash of the user.
    pub user_hash: Option<[u8; 16]>,
}

/// What a plugin in shadow would have done in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Impact {
    /// Requests that it would have refused.
    pub requests: u64,
    /// Would-be refusals by code, the most frequent first.
    pub by_code: Vec<(String, u64)>,
    /// Would-be refusals by route, the most frequent first.
    pub by_route: Vec<(String, u64)>,
    /// Would-be scores by code: the thresholds of the configuration decide what they come to.
    pub scores: Vec<(String, u64)>,
    /// Signed-in people among them.
    pub people: u64,
    /// Addresses among them.
    pub addresses: u64,
    /// Correlation ids of the latest.
    pub samples: Vec<String>,
    /// All requests that the gateway answered in that time, as far as they were written down.
    pub all_requests: u64,
}

pub(super) fn insert(connection: &Connection, row: &DecisionRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO decisions (time_ms, correlation_id, plugin, hook, rule, code, outcome, mode, route, \
               client_hash, user_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection
        .prepare_cached(sql)?
        .execute(params![
            row.time_ms,
            row.correlation_id.as_str(),
            row.plugin,
            row.hook,
            row.rule,
            row.code,
            row.outcome,
            row.mode,
            row.route,
            row.client_hash,
            row.user_hash,
        ])
        .map(drop)
}

/// What a plugin would have done since a time.
pub(super) fn impact(connection: &Connection, plugin: &str, since_ms: i64) -> rusqlite::Result<Impact> {
    const WOULD: &str =
        "plugin = ?1 AND time_ms >= ?2 AND mode = 'shadow' AND outcome NOT IN ('score', 'fault')";
    const SCORED: &str = "plugin = ?1 AND time_ms >= ?2 AND mode = 'shadow' AND outcome = 'score'";
    let one = |what: &str| -> rusqlite::Result<u64> {
        let sql = format!("SELECT count(DISTINCT {what}) FROM decisions WHERE {WOULD}");
        connection
            .query_row(&sql, params![plugin, since_ms], |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
    };
    let grouped = |what: &str, which: &str| -> rusqlite::Result<Vec<(String, u64)>> {
        let sql = format!(
            "SELECT {what}, count(*) AS n FROM decisions WHERE {which} GROUP BY 1 ORDER BY n DESC, 1 \
             LIMIT {NAMES_MAX}"
        );
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map(params![plugin, since_ms], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
        rows.collect()
    };
    let latest = format!(
        "SELECT correlation_id FROM decisions WHERE {WOULD} GROUP BY 1 ORDER BY max(id) DESC LIMIT {SAMPLES_MAX}"
    );
    let mut latest = connection.prepare(&latest)?;
    let samples = latest.query_map(params![plugin, since_ms], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let all = "SELECT count(*) FROM query_logs WHERE time_ms >= ?1 AND id >= ?2";
    let from = search::first_row_since(connection, since_ms)?;
    Ok(Impact {
        requests: one("correlation_id")?,
        by_code: grouped("code", WOULD)?,
        by_route: grouped("route", WOULD)?,
        scores: grouped("code", SCORED)?,
        people: one("user_hash")?,
        addresses: one("client_hash")?,
        samples,
        all_requests: connection.query_row(all, [since_ms, from], |row| row.get::<_, i64>(0))?.unsigned_abs(),
    })
}
