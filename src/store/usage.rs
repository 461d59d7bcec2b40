//! The rows of `query_logs`: one a request, without a person in it.

use rusqlite::Connection;

use super::label::Label;
use super::trace::{Trace, TraceBytes};
use crate::base::ids::CorrelationId;

mod insert;

pub(super) use self::insert::insert;

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
    /// The service that was asked.
    pub service: Option<Label>,
    /// The first 8 bytes of the policy's hash.
    pub policy: [u8; 8],
    /// What every stage and every rule decided, encoded.
    pub trace: Option<TraceBytes>,
}

/// Which requests are looked for; every field that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// The correlation id.
    pub correlation_id: Option<String>,
    /// Keyed hash of the user.
    pub user: Option<[u8; 16]>,
    /// Keyed hash of the address.
    pub client: Option<[u8; 16]>,
    /// First and last status; 400 and 499 for `4xx`. 0 is a request without an answer.
    pub status: Option<(u16, u16)>,
    /// The refusal's code.
    pub code: Option<String>,
    /// The route's name.
    pub route: Option<String>,
    /// The plugin that decided.
    pub plugin: Option<String>,
    /// Not before this, in milliseconds since 1970-01-01 UTC.
    pub since_ms: Option<i64>,
    /// Only rows that were written after the row of this number, oldest first; for following.
    pub after: Option<i64>,
}

/// One request, as it is read back for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageListed {
    /// The number of the row, in the order of writing.
    pub row: i64,
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
    /// Body bytes from the client.
    pub bytes_in: i64,
    /// Body bytes to the client.
    pub bytes_out: i64,
    /// Keyed hash of the address.
    pub client_hash: [u8; 16],
    /// Keyed hash of the user.
    pub user_hash: Option<[u8; 16]>,
    /// The service that was asked.
    pub service: Option<String>,
    /// The first 8 bytes of the policy's hash; absent in rows of before that was kept.
    pub policy: Option<[u8; 8]>,
}

/// What a row is read from, in the order of [`listed`].
pub(super) const COLUMNS: &str = "id, time_ms, correlation_id, method, route, status, code, stage, duration_us, plugin, rule_line, \
                       generation, bytes_in, bytes_out, client_hash, user_hash, service, policy";
/// Most requests of one correlation id that are read: clients choose their ids, and may choose one twice.
const SAME_ID_MAX: i64 = 20;

/// Every request of a correlation id, the newest first, with its trace.
pub(super) fn of_id(
    connection: &Connection,
    id: &str,
) -> rusqlite::Result<Vec<(UsageListed, Option<Trace>)>> {
    let sql = format!(
        "SELECT {COLUMNS}, trace FROM query_logs WHERE correlation_id = ?1 ORDER BY id DESC LIMIT {SAME_ID_MAX}"
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([id], |row| {
        let document: Option<Vec<u8>> = row.get("trace")?;
        Ok((listed(row)?, document.as_deref().and_then(Trace::decode)))
    })?;
    rows.collect()
}

pub(super) fn listed(row: &rusqlite::Row<'_>) -> rusqlite::Result<UsageListed> {
    Ok(UsageListed {
        row: row.get(0)?,
        time_ms: row.get(1)?,
        correlation_id: row.get(2)?,
        method: row.get(3)?,
        route: row.get(4)?,
        status: row.get(5)?,
        code: row.get(6)?,
        stage: row.get(7)?,
        duration_us: row.get(8)?,
        plugin: row.get(9)?,
        rule_line: row.get(10)?,
        generation: row.get(11)?,
        bytes_in: row.get(12)?,
        bytes_out: row.get(13)?,
        client_hash: row.get(14)?,
        user_hash: row.get(15)?,
        service: row.get(16)?,
        policy: row.get(17)?,
    })
}
