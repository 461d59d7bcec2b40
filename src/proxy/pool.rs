//! Unused connections of one worker. A thread shares them with nobody, so there is no lock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::http2::Sessions;
use super::link::Link;
use super::upstreams::Endpoint;
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
        while let Some(Unused { link, until }) = unused.pop() {
            if until > now && link.is_quiet() {
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection for the next request, unless there are enough.
    pub(super) fn put(&self, endpoint: &Endpoint, link: Box<Link>, service: &config::Service) {
        let until = self.0.clock.now() + service.idle_timeout;
        let mut all = self.0.unused.borrow_mut();
        let unused = all.entry(endpoint.id()).or_default();
        if unused.len() < service.idle_max {
            unused.push(Unused { link, until });
        }
    }

    /// How many connections are unused now.
    pub fn unused(&self) -> usize {
        self.0.unused.borrow().values().map(Vec::len).sum()
    }

    /// Lets connections go that are too old or closed.
    pub fn sweep(&self) {
        self.0.sessions.sweep();
        let now = self.0.clock.now();
        self.0.unused.borrow_mut().retain(|_, unused| {
            unused.retain(|u| u.until > now && u.link.is_quiet());
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
