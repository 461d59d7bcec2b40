//! `pluginmind serve`: everything put together, until a signal says otherwise.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;

use super::exit::Exit;
use super::{Options, banner, fatal, inputs};
use crate::base::clock::Clock;
use crate::base::problems::Problems;
use crate::config::{self, Config, Environment};
use crate::live::snapshot::{self, Built, Snapshot};
use crate::live::watch::Watcher;
use crate::pipeline::gateway::Gateway;
use crate::proxy;
use crate::server::admin::{self, Admin};
use crate::server::drain::drain;
use crate::server::listen::listen;
use crate::server::notify;
use crate::server::reload::{Attempts, Report, Started};
use crate::server::remember;
use crate::server::schedules::Schedules;
use crate::server::signals::Signals;
use crate::server::start::{self, StartError, data_folder};
use crate::server::tls::expiry;
use crate::server::workers::{Options as WorkerOptions, Workers};
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
    let drain_timeout = snapshot.config.server.drain_timeout;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anybody can know that the gateway runs: a SIGHUP that comes early must not end it.
    let mut signals = runtime.block_on(async { Signals::install() })?;
    let gateway = start::gateway(snapshot, problems, logs.clone(), &metrics, clock)?;
    let (listener, workers) = start::public(&gateway)?;
    roots.extend(options.config_file());
    let watcher = watch(options, &gateway, &workers, roots, read_ms)?;
    let (admin_listener, admin_workers) = admin(&gateway, &watcher)?;
    let schedules = Schedules::start(&gateway)?;
    banner::show(&gateway, logs.form());

    let local = LocalSet::new();
    let result = local.block_on(&runtime, async {
        tokio::task::spawn_local(proxy::watch(Arc::clone(&gateway.upstreams)));
        tokio::task::spawn_local(start::sweep_for_ever(Arc::clone(&gateway)));
        tokio::task::spawn_local(remember::save_for_ever(Arc::clone(&gateway)));
        tokio::task::spawn_local(expiry::warn_for_ever(Arc::clone(&gateway)));
        let stop = Rc::new(tokio::sync::Notify::new());
        accept(&workers, listener, &stop);
        accept(&admin_workers, admin_listener, &stop);
        notify::ready();
        let reloader = watcher.reloader();
        signals.until_stop(|| reloader.poke()).await;
        notify::stopping();
        gateway.draining.begin();
        tracing::info!("draining");
        stop.notify_waiters();
        let drained = drain(workers, drain_timeout, signals.until_stop(|| ())).await;
        tracing::info!(outcome = ?drained, "drained");
        drain(admin_workers, Duration::from_millis(200), std::future::pending()).await;
        Ok::<(), anyhow::Error>(())
    });
    drop(schedules);
    drop(watcher);
    finish(&gateway, &logs);
    result
}

fn accept(workers: &Workers, listener: std::net::TcpListener, stop: &Rc<tokio::sync::Notify>) {
    let gate = workers.gate();
    let stop = Rc::clone(stop);
    tokio::task::spawn_local(async move {
        if let Err(error) = gate.accept(listener, stop.notified()).await {
            tracing::error!(%error, "the listener failed");
        }
    });
}

fn watch(
    options: &Options,
    gateway: &Arc<Gateway>,
    workers: &Workers,
    roots: Vec<PathBuf>,
    read_ms: i64,
) -> Result<Watcher<Report>, StartError> {
    let again = options.clone();
    let mut attempts = Attempts {
        gather: Box::new(move || inputs::gather(&again).map_err(Box::new)),
        gateway: Arc::clone(gateway),
        gate: workers.gate(),
        config_file: options.config_file(),
        started: Started::with(&gateway.live.current().config),
    };
    Watcher::start(roots, read_ms, Arc::clone(&gateway.metrics), move |trigger| attempts.attempt(trigger))
        .map_err(|source| StartError::Io { what: "cannot start watching the files", source })
}

fn admin(
    gateway: &Arc<Gateway>,
    watcher: &Watcher<Report>,
) -> Result<(std::net::TcpListener, Workers), StartError> {
    let snapshot = gateway.live.current();
    let listener = listen(snapshot.config.admin.listen)?;
    let token = admin::admin_token(&snapshot.config, &data_folder(&snapshot.config.storage.path))
        .map_err(|source| StartError::Io { what: "cannot read the admin token", source })?;
    let options = WorkerOptions { name: "admin", workers: 1, connections_max: ADMIN_CONNECTIONS_MAX };
    let (shared, reloader) = (Arc::clone(gateway), watcher.reloader());
    let workers = Workers::start(
        options,
        Arc::clone(&gateway.metrics),
        move |_| Rc::new(Admin::new(Arc::clone(&shared), reloader.clone(), token.clone())),
        admin::serve,
    )
    .map_err(|source| StartError::Io { what: "cannot start the admin listener", source })?;
    Ok((listener, workers))
}

fn finish(gateway: &Gateway, logs: &Logs) {
    remember::save_last(gateway);
    if gateway.store.close(CLOSE_MAX).is_err() {
        tracing::error!("the database was not closed in time");
    }
    tracing::info!("stopped");
    logs.close(CLOSE_MAX);
}
