//! The history of edits: what each changed, what became of it, and what was wrong with it.

use maud::{Markup, html};

use super::Page;
use super::shown::{at, badge, nothing, problem, time};
use super::visit::Visit;
use crate::base::refusal::Refusal;
use crate::server::admin::requests::last_reloads;
use crate::server::reloads::ReloadView;

/// Edits that are shown.
const SHOWN: usize = 50;

pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    let edits = last_reloads(visit.admin, SHOWN).await?;
    let content = html! {
        (now(visit))
        h2 { "The last edits" }
        @if edits.is_empty() { (nothing("Nothing was edited yet.")) } @else { (table(&edits)) }
    };
    Ok(Page::new("Reloads", content))
}

/// The policy in force, and what is wrong with the files if it is not theirs.
fn now(visit: &Visit<'_>) -> Markup {
    let policy = visit.gateway().policy.read();
    html! {
        p { "Generation " strong { (policy.generation) } " is in force since " (time(policy.loaded_ms)) ". "
            @if policy.is_stale() { (badge("bad", "stale")) " The files on disk were refused at " (time(policy.tried_ms)) "." }
            @else { (badge("good", "current")) " The files were last looked at at " (time(policy.tried_ms)) "." } }
        @if policy.problems.iter().next().is_some() {
            div #problems {
                h2 { "What was found in the files" }
                @for found in policy.problems.iter() { (problem(found)) }
            }
        }
    }
}

fn table(edits: &[ReloadView]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Edits" {
            table #reloads {
                thead { tr { th { "Time" } th { "Outcome" } th { "Generation" } th { "What changed" } } }
                tbody { @for edit in edits { (row(edit)) } }
            }
        }
    }
}

fn row(edit: &ReloadView) -> Markup {
    let is_applied = edit.outcome == "applied";
    html! {
        tr {
            td { (at(&edit.time)) }
            td { (badge(if is_applied { "good" } else { "bad" }, &edit.outcome)) }
            td { (edit.generation) }
            td.wrap {
                @if let Some(reason) = &edit.reason { p { (reason) } }
                @if edit.changes.is_empty() && edit.reason.is_none() { span.faint { "no file that is read" } }
                @if !edit.changes.is_empty() {
                    ul.files { @for change in &edit.changes {
                        li { code { (change.file) } " +" (change.added) " −" (change.removed) }
                    } }
                }
                @if let Some(diff) = &edit.diff { details { summary { "Difference" } (lines(diff)) } }
                @if let Some(problems) = &edit.problems { details { summary { "Problems" } pre.finding { (problems) } } }
            }
        }
    }
}

/// A unified difference; what each line is stands in its first character.
fn lines(diff: &str) -> Markup {
    let class = |line: &str| match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] | [b'@', ..] => "place",
        [b'+', ..] => "added",
        [b'-', ..] => "removed",
        _ => "same",
    };
    html! { pre.diff { @for line in diff.lines() { span class=(class(line)) { (line) } } } }
}
