//! A rate limit in one number: the generic cell rate algorithm.
//!
//! # Source
//! ITU-T I.371, annex A: a theoretical arrival time moves by one interval with each call that is let through.

/// The rate: at most `most` calls in a window, spread evenly, with all of them allowed at once at first.
#[derive(Clone, Copy, Debug)]
pub(in crate::script) struct Rate {
    interval_us: i64,
    window_us: i64,
}

impl Rate {
    /// `most` calls in `window_ms`; both at least 1.
    pub fn new(most: i64, window_ms: i64) -> Self {
        let window_us = window_ms.max(1).saturating_mul(1_000);
        let interval_us = (window_us / most.max(1)).max(1);
        Self { interval_us, window_us }
    }

    /// The next arrival time if a call may pass now; `None` if it may not. `arrival_us` is what was kept.
    pub fn pass(self, arrival_us: Option<i64>, now_us: i64) -> Option<i64> {
        let next = self.clamped(arrival_us, now_us) + self.interval_us;
        // Intervals are whole microseconds: what they lack together must not let one more through.
        (next - now_us <= self.window_us).then_some(next)
    }

    /// How many calls may pass now.
    pub fn remaining(self, arrival_us: Option<i64>, now_us: i64) -> i64 {
        ((now_us + self.window_us - self.clamped(arrival_us, now_us)) / self.interval_us).max(0)
    }

    /// An arrival time that a clock set back left in the far future is brought into the window.
    fn clamped(self, arrival_us: Option<i64>, now_us: i64) -> i64 {
        arrival_us.unwrap_or(now_us).clamp(now_us, now_us.saturating_add(self.window_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_one_call_an_interval() {
        let rate = Rate::new(3, 60_000);
        let mut kept = None;
        for _ in 0..3 {
            kept = Some(rate.pass(kept, 0).unwrap());
        }
        assert_eq!(rate.pass(kept, 19_999_999), None);
        assert_eq!(rate.remaining(kept, 0), 0);
        assert_eq!(rate.remaining(kept, 20_000_000), 1);
        kept = rate.pass(kept, 61_000_000);
        assert_eq!(rate.remaining(kept, 61_000_000), 2);
    }

    #[test]
    fn an_hour_is_never_waited_for_because_a_clock_was_set_back() {
        let rate = Rate::new(1, 1_000);
        assert_eq!(rate.pass(Some(i64::MAX / 2), 0), None);
        assert!(rate.pass(Some(1_000_000), 1_000_000).is_some());
    }
}
