//! Alerts: what is told and not over, what was told of late, what there is to be told of, and a test of it.

use maud::{Markup, html};

use super::form::Form;
use super::place::Place;
use super::shown::{badge, nothing, sign_in_to_act, time};
use super::visit::Visit;
use super::{Done, Page};
use crate::alert::Active;
use crate::base::refusal::{Detail, Refusal};
use crate::base::units::show_duration;
use crate::config::Alert;
use crate::server::alert_test::{Tested, test};
use crate::store::AlertRow;

/// Messages of a page.
const SHOWN: usize = 100;

/// Longest name of an alert that is looked for, in bytes; the configuration has none that is longer.
const NAME_BYTES_MAX: usize = 256;

pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    let rows = visit.admin.readings.read(visit.gateway(), |reader| reader.alerts(0, SHOWN)).await?;
    let active = visit.gateway().alerts.active();
    let snapshot = visit.gateway().live.current();
    let alerts = &snapshot.config.alerts;
    let content = html! {
        h2 { "Not over" }
        @if active.is_empty() { (nothing("Nothing is told that is not over.")) } @else { (not_over(&active)) }
        h2 { "The last messages" }
        @if rows.is_empty() { (nothing("Nothing was told yet.")) } @else { (messages(&rows)) }
        h2 { "Configured" }
        @if alerts.is_empty() {
            (nothing("There is no [[alerts]] in config.toml."))
        } @else {
            (configured(alerts))
            (sign_in_to_act(visit))
            @if visit.is_signed_in() { (send_test(visit, alerts)) }
        }
    };
    Ok(Page::new("Alerts", content))
}

/// Sends a message for each alert, or for the chosen one, one try each.
pub(super) async fn act(visit: &Visit<'_>, form: &Form) -> Result<Done, Refusal> {
    visit.audit("alerts.test", None);
    let gateway = visit.gateway();
    let name = form.text("name");
    let snapshot = gateway.live.current();
    let is_chosen = |alert: &&Alert| name.is_empty() || alert.name == name;
    let chosen: Vec<_> = snapshot.config.alerts.iter().filter(is_chosen).cloned().collect();
    if chosen.is_empty() || name.len() > NAME_BYTES_MAX {
        let message = "there is no such alert".to_owned();
        return Err(Refusal::InvalidInput(vec![Detail { path: "/name".to_owned(), message }]));
    }
    let tested =
        test(chosen.into_iter(), &gateway.courier, gateway.clock.unix_ms(), snapshot.generation).await;
    let told: Vec<_> = tested.iter().map(outcome).collect();
    Ok(Done::went(Place::Alerts.path(), format!("Test sent. {}", told.join(" "))))
}

fn outcome(tested: &Tested) -> String {
    match &tested.reason {
        Some(reason) => format!("{}: {}, {reason}.", tested.name, tested.outcome),
        None => format!("{}: {}.", tested.name, tested.outcome),
    }
}

fn not_over(active: &[Active]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Alerts that are not over" {
            table #active-alerts {
                thead { tr { th { "Alert" } th { "About" } th { "Severity" } th { "Subject" } th.number { "Count" } } }
                tbody {
                    @for alert in active {
                        tr { td { (alert.name) } td { (alert.when) } td { (severity(alert.severity)) }
                            td { (subject(alert.subject.as_deref())) } td.number { (alert.count) } }
                    }
                }
            }
        }
    }
}

/// The messages, as a table; the overview shows the last of them.
pub(super) fn messages(rows: &[AlertRow]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Alerts" {
            table #alerts {
                thead { tr { th { "Time" } th { "Event" } th { "Severity" } th { "Alert" } th { "What" } th { "Subject" }
                    th.number { "Count" } th { "Delivery" } } }
                tbody { @for row in rows { (message(row)) } }
            }
        }
    }
}

fn message(row: &AlertRow) -> Markup {
    let event = if row.event == "recovered" {
        "good"
    } else if row.event == "raised" {
        "bad"
    } else {
        "plain"
    };
    html! {
        tr {
            td { (time(row.time_ms)) }
            td { (badge(event, &row.event)) }
            td { (severity(&row.severity)) }
            td { (row.name) }
            td.wrap { (row.title) @if !row.detail.is_empty() { " " code { (row.detail) } } }
            td { (subject(row.subject.as_deref())) }
            td.number { (row.count) @if let Some(window) = &row.window { " in " (window) } }
            td { (delivery(&row.delivered)) }
        }
    }
}

fn severity(word: &str) -> Markup {
    badge(if matches!(word, "high" | "critical") { "warn" } else { "plain" }, word)
}

fn delivery(word: &str) -> Markup {
    match word {
        "delivered" => badge("good", word),
        "failed" | "dropped" => badge("bad", word),
        _ => html! { (word) },
    }
}

/// A keyed hash, or the name of a service or a plugin.
fn subject(subject: Option<&str>) -> Markup {
    html! { @if let Some(subject) = subject { code title=(subject) { (subject.chars().take(24).collect::<String>()) } } }
}

fn configured(alerts: &[Alert]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Configured alerts" {
            table #configured-alerts {
                thead { tr { th { "Alert" } th { "When" } th { "Severity" } th { "Cooldown" } th { "Goes to" } } }
                tbody {
                    @for alert in alerts {
                        tr { td { (alert.name) } td { (alert.when.word()) } td { (severity(alert.severity.word())) }
                            td { (show_duration(alert.cooldown)) }
                            // An address may hold a secret: of where it goes only the kind is said.
                            td { @if alert.webhook.is_some() { "log and webhook" } @else { "log" } } }
                    }
                }
            }
        }
    }
}

fn send_test(visit: &Visit<'_>, alerts: &[Alert]) -> Markup {
    html! {
        form id="send-test" method="post" action=(Place::Alerts.path()) {
            (visit.csrf())
            label for="test-name" { "Send a test message for" }
            div.actions {
                select #test-name name="name" {
                    option value="" { "all of them" }
                    @for alert in alerts { option value=(alert.name) { (alert.name) } }
                }
                button type="submit" { "Send test" }
            }
        }
    }
}
