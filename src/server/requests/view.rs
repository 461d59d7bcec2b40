//! A request of the usage log as an operator sees it.

use serde::{Deserialize, Serialize};

use crate::base::text::hex;
use crate::server::admin::status::rfc3339;
use crate::store::UsageListed;

/// One request. Nothing that its client sent but its id; people and addresses are keyed hashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestView {
    /// The number of the row, in the order of writing; 0 for one that is in memory only.
    pub row: i64,
    /// When it arrived, RFC 3339.
    pub time: String,
    /// Its id on every response and log line.
    pub id: String,
    /// The method.
    pub method: String,
    /// The route's name; empty without a route.
    pub route: String,
    /// The answer's status; absent where there was no answer.
    pub status: Option<u16>,
    /// The refusal's code.
    pub code: Option<String>,
    /// The stage that refused.
    pub stage: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The plugin that decided.
    pub plugin: Option<String>,
    /// Its rule, `plugin/main.rhai:LINE`.
    pub rule: Option<String>,
    /// Body bytes from the client.
    pub bytes_in: i64,
    /// Body bytes to the client.
    pub bytes_out: i64,
    /// Keyed hash of the address.
    pub client_hash: String,
    /// Keyed hash of the user.
    pub user_hash: Option<String>,
    /// The service that was asked.
    pub service: Option<String>,
    /// The generation of the policy; counted from 1 at each start.
    pub generation: i64,
    /// The first 16 digits of the policy's hash; absent in rows of before that was kept.
    pub policy: Option<String>,
}

impl RequestView {
    /// The view of a row.
    pub fn of(row: UsageListed) -> Self {
        let rule = row.plugin.as_ref().map(|plugin| match row.rule_line {
            Some(line) => format!("{plugin}/main.rhai:{line}"),
            None => plugin.clone(),
        });
        Self {
            row: row.row,
            time: rfc3339(row.time_ms),
            id: row.correlation_id,
            method: row.method,
            route: row.route,
            status: (row.status != 0).then_some(row.status),
            code: row.code,
            stage: row.stage,
            duration_ms: milliseconds(row.duration_us.try_into().unwrap_or_default()),
            plugin: row.plugin,
            rule,
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
            client_hash: hex(&row.client_hash),
            user_hash: row.user_hash.map(|hash| hex(&hash)),
            service: row.service,
            generation: row.generation,
            policy: row.policy.map(|hash| hex(&hash)),
        }
    }

    /// Whether the gateway or a rule refused it.
    pub fn is_refused(&self) -> bool {
        self.stage.is_some()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a request takes less than 285 years")]
pub(super) fn milliseconds(us: u64) -> f64 {
    us as f64 / 1_000.0
}
