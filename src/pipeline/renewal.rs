//! Sliding renewal: somebody who keeps coming gets a new cookie for the same session, up to `session.absolute` since they
//! signed in. Only a request that nothing stands against renews.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE};

use super::endpoints::Own;
use super::gateway::Gateway;
use super::identity::{Identity, lifetimes};
use super::route::Way;
use super::thresholds::Cleared;
use super::trail::Trail;
use crate::auth::Moment;
use crate::auth::cookie::{CookieFound, find};
use crate::live::snapshot::Snapshot;

/// Renews the session where it is time, and leaves the cookie on the trail. The longer life is on disk by then; where the
/// disk does not take it, the session keeps the time that it has, and the request goes on.
pub async fn renew(request: &Cleared, gateway: &Gateway, snapshot: &Snapshot, trail: &mut Trail) {
    let lifetimes = lifetimes(&snapshot.config.session);
    if !lifetimes.renew() || !sets_cookies(request.way()) {
        return;
    }
    let Identity::User(who) = request.identity() else { return };
    let CookieFound::One(token) = find(request.headers(), &snapshot.session_cookie) else { return };
    let now = Moment { at: trail.started, unix_ms: trail.unix_ms };
    match gateway.auth.renew(&snapshot.keyring, token, &who.session, lifetimes, now).await {
        Ok(Some(renewed)) => {
            trail.renewed = Some(snapshot.cookie.set(renewed.token.expose(), renewed.max_age));
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a session was not renewed"),
    }
}

/// Adds the renewed cookie to an answer, which no shared cache may keep then, whatever the upstream says of it.
pub fn decorate(headers: &mut HeaderMap, renewed: Option<&HeaderValue>) {
    if let Some(cookie) = renewed {
        headers.append(SET_COOKIE, cookie.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
}

/// Whether the cookie is the session's alone to set: signing in and out set it themselves.
fn sets_cookies(way: &Way) -> bool {
    match way {
        Way::Route(_) => true,
        Way::Own(own) => matches!(own, Own::Session | Own::Me),
    }
}
