//! `plugin.toml`: who a plugin is, when it is asked, what it may use, and which settings it has.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::budget::{CALL_MEMORY_MAX, CALL_OPS_DEFAULT, CALL_OPS_MAX, Limits, REQUEST_TIME_MAX};
use super::filter::{Filter, RoutePattern};
use super::settings::{Kind, plain_data};
use crate::base::document::{Document, Overlay, Table};
use crate::base::problems::{Problem, Problems, Source};
use crate::base::units::{parse_duration, show_duration, show_size};
use crate::config::Mode;

/// What an enforcing plugin's fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnError {
    /// The request is refused with 503.
    Deny,
    /// The plugin is skipped.
    Allow,
}

/// A manifest, every value in range.
pub(super) struct Manifest {
    pub version: String,
    pub description: String,
    pub priority: u16,
    pub mode: Mode,
    pub on_error: OnError,
    pub filter: Filter,
    pub limits: Limits,
    pub settings: BTreeMap<String, Setting>,
}

/// A declared setting and its default.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub kind: Kind,
    pub default: Value,
    min: Option<f64>,
    max: Option<f64>,
    choices: Vec<Value>,
}

/// Keys of the manifest that this version does not have yet.
const LATER: [(&str, &str); 8] = [
    ("enforce_share", "a share of clients"),
    ("body", "buffering of bodies"),
    ("lists", "lists"),
    ("state", "state"),
    ("schedule", "schedules"),
    ("permissions", "permissions"),
    ("budget", "an error budget"),
    ("reload", "reload gates"),
];

/// The least and the highest priority.
const PRIORITY: (i64, i64) = (0, 999);
/// Settings of one plugin.
const SETTINGS_MAX: usize = 100;

impl Setting {
    /// Reads a value for this setting.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn read(&self, value: &Value) -> Result<rhai::Dynamic, String> {
        let read = self.kind.read(value)?;
        if !self.choices.is_empty() && !self.choices.contains(value) {
            let all = self.choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(format!("must be one of {all}"));
        }
        if let Some(measure) = self.kind.measure(value) {
            let least = self.min.filter(|least| measure < *least);
            let most = self.max.filter(|most| measure > *most);
            if let Some(bound) = least {
                return Err(format!("must be at least {}", self.shown(bound)));
            }
            if let Some(bound) = most {
                return Err(format!("must be at most {}", self.shown(bound)));
            }
        }
        Ok(read)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bound was read from a text of that unit")]
    fn shown(&self, bound: f64) -> String {
        match self.kind {
            Kind::Duration => show_duration(Duration::from_millis(bound as u64)),
            Kind::Size => show_size(bound as u64),
            _ => bound.to_string(),
        }
    }
}

/// Reads a manifest; what is wrong is reported, and what could be read is read.
pub(super) fn read(folder: &str, source: &Source) -> (Option<Manifest>, Problems) {
    let mut problems = Problems::default();
    let parsed = Document::parse(source, &mut problems);
    let overlay = Overlay::new();
    let document = Document::new(source, &overlay);
    let mut root = document.root(&parsed);
    read_name(&mut root, folder);
    let version = root.required_text("version", "The plugin's own version.");
    read_api(&mut root);
    let description = root.text("description", "", "One sentence for people.");
    root.optional_text("author", "Who wrote it.");
    root.optional_text("license", "Under which license.");
    let priority = root.integer("priority", 500, PRIORITY, "Order inside a hook, lower first.");
    let modes = [("shadow", Mode::Shadow), ("enforce", Mode::Enforce), ("off", Mode::Off)];
    let mode = root.choice("mode", &modes, "shadow", "Whether its verdicts count.");
    let on_error = read_on_error(&mut root);
    let filter = read_filter(&mut root);
    let limits = read_limits(&mut root);
    let settings = read_settings(&mut root);
    for (key, what) in LATER {
        if root.value(key, "table", "Not in this version.").is_some() {
            root.report(root.problem(key, format!("`{key}` ({what}) is not supported by this version")));
        }
    }
    root.finish();
    problems.append(document.finish().0);
    let manifest = on_error.map(|on_error| Manifest {
        version,
        description,
        priority: u16::try_from(priority).unwrap_or_default(),
        mode: mode.unwrap_or(Mode::Shadow),
        on_error,
        filter,
        limits,
        settings,
    });
    (manifest, problems)
}

/// Whether a plugin may have that name: `[a-z][a-z0-9-]*`, and no key of `[plugins]`.
pub(super) fn is_plugin_name(name: &str) -> bool {
    let clean = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    clean && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase()) && !matches!(name, "path" | "scripts")
}

fn read_name(root: &mut Table<'_>, folder: &str) {
    let name = root.required_text("name", "The folder's name.");
    if root.has("name") && !name.is_empty() && name != folder {
        let problem = root.problem("name", format!("the name `{name}` is not the folder's name"));
        root.report(problem.hint(format!("write `name = \"{folder}\"`")));
    }
}

fn read_api(root: &mut Table<'_>) {
    let api = root.optional_integer("api", "1", (1, 1), "The object model that the scripts are written for.");
    if api.is_none() && !root.has("api") {
        root.report(root.problem("api", "`api` is required").hint("write `api = 1`"));
    }
}

fn read_on_error(root: &mut Table<'_>) -> Option<OnError> {
    let words = [("deny", OnError::Deny), ("allow", OnError::Allow)];
    let on_error = root.choice("on_error", &words, "", "What a fault does: refuse with 503, or skip the plugin.");
    if on_error.is_none() && !root.has("on_error") {
        let problem = root.problem("on_error", "`on_error` is required");
        root.report(problem.hint("write `on_error = \"deny\"` (503 when the plugin fails) or `\"allow\"` (skip it)"));
    }
    on_error
}

fn read_filter(root: &mut Table<'_>) -> Filter {
    let mut routes = root.table("routes");
    let include = routes.list("include", "list of globs", &[], "Routes by name or tag; all where empty.", RoutePattern::parse);
    let exclude = routes.list("exclude", "list of globs", &[], "Routes that are left out.", RoutePattern::parse);
    routes.finish();
    let mut matching = root.table("match");
    let methods = matching.list("methods", "list of methods", &[], "Methods; all where empty.", |text| {
        http::Method::from_bytes(text.as_bytes())
            .ok()
            .filter(|_| text.bytes().all(|b| b.is_ascii_uppercase()))
            .ok_or_else(|| format!("`{text}` is not a method such as \"POST\""))
    });
    let paths = matching.list("paths", "list of globs", &[], "Paths; all where empty.", super::api::glob);
    matching.finish();
    Filter { include, exclude, methods, paths }
}

fn read_limits(root: &mut Table<'_>) -> Limits {
    let mut table = root.table("limits");
    let floor = Duration::from_millis(1);
    let time = table.duration("time", "5ms", floor, "Time for one call of a hook.");
    let most = i64::try_from(CALL_OPS_MAX).unwrap_or(i64::MAX);
    let fallback = i64::try_from(CALL_OPS_DEFAULT).unwrap_or(most);
    let ops = table.integer("ops", fallback, (1, most), "Operations of one call of a hook.");
    let memory = table.size("memory", "8 MiB", "Memory of one call of a hook.");
    if time > REQUEST_TIME_MAX {
        table.report(table.problem("time", format!("`limits.time` is at most {}", show_duration(REQUEST_TIME_MAX))));
    }
    if !(64 << 10..=CALL_MEMORY_MAX).contains(&memory) {
        let most = show_size(CALL_MEMORY_MAX);
        table.report(table.problem("memory", format!("`limits.memory` is between 64 KiB and {most}")));
    }
    table.finish();
    Limits { time, ops: u64::try_from(ops).unwrap_or(CALL_OPS_DEFAULT), memory }
}

fn read_settings(root: &mut Table<'_>) -> BTreeMap<String, Setting> {
    let mut table = root.table("settings");
    let named = table.named_tables();
    if named.len() > SETTINGS_MAX {
        table.report(Problem::at(table.place(table.span()), format!("at most {SETTINGS_MAX} settings")));
    }
    let mut settings = BTreeMap::new();
    for (name, mut table) in named.into_iter().take(SETTINGS_MAX) {
        if !rhai::is_valid_identifier(&name) || is_reserved(&name) {
            let place = table.place(table.span());
            table.report(Problem::at(place, format!("`{name}` cannot be the name of a setting")).code("PM032"));
        }
        if let Some(setting) = read_setting(&mut table) {
            settings.insert(name, setting);
        }
        table.finish();
    }
    table.finish();
    settings
}

fn read_setting(table: &mut Table<'_>) -> Option<Setting> {
    let kind = table.parsed("type", "type", "", "The type of the value.", Kind::parse);
    if kind.is_none() && !table.has("type") {
        let place = table.place(table.span());
        table.report(Problem::at(place, format!("`{}.type` is required", table.path())));
    }
    table.optional_text("doc", "One sentence for people.");
    let [default, min, max, choices] =
        [("default", "a value"), ("min", "a value"), ("max", "a value"), ("choices", "a list")]
            .map(|(key, kind)| table.value(key, kind, "A value of the setting's type.").map(|(v, _)| plain_data(v)));
    let kind = kind?;
    let Some(default) = default else {
        if !table.has("default") {
            let place = table.place(table.span());
            table.report(Problem::at(place, format!("`{}.default` is required", table.path())));
        }
        return None;
    };
    let choices = match choices {
        Some(Value::Array(items)) => items,
        Some(_) => {
            table.report(table.problem("choices", "`choices` must be a list"));
            Vec::new()
        }
        None => Vec::new(),
    };
    let setting = Setting { min: bound(table, "min", &kind, min), max: bound(table, "max", &kind, max), kind, default, choices };
    if let Err(why) = setting.read(&setting.default) {
        table.report(table.problem("default", format!("`{}.default` {why}", table.path())).code("PM031"));
    }
    Some(setting)
}

/// A bound as the measure of its kind: of texts and lists, the number of characters or items.
fn bound(table: &Table<'_>, key: &'static str, kind: &Kind, value: Option<Value>) -> Option<f64> {
    let value = value?;
    let measure = match (kind, &value) {
        (Kind::Duration, Value::String(t)) => parse_duration(t).ok().and(kind.measure(&value)),
        (Kind::Duration, _) => None,
        _ => kind.measure(&value).filter(|_| !value.is_array()),
    };
    if measure.is_none() {
        table.report(table.problem(key, format!("`{key}` is not a bound for this type")));
    }
    measure
}

/// Words that Rhai keeps for itself; `settings::NAME` would be a syntax error.
fn is_reserved(name: &str) -> bool {
    const WORDS: [&str; 34] = [
        "shared", "default", "match", "case", "new", "with", "is", "use", "call", "until", "go", "null", "nil", "static",
        "var", "package", "super", "thread", "spawn", "sync", "async", "await", "yield", "public", "protected", "module",
        "goto", "void", "eval", "import", "export", "print", "debug", "this",
    ];
    WORDS.contains(&name)
}
