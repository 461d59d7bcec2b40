//! The console: pages of the admin listener for people, beside the API for programs.
//!
//! Everything works without JavaScript: pages are read with links and GET forms, and act with POST forms that are
//! answered with a redirect. The one script only keeps what is shown fresh. A page is a function from a `Visit` to a
//! `Page`; its markup is written with `maud`, which escapes every text that is put in. `place` is the list of all
//! pages, `layout` what is around each of them.
//!
//! # Stable names, for tests in a browser
//! Every page: `body[data-page]` is its path; `nav#nav a[href]`; `#flash` what an action came to; `#banners .banner`;
//! `form#sign-out`. Sign-in: `form#sign-in-token` (`token`), `form#sign-in-account` (`username`, `password`). Overview:
//! `#rate`, `#latency`, `#refusals` (plots), `table#services`, `table#facts`, `table#alerts`. Live requests:
//! `table#live tbody tr[data-seq]`, `button#pause`. Search: `form#search` (`user`, `ip`, `status`, `code`, `route`, `plugin`,
//! `since`), `table#requests`. Explain: `form#explain` (`id`), `#stages`, `table#rules`, `table#buckets`, `#verdict`.
//! Reloads: `table#reloads`, `#problems`, `pre.diff`. Alerts: `table#alerts`, `table#active-alerts`,
//! `table#configured-alerts`, `form#send-test` (`name`).

mod alerts;
mod assets;
mod bans;
mod events;
mod explain;
mod form;
mod layout;
mod live;
mod lockdown;
mod overview;
pub(super) mod place;
mod playground;
mod plot;
mod plugins;
mod reloads;
mod requests;
mod session;
mod sessions;
mod shown;
mod sign_in;
mod visit;

use std::cell::Cell;
use std::rc::Rc;

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Response, StatusCode};
use hyper::body::Body as HttpBody;
use maud::Markup;

use self::form::Form;
use self::place::{Found, Place};
pub use self::session::Sessions;
use self::visit::Visit;
use super::admin::{Admin, audit};
use super::phase::Shutdown;
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;
use crate::base::target::percent_encode;
use crate::pipeline::answer::Body;
use crate::pipeline::arrival::Arrival;

/// What the console keeps on one worker; who has signed in is known to all of them.
pub(super) struct Console {
    sessions: Sessions,
    /// Streams that are open now.
    streams: Rc<Cell<usize>>,
}

impl Console {
    pub(super) fn new(sessions: Sessions) -> Self {
        Self { sessions, streams: Rc::default() }
    }
}

/// A page, before its layout is put around it.
pub(super) struct Page {
    title: String,
    content: Markup,
    status: StatusCode,
    /// Without JavaScript, the page loads itself again after that many seconds.
    refresh: Option<u8>,
}

impl Page {
    pub(super) fn new(title: impl Into<String>, content: Markup) -> Self {
        Self { title: title.into(), content, status: StatusCode::OK, refresh: None }
    }

    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(super) fn refreshed_after(mut self, seconds: u8) -> Self {
        self.refresh = Some(seconds);
        self
    }
}

/// What an action came to.
pub(super) enum Done {
    /// It is done; the browser goes on to a page, which tells in a sentence what was done.
    Went {
        /// A path of the console.
        to: String,
        /// Shown there once. It must hold no secret; names that the operator typed are fine.
        told: String,
    },
    /// Nothing was changed, or there is more to show than a sentence.
    Shown(Page),
}

impl Done {
    pub(super) fn went(to: impl Into<String>, told: impl Into<String>) -> Self {
        Self::Went { to: to.into(), told: told.into() }
    }
}

/// Answers a request for a place of the console. The Host and the origin have been judged already.
pub(super) async fn answer<B>(
    admin: &Admin,
    place: Place,
    head: &Arrival,
    body: B,
    id: &CorrelationId,
    shutdown: &Shutdown,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Some(asset) = assets::find(place) {
        return Ok(asset);
    }
    let visit = Visit::new(admin, head);
    if head.method() == Method::POST {
        let outcome = act(&visit, place, head, body).await;
        let (action, about) = visit.audited(place);
        let refused = visit.refused();
        let came = refused.as_ref().map_or_else(|| outcome.as_ref().map(drop), Err);
        audit::by(action, came, about, &visit.actor(), id);
        return outcome;
    }
    if !visit.may_read() && place != Place::SignIn {
        return Ok(to_sign_in(head));
    }
    if place == Place::Events {
        return events::stream(&visit, shutdown);
    }
    let page = read(&visit, place).await?;
    Ok(whole(&visit, place, &page))
}

async fn read(visit: &Visit<'_>, place: Place) -> Result<Page, Refusal> {
    match place {
        Place::Overview => Ok(overview::page(visit).await),
        Place::Live => Ok(live::page(visit)),
        Place::Requests => requests::page(visit).await,
        Place::Explain => explain::page(visit).await,
        Place::Sessions => sessions::page(visit).await,
        Place::Plugins => plugins::page(visit).await,
        Place::Bans => bans::page(visit).await,
        Place::Lockdown => lockdown::page(visit).await,
        Place::Reloads => reloads::page(visit).await,
        Place::Alerts => alerts::page(visit).await,
        Place::Playground => playground::page(visit).await,
        Place::SignIn => Ok(sign_in::page(visit, None)),
        Place::Events | Place::SignOut | Place::Style | Place::Script => Err(Refusal::NotFound),
    }
}

async fn act<B>(visit: &Visit<'_>, place: Place, head: &Arrival, body: B) -> Result<Response<Body>, Refusal>
where
    B: HttpBody + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if place == Place::SignIn {
        let form = Form::receive(head, body, place.form_bytes_max()).await?;
        return sign_in::act(visit, &form).await;
    }
    if !visit.is_signed_in() {
        return Err(Refusal::Unauthenticated);
    }
    let form = Form::receive(head, body, place.form_bytes_max()).await?;
    visit.check(&form)?;
    let done = match place {
        Place::Sessions => sessions::act(visit, &form).await,
        Place::Plugins => plugins::act(visit, &form).await,
        Place::Bans => bans::act(visit, &form).await,
        Place::Lockdown => lockdown::act(visit, &form).await,
        Place::Alerts => alerts::act(visit, &form).await,
        Place::Playground => playground::act(visit, &form).await,
        Place::SignOut => return sign_in::out(visit).await,
        _ => Err(Refusal::NotFound),
    }?;
    Ok(match done {
        Done::Went { to, told } => {
            visit.tell(&told);
            see_other(&to)
        }
        Done::Shown(page) => whole(visit, place, &page),
    })
}

/// The page of a refusal, for who asked with a browser.
pub(super) fn refused(
    admin: &Admin,
    head: &Arrival,
    refusal: &Refusal,
    id: &CorrelationId,
) -> Response<Body> {
    let visit = Visit::new(admin, head);
    let asked = place::find(head.method(), head.parts().uri.path());
    let mut answer = match (asked, refusal) {
        // Wrong: one may try again at once.
        (Found::Place(Place::SignIn), Refusal::Unauthenticated | Refusal::RateLimited { .. }) => {
            sign_in::again(&visit, refusal)
        }
        _ => whole(&visit, Place::SignIn, &layout::refusal(&visit, refusal, id)),
    };
    if let Some(seconds) = refusal.retry_after_seconds() {
        answer.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Refusal::MethodNotAllowed { allow } = refusal
        && let Ok(allow) = HeaderValue::try_from(allow)
    {
        answer.headers_mut().insert(http::header::ALLOW, allow);
    }
    answer
}

fn whole(visit: &Visit<'_>, place: Place, page: &Page) -> Response<Body> {
    let status = page.status;
    let mut answer = Response::new(Body::full(layout::around(visit, place, page).into_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

/// Goes on with GET.
///
/// # Source
/// RFC 9110 section 15.4.4.
fn see_other(to: &str) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
    answer.headers_mut().insert(LOCATION, to);
    answer
}

fn to_sign_in(head: &Arrival) -> Response<Body> {
    let wanted = head.parts().uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    see_other(&format!("{}?return_to={}", Place::SignIn.path(), percent_encode(wanted)))
}

/// What a browser may do with an answer of the console: load its own style and script, send forms here, show it in no
/// frame. The rest of the gateway's headers may be configured; these may not, because signing in depends on them: under
/// `no-referrer` a browser sends `Origin: null` with a form.
pub(super) fn dress(answer: &mut Response<Body>) {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(http::header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(http::header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[cfg(test)]
mod tests;
