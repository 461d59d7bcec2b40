//! A document of a provider, kept while it is fresh, fetched by one at a time, and used for a while longer when the
//! provider is down.
//!
//! A fetch is a task of its own: whoever asked may go away, and those who wait give up before it does. So nobody can
//! break off a fetch that others need.
//!
//! # Source
//! THREATS JK-01 to JK-05, JK-08.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

/// How long a document is fresh that does not say.
pub(super) const FRESH: Duration = Duration::from_secs(60 * 60);
/// The shortest and longest time that a document can say.
const FRESH_MIN: Duration = Duration::from_secs(5 * 60);
const FRESH_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How old a document may be when no newer one can be had.
pub(super) const STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a request waits for a fetch.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(2);
/// The longest pause after failures; they begin at one second and double.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The shortest time between two fetches that a caller asked for because the document lacks something.
pub(super) const REFETCH_COOLDOWN: Duration = Duration::from_secs(30);

/// What a fetch brings: a document and how long it says that it is fresh; nothing on failure.
pub(super) type Loaded<T> = Option<(T, Option<Duration>)>;

/// A document that is fetched when it is needed.
pub(super) struct Cached<T> {
    state: Mutex<State<T>>,
    wait_max: Duration,
}

struct State<T> {
    held: Option<Held<T>>,
    /// Open while a fetch is under way.
    flight: Option<watch::Receiver<()>>,
    failures: u32,
    failed_at: Option<Instant>,
    refetched_at: Option<Instant>,
}

struct Held<T> {
    value: Arc<T>,
    fetched: Instant,
    fresh_for: Duration,
}

impl<T: Send + Sync + 'static> Cached<T> {
    /// Nothing yet. A request waits this long for a fetch at most.
    pub(super) fn new(wait_max: Duration) -> Arc<Self> {
        let state = State { held: None, flight: None, failures: 0, failed_at: None, refetched_at: None };
        Arc::new(Self { state: Mutex::new(state), wait_max })
    }

    /// The document: at once while it is fresh, else after a fetch, else an older one, else nothing.
    pub(super) async fn get<F>(self: &Arc<Self>, now: Instant, load: impl FnOnce() -> F) -> Option<Arc<T>>
    where
        F: Future<Output = Loaded<T>> + Send + 'static,
    {
        let flight = {
            let mut state = self.state.lock();
            let freshness = state.freshness(now);
            let flight = if freshness == Freshness::Young { None } else { self.join(&mut state, now, load) };
            if freshness != Freshness::Stale {
                return state.usable(now);
            }
            flight
        };
        self.arrived(flight).await;
        self.state.lock().usable(now)
    }

    /// The document after a fetch that was asked for because it lacks something. There is one such fetch a cooldown;
    /// asking more often changes nothing, and neither does it delay the fetches of [`Cached::get`].
    pub(super) async fn refetch<F>(self: &Arc<Self>, now: Instant, load: impl FnOnce() -> F) -> Option<Arc<T>>
    where
        F: Future<Output = Loaded<T>> + Send + 'static,
    {
        let flight = {
            let mut state = self.state.lock();
            let cooling = state.refetched_at.is_some_and(|at| now < at + REFETCH_COOLDOWN);
            match state.under_way() {
                Some(flight) => Some(flight),
                None if cooling => None,
                None => {
                    state.refetched_at = Some(now);
                    self.join(&mut state, now, load)
                }
            }
        };
        self.arrived(flight).await;
        self.state.lock().usable(now)
    }

    /// The fetch that is under way, or a new one unless the last failed a moment ago.
    fn join<F>(
        self: &Arc<Self>,
        state: &mut State<T>,
        now: Instant,
        load: impl FnOnce() -> F,
    ) -> Option<watch::Receiver<()>>
    where
        F: Future<Output = Loaded<T>> + Send + 'static,
    {
        if let Some(flight) = state.under_way() {
            return Some(flight);
        }
        if state.failed_at.is_some_and(|at| now < at + backoff(state.failures)) {
            return None;
        }
        let (landing, flight) = watch::channel(());
        let (cached, load) = (Arc::clone(self), load());
        // Detached: it ends by the limits of the client, and its end is seen when `landing` is dropped.
        tokio::spawn(async move {
            let loaded = load.await;
            cached.state.lock().land(now, loaded);
            drop(landing);
        });
        state.flight = Some(flight.clone());
        Some(flight)
    }

    async fn arrived(&self, flight: Option<watch::Receiver<()>>) {
        if let Some(mut flight) = flight {
            // Ends with an error when the fetch is over, which is what is waited for.
            let _ = tokio::time::timeout(self.wait_max, flight.changed()).await;
        }
    }
}

fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(16)).min(BACKOFF_MAX)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Young,
    /// Fresh, and due to be fetched again beside the request that found out.
    Ageing,
    Stale,
}

impl<T> State<T> {
    fn under_way(&self) -> Option<watch::Receiver<()>> {
        self.flight.clone().filter(|flight| flight.has_changed().is_ok())
    }

    fn freshness(&self, now: Instant) -> Freshness {
        let Some(held) = &self.held else { return Freshness::Stale };
        let age = now.saturating_duration_since(held.fetched);
        match () {
            () if age < held.fresh_for * 3 / 4 => Freshness::Young,
            () if age < held.fresh_for => Freshness::Ageing,
            () => Freshness::Stale,
        }
    }

    fn usable(&self, now: Instant) -> Option<Arc<T>> {
        let held = self.held.as_ref()?;
        (now.saturating_duration_since(held.fetched) < STALE_MAX).then(|| Arc::clone(&held.value))
    }

    fn land(&mut self, now: Instant, loaded: Loaded<T>) {
        match loaded {
            Some((value, fresh_for)) => {
                let fresh_for = fresh_for.map_or(FRESH, |f| f.clamp(FRESH_MIN, FRESH_MAX));
                self.held = Some(Held { value: Arc::new(value), fetched: now, fresh_for });
                self.failures = 0;
                self.failed_at = None;
            }
            None => {
                self.failures = self.failures.saturating_add(1);
                self.failed_at = Some(now);
            }
        }
    }
}
