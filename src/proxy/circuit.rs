//! The circuit breaker of one address: closed while it answers, open for a pause after it failed, and then half open:
//! one request finds out, and the others follow.
//!
//! # Source
//! M. Nygard, "Release It!", circuit breaker.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::config;

/// Most requests that try an open circuit at once while there is nothing else to try.
pub const LAST_RESORT_MAX: u32 = 10;

/// What a circuit lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everything.
    Closed,
    /// One request at a time: the pause is over.
    HalfOpen,
    /// Nothing, where there is another address.
    Open,
}

impl Phase {
    /// As status pages say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// No connection: enough by itself.
    Connect,
    /// A connection, but no answer: enough after some in a row.
    Answer,
}

/// A circuit breaker. Asking a closed one takes no lock.
#[derive(Default)]
pub struct Circuit {
    is_open: AtomicBool,
    failures: AtomicU32,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    until: Option<Instant>,
    /// How often in a row it was opened.
    times: u32,
    blow: Option<Blow>,
    trials: u32,
}

impl Circuit {
    /// What it lets through now.
    pub fn phase(&self, now: Instant) -> Phase {
        if !self.is_open.load(Ordering::Relaxed) {
            return Phase::Closed;
        }
        if self.opened.lock().is_over(now) { Phase::HalfOpen } else { Phase::Open }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The end of the pause of an open circuit.
    pub fn open_until(&self) -> Option<Instant> {
        self.is_open.load(Ordering::Relaxed).then(|| self.opened.lock().until).flatten()
    }

    /// Takes the one trial of a half open circuit. Whoever got it calls [`Circuit::end_trial`].
    pub fn try_half_open(&self, now: Instant) -> bool {
        if !self.is_open.load(Ordering::Relaxed) {
            return false;
        }
        let mut opened = self.opened.lock();
        let takes = opened.is_over(now) && opened.trials == 0;
        opened.trials += u32::from(takes);
        takes
    }

    /// Takes one of the few trials of an open circuit, where there is nothing else to try. Whoever got it calls
    /// [`Circuit::end_trial`].
    pub fn try_open(&self) -> bool {
        let mut opened = self.opened.lock();
        let takes = opened.trials < LAST_RESORT_MAX;
        opened.trials += u32::from(takes);
        takes
    }

    /// A trial is over, however it ended.
    pub fn end_trial(&self) {
        let mut opened = self.opened.lock();
        opened.trials = opened.trials.saturating_sub(1);
    }

    /// An answer came. Whether this closed it.
    pub fn answered(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        self.is_open.load(Ordering::Relaxed) && self.close()
    }

    /// A connection was taken: that is all there was to find out where connections were refused. Whether this closed
    /// it.
    pub fn connected(&self) -> bool {
        if !self.is_open.load(Ordering::Relaxed) || self.opened.lock().blow != Some(Blow::Connect) {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        self.close()
    }

    /// A request failed. Whether this opened it.
    pub fn failed(&self, blow: Blow, now: Instant, config: &config::Breaker) -> bool {
        let failures = self.failures.load(Ordering::Relaxed).saturating_add(1);
        self.failures.store(failures, Ordering::Relaxed);
        let mut opened = self.opened.lock();
        let was_open = self.is_open.load(Ordering::Relaxed);
        if was_open && !opened.is_over(now) {
            return false;
        }
        if !was_open && blow == Blow::Answer && failures < config.failures {
            return false;
        }
        opened.times = opened.times.saturating_add(1);
        opened.until = Some(now + pause(opened.times, config));
        opened.blow = Some(blow);
        self.is_open.store(true, Ordering::Relaxed);
        !was_open
    }

    fn close(&self) -> bool {
        let mut opened = self.opened.lock();
        opened.times = 0;
        opened.until = None;
        opened.blow = None;
        self.is_open.swap(false, Ordering::Relaxed)
    }
}

impl Opened {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }
}

fn pause(times: u32, config: &config::Breaker) -> Duration {
    let doubled = config.pause.saturating_mul(1 << times.saturating_sub(1).min(16));
    doubled.min(config.pause_max.max(config.pause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    fn config() -> config::Breaker {
        config::Service::of("app", &["http://a"]).breaker
    }

    #[test]
    fn a_refused_connection_opens_it_and_unanswered_requests_only_after_three_in_a_row() {
        let (clock, config) = (Clock::manual(0), config());
        let refused = Circuit::default();
        assert!(refused.failed(Blow::Connect, clock.now(), &config));
        assert_eq!(refused.phase(clock.now()), Phase::Open);

        let unanswered = Circuit::default();
        assert!(!unanswered.failed(Blow::Answer, clock.now(), &config));
        assert!(!unanswered.failed(Blow::Answer, clock.now(), &config));
        unanswered.answered();
        assert!(!unanswered.failed(Blow::Answer, clock.now(), &config));
        assert!(!unanswered.failed(Blow::Answer, clock.now(), &config));
        assert_eq!(unanswered.phase(clock.now()), Phase::Closed);
        assert!(unanswered.failed(Blow::Answer, clock.now(), &config));
        assert_eq!((unanswered.phase(clock.now()), unanswered.failures()), (Phase::Open, 3));
    }

    #[test]
    fn after_its_pause_one_request_finds_out_and_the_others_follow() {
        let (clock, config, circuit) = (Clock::manual(0), config(), Circuit::default());
        circuit.failed(Blow::Connect, clock.now(), &config);
        clock.advance(Duration::from_millis(999));
        assert!(!circuit.try_half_open(clock.now()));
        clock.advance(Duration::from_millis(1));
        assert_eq!(circuit.phase(clock.now()), Phase::HalfOpen);
        let takers = (0..100).filter(|_| circuit.try_half_open(clock.now())).count();
        assert_eq!(takers, 1);
        circuit.end_trial();
        assert!(circuit.try_half_open(clock.now()), "one that was dropped leaves its place to the next");
        assert!(circuit.answered());
        circuit.end_trial();
        assert_eq!(circuit.phase(clock.now()), Phase::Closed);
    }

    #[test]
    fn each_failed_trial_doubles_the_pause_up_to_a_limit_and_an_answer_forgets_it() {
        let (clock, config, circuit) = (Clock::manual(0), config(), Circuit::default());
        let mut pauses = Vec::new();
        for _ in 0..7 {
            circuit.failed(Blow::Connect, clock.now(), &config);
            let until = circuit.open_until().unwrap();
            // Those that were on their way together count as one.
            circuit.failed(Blow::Connect, clock.now(), &config);
            assert_eq!(circuit.open_until(), Some(until));
            pauses.push((until - clock.now()).as_secs());
            clock.advance(until - clock.now());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        circuit.answered();
        circuit.failed(Blow::Connect, clock.now(), &config);
        assert_eq!(circuit.open_until().unwrap() - clock.now(), Duration::from_secs(1));
    }

    #[test]
    fn a_connection_closes_what_refused_connections_opened_and_nothing_else() {
        let (clock, config) = (Clock::manual(0), config());
        let refused = Circuit::default();
        refused.failed(Blow::Connect, clock.now(), &config);
        assert!(refused.connected());
        assert_eq!(refused.phase(clock.now()), Phase::Closed);
        let unanswered = Circuit::default();
        for _ in 0..3 {
            unanswered.failed(Blow::Answer, clock.now(), &config);
        }
        assert!(!unanswered.connected());
        assert_eq!(unanswered.phase(clock.now()), Phase::Open);
    }

    #[test]
    fn up_18_as_a_last_resort_a_few_may_try_an_open_one_and_never_a_herd() {
        let (clock, config, circuit) = (Clock::manual(0), config(), Circuit::default());
        circuit.failed(Blow::Connect, clock.now(), &config);
        let takers = (0..1_000).filter(|_| circuit.try_open()).count();
        assert_eq!(takers, LAST_RESORT_MAX as usize);
    }
}
