//! Search: the requests of the usage log, by the filters of `pluginmind logs`.

use maud::{Markup, html};

use super::Page;
use super::live::decided;
use super::place::Place;
use super::shown::{at, explain_link, milliseconds, nothing, short, status};
use super::visit::Visit;
use crate::base::refusal::Refusal;
use crate::base::target::percent_encode;
use crate::server::admin::requests::find;
use crate::server::requests::{Asked, LIMIT_MAX, RequestView};

/// Rows of a page.
const ROWS: usize = 100;

/// Pages that can be turned to.
const PAGES_MAX: usize = LIMIT_MAX / ROWS;

/// The filters: name, label, what may stand there.
const FILTERS: [(&str, &str, &str); 7] = [
    ("user", "User", "name, address, id or key:ID"),
    ("ip", "IP address", "203.0.113.7"),
    ("status", "Status", "403, 4xx, 400-499, none"),
    ("code", "Code", "RATE_LIMIT_EXCEEDED"),
    ("route", "Route", "api"),
    ("plugin", "Plugin", "geo-block"),
    ("since", "Since", "15m, 1h, 7d"),
];

pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    let number = visit.query("page").parse::<usize>().unwrap_or(1).clamp(1, PAGES_MAX);
    let given: Vec<_> = FILTERS.iter().map(|(name, ..)| ((*name).to_owned(), visit.query(name))).collect();
    let found = match Asked::read(given.clone()) {
        Ok(asked) => {
            match find(visit.admin, Asked { limit: (number * ROWS + 1).min(LIMIT_MAX), ..asked }).await {
                Ok(found) => Ok(found),
                Err(Refusal::NotFound) => {
                    Err("There is no such account. Of somebody who was forgotten nothing can be found."
                        .to_owned())
                }
                Err(other) => return Err(other),
            }
        }
        Err(wrong) => Err(wrong.to_string()),
    };
    let content = html! {
        (form(&given))
        @match &found {
            Err(problem) => p.problem role="alert" { (problem) },
            Ok(found) => {
                (table(found.iter().skip((number - 1) * ROWS).take(ROWS)))
                (turn(&given, number, found.len() > number * ROWS))
            },
        }
    };
    Ok(Page::new("Requests", content))
}

fn form(given: &[(String, String)]) -> Markup {
    let typed = |name: &str| given.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value);
    html! {
        form id="search" method="get" action=(Place::Requests.path()) role="search" {
            div.fields {
                @for (name, label, example) in FILTERS {
                    div {
                        label for={ "search-" (name) } { (label) }
                        input id={ "search-" (name) } name=(name) value=(typed(name)) placeholder=(example) autocomplete="off"
                            autocapitalize="none" spellcheck="false" maxlength="256";
                    }
                }
                div.actions {
                    button type="submit" { "Search" }
                    a href=(Place::Requests.path()) { "Clear" }
                }
            }
            p.hint { "A user and an address are looked for by their hashes: the log holds nothing else of them." }
        }
    }
}

fn table<'a>(rows: impl Iterator<Item = &'a RequestView>) -> Markup {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return nothing("No request fits.");
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Requests" {
            table #requests {
                thead { tr { th { "Time" } th { "Status" } th { "Method" } th { "Route" } th { "Code" } th { "Decided by" }
                    th.number { "Took" } th { "Client" } th { "User" } th { "Request" } } }
                tbody { @for request in rows { (row(request)) } }
            }
        }
    }
}

fn row(request: &RequestView) -> Markup {
    html! {
        tr {
            td { (at(&request.time)) }
            td { (status(request.status.unwrap_or(0))) }
            td { (request.method) }
            td { @if request.route.is_empty() { span.faint { "none" } } @else { (request.route) } }
            td { @if let Some(code) = &request.code { code { (code) } } }
            td { (decided(request.rule.as_deref(), None, request.stage.as_deref())) }
            td.number { (milliseconds(request.duration_ms)) }
            td { (short(&request.client_hash)) }
            td { @if let Some(user) = &request.user_hash { (short(user)) } }
            td { (explain_link(&request.id)) }
        }
    }
}

fn turn(given: &[(String, String)], number: usize, is_more: bool) -> Markup {
    let query = given.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<_> = query.map(|(name, value)| format!("{name}={}&", percent_encode(value))).collect();
    let query = query.concat();
    let to = |page: usize| format!("{}?{query}page={page}", Place::Requests.path());
    html! {
        @if number > 1 || is_more {
            nav.pages aria-label="More requests" {
                @if number > 1 { a rel="prev" href=(to(number - 1)) { "Newer" } }
                span { "Page " (number) }
                @if is_more && number < PAGES_MAX { a rel="next" href=(to(number + 1)) { "Older" } }
            }
        }
    }
}
