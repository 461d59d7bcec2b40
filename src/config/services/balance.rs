//! Which of a service's addresses a request goes to.

use std::time::Duration;

use crate::base::document::Table;

/// How one of several addresses is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The one with the fewest requests in flight.
    #[default]
    LeastRequests,
    /// One after the other.
    RoundRobin,
}

impl Balance {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let words = [("least_requests", Self::LeastRequests), ("round_robin", Self::RoundRobin)];
        let doc = "Which address gets a request: `least_requests` (the fewest in flight) or `round_robin`.";
        table.choice("balance", &words, "least_requests", doc).unwrap_or_default()
    }
}

/// Reads `slow_start`.
pub(super) fn read_slow_start(table: &mut Table<'_>) -> Duration {
    table.duration(
        "slow_start",
        "0s",
        Duration::ZERO,
        "Over what time an address that came back gets its full share again; 0: at once.",
    )
}
