//! How many requests of a service may be sent again: so few that an outage does not become twice the load.
//!
//! # Source
//! Google SRE book, chapter 22, "Retries"; Finagle's `RetryBudget`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Requests that may be sent again though nothing was paid in, and the most that can be saved up.
pub const RESERVE: u64 = 100;

/// How often one more is put in without any request, so that a quiet service has its reserve again after a while.
const DRIP_INTERVAL: Duration = Duration::from_secs(1);

/// A hundredth of a request.
const WHOLE: u64 = 100;

/// A budget: each request pays some hundredths of one in, and one that is sent again takes a whole one out.
pub struct Budget {
    hundredths: AtomicU64,
    dripped: Mutex<Instant>,
}

impl Budget {
    /// A full one.
    pub fn new(now: Instant) -> Self {
        Self { hundredths: AtomicU64::new(RESERVE * WHOLE), dripped: Mutex::new(now) }
    }

    /// A request came: `percent` of one is paid in.
    pub fn pay_in(&self, percent: u32) {
        self.put(u64::from(percent));
    }

    /// Takes one out, if there is one.
    pub fn take(&self, percent: u32, now: Instant) -> bool {
        if percent == 0 {
            return false;
        }
        self.drip(now);
        self.hundredths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(WHOLE)).is_ok()
    }

    fn drip(&self, now: Instant) {
        let mut dripped = self.dripped.lock();
        let drops = now.saturating_duration_since(*dripped).as_secs() / DRIP_INTERVAL.as_secs();
        if drops > 0 {
            *dripped = now;
            drop(dripped);
            self.put(drops.saturating_mul(WHOLE));
        }
    }

    fn put(&self, hundredths: u64) {
        let full = RESERVE * WHOLE;
        if self.hundredths.load(Ordering::Relaxed) >= full {
            return;
        }
        // The update never refuses.
        let _ = self.hundredths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            Some(n.saturating_add(hundredths).min(full))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn in_an_outage_no_more_than_a_fifth_of_the_requests_are_sent_again_beyond_the_reserve() {
        let clock = Clock::manual(0);
        let budget = Budget::new(clock.now());
        let again = (0..10_000)
            .filter(|_| {
                budget.pay_in(20);
                budget.take(20, clock.now())
            })
            .count();
        assert!((2_000..=2_100).contains(&again), "{again}");
    }

    #[test]
    fn a_quiet_service_has_its_reserve_again_after_a_while() {
        let clock = Clock::manual(0);
        let budget = Budget::new(clock.now());
        let taken = || (0..1_000).filter(|_| budget.take(20, clock.now())).count();
        assert_eq!(taken(), 100);
        assert_eq!(taken(), 0);
        clock.advance(Duration::from_secs(3));
        assert_eq!(taken(), 3);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(taken(), 100);
    }

    #[test]
    fn with_no_budget_nothing_is_sent_again() {
        let clock = Clock::manual(0);
        assert!(!Budget::new(clock.now()).take(0, clock.now()));
    }
}
