//! All plugins of one snapshot, in the order in which they are asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Method;

use super::api::Info;
use super::ask::ask;
use super::buffering::{TooLarge, Wish};
use super::check;
use super::engine::Extras;
use super::facts::{RequestFacts, RouteFacts};
use super::hook::Hook;
use super::inline;
use super::ledger::{Ledger, Occasions};
use super::library::{FILES_MAX, Library};
use super::manifest::{OnError, is_plugin_name};
use super::occasion::{self, Reason};
use super::picks::{Picks, Prefilter};
use super::plugin::{Plugin, mode_word};
use super::response::ResponseFacts;
use super::schedule::{Job, Schedule};
use super::source::{Edit, Reader};
use super::standing::{self, Board, Counts, LastFault};
use super::state::State;
use crate::base::clock::Clock;
use crate::base::nearest::nearest;
use crate::base::problems::{Problem, Problems};
use crate::base::refusal::RuleRefusal;
use crate::config::{INLINE_RULES_MAX, InlineRule, Mode, PluginOverride};

/// Plugins in one book.
const PLUGINS_MAX: usize = 128;

const _: () = assert!(PLUGINS_MAX + INLINE_RULES_MAX <= Picks::MAX);

/// Every plugin of one snapshot. Immutable; a request keeps the one it began with.
#[derive(Default)]
pub struct RuleBook {
    plugins: Vec<Plugin>,
    /// Which of them may have a say at a moment.
    prefilter: Prefilter,
    inputs: Vec<(PathBuf, String)>,
    hashes: BTreeMap<String, String>,
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

/// What plugins ask of the body of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyWish {
    /// Bytes that somebody wants to see; a longer body is seen by nobody.
    pub read_max: u64,
    /// A body of more bytes is refused with 413.
    pub refuse_over: Option<u64>,
    /// Whether somebody enforces: what cannot be judged is refused.
    pub enforced: bool,
    /// Whether somebody who enforces asks for JSON, so that double keys and deep nesting are refused.
    pub json: bool,
    /// Whether somebody who enforces asks for something else, so that a body need not be JSON.
    pub other: bool,
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
    /// The share of clients that it enforces on, from 0 to 1.
    pub enforce_share: f64,
    /// Whether it is tripped, and what it does then: `shadow` or `off`.
    pub tripped: Option<&'static str>,
    /// How often it tripped.
    pub trips: u64,
    /// Since when these files are in force, in milliseconds since 1970-01-01 UTC; 0 where no gateway runs them.
    pub since_ms: i64,
    /// What it did since then.
    pub counts: Counts,
    /// How a call of it failed last, if one did since then.
    pub last_fault: Option<LastFault>,
}

impl PluginInfo {
    /// How it stands, as a number for the metrics: 0 off, 1 shadow, 2 enforce, 3 tripped.
    pub fn state(&self) -> i64 {
        match (self.tripped, self.mode) {
            (_, "off") => 0,
            (Some(_), _) => 3,
            (None, "enforce") => 2,
            (None, _) => 1,
        }
    }
}

impl RuleBook {
    /// Reads, checks and compiles every plugin. All problems of all plugins come back at once; with an error among
    /// them the book is not complete and must not go live.
    pub fn load(folders: Folders<'_>, overrides: &BTreeMap<String, PluginOverride>) -> (Self, Problems) {
        Self::load_with(folders, overrides, &[])
    }

    /// The same with the rules of one line that stand in the configuration.
    pub fn load_with(
        folders: Folders<'_>,
        overrides: &BTreeMap<String, PluginOverride>,
        rules: &[InlineRule],
    ) -> (Self, Problems) {
        Self::load_edited(folders, overrides, rules, None)
    }

    /// The same as if an edit had been saved, and its plugin enforced on everybody: what it says is to be seen.
    pub fn load_edited(
        folders: Folders<'_>,
        overrides: &BTreeMap<String, PluginOverride>,
        rules: &[InlineRule],
        edit: Option<&Edit>,
    ) -> (Self, Problems) {
        let instead =
            edit.map(|edit| (folders.plugins.join(&edit.plugin).join("main.rhai"), edit.main.as_str()));
        let mut reader = Reader::instead(folders.root, instead);
        let library = read_library(folders.scripts, &mut reader);
        let mut names = Vec::new();
        let mut plugins = Vec::new();
        for (name, folder) in reader.entries(folders.plugins) {
            if !folder.is_dir() || !folder.join("plugin.toml").exists() && !folder.join("main.rhai").exists()
            {
                continue; // unknown files and folders are not ours
            }
            if names.len() == PLUGINS_MAX {
                let message = format!("at most {PLUGINS_MAX} plugins may stand here");
                let problem = Problem::of(reader.name(folders.plugins), message);
                reader.problems.push(problem);
                break;
            }
            if !is_plugin_name(&name) {
                let problem =
                    Problem::of(reader.name(&folder), format!("`{name}` is not the name of a plugin"));
                reader.problems.push(problem.hint("use lower-case letters, digits and `-`, a letter first"));
                continue;
            }
            let word = overrides.get(&name);
            let edited = edit.filter(|edit| edit.plugin == name).map(|_| enforced(word));
            plugins.extend(Plugin::load(&name, folder, &library, edited.as_ref().or(word), &mut reader));
            names.push(name);
        }
        for (name, word) in overrides.iter().filter(|(n, _)| !names.contains(n)) {
            reader.problems.push(no_such_plugin(name, word, &names));
        }
        for rule in rules {
            let made = inline::plugin(rule, &library, &mut reader);
            if made.as_ref().is_some_and(|made| names.contains(&made.name.to_string())) {
                let message = format!("there is a plugin `{}` already", rule.plugin_name());
                reader.problems.push(Problem::at(rule.place.clone(), message));
            } else {
                plugins.extend(made);
            }
        }
        let book = Self { hashes: reader.hashes, ..Self::new(plugins, reader.inputs) };
        reader.problems.append(check::between(&book.plugins));
        (book, reader.problems)
    }

    /// Every loaded plugin, those that are off too, in the order in which they are asked.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.plugins.iter().map(info).collect()
    }

    /// The text of a plugin's `main.rhai`, as it was read.
    pub fn main_of(&self, name: &str) -> Option<Arc<str>> {
        self.plugins.iter().find(|p| &*p.name == name).map(|p| Arc::clone(&p.source.text))
    }

    /// The names of plugins that are not off and ask where clients are.
    pub fn asks_geo(&self) -> impl Iterator<Item = &str> {
        let on = self.plugins.iter().filter(|p| p.manifest.mode != Mode::Off);
        on.filter(|p| super::asks_geo::asks_geo(&p.ast)).map(|p| &*p.name)
    }

    /// Where a plugin's function for a hook stands, `plugin/main.rhai:LINE`; `None` for a rule of the configuration.
    pub fn place_of(&self, plugin: &str, hook: &str) -> Option<String> {
        let plugin = self.plugins.iter().find(|p| *p.name == *plugin)?;
        let head = format!("fn {hook}(");
        let line = plugin.source.text.lines().position(|line| line.contains(&head))?;
        let is_file = plugin.source.name.ends_with("main.rhai");
        is_file.then(|| format!("{}/main.rhai:{}", plugin.name, line + 1))
    }

    /// Whether any plugin has that hook and is not off. Cheap: without interest no facts need be gathered.
    pub fn interested(&self, hook: Hook) -> bool {
        !self.prefilter.having(hook).is_empty()
    }

    /// Whether any plugin is not off and has a hook.
    pub fn is_empty(&self) -> bool {
        self.prefilter.is_empty()
    }

    /// A route with the plugins that look at it worked out. To be done once for each route of a snapshot.
    pub fn on_route(&self, route: RouteFacts) -> RouteFacts {
        RouteFacts { picks: Some(self.prefilter.on_route(&self.plugins, &route)), ..route }
    }

    /// Whether any plugin looks at a request for that path, at any moment.
    pub fn looks_at(&self, route: &RouteFacts, method: &Method, path: &str) -> bool {
        let mut places = self.prefilter.asked_at_all(&self.plugins, route, method).places();
        places.any(|place| self.plugins[place].manifest.filter.takes_path(path))
    }

    /// The plugins that look at this request at that moment, in order.
    pub(super) fn asked(&self, hook: Hook, facts: &RequestFacts) -> impl Iterator<Item = &Plugin> {
        let places = self.prefilter.asked(&self.plugins, hook, facts).places();
        places.map(|place| &self.plugins[place]).filter(|p| p.manifest.filter.takes_path(&facts.path))
    }

    /// Files that made this book: absolute path and a hash of the content, in hex.
    pub fn inputs(&self) -> &[(PathBuf, String)] {
        &self.inputs
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
        ask(self.asked(hook, facts), hook, facts, response, ledger, clock)
    }

    /// What the plugins that look at this request ask of its body; `None` where nobody asks.
    pub fn body_wish(&self, facts: &RequestFacts) -> Option<BodyWish> {
        let asking = self.asked(Hook::Body, facts).filter(|p| p.manifest.body.request != Wish::None);
        let mut wish: Option<BodyWish> = None;
        for plugin in asking {
            let body = &plugin.manifest.body;
            let wish = wish.get_or_insert_default();
            wish.read_max = wish.read_max.max(body.max);
            // A plugin in shadow refuses nothing, and so nothing is refused for it.
            if !standing::enforces(plugin, facts) {
                continue;
            }
            wish.enforced = true;
            if body.too_large == TooLarge::Deny {
                let least = wish.refuse_over.map_or(body.max, |over| over.min(body.max));
                wish.refuse_over = Some(least);
            }
            wish.json |= body.request == Wish::Json;
            wish.other |= body.request != Wish::Json;
        }
        wish
    }

    /// The most bytes of an answer of that `Content-Type` that a plugin that looks at this request asks for; `None`
    /// where nobody asks.
    pub fn answer_wish(&self, facts: &RequestFacts, content_type: &str) -> Option<u64> {
        let asked = self.asked(Hook::ResponseBody, facts);
        let asking = asked.filter(|p| p.manifest.body.wants_answer(content_type));
        asking.map(|p| p.manifest.body.response_max).max()
    }

    /// Whether a plugin that looks at this request asks for the body of any answer.
    pub fn asks_for_answers(&self, facts: &RequestFacts) -> bool {
        self.asked(Hook::ResponseBody, facts).any(|p| p.manifest.body.response != Wish::None)
    }

    /// Lets every plugin take over what the plugin of its name remembers. For a book that goes live; until then each
    /// plugin has an empty state of its own.
    pub fn remember_in(&mut self, state: &State) {
        for plugin in &mut self.plugins {
            plugin.remember_in(state);
        }
    }

    /// Lets every plugin go on with its record, where its files are the same. For a book that goes live.
    pub fn stand_on(&mut self, board: &Board, now_ms: i64) {
        board.keep(&self.plugins.iter().map(|p| p.name.clone()).collect());
        for plugin in &mut self.plugins {
            plugin.stand_on(board, now_ms);
        }
    }

    /// Of each plugin folder, the hash of its files as they were read, also where the plugin cannot go live.
    pub fn file_hashes(&self) -> &BTreeMap<String, String> {
        &self.hashes
    }

    /// Calls `on_start` of every plugin that is new, or that is another than the one that ran before; at a start, of
    /// all. What they did, and which of them failed. Blocks: not for a worker.
    pub fn start(&self, booting: bool, clock: &Clock) -> Occasions {
        let mut account = Occasions::default();
        for plugin in self.plugins.iter().filter(|p| p.manifest.mode != Mode::Off) {
            let seen = plugin.space.seen();
            let fingerprint = plugin.settings_hash();
            let reason = if booting {
                Reason::Boot
            } else if seen.hash != plugin.hash {
                Reason::Reload
            } else if seen.settings != fingerprint {
                Reason::Settings
            } else {
                continue;
            };
            if plugin.starts() {
                let info = Info { reason: reason.word(), previous_version: seen.version };
                let mut ledger = Ledger::new();
                occasion::start(plugin, info, &mut ledger, clock);
                account.add(ledger);
            }
            plugin.space.see(&plugin.manifest.version, &plugin.hash, &fingerprint);
        }
        account
    }

    /// Every schedule of the plugins that are not off.
    pub(super) fn schedules(&self) -> impl Iterator<Item = (Arc<str>, usize, &Schedule)> {
        let on = self.plugins.iter().filter(|p| p.manifest.mode != Mode::Off);
        on.flat_map(|p| p.manifest.schedules.iter().enumerate().map(|(nth, s)| (p.name.clone(), nth, s)))
    }

    /// Runs a scheduled function, unless its plugin is gone or off; what it did. Blocks: not for a worker.
    pub fn run_job(&self, job: &Job, clock: &Clock) -> Occasions {
        let mut ledger = Ledger::new();
        for plugin in self.plugins.iter().filter(|p| p.name == job.plugin && p.manifest.mode != Mode::Off) {
            if let Some(schedule) = plugin.manifest.schedules.get(job.nth).filter(|s| s.call == job.call) {
                occasion::scheduled(plugin, &schedule.call, schedule.time, &mut ledger, clock);
            }
        }
        let mut account = Occasions::default();
        account.add(ledger);
        account
    }

    pub(super) fn new(mut plugins: Vec<Plugin>, inputs: Vec<(PathBuf, String)>) -> Self {
        plugins.sort_by(|a, b| (a.manifest.priority, &a.name).cmp(&(b.manifest.priority, &b.name)));
        let prefilter = Prefilter::new(&plugins);
        Self { plugins, prefilter, inputs, hashes: BTreeMap::new() }
    }

    pub(super) fn nth(&self, index: usize) -> Option<&Plugin> {
        self.plugins.get(index)
    }

    pub(super) fn into_plugins(self) -> Vec<Plugin> {
        self.plugins
    }
}

/// The operator's word, but for the mode.
fn enforced(word: Option<&PluginOverride>) -> PluginOverride {
    let word = word.cloned().unwrap_or_default();
    PluginOverride { mode: Some(Mode::Enforce), enforce_share: Some(1.0), ..word }
}

fn read_library(folder: &Path, reader: &mut Reader<'_>) -> Library {
    let files = reader.scripts(folder, FILES_MAX);
    let (library, problems) = Library::compile(files, &Extras::default());
    reader.problems.append(problems);
    reader.problems.append(check::shared(&library.spaces));
    library
}

fn no_such_plugin(name: &str, word: &PluginOverride, names: &[String]) -> Problem {
    let problem = Problem::of(&word.origin, format!("there is no plugin `{name}`"));
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

fn info(plugin: &Plugin) -> PluginInfo {
    PluginInfo {
        name: plugin.name.clone(),
        version: plugin.manifest.version.clone(),
        description: plugin.manifest.description.clone(),
        mode: mode_word(plugin.manifest.mode),
        priority: plugin.manifest.priority,
        hooks: plugin.hook_names(),
        on_error: if plugin.manifest.on_error == OnError::Deny { "deny" } else { "allow" },
        hash: plugin.hash.clone(),
        folder: plugin.folder.clone(),
        enforce_share: plugin.manifest.enforce_share,
        tripped: plugin.record.breaker.is_tripped().then(|| plugin.manifest.budget.action.word()),
        trips: plugin.record.breaker.trips(),
        since_ms: plugin.record.since_ms,
        counts: plugin.record.tally.read(),
        last_fault: plugin.record.last_fault(),
    }
}
