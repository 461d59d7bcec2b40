//! The overview: is all well, and if not, since when and where.

use maud::{Markup, html};

use super::Page;
use super::alerts::messages;
use super::place::Place;
use super::plot::{Plot, Series};
use super::shown::{ago, badge, nothing, time};
use super::visit::Visit;
use crate::pipeline::readiness::readiness;
use crate::proxy::Report;
use crate::telemetry::timeline::Point;

/// How far back the plots go: ten minutes by seconds would be noise, so five seconds are one point.
const SECONDS: usize = 600;
const STEP: usize = 5;

/// Alerts that are shown.
const ALERTS: usize = 5;

pub(super) async fn page(visit: &Visit<'_>) -> Page {
    // A database that cannot be read is told of below; the rest is worth seeing then.
    let last = visit.admin.readings.read(visit.gateway(), |reader| reader.alerts(0, ALERTS)).await;
    let points = visit.gateway().timeline.seconds(visit.now_ms(), SECONDS);
    let content = html! {
        div data-fresh="5" id="overview" {
            (tiles(visit, &points))
            div.plots {
                (rate(&points)) (latency(&points)) (refusals(&points))
            }
            h2 { "Upstreams" }
            (upstreams(visit))
            h2 { "The last alerts" }
            @match &last {
                Ok(rows) if rows.is_empty() => (nothing("Nothing was told yet.")),
                Ok(rows) => { (messages(rows)) p { a href=(Place::Alerts.path()) { "All alerts" } } },
                Err(_) => p.problem { "The alerts cannot be read from the database now." },
            }
            h2 { "The gateway" }
            (facts(visit))
        }
    };
    Page::new("Overview", content).refreshed_after(10)
}

/// The last minute in numbers.
fn tiles(visit: &Visit<'_>, points: &[Point]) -> Markup {
    let minute = &points[points.len().saturating_sub(60)..];
    let sum = |count: fn(&Point) -> u32| minute.iter().map(count).map(u64::from).sum::<u64>();
    let ready = readiness(visit.gateway()).reasons.is_empty();
    let tile = |name: &str, value: Markup| html! { div.tile { dt { (name) } dd { (value) } } };
    html! {
        dl.tiles aria-label="The last minute" {
            (tile("State", if ready { badge("good", "ready") } else { badge("bad", "not ready") }))
            (tile("Requests, last minute", html! { (sum(|p| p.requests)) }))
            (tile("2xx and 3xx", html! { (sum(|p| p.success + p.redirect)) }))
            (tile("4xx", html! { (sum(|p| p.client_error)) }))
            (tile("5xx and unanswered", html! { (sum(|p| p.server_error + p.unanswered)) }))
            (tile("Sessions", html! { (visit.gateway().auth.sessions.count()) }))
        }
    }
}

fn by_step(points: &[Point], count: fn(&Point) -> u32) -> impl Iterator<Item = u32> {
    points.chunks(STEP).map(move |step| step.iter().map(count).sum())
}

fn rate(points: &[Point]) -> Markup {
    let series = vec![
        Series::of_counts("2xx, 3xx", "good", by_step(points, |p| p.success + p.redirect)),
        Series::of_counts("4xx", "warn", by_step(points, |p| p.client_error)),
        Series::of_counts("5xx, unanswered", "bad", by_step(points, |p| p.server_error + p.unanswered)),
    ];
    Plot { id: "rate", title: "Requests in 5 seconds", unit: "", from: "10 minutes ago", series }.draw()
}

fn latency(points: &[Point]) -> Markup {
    let worst = |of: fn(&Point) -> Option<f64>| {
        points.chunks(STEP).map(move |step| step.iter().filter_map(of).reduce(f64::max)).collect()
    };
    let series = vec![
        Series { name: "half", class: "good", values: worst(|p| p.p50_ms) },
        Series { name: "99 of 100", class: "warn", values: worst(|p| p.p99_ms) },
    ];
    let title = "Latency: the worst second of 5";
    Plot { id: "latency", title, unit: " ms", from: "10 minutes ago", series }.draw()
}

fn refusals(points: &[Point]) -> Markup {
    let series = vec![
        Series::of_counts("401", "bad", by_step(points, |p| p.unauthorized)),
        Series::of_counts("403", "plain", by_step(points, |p| p.forbidden)),
        Series::of_counts("429", "warn", by_step(points, |p| p.rate_limited)),
    ];
    Plot { id: "refusals", title: "Refusals in 5 seconds", unit: "", from: "10 minutes ago", series }.draw()
}

fn upstreams(visit: &Visit<'_>) -> Markup {
    let reports = visit.gateway().upstreams.reports();
    if reports.is_empty() {
        return nothing("No service is configured.");
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Upstreams" {
            table id="services" {
                thead { tr { th { "Service" } th { "Address" } th { "State" } th { "Circuit" }
                    th.number { "Failures in a row" } th.number { "In flight" } th { "Checked" } } }
                tbody { @for report in &reports { (service(visit, report)) } }
            }
        }
    }
}

fn service(visit: &Visit<'_>, report: &Report) -> Markup {
    let look = |word: &str| {
        if word == "up" {
            "good"
        } else if word == "down" {
            "bad"
        } else {
            "plain"
        }
    };
    html! {
        @for endpoint in &report.endpoints {
            tr {
                td { (report.name) @if report.required { " " (badge("plain", "required")) } }
                td { code { (endpoint.url) } }
                td { (badge(look(endpoint.state.word()), endpoint.state.word())) }
                td { (endpoint.circuit.word()) }
                td.number { (endpoint.failures) }
                td.number { (endpoint.in_flight) }
                td { @match endpoint.checked_unix_ms { Some(ms) => (ago(ms, visit.now_ms())), None => "never" } }
            }
        }
    }
}

fn facts(visit: &Visit<'_>) -> Markup {
    let gateway = visit.gateway();
    let policy = gateway.policy.read();
    let (addresses, users) = gateway.bans.counts(visit.now_ms());
    let dropped = gateway.store.usage_rows_dropped();
    let row = |name: &str, value: Markup| html! { tr { th scope="row" { (name) } td { (value) } } };
    html! {
        div.scroll {
            table id="facts" {
                tbody {
                    (row("Policy", html! { "generation " (policy.generation) ", "
                        @if policy.is_stale() { (badge("bad", "stale")) } @else { (badge("good", "current")) }
                        ", in force since " (time(policy.loaded_ms)) }))
                    (row("Files last looked at", time(policy.tried_ms)))
                    (row("Storage", if gateway.store.is_healthy() { badge("good", "healthy") } else { badge("bad", "unhealthy") }))
                    (row("Usage rows dropped", if dropped == 0 { html! { "0" } } else { badge("warn", &dropped.to_string()) }))
                    (row("Bans", html! { (addresses) " of addresses, " (users) " of users" }))
                    (row("Open connections", html! { (gateway.metrics.connections.get()) }))
                    (row("Sessions", html! { (gateway.auth.sessions.count()) }))
                }
            }
        }
    }
}
