//! `pluginmind test --watch`: the cases again after every edit, until Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::failure::Failure;
use super::options::Test;
use super::{Options, inputs, render, test};
use crate::base::clock::Clock;
use crate::live::reloader::Built;
use crate::live::watch::Watcher;
use crate::telemetry::metrics::Metrics;

/// Runs the cases now and after each edit; ends 0 when it is told to.
pub(super) fn run(options: &Options, asked: &Test) -> Result<Exit, Failure> {
    // Whoever stops it before the first result is heard too.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_run(error.to_string()))?;
    let guard = runtime.enter();
    let stops = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    drop(guard);
    let [interrupt, terminate] = stops;
    let mut interrupt = interrupt.map_err(|error| Failure::cannot_run(error.to_string()))?;
    let mut terminate = terminate.map_err(|error| Failure::cannot_run(error.to_string()))?;

    let began = Clock::System.unix_ms();
    let mut folders = Vec::new();
    let roots = again(options, asked, &mut folders);
    let (options, asked) = (options.clone(), asked.clone());
    let build = move |_| Built { report: (), roots: again(&options, &asked, &mut folders) };
    let watcher =
        Watcher::start(roots, None, began, Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))), build);
    let _watcher = watcher.map_err(|error| Failure::cannot_run(error.to_string()))?;
    runtime.block_on(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    Ok(Exit::Fine)
}

/// Runs them once, and says what to watch. The folders stay as they were where the configuration cannot be read.
fn again(options: &Options, asked: &Test, folders: &mut Vec<PathBuf>) -> Vec<PathBuf> {
    match inputs::config(options) {
        Ok(config) => {
            test::once(options, asked, &config);
            *folders = vec![config.plugins.path, config.plugins.scripts];
        }
        Err(failure) => drop(failure.tell()),
    }
    render::complain("watching for edits; Ctrl-C ends it");
    folders.iter().cloned().chain(options.config_file()).collect()
}
