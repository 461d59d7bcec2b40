//! `/admin/api/requests`, `/admin/api/explain` and `/admin/api/reloads`: what the log of requests and of edits says.

use super::Admin;
use super::fields::detail;
use super::reading::ReadError;
use crate::base::refusal::Refusal;
use crate::base::target::query_pairs;
use crate::pipeline::again::{Then, Today};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::recall::Recalled;
use crate::server::reloads::{self, ReloadView};
use crate::server::requests::{Asked, Explained, Past, RequestView, SearchError, Wrong, explain, search};
use crate::store::UsageListed;

/// Most edits in one listing.
pub const RELOADS_LISTED_MAX: usize = 1_000;
/// Edits in a listing where nobody says how many.
pub const RELOADS_LISTED: usize = 50;

/// The requests that the query's filters let through, newest first.
pub(crate) async fn list(admin: &Admin, query: &str) -> Result<Vec<RequestView>, Refusal> {
    let asked = Asked::read(query_pairs(query)).map_err(refusal)?;
    find(admin, asked).await
}

/// The requests that fit, newest first.
pub(crate) async fn find(admin: &Admin, asked: Asked) -> Result<Vec<RequestView>, Refusal> {
    let now_ms = admin.gateway.clock.unix_ms();
    admin.readings.read(&admin.gateway, move |reader| search(reader, &asked, now_ms)).await
}

/// What became of the requests of one id, and why.
pub(super) async fn explained(admin: &Admin, query: &str) -> Result<Explained, Refusal> {
    let mut id = String::new();
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "id" => id = value,
            _ => return Err(Refusal::BadRequest("The query holds a name that is not known here.")),
        }
    }
    of_id(admin, &id).await
}

/// The same for an id that somebody typed.
pub(crate) async fn of_id(admin: &Admin, id: &str) -> Result<Explained, Refusal> {
    let asked = Asked::read([("id".to_owned(), id.to_owned())]).map_err(refusal)?;
    let id = asked.id.ok_or_else(|| {
        Refusal::InvalidInput(vec![detail("id", "is needed: the correlation id of a request")])
    })?;
    let wanted = id.clone();
    let mut found = admin.readings.read(&admin.gateway, move |reader| explain(reader, &wanted)).await?;
    let gateway = &*admin.gateway;
    let recalled = gateway.recall.find(&id);
    let is_written = |one: &Recalled| found.requests.iter().any(|past| past.is(one));
    // The newest may wait to be written, and with sampling some never are.
    let unwritten: Vec<_> = recalled.iter().filter(|one| !is_written(one)).map(unwritten).collect();
    found.requests.splice(0..0, unwritten);
    if found.requests.is_empty() {
        return Err(Refusal::NotFound);
    }
    for past in &mut found.requests {
        let one = recalled.iter().find(|one| past.is(one));
        past.today = Some(today(gateway, past, one));
        let snapshot = gateway.live.current();
        if past.policy() == Some(snapshot.policy) {
            past.place_rules(&snapshot.rules);
        }
    }
    Ok(found)
}

fn unwritten(recalled: &Recalled) -> Past {
    let row = &recalled.row;
    let text = |label: &Option<crate::store::Label>| label.as_ref().map(|label| label.as_str().to_owned());
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let listed = UsageListed {
        row: 0,
        time_ms: row.time_ms,
        correlation_id: row.correlation_id.as_str().to_owned(),
        method: row.method.as_str().to_owned(),
        route: row.route.as_str().to_owned(),
        status: row.status,
        code: text(&row.code),
        stage: text(&row.stage),
        duration_us: number(row.duration_us),
        plugin: text(&row.plugin),
        rule_line: row.rule_line,
        generation: number(row.generation),
        bytes_in: number(row.bytes_in),
        bytes_out: number(row.bytes_out),
        client_hash: row.client_hash,
        user_hash: row.user_hash,
        service: text(&row.service),
        policy: Some(row.policy),
    };
    let mut past = Past::of(listed, None);
    past.without_trace =
        Some("the request is in memory only: it was not sampled, or waits to be written".to_owned());
    past
}

fn today(gateway: &Gateway, past: &Past, recalled: Option<&Recalled>) -> Today {
    let request = &past.request;
    let asked: Vec<&str> =
        past.trace.iter().flat_map(|trace| &trace.rules).map(|rule| rule.plugin.as_str()).collect();
    let then = Then {
        status: request.status,
        code: request.code.as_deref(),
        stage: request.stage.as_deref(),
        policy: past.policy(),
        asked: &asked,
    };
    Today::of(gateway, then, recalled)
}

/// The last edits, newest first.
pub(super) async fn reloads(admin: &Admin, query: &str) -> Result<Vec<ReloadView>, Refusal> {
    let mut most = RELOADS_LISTED;
    for (name, value) in query_pairs(query) {
        let number = value.parse().ok().filter(|n| (1..=RELOADS_LISTED_MAX).contains(n));
        match (name.as_str(), number) {
            ("limit", Some(number)) => most = number,
            ("limit", None) => {
                let why = format!("it is a number from 1 to {RELOADS_LISTED_MAX}");
                return Err(Refusal::InvalidInput(vec![detail("limit", &why)]));
            }
            _ => return Err(Refusal::BadRequest("The query holds a name that is not known here.")),
        }
    }
    last_reloads(admin, most).await
}

/// The last edits, newest first.
pub(crate) async fn last_reloads(admin: &Admin, most: usize) -> Result<Vec<ReloadView>, Refusal> {
    let rows = admin.readings.read(&admin.gateway, move |reader| reader.reloads(most)).await?;
    Ok(reloads::views(rows, &admin.gateway.edits))
}

fn refusal(wrong: Wrong) -> Refusal {
    match wrong {
        Wrong::NoSuchUser => Refusal::NotFound,
        Wrong::Form { name, why } => Refusal::InvalidInput(vec![detail(&name, &why)]),
        Wrong::Unknown(_) => Refusal::BadRequest("The query holds a name that is not known here."),
    }
}

impl From<SearchError> for ReadError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Wrong(wrong) => Self::Refused(refusal(wrong)),
            SearchError::Store(error) => Self::Store(error),
        }
    }
}
