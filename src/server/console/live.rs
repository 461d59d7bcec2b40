//! The requests as they end: the newest on top. A script adds rows as they come; without it the page loads itself again.

use maud::{Markup, html};

use super::Page;
use super::shown::{duration, explain_link, nothing, pseudonym, status, time};
use super::visit::Visit;
use crate::pipeline::recall::Recalled;
use crate::store::Label;
use crate::store::UsageRow;

/// Rows of a page.
pub(super) const ROWS_MAX: usize = 100;

pub(super) fn page(visit: &Visit<'_>) -> Page {
    let recall = &visit.gateway().recall;
    let mut newest = recall.since(0, ROWS_MAX);
    newest.reverse();
    let last = newest.first().map_or_else(|| recall.last(), |newest| newest.seq);
    let content = html! {
        p.tools {
            button #pause type="button" hidden aria-pressed="false" { "Pause" }
            " " span #live-state role="status" { }
            noscript { "The page loads itself again every 5 seconds. " a href="" { "Load it now" } }
        }
        div.scroll tabindex="0" role="region" aria-label="Live requests" {
            table #live data-last=(last) data-rows=(ROWS_MAX) {
                thead { tr { th { "Time" } th { "Status" } th { "Method" } th { "Route" } th { "Code" } th { "Decided by" }
                    th.number { "Took" } th { "Client" } th { "User" } th { "Request" } } }
                tbody { @for kept in &newest { (row(kept)) } }
            }
        }
        @if newest.is_empty() { (nothing("No request has ended since the gateway began to remember them.")) }
    };
    Page::new("Live requests", content).refreshed_after(5)
}

/// One request as a row; the stream of events sends the same.
pub(super) fn row(kept: &Recalled) -> Markup {
    let UsageRow {
        time_ms,
        correlation_id,
        method,
        route,
        code,
        stage,
        duration_us,
        client_hash,
        user_hash,
        ..
    } = &kept.row;
    html! {
        tr data-seq=(kept.seq) {
            td { (time(*time_ms)) }
            td { (status(kept.row.status)) }
            td { (method.as_str()) }
            td { @if route.as_str().is_empty() { span.faint { "none" } } @else { (route.as_str()) } }
            td { @if let Some(code) = code { code { (code.as_str()) } } }
            td { (decided(kept.row.plugin.as_ref().map(Label::as_str), kept.row.rule_line, stage.as_ref().map(Label::as_str))) }
            td.number { (duration(*duration_us)) }
            td { (pseudonym(Some(client_hash))) }
            td { (pseudonym(user_hash.as_ref().map(|hash| &hash[..]))) }
            td { (explain_link(correlation_id.as_str())) }
        }
    }
}

/// The rule that decided, else the stage that refused.
pub(super) fn decided(plugin: Option<&str>, line: Option<u32>, stage: Option<&str>) -> Markup {
    html! {
        @match (plugin, line, stage) {
            (Some(plugin), Some(line), _) => { (plugin) "/main.rhai:" (line) },
            (Some(plugin), None, _) => (plugin),
            (None, _, Some(stage)) => (stage),
            (None, _, None) => {},
        }
    }
}
