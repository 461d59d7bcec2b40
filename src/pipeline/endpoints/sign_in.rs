//! `GET /auth/login`: the page. `POST /auth/login`: a name and a password become a session.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{Response, StatusCode};
use serde_json::json;

use super::credentials::{self, Credentials};
use super::session::{person, token};
use super::{Own, json, page as form};
use crate::auth::lockout::{LockedOut, Terms};
use crate::auth::session::Limits;
use crate::auth::sign_in::{Door, SignInError, SignedIn};
use crate::auth::{Account, Moment};
use crate::base::refusal::Refusal;
use crate::base::return_to::local_or_root;
use crate::base::target::query_value;
use crate::config::Session;
use crate::live::snapshot::Snapshot;
use crate::pipeline::answer::Body;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::identity::{Identified, lifetimes};
use crate::pipeline::request_body::Fault;
use crate::pipeline::step::Step;
use crate::pipeline::thresholds::Cleared;

const WRONG: &str = "The name or the password is wrong.";

/// The sign-in page. A cookie that is no session any more is cleared on the way (THREATS CS-07).
pub fn page(request: &Identified, snapshot: &Snapshot) -> Step<Response<Body>> {
    let auth = &snapshot.config.auth;
    if !auth.local_enabled && auth.providers.is_empty() {
        return Err(Refusal::NotFound.into());
    }
    let wanted = request.query().and_then(|q| query_value(q, "return_to")).unwrap_or_default();
    let mut answer = offer(StatusCode::OK, local_or_root(&wanted), None, snapshot);
    if request.has_session_cookie() && !request.identity().is_known() {
        answer.headers_mut().insert(SET_COOKIE, snapshot.cookie.clear());
    }
    Ok(answer)
}

fn offer(status: StatusCode, return_to: &str, problem: Option<&str>, snapshot: &Snapshot) -> Response<Body> {
    let auth = &snapshot.config.auth;
    let providers: Vec<&str> = auth.providers.iter().map(|p| p.name.as_str()).collect();
    let action = format!("{}{}", snapshot.config.gateway.prefix, Own::Login.path());
    let offer = form::Offer { action: &action, local: auth.local_enabled, providers: &providers, return_to };
    form::sign_in(status, &offer, problem)
}

/// Signs in. The session that the browser had before ends: a sign-in always gives a new id.
///
/// # Errors
/// The refusal of this stage.
pub async fn post(mut request: Cleared, gateway: &Gateway, snapshot: &Snapshot) -> Step<Response<Body>> {
    if !snapshot.config.auth.local_enabled {
        return Err(Refusal::NotFound.into());
    }
    let (body, _) = request.take_body();
    let bytes = body.collect().await.map_err(Fault::refusal)?;
    let sent = credentials::read(&request, &bytes)?;
    let now = Moment::of(&gateway.clock);
    let limits = limits(&snapshot.config.session);
    let door = Door { address: request.address(), lockout: Terms::of(&snapshot.config.auth) };
    let (ring, password) = (&snapshot.keyring, sent.password.clone());
    let signed_in = gateway.auth.sign_in(ring, &sent.username, password, door, limits, now).await;
    match signed_in {
        Ok(signed_in) => {
            if let Some(old) = token(&request, snapshot) {
                gateway.auth.sign_out(&snapshot.keyring, old).await.map_err(|_| unavailable())?;
            }
            Ok(welcome(&sent, &signed_in, gateway, snapshot))
        }
        Err(SignInError::Wrong) => refuse(&sent, snapshot),
        Err(SignInError::LockedOut(locked)) => wait(&sent, locked, snapshot),
        Err(SignInError::Busy(_) | SignInError::Unavailable(_)) => Err(unavailable().into()),
    }
}

/// Storage did not take the write: nothing is reported as done.
pub fn unavailable() -> Refusal {
    Refusal::Unavailable { retry_after: Some(std::time::Duration::from_secs(1)) }
}

/// How long sessions live and how many there may be, by configuration.
pub fn limits(session: &Session) -> Limits {
    Limits {
        lifetimes: lifetimes(session),
        per_user_max: session.per_user_max,
        sessions_max: session.sessions_max,
    }
}

fn welcome(
    sent: &Credentials,
    signed_in: &SignedIn,
    gateway: &Gateway,
    snapshot: &Snapshot,
) -> Response<Body> {
    let account: &Arc<Account> = &signed_in.account;
    let mut answer = match &sent.form_return_to {
        None => json(&json!({ "status": "ok", "user": person(account, gateway) })),
        Some(wanted) => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::SEE_OTHER;
            let target =
                HeaderValue::try_from(local_or_root(wanted)).unwrap_or(HeaderValue::from_static("/"));
            answer.headers_mut().insert(LOCATION, target);
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        }
    };
    let cookie = snapshot.cookie.set(signed_in.token.expose(), signed_in.max_age);
    answer.headers_mut().append(SET_COOKIE, cookie);
    answer
}

fn refuse(sent: &Credentials, snapshot: &Snapshot) -> Step<Response<Body>> {
    match &sent.form_return_to {
        None => Err(Refusal::Unauthenticated.into()),
        Some(wanted) => {
            let back = local_or_root(wanted);
            let mut answer = offer(StatusCode::UNAUTHORIZED, back, Some(WRONG), snapshot);
            // The page is for a person; log and metrics know it as the refusal that it is.
            answer.extensions_mut().insert(Refusal::Unauthenticated);
            Ok(answer)
        }
    }
}

/// Locked out: 429, and until when. One and the same whether there is such an account or not.
fn wait(sent: &Credentials, locked: LockedOut, snapshot: &Snapshot) -> Step<Response<Body>> {
    let refusal = Refusal::RateLimited { retry_after: locked.retry_after };
    let Some(wanted) = &sent.form_return_to else { return Err(refusal.into()) };
    let seconds = refusal.retry_after_seconds().unwrap_or(1);
    let words = match seconds.div_ceil(60) {
        1 => "Too many attempts. Try again in 1 minute.".to_owned(),
        minutes => format!("Too many attempts. Try again in {minutes} minutes."),
    };
    let back = local_or_root(wanted);
    let mut answer = offer(refusal.status(), back, Some(&words), snapshot);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer.extensions_mut().insert(refusal);
    Ok(answer)
}
