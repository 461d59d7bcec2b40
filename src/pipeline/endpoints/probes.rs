//! `/live`, `/ready`, `/health`, `/version`, `/services`, `/services/health`: short answers that name no address.

use http::{Response, StatusCode};
use serde_json::json;

use super::json;
use crate::live::snapshot::Snapshot;
use crate::pipeline::answer::Body;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::readiness::{Readiness, readiness};

/// The process answers.
pub fn live() -> Response<Body> {
    json(&json!({ "status": "ok" }))
}

/// Whether the gateway can do its work: 503 with reasons when it cannot. A bad edit is no reason: the last good policy
/// is in force, and `policy` says `stale`.
pub fn ready(gateway: &Gateway) -> Response<Body> {
    let Readiness { policy, reasons, lockdown } = readiness(gateway);
    let status = if reasons.is_empty() { "ready" } else { "unready" };
    let said = json!({ "status": status, "policy": policy, "lockdown": lockdown, "reasons": reasons });
    with_status(&reasons, json(&said))
}

/// The same in one word.
pub fn health(gateway: &Gateway) -> Response<Body> {
    let reasons = readiness(gateway).reasons;
    let status = if reasons.is_empty() { "ok" } else { "unhealthy" };
    with_status(&reasons, json(&json!({ "status": status })))
}

/// Which version.
pub fn version() -> Response<Body> {
    json(&json!({ "name": "pluginmind", "version": env!("CARGO_PKG_VERSION") }))
}

/// The services by name.
pub fn services(snapshot: &Snapshot) -> Response<Body> {
    let names: Vec<_> = snapshot.config.services.iter().map(|s| json!({ "name": s.name })).collect();
    json(&json!({ "services": names }))
}

/// The services and whether they are up.
pub fn services_health(gateway: &Gateway) -> Response<Body> {
    let states = gateway.upstreams.status();
    let services: Vec<_> = states
        .iter()
        .map(|s| json!({ "name": s.name, "status": s.state.word(), "required": s.required }))
        .collect();
    json(&json!({ "services": services }))
}

fn with_status(reasons: &[String], mut answer: Response<Body>) -> Response<Body> {
    if !reasons.is_empty() {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    answer
}
