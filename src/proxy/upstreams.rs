//! The services, and what is known about each of their addresses. One for the whole process: it outlives a reload.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::address::Address;
use super::dial::Peer;
use crate::base::clock::Clock;
use crate::config;
use crate::outbound::Trust;

/// How long an address is left alone after a request could not reach it, where another can be asked.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Whether an upstream answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has asked yet.
    Unknown,
    /// It answered last time.
    Up,
    /// It did not.
    Down,
}

/// A service's name and state; no addresses, so that it can be shown to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The service's name.
    pub name: String,
    /// Up where any of its addresses is.
    pub state: State,
    /// Whether the gateway is not ready without it.
    pub required: bool,
}

/// Every service by name.
pub struct Upstreams {
    clock: Clock,
    services: ArcSwap<Services>,
    /// Those of the configuration before: a request that began under it still finds a service that is gone by now.
    before: ArcSwap<Services>,
    changes: watch::Sender<u64>,
    next_id: AtomicU64,
}

type Services = HashMap<String, Arc<Service>>;

/// A service as one snapshot knows it.
pub struct Service {
    config: config::Service,
    endpoints: Vec<Arc<Endpoint>>,
    turn: AtomicUsize,
}

/// One address of a service. It stays the same over reloads as long as its service names it.
pub struct Endpoint {
    id: u64,
    url: String,
    peer: Option<Peer>,
    began: Instant,
    state: AtomicU8,
    /// Milliseconds after `began` until which it is left alone.
    paused_until_ms: AtomicU64,
}

impl Upstreams {
    /// No services yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            services: ArcSwap::default(),
            before: ArcSwap::default(),
            changes: watch::Sender::new(0),
            next_id: AtomicU64::new(1),
        }
    }

    /// Takes over the services of a configuration. What stays keeps its health and its connections. Callers take turns:
    /// a reload is one at a time.
    pub fn apply(&self, services: &[config::Service]) {
        let old = self.services.load_full();
        let new = services.iter().map(|s| (s.name.clone(), self.service(old.get(&s.name), s))).collect();
        self.before.store(old);
        self.services.store(Arc::new(new));
        self.changes.send_modify(|n| *n += 1);
    }

    /// A service by name; one that the last configuration dropped is found until the next.
    pub fn get(&self, name: &str) -> Option<Arc<Service>> {
        let now = self.services.load().get(name).cloned();
        now.or_else(|| self.before.load().get(name).cloned())
    }

    /// The state of every service, by name.
    pub fn status(&self) -> Vec<Status> {
        let services = self.services.load();
        let mut all: Vec<Status> = services.values().map(|s| s.status()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn all(&self) -> Vec<Arc<Service>> {
        self.services.load().values().cloned().collect()
    }

    fn service(&self, old: Option<&Arc<Service>>, config: &config::Service) -> Arc<Service> {
        if let Some(same) = old.filter(|o| o.config == *config) {
            return Arc::clone(same);
        }
        let kept = |url: &String| old.and_then(|o| o.endpoints.iter().find(|e| e.url == *url)).cloned();
        let endpoints =
            config.urls.iter().map(|url| kept(url).unwrap_or_else(|| self.endpoint(url))).collect();
        Arc::new(Service { config: config.clone(), endpoints, turn: AtomicUsize::new(0) })
    }

    fn endpoint(&self, url: &str) -> Arc<Endpoint> {
        Arc::new(Endpoint {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            url: url.to_owned(),
            peer: peer(url),
            began: self.clock.now(),
            state: AtomicU8::new(State::Unknown as u8),
            paused_until_ms: AtomicU64::new(0),
        })
    }
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
        Status { name: self.config.name.clone(), state, required: self.config.required }
    }

    pub(super) fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// The endpoints in the order to try: in turn, those that are left alone last. An only one is always tried, so that
    /// a service is back as soon as it answers.
    pub(super) fn in_turn(&self, now: Instant) -> Vec<&Arc<Endpoint>> {
        let n = self.endpoints.len();
        let first = if n > 1 { self.turn.fetch_add(1, Ordering::Relaxed) % n } else { 0 };
        let mut order: Vec<_> = self.endpoints[first..].iter().chain(&self.endpoints[..first]).collect();
        if n > 1 {
            order.sort_by_key(|e| e.is_paused(now));
        }
        order
    }
}

impl Endpoint {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Its host and port, as a request names them; none for a socket in the file system.
    pub(super) fn authority(&self) -> Option<http::uri::Authority> {
        let (_, rest) = self.url.split_once("://")?;
        rest.trim_end_matches('/').parse().ok()
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            s if s == State::Up as u8 => State::Up,
            s if s == State::Down as u8 => State::Down,
            _ => State::Unknown,
        }
    }

    /// It answered.
    pub(super) fn answered(&self, service: &config::Service) {
        if self.state.load(Ordering::Relaxed) == State::Up as u8 {
            return;
        }
        self.paused_until_ms.store(0, Ordering::Relaxed);
        if self.state.swap(State::Up as u8, Ordering::Relaxed) == State::Down as u8 {
            tracing::info!(service = service.name, "upstream answers again");
        }
    }

    /// It could not be reached; it is left alone for `pause`.
    pub(super) fn failed(&self, service: &config::Service, now: Instant, pause: Duration) {
        self.paused_until_ms.store(self.ms(now + pause), Ordering::Relaxed);
        if self.state.swap(State::Down as u8, Ordering::Relaxed) != State::Down as u8 {
            tracing::warn!(service = service.name, "upstream cannot be reached");
        }
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.state() == State::Down && self.ms(now) < self.paused_until_ms.load(Ordering::Relaxed)
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

fn peer(url: &str) -> Option<Peer> {
    let address = Address::parse(url).ok()?;
    let tls = address.certified.as_ref().map(|_| Trust::built_in().config());
    Some(Peer { address, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, urls: &[&str]) -> config::Service {
        config::Service {
            name: name.to_owned(),
            urls: urls.iter().map(|u| (*u).to_owned()).collect(),
            health: None,
            health_interval: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(60),
            idle_max: 8,
            required: false,
            assertion: false,
            protocol: config::Protocol::default(),
        }
    }

    const A: &str = "http://127.0.0.1:1";
    const B: &str = "http://127.0.0.1:2";

    #[test]
    fn a_reload_keeps_the_health_of_what_stays_and_forgets_what_goes() {
        let clock = Clock::manual(0);
        let upstreams = Upstreams::new(clock.clone());
        upstreams.apply(&[service("app", &[A]), service("old", &[A])]);
        let before = upstreams.get("app").unwrap();
        before.endpoints()[0].failed(before.config(), clock.now(), PAUSE);
        upstreams.apply(&[service("app", &[B, A])]);
        let after = upstreams.get("app").unwrap();
        assert!(Arc::ptr_eq(&after.endpoints()[1], &before.endpoints()[0]));
        assert_eq!(after.endpoints()[1].state(), State::Down);
        assert_eq!(after.status().state, State::Unknown);
        assert_eq!(upstreams.status().len(), 1);
        assert!(upstreams.get("old").is_some(), "a request that began before the reload still goes there");
        upstreams.apply(&[service("app", &[B, A])]);
        assert!(upstreams.get("old").is_none());
        assert!(Arc::ptr_eq(&upstreams.get("app").unwrap(), &after));
    }

    #[test]
    fn endpoints_take_turns_and_a_paused_one_comes_last_until_its_pause_ends() {
        let clock = Clock::manual(0);
        let upstreams = Upstreams::new(clock.clone());
        upstreams.apply(&[service("app", &[A, B])]);
        let app = upstreams.get("app").unwrap();
        let first = || app.in_turn(clock.now())[0].url().to_owned();
        assert_eq!([first(), first(), first()], [A, B, A]);
        app.endpoints()[0].failed(app.config(), clock.now(), PAUSE);
        assert_eq!([first(), first(), first()], [B, B, B]);
        clock.advance(PAUSE);
        assert!([first(), first()].contains(&A.to_owned()));
        app.endpoints()[0].answered(app.config());
        app.endpoints()[1].failed(app.config(), clock.now(), PAUSE);
        assert_eq!([first(), first()], [A, A]);
        assert_eq!(
            app.in_turn(clock.now()).len(),
            2,
            "one that is paused is still tried when nothing else is left"
        );
    }

    #[test]
    fn a_status_names_no_address() {
        let upstreams = Upstreams::new(Clock::manual(0));
        upstreams.apply(&[service("b", &[A]), service("a", &[B])]);
        let shown = format!("{:?}", upstreams.status());
        assert!(shown.find("\"a\"") < shown.find("\"b\"") && !shown.contains("127.0.0.1"));
    }
}
