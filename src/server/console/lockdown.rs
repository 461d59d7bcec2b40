//! Incident mode: whether the site is closed, for whom it is not, closing it and opening it again.
//!
//! # Stable names
//! `#state[data-on]`, `form#lockdown-on` (`do=on`, `ttl`, `reason`), `form#lockdown-off` (`do=off`), `#let-in`.

use maud::{Markup, html};

use super::form::Form;
use super::place::Place;
use super::shown::{badge, refused, sign_in_to_act, time};
use super::visit::Visit;
use super::{Done, Page};
use crate::bans::LockdownState;
use crate::base::refusal::Refusal;
use crate::server::admin::action::Action;
use crate::server::admin::lockdown::LockdownWanted;

/// What stands in the form: an incident is looked at again within the hour.
const TTL: &str = "30m";

#[expect(clippy::unused_async, reason = "as every page of an action")]
pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    Ok(shown(visit, TTL, "", None))
}

pub(super) async fn act(visit: &Visit<'_>, form: &Form) -> Result<Done, Refusal> {
    let (ttl, reason) = (form.text("ttl"), form.text("reason"));
    let on = match form.text("do") {
        "on" => true,
        "off" => false,
        _ => return Err(Refusal::BadRequest("The form does not say what is to be done.")),
    };
    let wanted = LockdownWanted {
        on,
        ttl: (on && !ttl.is_empty()).then(|| ttl.to_owned()),
        reason: reason.to_owned(),
        made_by: "console".to_owned(),
    };
    match visit.perform("lockdown", Action::Lockdown(wanted)).await {
        Ok(_) => {
            let told = if on { "Lockdown is on: only who is listed comes in." } else { "Lockdown is off." };
            Ok(Done::went(Place::Lockdown.path(), told))
        }
        Err(refusal @ Refusal::Unavailable { .. }) => Err(refusal),
        Err(refusal) => {
            Ok(Done::Shown(shown(visit, ttl, reason, Some(refused(&refusal))).status(refusal.status())))
        }
    }
}

fn shown(visit: &Visit<'_>, ttl: &str, reason: &str, wrong: Option<Markup>) -> Page {
    let state = visit.gateway().bans.lockdown.state(visit.now_ms());
    let content = html! {
        @if let Some(wrong) = wrong { (wrong) }
        (standing(state.as_ref()))
        (sign_in_to_act(visit))
        @if visit.is_signed_in() {
            section {
                @if state.is_some() { h2 { "Close it for another time" } } @else { h2 { "Close the site" } }
                form id="lockdown-on" method="post" action=(Place::Lockdown.path()) {
                    (visit.csrf())
                    input type="hidden" name="do" value="on";
                    div.fields {
                        div {
                            label for="ttl" { "For how long" }
                            input id="ttl" name="ttl" type="text" value=(ttl) placeholder="30m; empty: until it is ended"
                                maxlength="32" autocomplete="off";
                        }
                        div {
                            label for="reason" { "Why" }
                            input id="reason" name="reason" type="text" value=(reason) maxlength="200" autocomplete="off";
                        }
                    }
                    button.danger type="submit" data-confirm="Close the site for everybody who is not listed?" { "Begin lockdown" }
                }
            }
        }
        @if visit.is_signed_in() && state.is_some() {
            form id="lockdown-off" method="post" action=(Place::Lockdown.path()) {
                (visit.csrf())
                input type="hidden" name="do" value="off";
                button type="submit" { "End lockdown" }
            }
        }
        (let_in(visit))
    };
    Page::new("Lockdown", content)
}

fn standing(state: Option<&LockdownState>) -> Markup {
    html! {
        @match state {
            None => p id="state" data-on="false" { (badge("good", "open")) " The site is open to everybody whom the policy lets in." },
            Some(state) => {
                p id="state" data-on="true" { (badge("bad", "lockdown")) " Only who is listed below comes in; all others get 403 " code { "LOCKDOWN" } "." }
                dl.pairs {
                    dt { "Since" } dd { (time(state.since_ms)) }
                    dt { "Until" } dd { @match state.expires_ms { Some(end) => (time(end)), None => "it is ended" } }
                    dt { "Why" } dd { @if state.reason.is_empty() { "nobody said" } @else { (state.reason) } }
                    dt { "By" } dd { (state.made_by) }
                }
            },
        }
    }
}

/// Whom the configuration lets in.
fn let_in(visit: &Visit<'_>) -> Markup {
    let snapshot = visit.gateway().live.current();
    let listed = &snapshot.config.lockdown;
    let networks: Vec<_> = listed.networks.iter().map(ToString::to_string).collect();
    let row = |name: &str, words: &[String]| {
        html! { dt { (name) } dd { @if words.is_empty() { "none" } @else { (words.join(", ")) } } }
    };
    html! {
        section id="let-in" {
            h2 { "Who comes in all the same" }
            dl.pairs {
                (row("Routes", &listed.routes)) (row("Roles", &listed.roles))
                (row("Accounts", &listed.users)) (row("Networks", &networks))
            }
            p.hint { "As " code { "[lockdown]" } " in config.toml says. The gateway's own pages, such as sign-in, stay open." }
        }
    }
}
