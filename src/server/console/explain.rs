//! What became of one request, and why: the document of `pluginmind explain ID`, as a page.

use maud::{Markup, html};

use super::Page;
use super::place::Place;
use super::shown::{at, badge, milliseconds, nothing, short, status};
use super::visit::Visit;
use crate::base::refusal::Refusal;
use crate::pipeline::again::Today;
use crate::server::admin::requests::of_id;
use crate::server::requests::Past;
use crate::store::{BucketTrace, RuleTrace, StageTrace, Trace};

pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    let id = visit.query("id");
    let found = if id.is_empty() { None } else { Some(of_id(visit.admin, &id).await) };
    let problem = match &found {
        Some(Err(Refusal::NotFound)) => Some("No request of that id is stored.".to_owned()),
        Some(Err(Refusal::InvalidInput(details))) => details.first().map(|detail| detail.message.clone()),
        Some(Err(other)) => return Err(other.clone()),
        _ => None,
    };
    let content = html! {
        form id="explain" method="get" action=(Place::Explain.path()) role="search" {
            label for="explain-id" { "Correlation id" }
            div.fields.wide {
                input #explain-id name="id" value=(id) maxlength="64" required autocomplete="off" autocapitalize="none"
                    spellcheck="false" placeholder="as in X-Request-ID and in the envelope of a refusal";
                div.actions { button type="submit" { "Explain" } }
            }
        }
        @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
        @if let Some(Ok(found)) = &found {
            @if found.requests.len() > 1 {
                p.hint { (found.requests.len()) " requests had this id: clients choose their ids, and may choose one twice. The newest is first." }
            }
            @for past in &found.requests { (request(past)) }
        }
    };
    Ok(Page::new("Explain", content))
}

fn request(past: &Past) -> Markup {
    html! {
        section.request {
            h2 { (past.request.method) " " @if past.request.route.is_empty() { "without a route" } @else { (past.request.route) }
                " " (status(past.request.status.unwrap_or(0))) }
            (summary(past))
            @if let Some(today) = &past.today { (verdict(today)) }
            @match &past.trace {
                Some(trace) => (traced(trace)),
                None => @if let Some(why) = &past.without_trace { (nothing(&format!("There is no trace: {why}."))) },
            }
        }
    }
}

fn summary(past: &Past) -> Markup {
    let request = &past.request;
    let pair = |name: &str, value: Markup| html! { dt { (name) } dd { (value) } };
    html! {
        dl.pairs {
            (pair("Arrived", at(&request.time)))
            (pair("Took", html! { (milliseconds(request.duration_ms)) }))
            @match &past.decided_by {
                Some(decided) => (pair("Refused by", html! {
                    "stage " strong { (decided.stage) }
                    @if let Some(code) = &decided.code { ", code " code { (code) } }
                    @if let Some(rule) = &decided.rule { ", rule " code { (rule) } }
                })),
                None => (pair("Refused by", html! { "nothing" })),
            }
            (pair("Client", short(&request.client_hash)))
            (pair("User", html! { @match &request.user_hash { Some(user) => (short(user)), None => "none" } }))
            @if let Some(service) = &request.service { (pair("Service", html! { (service) })) }
            (pair("Bytes", html! { (request.bytes_in) " in, " (request.bytes_out) " out" }))
            (pair("Policy", html! { "generation " (request.generation)
                @if let Some(policy) = &request.policy { ", " code { (policy) } } }))
        }
    }
}

/// Whether today's policy would decide the same.
fn verdict(today: &Today) -> Markup {
    let (kind, word, sentence) = match today.verdict.as_str() {
        "same" => ("good", "the same", "The policy in force would decide the same."),
        "same_policy" => ("good", "the same policy", "The policy in force is the one that decided then."),
        "differs" => ("warn", "differs", "The policy in force would decide otherwise."),
        _ => ("plain", "unknown", "It cannot be said what the policy in force would decide."),
    };
    html! {
        h3 { "Today" }
        p id="verdict" data-verdict=(today.verdict) {
            (badge(kind, word)) " " (sentence)
            @if let Some(why) = &today.why { " " (why) "." }
            @if let Some(now) = &today.decision {
                " Now: " (now.verdict)
                @if let Some(code) = now.status { " with " (status(code)) }
                @if let Some(code) = &now.code { ", code " code { (code) } }
                @if let Some(stage) = &now.stage { ", stage " (stage) }
                @if let Some(rule) = &now.rule { ", rule " code { (rule) } }
                "."
            }
            @if !today.changed_plugins.is_empty() { " Changed since: " (today.changed_plugins.join(", ")) "." }
        }
    }
}

fn traced(trace: &Trace) -> Markup {
    html! {
        h3 { "Stages" }
        (stages(&trace.stages, trace.upstream_ms))
        h3 { "Rules" }
        (rules(trace))
        @if trace.score != 0 || !trace.tags.is_empty() {
            p { "Score " (trace.score) @if !trace.tags.is_empty() { ", tags " (trace.tags.join(", ")) } }
        }
        @if !trace.buckets.is_empty() {
            h3 { "Buckets" }
            (buckets(&trace.buckets))
        }
        @if !trace.set.is_empty() || !trace.removed.is_empty() {
            h3 { "Headers to the upstream" }
            dl.pairs {
                dt { "Set" } dd { code { (or_none(&trace.set)) } }
                dt { "Removed" } dd { code { (or_none(&trace.removed)) } }
            }
        }
    }
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The stages one after the other, each with its part of the whole time as a bar.
fn stages(stages: &[StageTrace], upstream_ms: Option<u32>) -> Markup {
    let whole = stages.iter().map(|stage| u64::from(stage.us)).sum::<u64>().max(1);
    let begins = stages.iter().scan(0, |before, stage| {
        let begin = *before;
        *before += u64::from(stage.us);
        Some(begin)
    });
    html! {
        div.scroll tabindex="0" role="region" aria-label="Stages" {
            table #stages {
                thead { tr { th { "Stage" } th.number { "Time" } th.bar-column { "Part of the whole" } } }
                tbody {
                    @for (stage, from) in stages.iter().zip(begins) {
                        @let us = u64::from(stage.us);
                        tr { td { (stage.stage) } td.number { (super::shown::duration(us)) } td { (bar(from, us, whole)) } }
                    }
                }
            }
        }
        @if let Some(ms) = upstream_ms { p.hint { "The upstream's answer began after " (ms) " ms." } }
    }
}

/// A bar of a waterfall; the number beside it says the same.
fn bar(from: u64, length: u64, whole: u64) -> Markup {
    let part = |n: u64| n.saturating_mul(1_000) / whole;
    html! {
        svg.bar-of viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.bar x=(part(from)) y="0" width=(part(length).max(4)) height="10" {}
        }
    }
}

fn rules(trace: &Trace) -> Markup {
    if trace.rules.is_empty() {
        return nothing("No rule was asked.");
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Rules" {
            table #rules {
                thead { tr { th { "Rule" } th { "Hook" } th { "Verdict" } th { "Code" } th { "Mode" } th.number { "Time" } } }
                tbody { @for rule in &trace.rules { (asked(rule)) } }
            }
        }
        @if trace.rules_dropped > 0 { p.hint { (trace.rules_dropped) " more were asked and not kept." } }
    }
}

fn asked(rule: &RuleTrace) -> Markup {
    let kind = match rule.outcome.as_str() {
        "pass" | "allow" => "good",
        "score" | "tag" => "plain",
        "fault" => "warn",
        _ => "bad",
    };
    html! {
        tr {
            td { code { (rule.rule) } }
            td { (rule.hook) }
            td { (badge(kind, &rule.outcome)) }
            td { @if !rule.code.is_empty() { code { (rule.code) } } }
            td { (rule.mode) @if rule.mode == "shadow" { " (would be)" } }
            td.number { (super::shown::duration(u64::from(rule.us))) }
        }
    }
}

fn buckets(buckets: &[BucketTrace]) -> Markup {
    html! {
        div.scroll {
            table #buckets {
                thead { tr { th { "Bucket" } th.number { "Left" } th.number { "Of" } th.number { "Full again in" } } }
                tbody {
                    @for bucket in buckets {
                        tr { td { (bucket.bucket) } td.number { (bucket.remaining) } td.number { (bucket.limit) }
                            td.number { (bucket.reset_ms) " ms" } }
                    }
                }
            }
        }
    }
}
