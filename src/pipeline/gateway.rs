//! What survives an edit: one for the whole process, shared by every worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::auth::Auth;
use crate::auth::assertion::Assertions;
use crate::base::address::Pseudonymiser;
use crate::base::clock::Clock;
use crate::limiter::Limiter;
use crate::live::Live;
use crate::live::policy::PolicyBoard;
use crate::live::snapshot::Snapshot;
use crate::proxy::{Pool, Upstreams};
use crate::store::Store;
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;

/// Everything that outlives a snapshot.
pub struct Gateway {
    /// The snapshot in force.
    pub live: Live<Snapshot>,
    /// What is known of it.
    pub policy: PolicyBoard,
    /// Both kinds of buckets.
    pub limiter: Limiter,
    /// Sessions, accounts, and the password gate.
    pub auth: Auth,
    /// Signs who is asking, for services that want it.
    pub assertions: Assertions,
    /// The database.
    pub store: Store,
    /// The services' health.
    pub upstreams: Arc<Upstreams>,
    /// The clock.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The log.
    pub logs: Logs,
    /// Makes pseudonyms of people and addresses.
    pub pseudonyms: Pseudonymiser,
    /// Whether the process is about to end; `/ready` says so.
    pub draining: Draining,
}

/// Whether the process is about to end.
#[derive(Debug, Default)]
pub struct Draining(AtomicBool);

impl Draining {
    /// It is.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Is it?
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// One worker thread's view: the gateway, and connections of its own to the upstreams.
pub struct Worker {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// This worker's upstream connections.
    pub pool: Pool,
}
