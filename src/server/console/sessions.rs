//! Who is signed in to the sites behind the gateway, and how that ends.
//!
//! # Stable names
//! `form#filter` (GET: `user`), `table#sessions tbody tr[data-id][data-user]`, in each row `form.end-session` (`do=end`,
//! `id`) and `form.end-user` (`do=end-user`, `user`), `a#end-all`, and on its page `form#confirm-end-all` (`do=end-all`).

use maud::{Markup, html};

use super::form::Form;
use super::place::Place;
use super::shown::{ago, nothing, sign_in_to_act, time};
use super::visit::Visit;
use super::{Done, Page};
use crate::auth::durable::SessionRow;
use crate::auth::{Account, Lifetimes, UserId};
use crate::base::refusal::Refusal;
use crate::base::target::percent_encode;
use crate::server::admin::action::{Action, Which};
use crate::server::admin::sessions::is_current;
use crate::server::admin::users;

/// Most sessions on one page.
const SHOWN_MAX: usize = 200;

#[expect(clippy::unused_async, reason = "as every page of an action")]
pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    if visit.query("confirm") == "all" {
        return Ok(confirm_all(visit));
    }
    Ok(listed(visit, &visit.query("user"), None))
}

pub(super) async fn act(visit: &Visit<'_>, form: &Form) -> Result<Done, Refusal> {
    visit.audit("sessions.revoke", None);
    let (user, id) = (form.text("user").to_owned(), form.text("id").to_owned());
    let which = match form.text("do") {
        "end" => Which::Id(id),
        "end-user" => Which::User(user.clone()),
        "end-all" => Which::All,
        _ => return Err(Refusal::BadRequest("The form does not say what is to be done.")),
    };
    let done = visit.perform("sessions.revoke", Action::RevokeSessions(which.clone())).await;
    match (done, which) {
        (Ok(done), which) => {
            let count = done.get("revoked").and_then(serde_json::Value::as_u64).unwrap_or_default();
            Ok(Done::went(Place::Sessions.path(), told(count, &which)))
        }
        // It has ended by itself meanwhile.
        (Err(Refusal::NotFound), Which::Id(_)) => {
            Ok(Done::Shown(listed(visit, "", Some("This session has ended already."))))
        }
        (Err(Refusal::NotFound), _) => {
            Ok(Done::Shown(listed(visit, &user, Some("There is no account of this name or id."))))
        }
        (Err(Refusal::InvalidInput(_)), _) => {
            Ok(Done::Shown(listed(visit, "", Some("This is not the id of a session."))))
        }
        (Err(other), _) => Err(other),
    }
}

fn told(count: u64, which: &Which) -> String {
    let sessions = if count == 1 { "session" } else { "sessions" };
    match which {
        Which::Id(_) => "The session has ended.".to_owned(),
        Which::User(user) => format!("{count} {sessions} of {user} ended."),
        Which::All => format!("{count} {sessions} ended: everybody is signed out."),
    }
}

fn listed(visit: &Visit<'_>, user: &str, wrong: Option<&str>) -> Page {
    let gateway = visit.gateway();
    let of = users::find(&gateway.auth, user).map(|account| account.id);
    let is_unknown = !user.is_empty() && of.is_none();
    let rows = if is_unknown { Vec::new() } else { gateway.auth.sessions.list(of, SHOWN_MAX + 1) };
    let lifetimes = Lifetimes::of(&gateway.live.current().config.session);
    let rows: Vec<_> = rows.into_iter().filter(|row| is_current(row, lifetimes, visit.now_ms())).collect();
    let wrong = wrong.or(is_unknown.then_some("There is no account of this name or id."));
    let content = html! {
        @if let Some(wrong) = wrong { p.problem role="alert" { (wrong) } }
        form id="filter" method="get" action=(Place::Sessions.path()) {
            label for="user" { "Account, by name or id" }
            div.actions {
                input id="user" name="user" type="text" value=(user) maxlength="254" autocomplete="off";
                button type="submit" { "Show" }
                @if !user.is_empty() { a.button.quiet href=(Place::Sessions.path()) { "Everybody" } }
            }
        }
        (sign_in_to_act(visit))
        @if rows.is_empty() { (nothing("Nobody is signed in.")) } @else { (table(visit, &rows)) }
        @if rows.len() > SHOWN_MAX {
            p.hint { "The newest " (SHOWN_MAX) " are shown: ask for one account, or use " code { "pluginmind sessions list" } "." }
        }
        @if visit.is_signed_in() && !rows.is_empty() {
            p.actions { a.button.quiet id="end-all" href={ (Place::Sessions.path()) "?confirm=all" } { "End all sessions…" } }
        }
    };
    Page::new("Sessions", content)
}

fn table(visit: &Visit<'_>, rows: &[SessionRow]) -> Markup {
    let now = visit.now_ms();
    html! {
        div.scroll { table id="sessions" {
            thead { tr {
                th scope="col" { "Account" } th scope="col" { "Signs in by" } th scope="col" { "Since" }
                th scope="col" { "Last request" } th scope="col" { "Ends" } th scope="col" { "Id" }
                @if visit.is_signed_in() { th scope="col" { "End" } }
            } }
            tbody { @for row in rows.iter().take(SHOWN_MAX) {
                @let account = visit.gateway().auth.accounts.get(row.user);
                @let name = account.as_ref().map_or_else(|| row.user.text(), |account| account.name.expose().to_owned());
                tr data-id=(row.id.text()) data-user=(name) {
                    td { a href={ (Place::Sessions.path()) "?user=" (percent_encode(&name)) } { (name) } }
                    td { (method(visit, row.user, account.as_deref())) }
                    td { (time(row.created_ms)) }
                    td { (ago(row.last_seen_ms, now)) }
                    td { (time(row.expires_ms)) }
                    td { code.pseudonym title=(row.id.text()) { (row.id.text().get(..8).unwrap_or_default()) } }
                    @if visit.is_signed_in() { td { (buttons(visit, row, &name)) } }
                }
            } }
        } }
    }
}

fn buttons(visit: &Visit<'_>, row: &SessionRow, name: &str) -> Markup {
    html! {
        form.end-session method="post" action=(Place::Sessions.path()) {
            (visit.csrf())
            input type="hidden" name="do" value="end";
            input type="hidden" name="id" value=(row.id.text());
            button.quiet type="submit" aria-label={ "End this session of " (name) } { "This one" }
        }
        " "
        form.end-user method="post" action=(Place::Sessions.path()) data-confirm={ "End all sessions of " (name) "?" } {
            (visit.csrf())
            input type="hidden" name="do" value="end-user";
            input type="hidden" name="user" value=(name);
            button.quiet type="submit" aria-label={ "End all sessions of " (name) } { "All of theirs" }
        }
    }
}

/// How an account signs in: what is known of it, not of the one session.
fn method(visit: &Visit<'_>, user: UserId, account: Option<&Account>) -> String {
    let provider = visit.gateway().federated.profile(user).map(|profile| profile.provider.clone());
    let password = account.filter(|account| account.password.is_some()).map(|_| "password".to_owned());
    let words: Vec<_> = password.into_iter().chain(provider).collect();
    if words.is_empty() { "unknown".to_owned() } else { words.join(", ") }
}

fn confirm_all(visit: &Visit<'_>) -> Page {
    let count = visit.gateway().auth.sessions.count();
    let content = html! {
        p { "All " strong { (count) } " sessions end at once, in every browser, and with them the WebSockets that they opened. "
            "Everybody has to sign in again; API keys are not touched. If you signed in here with an account, you are signed out too." }
        (sign_in_to_act(visit))
        @if visit.is_signed_in() {
            form id="confirm-end-all" method="post" action=(Place::Sessions.path()) {
                (visit.csrf())
                input type="hidden" name="do" value="end-all";
                div.actions {
                    button.danger type="submit" { "End all sessions" }
                    a.button.quiet href=(Place::Sessions.path()) { "Cancel" }
                }
            }
        }
    };
    Page::new("End all sessions?", content)
}
