//! One instant, read from both clocks at once.

use std::time::Instant;

use crate::base::clock::Clock;

/// Now, twice: the wall clock decides expiry that outlives the process, the monotonic one sees to it that setting the
/// wall clock back lengthens no session.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Monotonic.
    pub at: Instant,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix_ms: i64,
}

impl Moment {
    /// Reads both clocks.
    pub fn of(clock: &Clock) -> Self {
        Self { at: clock.now(), unix_ms: clock.unix_ms() }
    }

    /// Whole seconds since 1970-01-01 UTC, as tokens count them.
    pub fn unix_s(self) -> u64 {
        u64::try_from(self.unix_ms / 1_000).unwrap_or(0)
    }
}
