//! How each plugin stands: `/admin/api/plugins`, and what `pluginmind plugins` says of the files where no gateway runs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::status::rfc3339;
use crate::base::problems::{Problem, Problems};
use crate::pipeline::gateway::Gateway;
use crate::script::{Counts, PluginInfo};

/// One plugin.
#[derive(Debug, Serialize)]
pub struct PluginState {
    name: String,
    version: String,
    /// What it should do: `shadow`, `enforce` or `off`; `absent` where it is on disk only.
    mode: &'static str,
    /// What it does: its mode, or `tripped`.
    state: &'static str,
    /// While it is tripped: `shadow` or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tripped_to: Option<&'static str>,
    /// How often it tripped.
    trips: u64,
    priority: u16,
    /// The share of clients that it enforces on, from 0 to 1.
    enforce_share: f64,
    hooks: Vec<&'static str>,
    on_error: &'static str,
    /// The hash of the files in force; empty where none are.
    hash: String,
    /// The hash of the files on disk; absent where they are gone.
    file_hash: Option<String>,
    /// Whether the files on disk are in force.
    current: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when the files are in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// What it did since then.
    #[serde(flatten)]
    counts: Counts,
}

/// `/admin/api/plugins`.
pub(super) fn plugins(gateway: &Gateway) -> Vec<PluginState> {
    let policy = gateway.policy.read();
    states(gateway.live.current().rules.plugins(), &policy.plugin_files, &policy.problems)
}

/// Each plugin in force, and each that is on disk only.
pub fn states(
    plugins: Vec<PluginInfo>,
    files: &BTreeMap<String, String>,
    problems: &Problems,
) -> Vec<PluginState> {
    let mut states: Vec<_> = plugins.into_iter().map(|plugin| state(plugin, files, problems)).collect();
    for (name, hash) in files {
        if !states.iter().any(|state| state.name == *name) {
            states.push(absent(name, hash, problems));
        }
    }
    states
}

fn state(plugin: PluginInfo, files: &BTreeMap<String, String>, problems: &Problems) -> PluginState {
    let file_hash = files.get(&*plugin.name).cloned();
    let current = file_hash.as_ref() == Some(&plugin.hash);
    let reason = match &file_hash {
        _ if current => None,
        None => Some("its folder is gone".to_owned()),
        Some(_) => Some(reason(&plugin.name, problems)),
    };
    PluginState {
        name: plugin.name.to_string(),
        version: plugin.version,
        mode: plugin.mode,
        state: if plugin.tripped.is_some() && plugin.mode != "off" { "tripped" } else { plugin.mode },
        tripped_to: plugin.tripped,
        trips: plugin.trips,
        priority: plugin.priority,
        enforce_share: plugin.enforce_share,
        hooks: plugin.hooks,
        on_error: plugin.on_error,
        hash: plugin.hash,
        file_hash,
        current,
        reason,
        since: (plugin.since_ms > 0).then(|| rfc3339(plugin.since_ms)),
        counts: plugin.counts,
    }
}

fn absent(name: &str, hash: &str, problems: &Problems) -> PluginState {
    PluginState {
        name: name.to_owned(),
        version: String::new(),
        mode: "absent",
        state: "absent",
        tripped_to: None,
        trips: 0,
        priority: 0,
        enforce_share: 0.0,
        hooks: Vec::new(),
        on_error: "",
        hash: String::new(),
        file_hash: Some(hash.to_owned()),
        current: false,
        reason: Some(reason(name, problems)),
        since: None,
        counts: Counts::default(),
    }
}

/// Why the files of a plugin are not in force: what is wrong with them, else what is wrong beside them.
fn reason(name: &str, problems: &Problems) -> String {
    let own = |problem: &&Problem| {
        let file = problem.place.as_ref().map(|place| &*place.file).or(problem.origin.as_deref());
        file.is_some_and(|file| file.split('/').any(|part| part == name))
    };
    let first = problems.iter().find(own).or_else(|| problems.iter().next());
    first.map_or_else(|| "it is being taken over".to_owned(), Problem::short)
}
