//! Whose request it was: what was found out then, or else what its credentials say now. Looking changes nothing.

use std::sync::Arc;

use http::HeaderMap;

use crate::auth::api_key::{Header, Presented, presented};
use crate::auth::cookie::{CookieFound, find};
use crate::auth::{ApiKey, Lifetimes, Moment};
use crate::config::Credential;
use crate::live::snapshot::Snapshot;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::identity::{Identity, facts_of};
use crate::script::{IdentityFacts, RequestFacts};

/// Who it is, for rules, and what they may do.
pub(super) struct Who {
    pub facts: IdentityFacts,
    /// Roles, or the scopes of a key.
    pub roles: Vec<String>,
    pub is_known: bool,
    pub has_session_cookie: bool,
}

/// Why it cannot be known.
pub(super) const TWO_CREDENTIALS: &str = "it carries credentials of which the route takes others now";
const KEY_IS_GONE: &str = "its API key is there no more, and so its scopes are not known";

impl Who {
    /// Finds out. `accepts` says which credentials the route takes now.
    pub fn of(
        was: &RequestFacts,
        gateway: &Gateway,
        snapshot: &Snapshot,
        accepts: impl Fn(Credential) -> bool,
    ) -> Result<Self, &'static str> {
        let cookie = find(&was.headers, &snapshot.session_cookie);
        let has_session_cookie = !matches!(cookie, CookieFound::Absent);
        let then = was.identity.get();
        if let Some(IdentityFacts { user: Some(user), .. }) = then {
            if !accepts(Credential::Session) {
                return Err(TWO_CREDENTIALS);
            }
            let facts = then.cloned().unwrap_or_default();
            return Ok(Self { facts, roles: user.roles.clone(), is_known: true, has_session_cookie });
        }
        if let Some(IdentityFacts { api_key: Some(key), .. }) = then {
            if !accepts(Credential::ApiKey) {
                return Err(TWO_CREDENTIALS);
            }
            let kept = gateway.auth.keys.list().into_iter().find(|kept| kept.id().text() == key.id);
            let roles = kept.ok_or(KEY_IS_GONE)?.scopes().to_vec();
            let facts = then.cloned().unwrap_or_default();
            return Ok(Self { facts, roles, is_known: true, has_session_cookie });
        }
        let identity = if accepts(Credential::Session) { session(cookie, gateway, snapshot) } else { None };
        let key = if accepts(Credential::ApiKey) { key(&was.headers, gateway) } else { None };
        let identity = match (key, identity) {
            (Some(_), Some(_)) => return Err(TWO_CREDENTIALS),
            (Some(key), None) => Identity::ApiKey(key),
            (None, Some(identity)) => identity,
            (None, None) => Identity::Anonymous,
        };
        Ok(Self {
            facts: facts_of(&identity, gateway, was.unix_ms),
            roles: identity.roles(),
            is_known: identity.is_known(),
            has_session_cookie,
        })
    }
}

fn session(cookie: CookieFound<'_>, gateway: &Gateway, snapshot: &Snapshot) -> Option<Identity> {
    let CookieFound::One(token) = cookie else { return None };
    let lifetimes = Lifetimes::of(&snapshot.config.session);
    let now = Moment::of(&gateway.clock);
    gateway.auth.peek(&snapshot.keyring, token, lifetimes, now).map(Identity::User)
}

fn key(headers: &HeaderMap, gateway: &Gateway) -> Option<Arc<ApiKey>> {
    Header::ALL.into_iter().find_map(|header| {
        let Presented::One(text) = presented(headers, header) else { return None };
        let key = gateway.auth.keys.genuine(text)?;
        gateway.auth.check_key(&key, gateway.clock.unix_ms()).is_ok().then_some(key)
    })
}
