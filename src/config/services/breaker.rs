//! When an address, or a whole service, is given no more requests.

use std::time::Duration;

use crate::base::document::Table;

use super::super::count;
use super::short_count;

/// The circuit breaker of each address, and the cap of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row after which an address is left alone. A refused connection is enough by itself.
    pub failures: u32,
    /// How long it is left alone at first; twice as long each time after.
    pub pause: Duration,
    /// The longest that it is left alone.
    pub pause_max: Duration,
    /// An answer whose head takes longer counts as a failure; zero: none does.
    pub slow: Duration,
    /// Most requests of the service that are in flight.
    pub requests_max: usize,
}

/// Shortest pause: shorter ones would be no pause.
const PAUSE_LEAST: Duration = Duration::from_millis(100);

impl Breaker {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            failures: short_count(table.integer(
                "breaker_failures",
                3,
                (1, 1_000),
                "Requests without an answer in a row after which an address is left alone; a refused connection is enough by itself.",
            )),
            pause: table.duration(
                "breaker_pause",
                "1s",
                PAUSE_LEAST,
                "How long it is left alone; twice as long each further time.",
            ),
            pause_max: table.duration(
                "breaker_pause_max",
                "30s",
                PAUSE_LEAST,
                "The longest that it is left alone. One request then finds out, and the others follow.",
            ),
            slow: table.duration(
                "breaker_slow",
                "0s",
                Duration::ZERO,
                "An answer that takes longer to begin counts as none for the breaker; 0: off.",
            ),
            requests_max: count(table.integer(
                "requests_max",
                10_000,
                (1, 1_000_000),
                "Most requests in flight to the service; more are answered 503.",
            )),
        }
    }
}
