//! All plugins of one snapshot, in the order in which they are asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::facts::RequestFacts;
use super::hook::Hook;
use super::ledger::Ledger;
use super::response::ResponseFacts;
use crate::base::clock::Clock;
use crate::base::problems::Problems;
use crate::base::refusal::RuleRefusal;
use crate::config::{Mode, PluginOverride};

/// Every plugin of one snapshot. Immutable; a request keeps the one it began with.
#[derive(Debug, Default)]
pub struct RuleBook {
    plugins: Vec<()>,
}

/// Where rules stand on disk.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// The folder of plugin folders.
    pub plugins: &'a Path,
    /// The folder of shared namespaces.
    pub scripts: &'a Path,
    /// The config file's folder: files in problems are named relative to it.
    pub root: &'a Path,
}

/// What all plugins together decided at one moment.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Go on.
    Pass,
    /// An enforcing plugin refused.
    Refuse {
        /// Its words.
        refusal: Arc<RuleRefusal>,
        /// Its name.
        plugin: Arc<str>,
        /// `plugin/main.rhai:LINE`.
        rule: String,
    },
    /// An enforcing plugin with `on_error = "deny"` failed.
    Fault {
        /// Its name.
        plugin: Arc<str>,
    },
}

/// What an operator may know of a loaded plugin.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PluginInfo {
    /// The folder's name.
    pub name: Arc<str>,
    /// `version`.
    pub version: String,
    /// `description`.
    pub description: String,
    /// The effective mode: `shadow`, `enforce` or `off`.
    pub mode: &'static str,
    /// The effective priority.
    pub priority: u16,
    /// The names of its hooks.
    pub hooks: Vec<&'static str>,
    /// `deny` or `allow`.
    pub on_error: &'static str,
    /// A hash over the content of every file of the plugin, in hex.
    pub hash: String,
    /// Its folder.
    pub folder: PathBuf,
}

impl RuleBook {
    /// Reads, checks and compiles every plugin. All problems of all plugins come back at once; with an error among
    /// them the book is not complete and must not go live.
    pub fn load(folders: Folders<'_>, overrides: &BTreeMap<String, PluginOverride>) -> (Self, Problems) {
        let _ = (folders, overrides);
        (Self::default(), Problems::default())
    }

    /// Every loaded plugin, those that are off too, in the order in which they are asked.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        Vec::new()
    }

    /// Whether any plugin has that hook and is not off. Cheap: without interest no facts need be gathered.
    pub fn interested(&self, hook: Hook) -> bool {
        let _ = hook;
        !self.plugins.is_empty()
    }

    /// Files that made this book: absolute path and a hash of the content, in hex.
    pub fn inputs(&self) -> &[(PathBuf, String)] {
        &[]
    }

    /// Asks every interested plugin in order. The first refusal of an enforcing plugin ends it.
    pub fn run(
        &self,
        hook: Hook,
        facts: &Arc<RequestFacts>,
        response: Option<&mut ResponseFacts>,
        ledger: &mut Ledger,
        clock: &Clock,
    ) -> Decision {
        let _ = (hook, facts, response, ledger, clock, Mode::Shadow);
        Decision::Pass
    }
}
