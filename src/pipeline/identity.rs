//! Stage 8: whose request it is. Ambient: every request is asked, and only a route that needs a caller refuses one
//! without a valid credential. Missing, expired, forged and revoked are one and the same to the client.

use std::ops::Deref;
use std::sync::Arc;

use http::Method;
use http::header::{ACCEPT, HeaderValue};

use super::api_key::{self, Shown};
use super::endpoints::Own;
use super::forwarded;
use super::gateway::Gateway;
use super::rules::Examined;
use super::step::{Step, Stop};
use super::trail::Trail;
use crate::auth::cookie::{CookieFound, find};
use crate::auth::{ApiKey, Authenticated, Lifetimes, Moment, Reason};
use crate::base::address::Pseudonym;
use crate::base::refusal::Refusal;
use crate::base::target::percent_encode;
use crate::config::{AuthNeed, Credential, Session};
use crate::live::snapshot::Snapshot;
use crate::proxy::hops;
use crate::script::{ApiKeyFacts, IdentityFacts, SessionFacts, UserFacts};
use crate::telemetry::access::AuthState;

const TWO_PEOPLE: Refusal =
    Refusal::BadRequest("The request carries a session and an API key of different people.");

/// Who is asking.
#[derive(Clone)]
pub enum Identity {
    /// Nobody that is known.
    Anonymous,
    /// Somebody with a live session.
    User(Authenticated),
    /// A machine with a good key.
    ApiKey(Arc<ApiKey>),
}

/// Proof that the credential was looked at, and that it is enough for the route.
pub struct Identified {
    examined: Examined,
    identity: Identity,
    has_session_cookie: bool,
    withheld: Vec<hops::Credential>,
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
    let now = Moment { at: trail.started, unix_ms: trail.unix_ms };
    let (session, has_session_cookie) = session(&examined, gateway, snapshot, now);
    let takes_keys = examined.accepts(Credential::ApiKey);
    let Shown { key, withheld } =
        api_key::look(examined.headers(), &gateway.auth, trail.unix_ms, takes_keys)?;
    if let (Ok(key), Ok(user)) = (&key, &session)
        && key.account().is_some_and(|owner| owner != user.user())
    {
        return Err(TWO_PEOPLE.into());
    }
    trail.auth = state(&session, &key);
    let identity = match (key, session) {
        (Ok(key), _) => Identity::ApiKey(key),
        (Err(_), Ok(user)) => Identity::User(user),
        (Err(_), Err(_)) => Identity::Anonymous,
    };
    trail.user = identity.subject();
    trail.user_hash = identity.pseudonym(gateway);
    tell_rules(&identity, gateway, trail);
    if examined.auth_need() == AuthNeed::Required && !identity.is_known() {
        return Err(unknown(&examined, snapshot, trail));
    }
    Ok(Identified { examined, identity, has_session_cookie, withheld })
}

/// Whose session it is, and whether a session cookie came at all. Where sessions do not count, none is looked for.
fn session(
    examined: &Examined,
    gateway: &Gateway,
    snapshot: &Snapshot,
    now: Moment,
) -> (Result<Authenticated, Reason>, bool) {
    let cookie = find(examined.headers(), &snapshot.session_cookie);
    let is_there = !matches!(cookie, CookieFound::Absent);
    let outcome = match cookie {
        _ if !examined.accepts(Credential::Session) => Err(Reason::Missing),
        CookieFound::Absent => Err(Reason::Missing),
        CookieFound::Many | CookieFound::Malformed => Err(Reason::Invalid),
        CookieFound::One(token) => {
            let lifetimes = lifetimes(&snapshot.config.session);
            gateway.auth.authenticate(&snapshot.keyring, Some(token), lifetimes, now)
        }
    };
    (outcome, is_there)
}

/// 401, or for a browser that asks for a page, and where the route says so, the way to the sign-in page and back.
pub fn unknown(examined: &Examined, snapshot: &Snapshot, trail: &mut Trail) -> Stop {
    if let Some(asked) = examined.asked() {
        return forwarded::unknown(examined, asked, snapshot, trail);
    }
    if !opens_page(examined.method(), examined.text_header(ACCEPT))
        || !examined.route().is_some_and(|r| r.route.login_redirect)
    {
        return Refusal::Unauthenticated.into();
    }
    match way_in(snapshot, examined.path().as_str(), examined.query().unwrap_or_default()) {
        Some(location) => Stop::Answered(Box::new(forwarded::found(location))),
        None => Refusal::Unauthenticated.into(),
    }
}

/// Whether a request is a person's who opens a page, and not a program's.
pub fn opens_page(method: &Method, accept: Option<&str>) -> bool {
    *method == Method::GET && accept.is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
}

/// The way to the sign-in page and back to a path with its query, as `Location` says it.
pub fn way_in(snapshot: &Snapshot, path: &str, query: &str) -> Option<HeaderValue> {
    let mark = if query.is_empty() { "" } else { "?" };
    HeaderValue::try_from(sign_in_page(snapshot, Some(&format!("{path}{mark}{query}")))).ok()
}

/// The path of the sign-in page, and where it leads back to.
pub fn sign_in_page(snapshot: &Snapshot, back: Option<&str>) -> String {
    let back = back.map_or_else(String::new, |back| format!("?return_to={}", percent_encode(back)));
    format!("{}{}{back}", snapshot.config.gateway.prefix, Own::Login.path())
}

/// How long sessions live, by configuration.
pub fn lifetimes(session: &Session) -> Lifetimes {
    Lifetimes::of(session)
}

/// What the access line says: what identified the request, else what did not hold.
fn state(session: &Result<Authenticated, Reason>, key: &Result<Arc<ApiKey>, Reason>) -> AuthState {
    let why = match (key, session) {
        (Ok(_), _) => return AuthState::Key,
        (Err(_), Ok(_)) => return AuthState::Session,
        (Err(Reason::Missing), Err(why)) | (Err(why), Err(_)) => why,
    };
    match why {
        Reason::Missing => AuthState::None,
        Reason::Expired | Reason::Revoked => AuthState::Expired,
        Reason::Invalid => AuthState::Invalid,
    }
}

fn tell_rules(identity: &Identity, gateway: &Gateway, trail: &Trail) {
    if let Some(facts) = &trail.facts {
        facts.identify(facts_of(identity, gateway, trail.unix_ms));
    }
}

/// What rules may know of somebody, at that time in milliseconds since 1970-01-01 UTC.
pub(super) fn facts_of(identity: &Identity, gateway: &Gateway, unix_ms: i64) -> IdentityFacts {
    match identity {
        Identity::Anonymous => IdentityFacts::default(),
        Identity::User(Authenticated { session, account }) => IdentityFacts {
            user: Some(UserFacts {
                id: account.id.text(),
                name: account.name.expose().to_owned(),
                roles: account.roles.iter().map(ToString::to_string).collect(),
                groups: Vec::new(),
                method: gateway.sign_in_method(account),
                mfa: false,
                hash: account.person.pseudonym().to_string(),
            }),
            session: Some(SessionFacts {
                id: session.pseudonym(&account.person).to_string(),
                age_seconds: u64::try_from((unix_ms - session.created_ms()) / 1_000).unwrap_or(0),
            }),
            api_key: None,
        },
        Identity::ApiKey(key) => IdentityFacts {
            api_key: Some(ApiKeyFacts {
                id: key.id().text(),
                tier: key.tier().to_owned(),
                owner: key.owner().to_owned(),
            }),
            ..IdentityFacts::default()
        },
    }
}

impl Identity {
    /// Whether it is somebody.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Anonymous)
    }

    /// What logs, rows and rules call them: a person under the person's key, a machine under the database's.
    pub fn pseudonym(&self, gateway: &Gateway) -> Option<Pseudonym> {
        match self {
            Self::Anonymous => None,
            Self::User(user) => Some(user.account.person.pseudonym()),
            Self::ApiKey(key) => Some(key.pseudonym(&gateway.pseudonyms)),
        }
    }

    /// What buckets and upstreams know them by: a user's opaque id, or `key:` and a key's.
    pub fn subject(&self) -> Option<Arc<str>> {
        match self {
            Self::Anonymous => None,
            Self::User(user) => Some(user.session.subject()),
            Self::ApiKey(key) => Some(key.subject()),
        }
    }

    /// The opaque id of somebody who is known, and a person's e-mail address.
    pub fn person(&self, gateway: &Gateway) -> Option<(Arc<str>, Option<String>)> {
        match self {
            Self::Anonymous => None,
            Self::User(user) => Some((user.session.subject(), gateway.email_of(&user.account))),
            Self::ApiKey(key) => Some((key.subject(), None)),
        }
    }

    /// The 128-bit id of the credential that was found alive.
    pub fn holder(&self) -> Option<[u8; 16]> {
        match self {
            Self::Anonymous => None,
            Self::User(user) => Some(*user.session.id().as_bytes()),
            Self::ApiKey(key) => Some(key.id().holder()),
        }
    }

    /// The roles, in the account's order; the scopes of a key are its roles.
    pub fn roles(&self) -> Vec<String> {
        match self {
            Self::Anonymous => Vec::new(),
            Self::User(user) => user.account.roles.iter().map(ToString::to_string).collect(),
            Self::ApiKey(key) => key.scopes().to_vec(),
        }
    }

    /// Whether it is somebody with that role; the scopes of a key are its roles.
    pub fn has_role(&self, role: &str) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User(user) => user.account.roles.iter().any(|r| &**r == role),
            Self::ApiKey(key) => key.scopes().iter().any(|s| s == role),
        }
    }
}

impl Identified {
    /// Who is asking.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The headers that hold API keys, which go no further.
    pub fn withheld(&self) -> &[hops::Credential] {
        &self.withheld
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
