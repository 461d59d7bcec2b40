//! `pluginmind serve`: everything put together, until a signal says otherwise.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};

use super::exit::Exit;
use super::{Options, banner, fatal, inputs};
use crate::base::clock::Clock;
use crate::base::problems::Problems;
use crate::config::{self, Config, Environment};
use crate::live::reloader::Reloader;
use crate::live::snapshot::{self, Built, Snapshot};
use crate::live::watch::Watcher;
use crate::pipeline::gateway::Gateway;
use crate::proxy;
use crate::server::admin::{self, Admin, Token, Tools, address};
use crate::server::console::Sessions;
use crate::server::drain::drain;
use crate::server::hot::Hot;
use crate::server::limits::Limits;
use crate::server::listener::{Listener, Listening};
use crate::server::policy_source::PolicySource;
use crate::server::reload::{Attempts, Report, Started};
use crate::server::reloads::PolicyTexts;
use crate::server::schedules::Schedules;
use crate::server::signals::Signals;
use crate::server::start::{self, StartError, data_folder};
use crate::server::tls::expiry;
use crate::server::trace_export;
use crate::server::workers::Workers;
use crate::server::{activation, alerting, descriptors, memory, notify, remember};
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::panics;

/// Longest wait for storage and logs to be written at the end.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Most connections of the admin listener.
const ADMIN_CONNECTIONS_MAX: usize = 256;

/// Runs the gateway until it is told to stop.
pub fn run(options: &Options) -> Exit {
    let first = match first(options) {
        Ok(first) => first,
        Err(exit) => return exit,
    };
    match start(options, first) {
        Ok(()) => Exit::Fine,
        Err(error) => {
            fatal::sentence(&error.to_string());
            Exit::CannotRun
        }
    }
}

/// What the start stands on.
struct First {
    snapshot: Snapshot,
    problems: Problems,
    roots: Vec<PathBuf>,
    /// What changes from here on is built again once the watch is set.
    read_ms: i64,
    made_secret: bool,
}

/// The snapshot of the start. There is no last good one yet, so any error ends here.
fn first(options: &Options) -> Result<First, Exit> {
    let made_secret = make_secret(options)?;
    let read_ms = Clock::System.unix_ms();
    let inputs = inputs::gather(options).map_err(|e| fatal::unread(&e))?;
    let Built { snapshot, problems, watched, .. } = snapshot::build(&inputs, 1);
    match snapshot {
        Some(snapshot) => Ok(First { snapshot, problems, roots: watched, read_ms, made_secret }),
        None => {
            fatal::problems(&problems);
            Err(Exit::Problems)
        }
    }
}

/// In development a secret is made where there is none, and kept in the data folder.
fn make_secret(options: &Options) -> Result<bool, Exit> {
    let inputs = inputs::gather(options).map_err(|e| fatal::unread(&e))?;
    let needs_one =
        |config: &Config| config.environment == Environment::Development && config.session.keys.is_empty();
    let Some(config) = config::load(&inputs).config.filter(needs_one) else { return Ok(false) };
    config::make_development_secret(&data_folder(&config.storage.path)).map_err(|e| {
        fatal::sentence(&format!("cannot make a session secret in the data folder: {e}"));
        Exit::CannotRun
    })?;
    Ok(true)
}

fn start(options: &Options, first: First) -> Result<(), anyhow::Error> {
    let First { snapshot, problems, mut roots, read_ms, made_secret } = first;
    let clock = Clock::System;
    let logs = Logs::start(&snapshot.config.log, clock.clone())?;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    panics::install(metrics.panics.clone());
    if made_secret {
        tracing::warn!("a session secret was made in the data folder; in production give one yourself");
    }
    for problem in problems.iter() {
        tracing::warn!(problem = problem.short(), "policy warning");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anybody can know that the gateway runs: a SIGHUP that comes early must not end it.
    let mut signals = runtime.block_on(async { Signals::install() })?;
    let gateway = start::gateway(snapshot, problems, logs.clone(), &metrics, clock)?;
    alerting::begin(&gateway, &data_folder(&gateway.live.current().config.storage.path))?;
    descriptors::raise(&gateway.live.current().config.server);
    let given = activation::sockets()?;
    let limits = Limits::of(&gateway.live.current().config.server);
    let (public, listening) = start::public(&gateway, &limits, given.public).map_err(StartError::from)?;
    let (redirect, redirecting) = start::redirect(&gateway, &limits).map_err(StartError::from)?;
    roots.extend(options.config_file());
    let reloader = Arc::new(OnceLock::new());
    let (token, admin, admin_listening) = admin(options, &gateway, &reloader, given.admin)?;
    let data_folder = data_folder(&gateway.live.current().config.storage.path);
    let addresses = (public.address(), admin.address());
    let hot = Hot { gateway: Arc::clone(&gateway), public, redirect, limits, admin, token, data_folder };
    hot.record_address(hot.admin.address());
    let limits = Arc::clone(&hot.limits);
    let watcher = watch(options, hot, roots, read_ms)?;
    reloader.get_or_init(|| watcher.reloader());
    let schedules = Schedules::start(&gateway)?;
    banner::show(&gateway, addresses, logs.form());

    let local = LocalSet::new();
    let result = local.block_on(&runtime, async {
        tokio::task::spawn_local(proxy::watch(Arc::clone(&gateway.upstreams)));
        tokio::task::spawn_local(start::sweep_for_ever(Arc::clone(&gateway)));
        tokio::task::spawn_local(alerting::watch_for_ever(Arc::clone(&gateway)));
        tokio::task::spawn_local(remember::save_for_ever(Arc::clone(&gateway)));
        tokio::task::spawn_local(expiry::warn_for_ever(Arc::clone(&gateway)));
        tokio::task::spawn_local(trace_export::export_for_ever(Arc::clone(&gateway)));
        tokio::task::spawn_local(memory::watch_for_ever(Arc::clone(&gateway), limits));
        // One each: a word that comes before it is waited for is kept, but for one alone.
        let [stop, redirect_stop, admin_stop, alerts_stop] = std::array::from_fn(|_| Rc::new(Notify::new()));
        let carrying =
            tokio::task::spawn_local(alerting::carry_until(Arc::clone(&gateway), Rc::clone(&alerts_stop)));
        let serving = accept(listening, &stop);
        let redirecting = tokio::task::spawn_local(redirecting.run(stopped(&redirect_stop)));
        let admin_serving = accept(admin_listening, &admin_stop);
        notify::ready();
        let reloader = watcher.reloader();
        signals.until_stop(|| reloader.poke()).await;
        notify::stopping();
        gateway.draining.begin();
        tracing::info!("draining");
        stop.notify_one();
        redirect_stop.notify_one();
        let drain_timeout = gateway.live.current().config.server.drain_timeout;
        let workers = serving.await.unwrap_or_default();
        let drained = drain(workers, drain_timeout, signals.until_stop(|| ())).await;
        tracing::info!(outcome = ?drained, "drained");
        // An error says that it has failed, and that was told.
        redirecting.await.ok();
        trace_export::export_the_last(&gateway).await;
        // The admin listener says until the end that the rest drains.
        admin_stop.notify_one();
        let workers = admin_serving.await.unwrap_or_default();
        drain(workers, Duration::from_millis(200), std::future::pending()).await;
        alerts_stop.notify_one();
        // An error says that it panicked, and that was told.
        carrying.await.ok();
        Ok::<(), anyhow::Error>(())
    });
    drop(schedules);
    drop(watcher);
    finish(&gateway, &logs);
    result
}

/// Ready once the stop is told.
fn stopped(stop: &Rc<Notify>) -> impl Future<Output = ()> + 'static {
    let stop = Rc::clone(stop);
    async move { stop.notified().await }
}

/// Accepts until it is told to stop; gives the workers that are still to be drained.
fn accept(listening: Listening, stop: &Rc<Notify>) -> JoinHandle<Vec<Workers>> {
    let stop = Rc::clone(stop);
    tokio::task::spawn_local(async move {
        listening.run(stop.notified()).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the listener failed");
            Vec::new()
        })
    })
}

fn watch(
    options: &Options,
    hot: Hot,
    roots: Vec<PathBuf>,
    read_ms: i64,
) -> Result<Watcher<Report>, StartError> {
    let again = options.clone();
    let gateway = Arc::clone(&hot.gateway);
    let metrics = Arc::clone(&gateway.metrics);
    let files =
        inputs::gather(options).map(|inputs| PolicyTexts::read(&inputs, &hot.gateway.live.current().config));
    let busy = hot.data_folder.clone();
    let mut attempts = Attempts {
        files: files.unwrap_or_default(),
        gather: Box::new(move || inputs::gather(&again).map_err(Box::new)),
        config_file: options.config_file(),
        started: Started::with(&gateway.live.current().config),
        gateway,
        hot,
    };
    Watcher::start(roots, Some(busy), read_ms, metrics, move |trigger| attempts.attempt(trigger))
        .map_err(|source| StartError::Io { what: "cannot start watching the files", source })
}

/// The admin listener, and the token that opens it.
fn admin(
    options: &Options,
    gateway: &Arc<Gateway>,
    reloader: &Arc<OnceLock<Reloader<Report>>>,
    given: Option<TcpListener>,
) -> Result<(Token, Listener, Listening), StartError> {
    let snapshot = gateway.live.current();
    let token = admin::admin_token(&snapshot.config, &data_folder(&snapshot.config.storage.path))
        .map_err(|source| StartError::Io { what: "cannot read the admin token", source })?;
    let token = Token::new(token);
    let (shared, reloader, asked) = (Arc::clone(gateway), Arc::clone(reloader), token.clone());
    let (started, limits) = (gateway.clock.now(), Limits::new(ADMIN_CONNECTIONS_MAX));
    let signed_in = Sessions::default();
    let again = options.clone();
    let source = PolicySource::new(move || inputs::gather(&again), options.config_file());
    let tools = Tools::new(&source);
    let start = move |workers, address: SocketAddr| {
        let tools = tools.clone();
        let (gateway, reloader, token) = (Arc::clone(&shared), Arc::clone(&reloader), asked.clone());
        let signed_in = signed_in.clone();
        let state = move |_| {
            let (gateway, reloader) = (Arc::clone(&gateway), Arc::clone(&reloader));
            let admin =
                Admin::new(gateway, reloader, token.clone(), address.ip(), started, signed_in.clone());
            Rc::new(admin.with(tools.clone()))
        };
        let metrics = Arc::clone(&shared.metrics);
        Workers::start_under(Arc::clone(&limits), "admin", workers, metrics, state, admin::serve)
    };
    let (listener, listening) = Listener::open(Hot::admin_wish(&snapshot.config), given, Box::new(start))?;
    Ok((token, listener, listening))
}

fn finish(gateway: &Gateway, logs: &Logs) {
    remember::save_last(gateway);
    address::forget(&data_folder(&gateway.live.current().config.storage.path));
    if gateway.store.close(CLOSE_MAX).is_err() {
        tracing::error!("the database was not closed in time");
    }
    tracing::info!("stopped");
    logs.close(CLOSE_MAX);
}
