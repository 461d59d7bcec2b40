//! Who is kept out, and since when: adding a ban and ending it.
//!
//! # Stable names
//! `form#add-ban` (`do=add`, `kind` = `address` or `user`, `target`, `ttl`, `reason`, `force`), `table#bans tbody
//! tr[data-target]`, in each row `form.revoke-ban` (`do=revoke`, `kind`, `target`), `a#revoke-all`, and on its page
//! `form#confirm-revoke-all` (`do=revoke-all`).

use maud::{Markup, html};

use super::form::Form;
use super::place::Place;
use super::shown::{badge, nothing, refused, sign_in_to_act, time};
use super::visit::Visit;
use super::{Done, Page};
use crate::auth::UserId;
use crate::bans::{Ban, Target};
use crate::base::refusal::Refusal;
use crate::server::admin::action::Action;
use crate::server::admin::bans::{BanWanted, Freed, Whom};

/// Most bans on one page.
const SHOWN_MAX: usize = 500;

/// What was typed, which stays where it is refused.
#[derive(Default)]
struct Typed {
    kind: String,
    target: String,
    ttl: String,
    reason: String,
    force: bool,
}

#[expect(clippy::unused_async, reason = "as every page of an action")]
pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    if visit.query("confirm") == "all" {
        return Ok(confirm_all(visit));
    }
    let typed = Typed { target: visit.query("target"), kind: visit.query("kind"), ..Typed::default() };
    Ok(listed(visit, &typed, None))
}

pub(super) async fn act(visit: &Visit<'_>, form: &Form) -> Result<Done, Refusal> {
    let target = form.text("target").to_owned();
    let whom = match form.text("kind") {
        "user" => Whom::User(target.clone()),
        _ => Whom::Address(target.clone()),
    };
    match form.text("do") {
        "add" => add(visit, form, whom).await,
        "revoke" => match visit.perform("bans.revoke", Action::Free(Freed::One(whom))).await {
            Ok(_) => Ok(Done::went(Place::Bans.path(), format!("{target} may come in again."))),
            Err(refusal @ Refusal::Unavailable { .. }) => Err(refusal),
            // It has ended by itself meanwhile, or a wider one stands.
            Err(refusal) => Ok(Done::Shown(listed(visit, &Typed::default(), Some(refused(&refusal))))),
        },
        "revoke-all" => {
            let done = visit.perform("bans.revoke", Action::Free(Freed::All)).await?;
            let count = done.get("revoked").and_then(serde_json::Value::as_u64).unwrap_or_default();
            Ok(Done::went(Place::Bans.path(), format!("{count} bans ended.")))
        }
        _ => Err(Refusal::BadRequest("The form does not say what is to be done.")),
    }
}

async fn add(visit: &Visit<'_>, form: &Form, whom: Whom) -> Result<Done, Refusal> {
    let text = |name: &str| form.text(name).to_owned();
    let typed = Typed {
        kind: text("kind"),
        target: text("target"),
        ttl: text("ttl"),
        reason: text("reason"),
        force: form.text("force") == "yes",
    };
    let wanted = BanWanted {
        whom: whom.clone(),
        ttl: (!typed.ttl.is_empty()).then(|| typed.ttl.clone()),
        reason: typed.reason.clone(),
        made_by: "console".to_owned(),
        force: typed.force,
        asked_from: Some(visit.head.peer().ip()),
    };
    match visit.perform("bans.add", Action::Ban(wanted)).await {
        Ok(_) => Ok(Done::went(Place::Bans.path(), format!("{} is kept out.", typed.target))),
        Err(refusal @ Refusal::Unavailable { .. }) => Err(refusal),
        Err(refusal) => {
            let why = match (&refusal, &whom) {
                (Refusal::NotFound, Whom::User(_)) => {
                    html! { p.problem role="alert" { "There is no account of this name or id." } }
                }
                _ => refused(&refusal),
            };
            Ok(Done::Shown(listed(visit, &typed, Some(why)).status(refusal.status())))
        }
    }
}

fn listed(visit: &Visit<'_>, typed: &Typed, wrong: Option<Markup>) -> Page {
    let bans = visit.gateway().bans.list(visit.now_ms());
    let content = html! {
        @if let Some(wrong) = wrong { (wrong) }
        (sign_in_to_act(visit))
        @if visit.is_signed_in() { section { h2 { "Keep somebody out" } (form(visit, typed)) } }
        h2 { "Who is kept out" }
        @if bans.is_empty() { (nothing("Nobody is banned.")) } @else { (table(visit, &bans)) }
        @if bans.len() > SHOWN_MAX {
            p.hint { "The newest " (SHOWN_MAX) " of " (bans.len()) " are shown: " code { "pluginmind bans list" } " has all." }
        }
        @if visit.is_signed_in() && !bans.is_empty() {
            p.actions { a.button.quiet id="revoke-all" href={ (Place::Bans.path()) "?confirm=all" } { "End all bans…" } }
        }
        (never(visit))
    };
    Page::new("Bans", content)
}

fn form(visit: &Visit<'_>, typed: &Typed) -> Markup {
    html! {
        form id="add-ban" method="post" action=(Place::Bans.path()) {
            (visit.csrf())
            input type="hidden" name="do" value="add";
            div.fields {
                div {
                    label for="kind" { "Whom" }
                    select id="kind" name="kind" {
                        option value="address" selected[typed.kind != "user"] { "Address or network" }
                        option value="user" selected[typed.kind == "user"] { "Account" }
                    }
                }
                div {
                    label for="target" { "Address, network, or account" }
                    input id="target" name="target" type="text" value=(typed.target) placeholder="203.0.113.0/24"
                        maxlength="254" required autocomplete="off";
                }
                div {
                    label for="ttl" { "For how long" }
                    input id="ttl" name="ttl" type="text" value=(typed.ttl) placeholder="1h, 7d; empty: until it is ended"
                        maxlength="32" autocomplete="off";
                }
                div {
                    label for="reason" { "Why" }
                    input id="reason" name="reason" type="text" value=(typed.reason) maxlength="200" autocomplete="off";
                }
            }
            label.check { input type="checkbox" name="force" value="yes" checked[typed.force];
                "Also where it is likely a slip: a very wide network, or the address that I come from" }
            button.danger type="submit" { "Keep out" }
        }
    }
}

fn table(visit: &Visit<'_>, bans: &[Ban]) -> Markup {
    html! {
        div.scroll { table id="bans" {
            thead { tr {
                th scope="col" { "Who" } th scope="col" { "Why" } th scope="col" { "By" }
                th scope="col" { "Since" } th scope="col" { "Until" }
                @if visit.is_signed_in() { th scope="col" { "End" } }
            } }
            tbody { @for ban in bans.iter().take(SHOWN_MAX) {
                @let who = who(visit, ban);
                tr data-target=(who) data-kind=(ban.target.kind()) {
                    td { code { (who) } @if ban.target.kind() == "user" { " " (badge("plain", "account")) } }
                    td.wrap { (ban.reason) }
                    td { (ban.made_by) }
                    td { (time(ban.created_ms)) }
                    td { @match ban.expires_ms { Some(end) => (time(end)), None => "it is ended" } }
                    @if visit.is_signed_in() { td { (revoke(visit, ban, &who)) } }
                }
            } }
        } }
    }
}

fn revoke(visit: &Visit<'_>, ban: &Ban, who: &str) -> Markup {
    html! {
        form.revoke-ban method="post" action=(Place::Bans.path()) {
            (visit.csrf())
            input type="hidden" name="do" value="revoke";
            input type="hidden" name="kind" value=(if ban.target.kind() == "user" { "user" } else { "address" });
            input type="hidden" name="target" value=(who);
            button.quiet type="submit" aria-label={ "End the ban of " (who) } { "Let in" }
        }
    }
}

/// The address, the network, or the account's name; its id where it has none.
fn who(visit: &Visit<'_>, ban: &Ban) -> String {
    match &ban.target {
        Target::Network(_) => ban.target.to_string(),
        Target::User(id) => {
            let account = UserId::parse(id).and_then(|id| visit.gateway().auth.accounts.get(id));
            account.map_or_else(|| id.to_string(), |account| account.name.expose().to_owned())
        }
    }
}

fn never(visit: &Visit<'_>) -> Markup {
    let snapshot = visit.gateway().live.current();
    let never: Vec<_> = snapshot.config.bans.never.iter().map(ToString::to_string).collect();
    html! {
        @if !never.is_empty() { p.hint { "Never banned (" code { "bans.never" } "): " (never.join(", ")) "." } }
    }
}

fn confirm_all(visit: &Visit<'_>) -> Page {
    let (networks, users) = visit.gateway().bans.counts(visit.now_ms());
    let content = html! {
        p { "All bans end at once: of " strong { (networks) } " addresses and networks, and of " strong { (users) } " accounts. Rules may ban again." }
        (sign_in_to_act(visit))
        @if visit.is_signed_in() {
            form id="confirm-revoke-all" method="post" action=(Place::Bans.path()) {
                (visit.csrf())
                input type="hidden" name="do" value="revoke-all";
                div.actions {
                    button.danger type="submit" { "End all bans" }
                    a.button.quiet href=(Place::Bans.path()) { "Cancel" }
                }
            }
        }
    };
    Page::new("End all bans?", content)
}
