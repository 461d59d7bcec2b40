//! What survives an edit: one for the whole process, shared by every worker.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pressure::Pressure;
use super::recall::Recall;
use super::rehearsal::Rehearsal;
use super::websocket::Seats;
use crate::alert::Alerts;
use crate::alert::deliver::Courier;
use crate::auth::assertion::Assertions;
use crate::auth::federated::Federated;
use crate::auth::oidc::Providers;
use crate::auth::{Account, Auth};
use crate::bans::Bans;
use crate::base::address::Pseudonymiser;
use crate::base::clock::Clock;
use crate::config::Mode;
use crate::limiter::Limiter;
use crate::live::Live;
use crate::live::edits::Edits;
use crate::live::policies::Policies;
use crate::live::policy::PolicyBoard;
use crate::live::snapshot::Snapshot;
use crate::proxy::{Pool, Upstreams};
use crate::script::{Board, Occasions, Outcome, State};
use crate::store::Store;
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::SpanQueue;
use crate::telemetry::timeline::Timeline;

/// Everything that outlives a snapshot.
pub struct Gateway {
    /// The snapshot in force.
    pub live: Live<Snapshot>,
    /// What is known of it.
    pub policy: PolicyBoard,
    /// Which files the plugins of policies before had.
    pub policies: Policies,
    /// What the last edits changed.
    pub edits: Edits,
    /// Both kinds of buckets.
    pub limiter: Limiter,
    /// Sessions, accounts, and the password gate.
    pub auth: Auth,
    /// Who is kept out, and incident mode.
    pub bans: Arc<Bans>,
    /// Signs who is asking, for services that want it.
    pub assertions: Assertions,
    /// OpenID Connect providers.
    pub providers: Providers,
    /// Which accounts belong to people whom a provider vouches for.
    pub federated: Federated,
    /// The database.
    pub store: Store,
    /// What rules remember.
    pub state: State,
    /// How rules stand: what they did, and whether they tripped.
    pub standing: Board,
    /// Tells somebody.
    pub alerts: Arc<Alerts>,
    /// Carries out what it tells.
    pub courier: Arc<Courier>,
    /// The services' health.
    pub upstreams: Arc<Upstreams>,
    /// Who has how many WebSockets open.
    pub seats: Arc<Seats>,
    /// The clock.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The last minutes and hours, in numbers.
    pub timeline: Timeline,
    /// Spans that wait for a collector.
    pub spans: SpanQueue,
    /// The log.
    pub logs: Logs,
    /// Makes pseudonyms of people and addresses.
    pub pseudonyms: Pseudonymiser,
    /// The requests that ended last.
    pub recall: Recall,
    /// Whether the process is about to end; `/ready` says so.
    pub draining: Draining,
    /// How short memory is.
    pub pressure: Pressure,
}

impl Gateway {
    /// The verified address of an account's person: what the provider said last, which may be nothing; of a local
    /// account the name, where it is an address.
    pub fn email_of(&self, account: &Account) -> Option<String> {
        match self.federated.profile(account.id) {
            Some(profile) => profile.email.clone(),
            None => account.name.email().map(str::to_owned),
        }
    }

    /// Counts what rules did, and sees to what they asked for, where there was no request.
    pub fn settle(&self, account: Occasions) {
        for note in &account.notes {
            let mode = if note.mode == Mode::Shadow { "shadow" } else { "enforce" };
            self.metrics.plugin_decision(&note.plugin, &note.code, note.outcome.word(), mode);
            if let Outcome::Fault(_) = note.outcome {
                self.alerts.plugin_failed(&note.plugin);
            }
        }
        // Nobody waits for an answer here.
        drop(self.keep_out(account.bans));
        self.deliver(account.effects);
    }

    /// How an account signs in: `local`, or the provider's name.
    pub fn sign_in_method(&self, account: &Account) -> String {
        self.federated.profile(account.id).map_or_else(|| "local".to_owned(), |p| p.provider.clone())
    }
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
    /// What stands in for the upstreams while a request is only played through; absent in a gateway that serves.
    pub rehearsal: Option<Rc<Rehearsal>>,
}
