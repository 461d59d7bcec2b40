//! Stage 8: whose request it is. Ambient: every request is asked, and only a route that needs a caller refuses one
//! without a valid credential. Missing, expired, forged and revoked are one and the same to the client.

use std::ops::Deref;
use std::sync::Arc;

use http::header::{ACCEPT, CACHE_CONTROL, HeaderValue, LOCATION};
use http::{Method, Response, StatusCode};

use super::answer::Body;
use super::endpoints::Own;
use super::gateway::Gateway;
use super::rules::Examined;
use super::step::{Step, Stop};
use super::trail::Trail;
use crate::auth::cookie::{CookieFound, find};
use crate::auth::{Authenticated, Lifetimes, Moment, Reason};
use crate::base::refusal::Refusal;
use crate::base::target::percent_encode;
use crate::config::{AuthNeed, Session};
use crate::live::snapshot::Snapshot;
use crate::script::{IdentityFacts, SessionFacts, UserFacts};
use crate::telemetry::access::AuthState;

/// Who is asking.
pub enum Identity {
    /// Nobody that is known.
    Anonymous,
    /// Somebody with a live session.
    User(Authenticated),
}

/// Proof that the credential was looked at, and that it is enough for the route.
pub struct Identified {
    examined: Examined,
    identity: Identity,
    has_session_cookie: bool,
}

/// Finds out whose request it is.
///
/// # Errors
/// The refusal of this stage.
pub fn identify(
    examined: Examined,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Step<Identified> {
    let cookie = find(examined.headers(), &snapshot.session_cookie);
    let has_session_cookie = !matches!(cookie, CookieFound::Absent);
    let outcome = match cookie {
        CookieFound::Absent => Err(Reason::Missing),
        CookieFound::Many | CookieFound::Malformed => Err(Reason::Invalid),
        CookieFound::One(token) => {
            let now = Moment { at: trail.started, unix_ms: trail.unix_ms };
            gateway.auth.authenticate(
                &snapshot.keyring,
                Some(token),
                lifetimes(&snapshot.config.session),
                now,
            )
        }
    };
    trail.auth = state(&outcome);
    let identity = outcome.map_or(Identity::Anonymous, Identity::User);
    if let Identity::User(user) = &identity {
        trail.user = Some(Arc::from(user.user().text()));
    }
    tell_rules(&identity, gateway, trail);
    if examined.auth_need() == AuthNeed::Required && !identity.is_known() {
        return Err(unknown(&examined, snapshot));
    }
    Ok(Identified { examined, identity, has_session_cookie })
}

/// 401, or for a browser that asks for a page, and where the route says so, the way to the sign-in page and back.
fn unknown(examined: &Examined, snapshot: &Snapshot) -> Stop {
    let wants_page = examined.method() == Method::GET
        && examined
            .text_header(ACCEPT)
            .is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html"));
    if !wants_page || !examined.route().is_some_and(|r| r.route.login_redirect) {
        return Refusal::Unauthenticated.into();
    }
    let query = examined.query().map_or_else(String::new, |q| format!("?{q}"));
    let back = percent_encode(&format!("{}{query}", examined.path().as_str()));
    let target = format!("{}{}?return_to={back}", snapshot.config.gateway.prefix, Own::Login.path());
    let Ok(location) = HeaderValue::try_from(target) else { return Refusal::Unauthenticated.into() };
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::FOUND;
    answer.headers_mut().insert(LOCATION, location);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Stop::Answered(Box::new(answer))
}

/// How long sessions live, by configuration.
pub fn lifetimes(session: &Session) -> Lifetimes {
    Lifetimes { ttl: session.ttl, idle: session.idle }
}

fn state(outcome: &Result<Authenticated, Reason>) -> AuthState {
    match outcome {
        Ok(_) => AuthState::Session,
        Err(Reason::Missing) => AuthState::None,
        Err(Reason::Expired | Reason::Revoked) => AuthState::Expired,
        Err(Reason::Invalid) => AuthState::Invalid,
    }
}

fn tell_rules(identity: &Identity, gateway: &Gateway, trail: &Trail) {
    let Some(facts) = &trail.facts else { return };
    facts.identify(match identity {
        Identity::Anonymous => IdentityFacts::default(),
        Identity::User(Authenticated { session, account }) => IdentityFacts {
            user: Some(UserFacts {
                id: account.id.text(),
                name: account.name.expose().to_owned(),
                roles: account.roles.iter().map(ToString::to_string).collect(),
                groups: Vec::new(),
                method: gateway.sign_in_method(account),
                hash: gateway.pseudonyms.user(&account.id.text()).to_string(),
            }),
            session: Some(SessionFacts {
                id: gateway.pseudonyms.user(&session.id().text()).to_string(),
                age_seconds: u64::try_from((trail.unix_ms - session.created_ms()) / 1_000).unwrap_or(0),
            }),
            api_key: None,
        },
    });
}

impl Identity {
    /// Whether it is somebody.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::User(_))
    }

    /// Whether it is somebody with that role.
    pub fn has_role(&self, role: &str) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User(user) => user.account.roles.iter().any(|r| &**r == role),
        }
    }
}

impl Identified {
    /// Who is asking.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether a session cookie came along, valid or not.
    pub fn has_session_cookie(&self) -> bool {
        self.has_session_cookie
    }
}

impl Deref for Identified {
    type Target = Examined;

    fn deref(&self) -> &Examined {
        &self.examined
    }
}
