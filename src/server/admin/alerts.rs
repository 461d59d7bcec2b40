//! `/admin/api/alerts`: what was told of late, or with `?active=true` what is told and not over; and a test of it.

use http::Response;

use super::answer;
use super::fields::{Fields, detail};
use crate::alert::RECENT_MAX;
use crate::base::refusal::Refusal;
use crate::base::target::query_pairs;
use crate::pipeline::answer::Body;
use crate::pipeline::gateway::Gateway;
use crate::server::alert_test::{Tested, test};

pub(super) fn list(gateway: &Gateway, query: &str) -> Result<Response<Body>, Refusal> {
    let (mut most, mut active) = (RECENT_MAX, false);
    for (name, value) in query_pairs(query) {
        match (name.as_str(), value.as_str()) {
            ("active", "true" | "false") => active = value == "true",
            ("active", _) => return Err(Refusal::BadRequest("`active` is true or false.")),
            ("limit", number) => {
                most = number.parse().map_err(|_| Refusal::BadRequest("`limit` is a whole number."))?;
            }
            _ => return Err(Refusal::BadRequest("The query holds a name that is not known here.")),
        }
    }
    let alerts = &gateway.alerts;
    Ok(if active { answer::json(&alerts.active()) } else { answer::json(&alerts.recent(most)) })
}

/// Sends a message for each alert, or for the one that the body names.
pub(super) async fn try_out(gateway: &Gateway, body: &[u8]) -> Result<Vec<Tested>, Refusal> {
    let mut fields = Fields::read(body)?;
    let name = fields.text_or_absent("name");
    fields.finish()?;
    let snapshot = gateway.live.current();
    let chosen: Vec<_> = snapshot
        .config
        .alerts
        .iter()
        .filter(|a| name.as_ref().is_none_or(|name| a.name == *name))
        .cloned()
        .collect();
    if let (Some(_), true) = (&name, chosen.is_empty()) {
        return Err(Refusal::InvalidInput(vec![detail("name", "there is no such alert")]));
    }
    let now_ms = gateway.clock.unix_ms();
    Ok(test(chosen.into_iter(), &gateway.courier, now_ms, snapshot.generation).await)
}
