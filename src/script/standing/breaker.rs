//! Trips a plugin that fails or dawdles too often, and lets a few calls show whether it is well again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::error_budget::{Allowance, ErrorBudget};

/// How long a tripped plugin is left alone before a call may show that it is well again; doubled with each one that
/// shows that it is not.
pub const COOL_DOWN: Duration = Duration::from_secs(60);
/// The longest that it is left alone.
pub const COOL_DOWN_MAX: Duration = Duration::from_secs(15 * 60);
/// Calls in a row, one at a time, that must go well before it is as before.
pub const PROBES: u32 = 3;

/// What a call showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showed {
    Well,
    Slow,
    Failed,
    /// It was cut short by what other plugins had used, and says nothing.
    Nothing,
}

/// How a plugin stands before a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    Tripped {
        /// Whether this call shows whether it is well again. Whoever is given one must say what it showed.
        probe: bool,
    },
}

/// What a call changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Tripped,
    /// A probe failed.
    StillTripped,
    Back,
}

impl Change {
    pub fn word(self) -> &'static str {
        match self {
            Self::Tripped => "tripped",
            Self::StillTripped => "still tripped",
            Self::Back => "back",
        }
    }
}

/// One plugin's breaker.
pub struct Breaker {
    /// What times are counted from.
    epoch: OnceLock<Instant>,
    errors: Option<Window>,
    slow: Option<Window>,
    /// Milliseconds after the epoch until which a tripped plugin is left alone; 0 while it is not tripped.
    until: AtomicU64,
    /// How often it tripped or a probe failed since it was last well.
    failures: AtomicU32,
    probing: AtomicBool,
    probes_well: AtomicU32,
    /// How often it tripped.
    trips: AtomicU64,
}

impl Breaker {
    pub fn new(budget: &ErrorBudget) -> Self {
        Self {
            epoch: OnceLock::new(),
            errors: budget.errors.map(Window::new),
            slow: budget.slow.map(Window::new),
            until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            probing: AtomicBool::new(false),
            probes_well: AtomicU32::new(0),
            trips: AtomicU64::new(0),
        }
    }

    /// Whether it is tripped, without asking for a probe.
    pub fn is_tripped(&self) -> bool {
        self.until.load(Ordering::Acquire) != 0
    }

    /// How often it tripped.
    pub fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    /// How it stands. One caller at a time is given a probe.
    pub fn state(&self, now: Instant) -> State {
        let until = self.until.load(Ordering::Acquire);
        if until == 0 {
            return State::Closed;
        }
        let due = self.ms(now) >= until;
        let probe =
            due && self.probing.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        State::Tripped { probe }
    }

    /// Takes down what a call showed.
    pub fn showed(&self, showed: Showed, probe: bool, now: Instant) -> Option<Change> {
        let now = self.ms(now);
        if probe {
            return self.probed(showed, now);
        }
        if self.is_tripped() {
            return None;
        }
        let window = match showed {
            Showed::Failed => self.errors.as_ref(),
            Showed::Slow => self.slow.as_ref(),
            Showed::Well | Showed::Nothing => None,
        };
        if !window.is_some_and(|window| window.spends(now)) {
            return None;
        }
        let until = now + millis(COOL_DOWN);
        // Of two workers that see the budget spent at once, one trips it.
        self.until.compare_exchange(0, until, Ordering::AcqRel, Ordering::Acquire).ok()?;
        self.failures.store(1, Ordering::Relaxed);
        self.probes_well.store(0, Ordering::Relaxed);
        self.trips.fetch_add(1, Ordering::Relaxed);
        Some(Change::Tripped)
    }

    fn probed(&self, showed: Showed, now: u64) -> Option<Change> {
        let change = match showed {
            Showed::Nothing => None,
            Showed::Well if self.probes_well.fetch_add(1, Ordering::Relaxed) + 1 < PROBES => None,
            Showed::Well => {
                for window in self.errors.iter().chain(&self.slow) {
                    window.clear();
                }
                self.until.store(0, Ordering::Release);
                Some(Change::Back)
            }
            Showed::Slow | Showed::Failed => {
                self.probes_well.store(0, Ordering::Relaxed);
                let failures = self.failures.fetch_add(1, Ordering::Relaxed).min(16);
                let wait = COOL_DOWN.saturating_mul(1 << failures).min(COOL_DOWN_MAX);
                self.until.store(now + millis(wait), Ordering::Release);
                Some(Change::StillTripped)
            }
        };
        self.probing.store(false, Ordering::Release);
        change
    }

    /// Milliseconds after the epoch, from 1: 0 is no time.
    fn ms(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(*self.epoch.get_or_init(|| now))) + 1
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 1)
}

/// The times of the last so many events, over which the oldest is forgotten.
struct Window {
    over_ms: u64,
    times: Box<[AtomicU64]>,
    next: AtomicUsize,
}

impl Window {
    fn new(allowance: Allowance) -> Self {
        Self {
            over_ms: millis(allowance.over),
            times: (0..allowance.events).map(|_| AtomicU64::new(0)).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Notes an event; whether the budget is spent with it.
    fn spends(&self, now: u64) -> bool {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let slots = self.times.len();
        self.times[index % slots].store(now, Ordering::Relaxed);
        let oldest = self.times[(index + 1) % slots].load(Ordering::Relaxed);
        oldest != 0 && now.saturating_sub(oldest) <= self.over_ms
    }

    fn clear(&self) {
        self.times.iter().for_each(|time| time.store(0, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::super::error_budget::Action;
    use super::*;

    fn breaker(errors: usize) -> Breaker {
        let allowance = Allowance { events: errors, over: Duration::from_secs(60) };
        Breaker::new(&ErrorBudget {
            errors: Some(allowance),
            slow: Some(allowance),
            action: Action::Off,
            ..ErrorBudget::default()
        })
    }

    fn tripped(at: Instant) -> Breaker {
        let breaker = breaker(1);
        assert_eq!(breaker.showed(Showed::Failed, false, at), Some(Change::Tripped));
        breaker
    }

    #[test]
    fn it_trips_when_the_budget_is_spent_and_not_before() {
        let (breaker, start) = (breaker(3), Instant::now());
        for second in 0..2 {
            assert_eq!(breaker.showed(Showed::Failed, false, start + Duration::from_secs(second)), None);
        }
        assert_eq!(breaker.state(start), State::Closed);
        // The slow ones have a budget of their own.
        assert_eq!(breaker.showed(Showed::Slow, false, start), None);
        let third = breaker.showed(Showed::Failed, false, start + Duration::from_secs(59));
        assert_eq!((third, breaker.trips()), (Some(Change::Tripped), 1));
    }

    #[test]
    fn errors_that_are_far_apart_never_trip_it() {
        let (breaker, start) = (breaker(3), Instant::now());
        for minute in 0..100 {
            let at = start + Duration::from_secs(31 * minute);
            assert_eq!(breaker.showed(Showed::Failed, false, at), None, "{minute}");
        }
    }

    #[test]
    fn after_the_cool_down_one_call_at_a_time_is_a_probe_and_three_that_go_well_end_it() {
        let start = Instant::now();
        let breaker = tripped(start);
        assert_eq!(breaker.state(start + COOL_DOWN / 2), State::Tripped { probe: false });
        let later = start + COOL_DOWN;
        for left in (0..PROBES).rev() {
            assert_eq!(breaker.state(later), State::Tripped { probe: true });
            assert_eq!(breaker.state(later), State::Tripped { probe: false });
            let change = breaker.showed(Showed::Well, true, later);
            assert_eq!(change, (left == 0).then_some(Change::Back));
        }
        assert_eq!(breaker.state(later), State::Closed);
    }

    #[test]
    fn each_probe_that_fails_doubles_the_wait_up_to_a_quarter_of_an_hour() {
        let mut now = Instant::now();
        let breaker = tripped(now);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let mut waited = Duration::ZERO;
            while breaker.state(now + waited) == (State::Tripped { probe: false }) {
                waited += Duration::from_secs(30);
            }
            now += waited;
            waits.push(waited.as_secs() / 60);
            assert_eq!(breaker.showed(Showed::Failed, true, now), Some(Change::StillTripped));
        }
        assert_eq!(waits, [1, 2, 4, 8, 15, 15, 15]);
    }

    #[test]
    fn a_probe_that_shows_nothing_is_given_back() {
        let start = Instant::now();
        let breaker = tripped(start);
        let later = start + COOL_DOWN;
        assert_eq!(breaker.state(later), State::Tripped { probe: true });
        assert_eq!(breaker.showed(Showed::Nothing, true, later), None);
        assert_eq!(breaker.state(later), State::Tripped { probe: true });
    }
}
