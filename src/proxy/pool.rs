//! Unused connections of one worker. A thread shares them with nobody, so there is no lock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::endpoint::{Endpoint, Unused as Counted};
use super::http2::Sessions;
use super::link::Link;
use crate::base::clock::Clock;
use crate::config;

/// How often connections that have been unused for too long, or were closed by the upstream, are let go.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A worker's unused connections. Clones are the same pool.
#[derive(Clone)]
pub struct Pool(Rc<Inner>);

struct Inner {
    clock: Clock,
    unused: RefCell<HashMap<u64, Vec<Unused>>>,
    sessions: Sessions,
}

struct Unused {
    link: Box<Link>,
    until: Instant,
    counted: Counted,
}

impl Unused {
    /// Whether it is as it was left, young enough, and to an address that somebody still names.
    fn is_good(&self, now: Instant) -> bool {
        self.until > now && !self.counted.0.is_retired() && self.link.is_quiet()
    }
}

impl Pool {
    /// An empty pool. One for each worker thread.
    pub fn new(clock: Clock) -> Self {
        Self(Rc::new(Inner { clock, unused: RefCell::default(), sessions: Sessions::default() }))
    }

    /// The HTTP/2 connections, which are never unused: requests share them.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// The clock of this pool.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// A connection that is as it was left, the youngest first.
    pub(super) fn take(&self, endpoint: &Endpoint) -> Option<Box<Link>> {
        let now = self.0.clock.now();
        let mut all = self.0.unused.borrow_mut();
        let unused = all.get_mut(&endpoint.id())?;
        while let Some(kept) = unused.pop() {
            if kept.is_good(now) {
                return Some(kept.link);
            }
        }
        None
    }

    /// Keeps a connection for the next request, unless there are enough.
    pub(super) fn put(&self, endpoint: &Arc<Endpoint>, link: Box<Link>, service: &config::Service) {
        let until = self.0.clock.now() + service.idle_timeout;
        let mut all = self.0.unused.borrow_mut();
        let unused = all.entry(endpoint.id()).or_default();
        if unused.len() < service.idle_max && !endpoint.is_retired() {
            unused.push(Unused { link, until, counted: Counted::at(endpoint) });
        }
    }

    /// How many connections are unused now.
    pub fn unused(&self) -> usize {
        self.0.unused.borrow().values().map(Vec::len).sum()
    }

    /// Lets connections go that are too old or closed, or to an address that nobody names any more.
    pub fn sweep(&self) {
        self.0.sessions.sweep();
        let now = self.0.clock.now();
        self.0.unused.borrow_mut().retain(|_, unused| {
            unused.retain(|kept| kept.is_good(now));
            !unused.is_empty()
        });
    }

    /// Sweeps for ever. A worker runs this beside its requests.
    pub async fn keep_swept(self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.sweep();
        }
    }
}
