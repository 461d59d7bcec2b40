//! `/admin/api/timeline`: the last seconds (`?seconds=120`) or minutes (`?minutes=60`) in numbers.

use serde::Serialize;

use crate::base::refusal::Refusal;
use crate::base::target::query_pairs;
use crate::pipeline::gateway::Gateway;
use crate::telemetry::timeline::Point;

/// Seconds that are shown when nobody says how many.
const SECONDS: usize = 120;

/// A piece of the timeline.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// Seconds from one point to the next.
    step_s: u32,
    /// The oldest first.
    points: Vec<Point>,
}

pub(super) fn timeline(gateway: &Gateway, query: &str) -> Result<Shown, Refusal> {
    let now_ms = gateway.clock.unix_ms();
    let mut shown = None;
    for (name, value) in query_pairs(query) {
        let number = || value.parse().map_err(|_| Refusal::BadRequest("The query needs a whole number."));
        shown = Some(match name.as_str() {
            "seconds" => Shown { step_s: 1, points: gateway.timeline.seconds(now_ms, number()?) },
            "minutes" => Shown { step_s: 60, points: gateway.timeline.minutes(now_ms, number()?) },
            _ => return Err(Refusal::BadRequest("The query holds a name that is not known here.")),
        });
    }
    Ok(shown.unwrap_or_else(|| Shown { step_s: 1, points: gateway.timeline.seconds(now_ms, SECONDS) }))
}
