//! From a snapshot to a running gateway: storage opened, tables loaded, sockets bound, workers started.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::configured_series;
use super::hot::Hot;
use super::limits::Limits;
use super::listener::{Listener, Listening, Unavailable};
use super::phase::Shutdown;
use super::redirect::{Redirect, Redirecting};
use super::remember;
use super::serve::{self, serve};
use super::tls::expiry;
use super::upstream_numbers;
use super::workers::Workers;
use crate::alert::Alerts;
use crate::alert::deliver::Courier;
use crate::auth::assertion::{Assertions, KeyError};
use crate::auth::federated::Federated;
use crate::auth::oidc::Providers;
use crate::auth::{Auth, Moment};
use crate::bans::Bans;
use crate::base::address::Pseudonymiser;
use crate::base::clock::Clock;
use crate::base::problems::Problems;
use crate::config::Config;
use crate::limiter::Limiter;
use crate::live::Live;
use crate::live::edits::Edits;
use crate::live::policies::Policies;
use crate::live::policy::{Policy, PolicyBoard};
use crate::live::providers::providers_of;
use crate::live::snapshot::Snapshot;
use crate::outbound::{self, BadTrust, Client, Trust};
use crate::pipeline::durable::{Durable, account_of, ban_of, key_of, link_of, lockdown_of, session_of};
use crate::pipeline::gateway::{Draining, Gateway, Worker};
use crate::pipeline::identity::lifetimes;
use crate::pipeline::pressure::Pressure;
use crate::pipeline::recall::Recall;
use crate::proxy::{Pool, Upstreams};
use crate::script::Board;
use crate::store::{self, OpenError, Store};
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::SpanQueue;
use crate::telemetry::timeline::Timeline;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The key of assertions.
    #[error(transparent)]
    AssertionKey(#[from] KeyError),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] Unavailable),
    /// The operator's certificate authorities.
    #[error("`auth.provider_ca`: {0}")]
    Trust(BadTrust),
    /// A thread, a runtime, or a file.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

/// Opens storage and loads what lives in memory.
///
/// # Errors
/// The database cannot be opened or read.
pub fn gateway(
    mut snapshot: Snapshot,
    problems: Problems,
    logs: Logs,
    metrics: &Arc<Metrics>,
    clock: Clock,
) -> Result<Arc<Gateway>, StartError> {
    let config = &snapshot.config;
    let options =
        store::Options { usage_queue_max: config.storage.usage_queue_max, ..store::Options::default() };
    let store = Store::open(&config.storage.path, options)?;
    let assertions = Assertions::new(data_folder(&config.storage.path));
    if wants_assertions(config) {
        assertions.prepare()?;
    }
    let bans = load_bans(&snapshot.config, &store, &clock)?;
    let state = remember::load(&store, &mut snapshot.rules, &bans, clock.unix_ms())?;
    let standing = Board::new(store.pseudonym_key().expose());
    snapshot.rules.stand_on(&standing, clock.unix_ms());
    let auth = load_auth(&snapshot, &store, &clock)?;
    let federated = Federated::new(Arc::new(Durable(store.clone())));
    federated.load(store.reader()?.identities()?.into_iter().map(link_of).collect());
    let trust = trust(config)?;
    let courier = Arc::new(Courier::new(trust.clone()));
    let providers = Providers::new(Client::new(trust, outbound::Limits::default()));
    providers.apply(&providers_of(config));
    let upstreams = Arc::new(Upstreams::new(clock.clone()));
    upstreams.apply(&config.services);
    let now = clock.unix_ms();
    metrics.generation.set(i64::try_from(snapshot.generation).unwrap_or(i64::MAX));
    metrics.reload_success.set(now / 1_000);
    let policy = Policy {
        generation: snapshot.generation,
        loaded_ms: now,
        tried_ms: now,
        problems: Arc::new(problems),
        needs_restart: Vec::new(),
        plugin_files: Arc::new(snapshot.rules.file_hashes().clone()),
    };
    let policies = Policies::default();
    policies.remember(snapshot.policy, snapshot.rules.file_hashes().clone());
    let recall = Recall::new(config.storage.recall);
    let gateway = Arc::new(Gateway {
        live: Live::new(Arc::new(snapshot)),
        policy: PolicyBoard::new(policy),
        limiter: Limiter::new(clock.now()),
        auth,
        bans,
        assertions,
        providers,
        federated,
        pseudonyms: Pseudonymiser::new(store.pseudonym_key().expose()),
        store,
        state,
        standing,
        upstreams,
        seats: Arc::default(),
        courier,
        alerts: Arc::new(Alerts::new(clock.clone(), Arc::clone(metrics))),
        clock,
        metrics: Arc::clone(metrics),
        timeline: Timeline::default(),
        spans: SpanQueue::default(),
        logs,
        policies,
        edits: Edits::default(),
        recall,
        draining: Draining::default(),
        pressure: Pressure::default(),
    });
    gateway.settle(gateway.live.current().rules.start(true, &gateway.clock));
    refresh_metrics(metrics, &gateway);
    alert_of_trips(&gateway);
    Ok(gateway)
}

/// The certificate authorities that providers are believed under.
///
/// # Errors
/// The operator's file holds none.
pub fn trust(config: &Config) -> Result<Trust, StartError> {
    match &config.auth.provider_ca {
        None => Ok(Trust::built_in()),
        Some(pem) => Trust::with_own(pem.as_bytes()).map_err(StartError::Trust),
    }
}

fn load_auth(snapshot: &Snapshot, store: &Store, clock: &Clock) -> Result<Auth, StartError> {
    let durable = Arc::new(Durable(store.clone()));
    let auth = Auth::new(durable.clone(), durable.clone(), durable, snapshot.config.auth.password_checks_max);
    let now = Moment::of(clock);
    let reader = store.reader()?;
    auth.accounts.load(reader.users()?.into_iter().filter_map(account_of).collect());
    auth.keys.load(reader.keys()?.into_iter().map(key_of).collect());
    let sessions = reader.sessions(now.unix_ms)?.iter().map(session_of).collect();
    auth.sessions.load(sessions, lifetimes(&snapshot.config.session), now);
    Ok(auth)
}

fn load_bans(config: &Config, store: &Store, clock: &Clock) -> Result<Arc<Bans>, StartError> {
    let bans = Arc::new(Bans::new(Arc::new(Durable(store.clone())), &config.bans));
    let reader = store.reader()?;
    bans.load(reader.bans(clock.unix_ms())?.into_iter().filter_map(ban_of));
    bans.lockdown.load(reader.lockdown()?.map(lockdown_of));
    Ok(bans)
}

/// Tells somebody of each plugin that fails or is slow too often.
fn alert_of_trips(gateway: &Arc<Gateway>) {
    let told = Arc::downgrade(gateway);
    gateway.standing.on_trip(Box::new(move |trip| {
        let Some(gateway) = told.upgrade() else { return };
        tracing::warn!(plugin = &*trip.plugin, action = trip.action, "plugin {}", trip.change);
        gateway.alerts.plugin_tripped(&trip.plugin, trip.change != "back");
    }));
}

/// Numbers that live elsewhere are brought up to date before each scrape.
fn refresh_metrics(metrics: &Metrics, gateway: &Arc<Gateway>) {
    let gateway = Arc::downgrade(gateway);
    metrics.on_render(move |metrics| {
        let Some(gateway) = gateway.upgrade() else { return };
        metrics.sessions_active.set(i64::try_from(gateway.auth.sessions.count()).unwrap_or(i64::MAX));
        let now_ms = gateway.clock.unix_ms();
        let (networks, users) = gateway.bans.counts(now_ms);
        metrics.bans(networks, users, gateway.bans.lockdown.is_on(now_ms));
        metrics.usage_rows_dropped(gateway.store.usage_rows_dropped());
        metrics.log_lines_dropped(gateway.logs.sink().dropped());
        metrics.config_stale.set(i64::from(gateway.policy.read().is_stale()));
        let (sent, dropped) = gateway.spans.totals();
        metrics.traces(sent, dropped);
        let snapshot = gateway.live.current();
        let plugins = snapshot.rules.plugins();
        let is_there = |name: &str| plugins.iter().any(|p| *p.name == *name);
        for size in gateway.state.sizes().iter().filter(|size| is_there(&size.plugin)) {
            metrics.state(&size.plugin, size.keys, size.bytes, size.evicted, size.lost);
        }
        for plugin in &plugins {
            metrics.plugin_state(&plugin.name, plugin.state());
        }
        expiry::refresh(metrics, &gateway);
        upstream_numbers::set(metrics, &gateway.upstreams.reports());
        configured_series::keep(metrics, &snapshot);
    });
}

/// Binds the public listener, or takes the socket that was given, and starts its workers.
///
/// # Errors
/// The address is taken, or a thread cannot be started.
pub fn public(
    gateway: &Arc<Gateway>,
    limits: &Arc<Limits>,
    given: Option<TcpListener>,
) -> Result<(Listener, Listening), Unavailable> {
    let (gateway_of, limits) = (Arc::clone(gateway), Arc::clone(limits));
    let start = move |workers, _| start_workers("worker", workers, &gateway_of, &limits, serve);
    Listener::open(Hot::public_wish(&gateway.live.current().config), given, Box::new(start))
}

/// The listener that only sends on to https, where the configuration has one.
///
/// # Errors
/// The address is taken, or a thread cannot be started.
pub fn redirect(
    gateway: &Arc<Gateway>,
    limits: &Arc<Limits>,
) -> Result<(Redirect, Redirecting), Unavailable> {
    let (gateway_of, limits) = (Arc::clone(gateway), Arc::clone(limits));
    let start = move |workers, _| start_workers("redirect", workers, &gateway_of, &limits, serve::redirect);
    let (mut redirect, redirecting) = Redirect::new(start);
    let wish = Hot::redirect_wish(&gateway.live.current().config);
    if let Some(change) = redirect.prepare(wish, &[])? {
        redirect.commit(change);
    }
    Ok((redirect, redirecting))
}

/// Starts workers of the public listeners, which share their limits.
fn start_workers<F>(
    name: &'static str,
    workers: usize,
    gateway: &Arc<Gateway>,
    limits: &Arc<Limits>,
    serve: impl Fn(Rc<Worker>, TcpStream, SocketAddr, Shutdown, Arc<Limits>) -> F + Send + Sync + 'static,
) -> std::io::Result<Workers>
where
    F: Future<Output = ()> + 'static,
{
    let (shared, told) = (Arc::clone(gateway), Arc::clone(limits));
    let state = move |_| {
        let pool = Pool::new(shared.clock.clone());
        tokio::task::spawn_local(pool.clone().keep_swept());
        Rc::new(Worker { gateway: Arc::clone(&shared), pool, rehearsal: None })
    };
    let serve =
        move |worker, stream, peer, shutdown| serve(worker, stream, peer, shutdown, Arc::clone(&told));
    Workers::start_under(Arc::clone(limits), name, workers, Arc::clone(&gateway.metrics), state, serve)
}

/// Whether any service is to be told who is asking in a signed header.
pub fn wants_assertions(config: &Config) -> bool {
    config.services.iter().any(|s| s.assertion)
}

/// The folder that holds the database, and beside it the secret and the admin token.
pub fn data_folder(storage_path: &Path) -> PathBuf {
    storage_path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Once in a while: sessions that are over, rows that are past their time.
pub async fn sweep_for_ever(gateway: Arc<Gateway>) {
    const EVERY: Duration = Duration::from_secs(60);
    loop {
        tokio::time::sleep(EVERY).await;
        let config = gateway.live.current();
        let now = Moment::of(&gateway.clock);
        if gateway.auth.sessions.tidy(lifetimes(&config.config.session), now).await.is_err() {
            tracing::warn!("sessions that are over could not be removed from storage");
        }
        gateway.bans.tidy(now.unix_ms);
        let before =
            |age: Duration| now.unix_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let sweep = store::Sweep {
            now_ms: now.unix_ms,
            sessions_seen_before_ms: before(config.config.session.idle),
            usage_before_ms: before(config.config.storage.retention),
            usage_rows_max: config.config.storage.usage_rows_max,
        };
        if let Err(error) = gateway.store.sweep(sweep).await {
            tracing::warn!(%error, "usage rows past their time could not be removed");
        }
    }
}
