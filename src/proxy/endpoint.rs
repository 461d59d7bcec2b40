//! What is known about one address of a service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::circuit::{Blow, Circuit, Phase};
use super::dial::Peer;
use crate::base::clock::Clock;
use crate::config;

/// The share of its requests, in hundredths, with which an address begins after it came back.
const SHARE_FIRST: u64 = 10;

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

impl State {
    /// As probes and status pages say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// One address of a service. It stays the same over reloads as long as its service names it and recognises it alike.
pub struct Endpoint {
    id: u64,
    url: String,
    tls: config::Tls,
    peer: Option<Peer>,
    began: Instant,
    circuit: Circuit,
    /// What health checks found; a [`State`].
    checked: AtomicU8,
    passes: AtomicU32,
    fails: AtomicU32,
    /// When it was checked last, in milliseconds since 1970-01-01 UTC; 0: never.
    checked_unix_ms: AtomicI64,
    has_answered: AtomicBool,
    is_retired: AtomicBool,
    /// Milliseconds after `began` at which it came back, plus one; 0: it never was away.
    back_ms: AtomicU64,
    in_flight: AtomicU32,
    unused: AtomicU32,
    ejections: AtomicU64,
}

impl Endpoint {
    pub(super) fn new(id: u64, url: &str, tls: config::Tls, peer: Option<Peer>, now: Instant) -> Self {
        Self {
            id,
            url: url.to_owned(),
            tls,
            peer,
            began: now,
            circuit: Circuit::default(),
            checked: AtomicU8::new(State::Unknown as u8),
            passes: AtomicU32::new(0),
            fails: AtomicU32::new(0),
            checked_unix_ms: AtomicI64::new(0),
            has_answered: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            back_ms: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            unused: AtomicU32::new(0),
            ejections: AtomicU64::new(0),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is this address, recognised in this way.
    pub(super) fn is(&self, url: &str, tls: &config::Tls) -> bool {
        self.url == url && (self.tls == *tls || !url.starts_with("https:"))
    }

    pub(super) fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    pub(super) fn state(&self) -> State {
        let checked = self.checked();
        match () {
            () if checked == State::Down || self.circuit.open_until().is_some() => State::Down,
            () if checked == State::Up || self.has_answered.load(Ordering::Relaxed) => State::Up,
            () => State::Unknown,
        }
    }

    /// What health checks found.
    pub(super) fn checked(&self) -> State {
        match self.checked.load(Ordering::Relaxed) {
            s if s == State::Up as u8 => State::Up,
            s if s == State::Down as u8 => State::Down,
            _ => State::Unknown,
        }
    }

    /// It answered a request.
    pub(super) fn answered(&self, service: &config::Service, now: Instant) {
        if !self.has_answered.load(Ordering::Relaxed) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        if self.circuit.answered() {
            self.is_back(service, now);
        }
    }

    /// It took a connection.
    pub(super) fn connected(&self, service: &config::Service, now: Instant) {
        if self.circuit.connected() {
            self.is_back(service, now);
        }
    }

    /// It did not answer a request. `reason` is a word or two, without an address.
    pub(super) fn failed(&self, service: &config::Service, now: Instant, blow: Blow, reason: &str) {
        if self.circuit.failed(blow, now, &service.breaker) {
            self.ejections.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(service = service.name, reason, "upstream cannot be reached");
        }
    }

    /// A health check came to its end.
    pub(super) fn checked_as(&self, healthy: bool, service: &config::Service, clock: &Clock) {
        self.checked_unix_ms.store(clock.unix_ms(), Ordering::Relaxed);
        let (ours, others) = if healthy { (&self.passes, &self.fails) } else { (&self.fails, &self.passes) };
        others.store(0, Ordering::Relaxed);
        let row = ours.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let before = self.checked();
        let needed = match (healthy, before) {
            // The first check decides: nobody knows better.
            (_, State::Unknown) => 1,
            (true, _) => service.health.healthy_after,
            (false, _) => service.health.unhealthy_after,
        };
        if row < needed {
            return;
        }
        let now = if healthy { State::Up } else { State::Down };
        self.checked.store(now as u8, Ordering::Relaxed);
        match (before, now) {
            (State::Down, State::Up) => self.is_back(service, clock.now()),
            (State::Up | State::Unknown, State::Down) => {
                tracing::warn!(service = service.name, "upstream fails its health check");
            }
            _ => {}
        }
        if healthy {
            self.connected(service, clock.now());
        }
    }

    /// Nobody asks any more: what was found is forgotten.
    pub(super) fn forget_checks(&self) {
        self.checked.store(State::Unknown as u8, Ordering::Relaxed);
        self.passes.store(0, Ordering::Relaxed);
        self.fails.store(0, Ordering::Relaxed);
    }

    fn is_back(&self, service: &config::Service, now: Instant) {
        self.begin_slowly(now);
        tracing::info!(service = service.name, "upstream answers again");
    }

    /// From now on its share grows from little to whole.
    pub(super) fn begin_slowly(&self, now: Instant) {
        self.back_ms.store(self.ms(now).saturating_add(1), Ordering::Relaxed);
    }

    /// The share, in hundredths, of its requests that it gets now.
    pub(super) fn share(&self, slow_start: Duration, now: Instant) -> u64 {
        let back_ms = self.back_ms.load(Ordering::Relaxed);
        let whole_ms = u64::try_from(slow_start.as_millis()).unwrap_or(u64::MAX);
        if back_ms == 0 || whole_ms == 0 {
            return 100;
        }
        let since = self.ms(now).saturating_sub(back_ms - 1);
        if since >= whole_ms { 100 } else { (since.saturating_mul(100) / whole_ms).max(SHARE_FIRST) }
    }

    /// Whether it may be chosen freely.
    pub(super) fn is_well(&self, now: Instant) -> bool {
        self.checked() != State::Down && self.circuit.phase(now) == Phase::Closed
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Unused connections of all workers.
    pub(super) fn unused(&self) -> u32 {
        self.unused.load(Ordering::Relaxed)
    }

    /// How often it was left alone.
    pub(super) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// When it was checked last, in milliseconds since 1970-01-01 UTC.
    pub(super) fn checked_unix_ms(&self) -> Option<i64> {
        Some(self.checked_unix_ms.load(Ordering::Relaxed)).filter(|ms| *ms != 0)
    }

    /// Its service does not name it any more: its unused connections are let go.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

/// A request in flight at an address, counted until it is dropped.
pub struct InFlight(Arc<Endpoint>);

impl InFlight {
    pub(super) fn at(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(endpoint))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An unused connection to an address, counted until it is dropped.
pub struct Unused(pub(super) Arc<Endpoint>);

impl Unused {
    pub(super) fn at(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.unused.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(endpoint))
    }
}

impl Drop for Unused {
    fn drop(&mut self) {
        self.0.unused.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that finds out whether an address is back.
pub struct Trial(Arc<Endpoint>);

impl Trial {
    pub(super) fn half_open(endpoint: &Arc<Endpoint>, now: Instant) -> Option<Self> {
        endpoint.circuit.try_half_open(now).then(|| Self(Arc::clone(endpoint)))
    }

    pub(super) fn last_resort(endpoint: &Arc<Endpoint>) -> Option<Self> {
        endpoint.circuit.try_open().then(|| Self(Arc::clone(endpoint)))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.0.circuit.end_trial();
    }
}
