//! A service as one snapshot knows it, and which of its addresses a request goes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::books::Books;
use super::circuit::Phase;
use super::endpoint::{Endpoint, InFlight, State, Trial};
use super::upstreams::Status;
use crate::config;
use crate::config::Balance;

/// A service and its addresses.
pub struct Service {
    pub(super) config: config::Service,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    pub(super) turn: AtomicUsize,
    pub(super) books: Arc<Books>,
}

/// An address that was chosen for a request, which is counted there from now on.
pub struct Choice {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) in_flight: InFlight,
    /// The request finds out whether the address is back.
    pub(super) trial: Option<Trial>,
}

impl Service {
    /// What the configuration says about it.
    pub fn config(&self) -> &config::Service {
        &self.config
    }

    /// The name that routes use.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Name and state.
    pub fn status(&self) -> Status {
        let states = || self.endpoints.iter().map(|e| e.state());
        let state = if states().any(|s| s == State::Up) {
            State::Up
        } else if states().any(|s| s == State::Unknown) {
            State::Unknown
        } else {
            State::Down
        };
        Status {
            name: self.config.name.clone(),
            state,
            required: self.config.required,
            addresses: self.endpoints.len(),
            addresses_up: states().filter(|s| *s == State::Up).count(),
        }
    }

    pub(super) fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    pub(super) fn books(&self) -> &Arc<Books> {
        &self.books
    }

    /// Chooses an address that was not tried yet: one whose pause is over finds out with this request; else one of those
    /// that are well; else, so that a service is back as soon as it answers, one that is not. None where all were tried
    /// or nothing more may be tried now.
    pub(super) fn choose(&self, now: Instant, tried: &[u64]) -> Option<Choice> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || {
            let first = turn.checked_rem(self.endpoints.len()).unwrap_or(0);
            let (before, from) = self.endpoints.split_at(first);
            from.iter().chain(before).filter(|e| !tried.contains(&e.id()))
        };
        let found = in_turn().find_map(|e| Some((e, Trial::half_open(e, now)?)));
        if let Some((endpoint, trial)) = found {
            return Some(Choice::of(endpoint, Some(trial)));
        }
        let well = || in_turn().filter(|e| e.is_well(now));
        let whole = well().filter(|e| has_its_turn(turn, e.share(self.config.slow_start, now)));
        if let Some(endpoint) = self.best(whole).or_else(|| self.best(well())) {
            return Some(Choice::of(endpoint, None));
        }
        in_turn().find_map(|e| match e.circuit().phase(now) {
            Phase::Closed => Some(Choice::of(e, None)),
            Phase::HalfOpen | Phase::Open => Some(Choice::of(e, Some(Trial::last_resort(e)?))),
        })
    }

    fn best<'a>(&self, mut all: impl Iterator<Item = &'a Arc<Endpoint>>) -> Option<&'a Arc<Endpoint>> {
        match self.config.balance {
            // They come in turn, and the first of several equal ones is taken.
            Balance::LeastRequests => all.min_by_key(|e| e.in_flight()),
            Balance::RoundRobin => all.next(),
        }
    }
}

impl Choice {
    fn of(endpoint: &Arc<Endpoint>, trial: Option<Trial>) -> Self {
        Self { endpoint: Arc::clone(endpoint), in_flight: InFlight::at(endpoint), trial }
    }
}

/// Whether an address with a share of some hundredths is asked this time: as many of any hundred turns, spread out.
fn has_its_turn(turn: usize, share: u64) -> bool {
    // 61 has no divisor with 100 in common, so a hundred turns meet every number once.
    (turn as u64).wrapping_mul(61) % 100 < share
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::circuit::Blow;
    use super::super::upstreams::Upstreams;
    use super::*;
    use crate::base::clock::Clock;

    const A: &str = "http://127.0.0.1:1";
    const B: &str = "http://127.0.0.1:2";

    fn app(clock: &Clock, change: impl FnOnce(&mut config::Service)) -> Arc<Service> {
        let mut config = config::Service::of("app", &[A, B]);
        change(&mut config);
        let upstreams = Upstreams::new(clock.clone());
        upstreams.apply(&[config]);
        upstreams.get("app").unwrap()
    }

    fn url(choice: Option<Choice>) -> String {
        choice.map(|c| c.endpoint.url().to_owned()).unwrap_or_default()
    }

    #[test]
    fn the_address_with_the_fewest_requests_in_flight_is_preferred() {
        let clock = Clock::manual(0);
        let app = app(&clock, |_| {});
        let choose = || app.choose(clock.now(), &[]).unwrap();
        let busy: Vec<_> = (0..9).map(|_| choose()).collect();
        let at = |url| busy.iter().filter(|c| c.endpoint.url() == url).count();
        assert!(at(A).abs_diff(at(B)) <= 1, "{} {}", at(A), at(B));
        let (a, _b): (Vec<_>, Vec<_>) = busy.into_iter().partition(|c| c.endpoint.url() == A);
        drop(a);
        for _ in 0..5 {
            assert_eq!(url(Some(choose())), A, "the idle one");
        }
        assert_eq!(app.endpoints()[0].in_flight(), 0);
    }

    #[test]
    fn round_robin_takes_turns_whatever_is_in_flight() {
        let clock = Clock::manual(0);
        let app = app(&clock, |c| c.balance = Balance::RoundRobin);
        let held: Vec<_> = (0..4).map(|_| app.choose(clock.now(), &[]).unwrap()).collect();
        let order: Vec<_> = held.iter().map(|c| c.endpoint.url()).collect();
        assert_eq!(order, [A, B, A, B]);
    }

    #[test]
    fn an_open_circuit_comes_last_and_one_request_finds_out_after_its_pause() {
        let clock = Clock::manual(0);
        let app = app(&clock, |_| {});
        let choose = || app.choose(clock.now(), &[]);
        app.endpoints()[0].failed(app.config(), clock.now(), Blow::Connect, "test");
        assert!((0..10).all(|_| url(choose()) == B));
        clock.advance(app.config().breaker.pause);
        let trial = choose().unwrap();
        assert_eq!((trial.endpoint.url(), trial.trial.is_some()), (A, true));
        assert!((0..10).all(|_| url(choose()) == B), "no herd follows");
        trial.endpoint.answered(app.config(), clock.now());
        drop(trial);
        assert!((0..10).any(|_| url(choose()) == A));
    }

    #[test]
    fn up_18_while_everything_is_down_a_few_requests_at_a_time_still_try() {
        let clock = Clock::manual(0);
        let app = app(&clock, |_| {});
        for endpoint in app.endpoints() {
            endpoint.failed(app.config(), clock.now(), Blow::Connect, "test");
        }
        let held: Vec<_> = (0..1_000).filter_map(|_| app.choose(clock.now(), &[])).collect();
        assert_eq!(held.len(), 20);
        assert!(app.choose(clock.now(), &[]).is_none());
        drop(held);
        assert!(app.choose(clock.now(), &[]).is_some());
    }

    #[test]
    fn what_fails_its_health_check_comes_last_though_its_circuit_is_closed() {
        let clock = Clock::manual(0);
        let app = app(&clock, |_| {});
        app.endpoints()[0].checked_as(false, app.config(), &clock);
        assert!((0..10).all(|_| url(app.choose(clock.now(), &[])) == B));
        app.endpoints()[1].checked_as(false, app.config(), &clock);
        assert!(app.choose(clock.now(), &[]).is_some(), "nothing else is left");
    }

    #[test]
    fn what_was_tried_is_not_chosen_again() {
        let clock = Clock::manual(0);
        let app = app(&clock, |_| {});
        let [a, b] = [&app.endpoints()[0], &app.endpoints()[1]];
        assert_eq!(url(app.choose(clock.now(), &[a.id()])), B);
        assert!(app.choose(clock.now(), &[a.id(), b.id()]).is_none());
    }

    #[test]
    fn an_address_that_came_back_gets_its_share_little_by_little() {
        let clock = Clock::manual(0);
        for balance in [Balance::LeastRequests, Balance::RoundRobin] {
            let app = app(&clock, |c| {
                c.slow_start = Duration::from_secs(10);
                c.balance = balance;
            });
            let share = || (0..200).filter(|_| url(app.choose(clock.now(), &[])) == A).count();
            assert_eq!(share(), 100, "it never was away");
            app.endpoints()[0].failed(app.config(), clock.now(), Blow::Connect, "test");
            app.endpoints()[0].answered(app.config(), clock.now());
            let first = share();
            clock.advance(Duration::from_secs(5));
            let half = share();
            clock.advance(Duration::from_secs(5));
            assert!((5..=15).contains(&first) && (40..=60).contains(&half), "{first} {half}");
            assert_eq!(share(), 100);
        }
    }
}
