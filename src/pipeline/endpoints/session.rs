//! `/auth/session`, `/auth/me`, `/auth/logout`, `/auth/logout-all`: what a page may know of its session, and its end.

use http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::json;
use super::sign_in::unavailable;
use crate::auth::cookie::{CookieFound, find};
use crate::auth::{Account, Authenticated};
use crate::base::refusal::Refusal;
use crate::live::snapshot::Snapshot;
use crate::pipeline::answer::Body;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::identity::{Identified, Identity};
use crate::pipeline::step::Step;
use crate::telemetry::timestamp::push_rfc3339;

/// The person as the front end sees them; never a token.
pub fn person(account: &Account, gateway: &Gateway) -> Value {
    let roles: Vec<&str> = account.roles.iter().map(|r| &**r).collect();
    json!({ "id": account.id.text(), "name": account.name.expose(), "email": gateway.email_of(account), "roles": roles })
}

/// The one session token of a request.
pub fn token<'a>(request: &'a Identified, snapshot: &Snapshot) -> Option<&'a str> {
    match find(request.headers(), &snapshot.session_cookie) {
        CookieFound::One(token) => Some(token),
        CookieFound::Absent | CookieFound::Many | CookieFound::Malformed => None,
    }
}

/// Whether there is a session, and whose.
pub fn session(request: &Identified, gateway: &Gateway) -> Response<Body> {
    match request.identity() {
        // An API key is no session.
        Identity::Anonymous | Identity::ApiKey(_) => json(&json!({ "hasToken": false })),
        Identity::User(user) => {
            let until = rfc3339(user.session.expires_ms());
            json(&json!({ "hasToken": true, "user": person(&user.account, gateway), "expires_at": until }))
        }
    }
}

/// Who is asking; 401 for nobody.
///
/// # Errors
/// The refusal of this stage.
pub fn me(request: &Identified, gateway: &Gateway) -> Step<Response<Body>> {
    let Authenticated { session, account } = known(request)?;
    let session =
        json!({ "created_at": rfc3339(session.created_ms()), "expires_at": rfc3339(session.expires_ms()) });
    Ok(json(&json!({ "user": person(account, gateway), "session": session })))
}

/// Ends this session before it answers. Without one there is nothing to end, and the cookie is cleared all the same.
///
/// # Errors
/// The refusal of this stage.
pub async fn logout(request: &Identified, gateway: &Gateway, snapshot: &Snapshot) -> Step<Response<Body>> {
    if let Some(token) = token(request, snapshot) {
        gateway.auth.sign_out(&snapshot.keyring, token).await.map_err(|_| unavailable())?;
    }
    Ok(gone(snapshot))
}

/// Ends every session of this user before it answers; 401 for nobody.
///
/// # Errors
/// The refusal of this stage.
pub async fn logout_all(
    request: &Identified,
    gateway: &Gateway,
    snapshot: &Snapshot,
) -> Step<Response<Body>> {
    let user = known(request)?.user();
    gateway.auth.sessions.end_all_of(user).await.map_err(|_| unavailable())?;
    Ok(gone(snapshot))
}

fn known(request: &Identified) -> Result<&Authenticated, Refusal> {
    match request.identity() {
        Identity::User(user) => Ok(user),
        Identity::Anonymous | Identity::ApiKey(_) => Err(Refusal::Unauthenticated),
    }
}

fn gone(snapshot: &Snapshot) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer.headers_mut().insert(SET_COOKIE, snapshot.cookie.clear());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn rfc3339(unix_ms: i64) -> String {
    let mut text = String::new();
    push_rfc3339(&mut text, unix_ms);
    text
}
