//! `plugin.toml`: who a plugin is, when it is asked, what it may use, and which settings it has.

use std::collections::BTreeMap;
use std::time::Duration;

use super::budget::{CALL_MEMORY_MAX, CALL_OPS_DEFAULT, CALL_OPS_MAX, Limits, REQUEST_TIME_MAX};
use super::buffering::{self, Buffering};
use super::declared::{Setting, read_settings};
use super::filter::{Filter, RoutePattern};
use super::gateway_list::BANS;
use super::permissions::{self, Permissions};
use super::schedule::{self, Schedule};
use super::standing::{ErrorBudget, read_budget};
use super::state::{ListSpec, Quota, read_lists, read_quota};
use crate::base::document::{Document, Overlay, Table};
use crate::base::problems::{Problems, Source};
use crate::base::units::{show_duration, show_size};
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
    pub body: Buffering,
    pub permissions: Permissions,
    pub settings: BTreeMap<String, Setting>,
    pub lists: BTreeMap<String, ListSpec>,
    pub quota: Quota,
    pub schedules: Vec<Schedule>,
    /// The share of clients that it enforces on, from 0 to 1.
    pub enforce_share: f64,
    pub budget: ErrorBudget,
    /// Where each value of a key comes from: `plugin.toml:3`, or `default`.
    pub origins: BTreeMap<&'static str, String>,
}

/// Keys of the manifest that this version does not have yet.
const LATER: [(&str, &str); 1] = [("reload", "reload gates")];

/// Keys whose origin `config show` tells.
const ORIGINS: [&str; 7] = ["version", "mode", "priority", "enforce_share", "on_error", "routes", "budget"];

/// The least and the highest priority.
const PRIORITY: (i64, i64) = (0, 999);
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
    let (limits, limits_origins) = read_limits(&mut root);
    let body = buffering::read(&mut root);
    let permissions = permissions::read(&mut root);
    let settings = read_settings(&mut root);
    let mut lists = read_lists(&mut root);
    if permissions.bans {
        lists.insert(BANS.to_owned(), ListSpec::of_gateway());
    }
    let quota = read_quota(&mut root);
    let schedules = schedule::read(&mut root);
    let enforce_share = root.fraction(
        "enforce_share",
        "1.0",
        "The share of clients that it enforces on; shadow for the rest.",
    );
    let budget = read_budget(&mut root, on_error == Some(OnError::Deny));
    let origins = ORIGINS.map(|key| (key, root.origin(key))).into_iter().chain(limits_origins).collect();
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
        body,
        permissions,
        settings,
        lists,
        quota,
        schedules,
        enforce_share: enforce_share.unwrap_or(1.0),
        budget,
        origins,
    });
    (manifest, problems)
}

/// Whether a plugin may have that name: `[a-z][a-z0-9-]*`, and no key of `[plugins]`.
pub(super) fn is_plugin_name(name: &str) -> bool {
    let clean = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    clean
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !matches!(name, "path" | "scripts")
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
    let on_error =
        root.choice("on_error", &words, "", "What a fault does: refuse with 503, or skip the plugin.");
    if on_error.is_none() && !root.has("on_error") {
        let problem = root.problem("on_error", "`on_error` is required");
        root.report(
            problem.hint("write `on_error = \"deny\"` (503 when the plugin fails) or `\"allow\"` (skip it)"),
        );
    }
    on_error
}

fn read_filter(root: &mut Table<'_>) -> Filter {
    let mut routes = root.table("routes");
    let include = routes.list(
        "include",
        "list of globs",
        &[],
        "Routes by name or tag; all where empty.",
        RoutePattern::parse,
    );
    let exclude =
        routes.list("exclude", "list of globs", &[], "Routes that are left out.", RoutePattern::parse);
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

/// What one call may use, and where each of these values comes from.
fn read_limits(root: &mut Table<'_>) -> (Limits, [(&'static str, String); 3]) {
    let mut table = root.table("limits");
    let floor = Duration::from_millis(1);
    let time = table.duration("time", "5ms", floor, "Time for one call of a hook.");
    let most = i64::try_from(CALL_OPS_MAX).unwrap_or(i64::MAX);
    let fallback = i64::try_from(CALL_OPS_DEFAULT).unwrap_or(most);
    let ops = table.integer("ops", fallback, (1, most), "Operations of one call of a hook.");
    let memory = table.size("memory", "8 MiB", "Memory of one call of a hook.");
    if time > REQUEST_TIME_MAX {
        table.report(
            table.problem("time", format!("`limits.time` is at most {}", show_duration(REQUEST_TIME_MAX))),
        );
    }
    if !(64 << 10..=CALL_MEMORY_MAX).contains(&memory) {
        let most = show_size(CALL_MEMORY_MAX);
        table.report(table.problem("memory", format!("`limits.memory` is between 64 KiB and {most}")));
    }
    let origins = [("limits.time", "time"), ("limits.ops", "ops"), ("limits.memory", "memory")]
        .map(|(shown, key)| (shown, table.origin(key)));
    table.finish();
    (Limits { time, ops: u64::try_from(ops).unwrap_or(CALL_OPS_DEFAULT), memory }, origins)
}
