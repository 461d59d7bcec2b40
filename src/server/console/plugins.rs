//! The plugins: how each stands, how it failed last, and another mode for it, with its impact shown first.
//!
//! # Stable names
//! `section.plugin[data-plugin][data-mode][data-state]`, in each `table.verdicts`, `pre.finding` (the last fault, with its
//! caret) and `a.switch[data-to]`; on the page of a switch `#impact`, `table#by-code`, `table#by-route`,
//! `form#switch-mode` (`name`, `mode`).

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::form::Form;
use super::place::Place;
use super::shown::{ago, badge, duration, explain_link, nothing, problem, sign_in_to_act, time};
use super::visit::Visit;
use super::{Done, Page};
use crate::base::problems::{Problem, Source};
use crate::base::refusal::Refusal;
use crate::base::target::percent_encode;
use crate::config::Mode;
use crate::script::{LastFault, PluginInfo};
use crate::server::admin::policy::{impact_of, refusal_of_switch};
use crate::server::promotion::{PromoteError, Promoted};
use crate::store::Impact;

/// Most codes, routes and examples of an impact that are shown.
const ROWS_MAX: usize = 10;

pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    let (name, to) = (visit.query("name"), visit.query("to"));
    if to.is_empty() {
        return Ok(listed(visit));
    }
    let plugin = find(visit, &name).ok_or(Refusal::NotFound)?;
    let mode = Mode::of(&to).ok_or(Refusal::NotFound)?;
    Ok(confirm(visit, &plugin, mode, None).await)
}

pub(super) async fn act(visit: &Visit<'_>, form: &Form) -> Result<Done, Refusal> {
    visit.audit("plugins.mode", None);
    let plugin = find(visit, form.text("name")).ok_or(Refusal::NotFound)?;
    let mode = Mode::of(form.text("mode"));
    let mode = mode.ok_or(Refusal::BadRequest("A mode is `enforce`, `shadow` or `off`."))?;
    let unavailable = Refusal::Unavailable { retry_after: None };
    let promoter = &visit.admin.tools.as_ref().ok_or(unavailable)?.promoter;
    let switched =
        promoter.switch(&visit.admin.gateway, visit.admin.reloader.get(), &plugin.name, mode).await;
    match switched {
        Ok(promoted) if promoted.in_force == Some(false) => {
            Ok(Done::Shown(confirm(visit, &plugin, mode, Some(not_in_force(&promoted))).await))
        }
        Ok(promoted) => Ok(Done::went(Place::Plugins.path(), told(&promoted))),
        Err(error) => {
            let refusal = refusal_of_switch(&error);
            let page = confirm(visit, &plugin, mode, Some(wrong(&error))).await;
            let page = page.status(refusal.status());
            visit.refuse(refusal);
            Ok(Done::Shown(page))
        }
    }
}

fn find(visit: &Visit<'_>, name: &str) -> Option<PluginInfo> {
    visit.gateway().live.current().rules.plugins().into_iter().find(|plugin| &*plugin.name == name)
}

fn told(promoted: &Promoted) -> String {
    let Promoted { plugin, from, to, line, .. } = promoted;
    match line {
        None => format!("{plugin}: the mode is {to} already."),
        Some(line) => format!("{plugin} is now {to} (it was {from}); config.toml says so in line {line}."),
    }
}

fn not_in_force(promoted: &Promoted) -> Markup {
    html! {
        p.problem role="alert" { "config.toml was edited, and the gateway refused to take it over: the policy of before stays in force." }
        @for found in promoted.problems.iter() { (problem(found)) }
    }
}

fn wrong(error: &PromoteError) -> Markup {
    use crate::live::promotion::PromotionError;
    html! {
        p.problem role="alert" { "Nothing was changed: " (error) "." }
        @if let PromoteError::Promotion(PromotionError::Broken(problems)) = error {
            @for found in problems.iter() { (problem(found)) }
        }
    }
}

fn listed(visit: &Visit<'_>) -> Page {
    let plugins = visit.gateway().live.current().rules.plugins();
    let content = html! {
        (sign_in_to_act(visit))
        @if plugins.is_empty() { (nothing("There is no plugin. `pluginmind new plugin NAME` makes one.")) }
        @for plugin in &plugins { (section(visit, plugin)) }
    };
    Page::new("Plugins", content)
}

fn section(visit: &Visit<'_>, plugin: &PluginInfo) -> Markup {
    let state = if plugin.tripped.is_some() { "tripped" } else { plugin.mode };
    html! {
        section.plugin id={ "plugin-" (plugin.name) } data-plugin=(plugin.name) data-mode=(plugin.mode) data-state=(state) {
            h2 { (plugin.name) " " (mode(plugin.mode))
                @if let Some(to) = plugin.tripped { " " (badge("bad", "tripped")) " " small { "it failed or was slow too often, and is in " (to) } } }
            @if !plugin.description.is_empty() { p { (plugin.description) } }
            (facts(visit, plugin))
            (verdicts(plugin))
            @if let Some(fault) = &plugin.last_fault { (last_fault(visit, plugin, fault)) }
            (switches(visit, plugin))
        }
    }
}

fn mode(word: &'static str) -> Markup {
    badge(if word == "enforce" { "good" } else { "plain" }, word)
}

fn facts(visit: &Visit<'_>, plugin: &PluginInfo) -> Markup {
    let counts = &plugin.counts;
    let faults: Vec<_> =
        counts.faults.iter().filter(|(_, n)| **n > 0).map(|(kind, n)| format!("{kind} {n}")).collect();
    html! {
        dl.pairs {
            dt { "Version" } dd { @if plugin.version.is_empty() { "none" } @else { (plugin.version) } }
            dt { "Priority" } dd { (plugin.priority) }
            dt { "Hooks" } dd { (plugin.hooks.join(", ")) }
            dt { "On error" } dd { (plugin.on_error) }
            @if plugin.enforce_share < 1.0 { dt { "Enforces on" } dd { (share(plugin.enforce_share)) " of the clients" } }
            dt { "In force since" } dd { @if plugin.since_ms > 0 { (time(plugin.since_ms)) } @else { "not" } }
            dt { "Calls" } dd { (counts.calls) }
            dt { "Refused" } dd { (counts.refused) }
            dt { "Would have refused" } dd { (counts.would_refuse) }
            dt { "Time of a call" } dd { "half below " (micros(counts.p50_us)) ", 99 of 100 below " (micros(counts.p99_us)) }
            dt { "Faults" } dd { @if faults.is_empty() { "none" } @else { (badge("bad", &faults.join(", "))) } }
            @if plugin.trips > 0 { dt { "Tripped" } dd { (plugin.trips) " times" } }
        }
        @if let Some(reason) = stale(visit, plugin) { p.problem { "Its files on disk are not in force: " (reason) } }
    }
}

/// Whether it is one of files: a rule of one line stands in config.toml.
fn has_folder(visit: &Visit<'_>, plugin: &PluginInfo) -> bool {
    visit.gateway().live.current().rules.file_hashes().contains_key(&*plugin.name)
}

/// Why the files on disk are not in force, where they are not.
fn stale(visit: &Visit<'_>, plugin: &PluginInfo) -> Option<&'static str> {
    let policy = visit.gateway().policy.read();
    match policy.plugin_files.get(&*plugin.name) {
        Some(hash) if *hash == plugin.hash => None,
        None if plugin.hash.is_empty() || !has_folder(visit, plugin) => None,
        None => Some("its folder is gone."),
        Some(_) => Some("see the reloads."),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds of one call")]
fn micros(us: f64) -> String {
    if us < 1_000.0 { format!("{us:.0} µs") } else { duration(us as u64) }
}

fn share(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn verdicts(plugin: &PluginInfo) -> Markup {
    let counts = &plugin.counts;
    let codes: BTreeSet<_> = counts.verdicts.keys().chain(counts.would.keys()).collect();
    html! {
        @if !codes.is_empty() {
            div.scroll { table.verdicts {
                thead { tr { th scope="col" { "Code" } th.number scope="col" { "Counted" } th.number scope="col" { "Would have counted" } } }
                tbody { @for code in codes { tr data-code=(code) {
                    td { code { (code) } }
                    td.number { (counts.verdicts.get(code).copied().unwrap_or_default()) }
                    td.number { (counts.would.get(code).copied().unwrap_or_default()) }
                } } }
            } }
        }
    }
}

fn last_fault(visit: &Visit<'_>, plugin: &PluginInfo, fault: &LastFault) -> Markup {
    let main = visit.gateway().live.current().rules.main_of(&plugin.name);
    let name = format!("{}/main.rhai", plugin.name);
    let message = format!("{} in {}: {}", fault.kind, fault.hook, fault.message);
    let found = match main {
        Some(text) if fault.line > 0 => {
            Problem::at(Source::new(name, text).place_at(fault.line, fault.column.max(1)), message)
        }
        _ => Problem::of(name, message),
    };
    html! {
        h3 { "The last fault, " (ago(fault.time_ms, visit.now_ms())) }
        (problem(&found))
    }
}

fn switches(visit: &Visit<'_>, plugin: &PluginInfo) -> Markup {
    if !has_folder(visit, plugin) {
        return html! { p.hint { "A rule of one line: its " code { "mode" } " and its words stand in " code { "config.toml" } "." } };
    }
    html! {
        @if visit.is_signed_in() {
            p.actions {
                @for to in Mode::ALL.into_iter().filter(|to| to.word() != plugin.mode) {
                    a.button.quiet.switch data-to=(to.word())
                        href={ (Place::Plugins.path()) "?name=" (percent_encode(&plugin.name)) "&to=" (to.word()) } { (verb(to)) "…" }
                }
                a.button.quiet href={ (Place::Playground.path()) "?plugin=" (percent_encode(&plugin.name)) } { "Try an edit" }
            }
        }
    }
}

fn verb(to: Mode) -> &'static str {
    match to {
        Mode::Enforce => "Promote to enforce",
        Mode::Shadow => "Put in shadow",
        Mode::Off => "Switch off",
    }
}

async fn confirm(visit: &Visit<'_>, plugin: &PluginInfo, to: Mode, wrong: Option<Markup>) -> Page {
    let impact = impact_of(visit.admin, plugin.name.to_string()).await.ok();
    let content = html! {
        @if let Some(wrong) = wrong { (wrong) }
        p { "It is " (mode(plugin.mode)) " now. Its mode in " code { "config.toml" } " becomes " (mode(to.word()))
            ", and the gateway takes the file over at once. Comments and the rest of the file stay as they are." }
        section id="impact" {
            h2 { "In the last 24 hours" }
            @match &impact {
                Some(impact) => (shown(impact, plugin)),
                None => p.problem { "What it would have refused cannot be read now." },
            }
        }
        (sign_in_to_act(visit))
        @if visit.is_signed_in() {
            form id="switch-mode" method="post" action=(Place::Plugins.path()) {
                (visit.csrf())
                input type="hidden" name="name" value=(plugin.name);
                input type="hidden" name="mode" value=(to.word());
                div.actions {
                    button type="submit" { (verb(to)) }
                    a.button.quiet href=(Place::Plugins.path()) { "Cancel" }
                }
            }
        }
    };
    Page::new(format!("{}: {}?", plugin.name, verb(to).to_lowercase()), content)
}

fn shown(impact: &Impact, plugin: &PluginInfo) -> Markup {
    let all = impact.all_requests.max(impact.requests);
    html! {
        p {
            @if impact.requests == 0 { "In shadow it would have refused no request" @if all > 0 { " of " (all) } "." }
            @else { "In shadow it would have refused " strong { (impact.requests) " of " (all) " requests" } ", of "
                (impact.people) " signed-in people and " (impact.addresses) " addresses." }
            " It was called " (plugin.counts.calls) " times since its files are in force."
        }
        (rows("by-code", "Code", &impact.by_code))
        (rows("by-route", "Route", &impact.by_route))
        (rows("by-score", "Score", &impact.scores))
        @if !impact.samples.is_empty() {
            h3 { "For example" }
            ul { @for id in impact.samples.iter().take(ROWS_MAX) { li { (explain_link(id)) } } }
        }
    }
}

fn rows(id: &str, what: &str, rows: &[(String, u64)]) -> Markup {
    html! {
        @if !rows.is_empty() {
            div.scroll { table id=(id) {
                thead { tr { th scope="col" { (what) } th.number scope="col" { "Requests" } } }
                tbody { @for (name, count) in rows.iter().take(ROWS_MAX) { tr {
                    td { @if name.is_empty() { "(none)" } @else { code { (name) } } }
                    td.number { (count) }
                } } }
            } }
        }
    }
}
