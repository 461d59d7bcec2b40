//! Sign-in at an OpenID Connect provider: an ID token for a session, or the code flow through the browser.
//!
//! # Source
//! CONTRACT section 4; OpenID Connect Core section 3.1; THREATS section OI.

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{Response, StatusCode};
use serde_json::json;

use super::session::{person, token};
use super::sign_in::{limits, unavailable};
use super::{Own, json};
use crate::auth::Moment;
use crate::auth::cookie::{CookieFound, find};
use crate::auth::oidc::{BeginLogin, Callback, Denied, Identity, PENDING_MAX_AGE};
use crate::auth::sign_in::{SignInError, SignedIn};
use crate::base::refusal::{Detail, Refusal};
use crate::base::return_to::local_or_root;
use crate::base::target::{query_pairs, query_value};
use crate::config::Environment;
use crate::live::snapshot::Snapshot;
use crate::pipeline::answer::Body;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::identity::Identified;
use crate::pipeline::request_body::Fault;
use crate::pipeline::step::Step;
use crate::pipeline::thresholds::Cleared;
use crate::proxy::hops;
use crate::schema;

/// Deepest nesting of the JSON that carries an ID token.
const JSON_DEPTH_MAX: usize = 4;

/// `POST /auth/{provider}`: a front end has an ID token of the provider's and wants a session for it.
pub async fn exchange(mut request: Cleared, gateway: &Gateway, snapshot: &Snapshot) -> Step<Response<Body>> {
    let (body, _) = request.take_body();
    let bytes = body.collect().await.map_err(Fault::refusal)?;
    let id_token = id_token(&request, &bytes)?;
    let name = name(&request, snapshot)?;
    let now = Moment::of(&gateway.clock);
    let identity = gateway.providers.exchange(name, &id_token, now).await.map_err(refusal)?;
    let signed_in = sign_in(&request, name, &identity, gateway, snapshot).await?;
    let user = person(&signed_in.account, gateway);
    Ok(with_session(json(&json!({ "status": "ok", "user": user })), &signed_in, snapshot))
}

/// `GET /auth/login/{provider}`: sends the browser to the provider.
pub async fn begin(request: &Identified, gateway: &Gateway, snapshot: &Snapshot) -> Step<Response<Body>> {
    let name = name(request, snapshot)?;
    let wanted = request.query().and_then(|q| query_value(q, "return_to")).unwrap_or_default();
    let redirect_uri = redirect_uri(name, snapshot);
    let login = BeginLogin { redirect_uri: &redirect_uri, return_to: local_or_root(&wanted) };
    let begun = gateway.providers.begin(name, &login, Moment::of(&gateway.clock)).await.map_err(refusal)?;
    let mut answer = redirect(StatusCode::FOUND, &begun.location)?;
    let cookie = StateCookie::of(snapshot).set(&begun.state_cookie_value, PENDING_MAX_AGE);
    answer.headers_mut().append(SET_COOKIE, cookie);
    Ok(answer)
}

/// `GET /auth/callback/{provider}`: the browser comes back.
pub async fn finish(request: &Identified, gateway: &Gateway, snapshot: &Snapshot) -> Step<Response<Body>> {
    let name = name(request, snapshot)?;
    let query = request.query().unwrap_or_default();
    let one = |wanted: &str| single(query, wanted);
    let (state, code, iss, error) = (one("state")?, one("code")?, one("iss")?, one("error")?);
    let cookie_shape = StateCookie::of(snapshot);
    let cookie = cookie_shape.read(request);
    let callback = Callback {
        state: state.as_deref(),
        code: code.as_deref(),
        iss: iss.as_deref(),
        error: error.as_deref(),
        cookie: cookie.as_deref(),
    };
    let now = Moment::of(&gateway.clock);
    let finished = gateway.providers.finish(name, &callback, now).await.map_err(refusal)?;
    let signed_in = sign_in(request, name, &finished.identity, gateway, snapshot).await?;
    let mut answer = redirect(StatusCode::SEE_OTHER, local_or_root(&finished.return_to))?;
    answer.headers_mut().append(SET_COOKIE, cookie_shape.set("", Duration::ZERO));
    Ok(with_session(answer, &signed_in, snapshot))
}

/// Opens a new session for a person whom a provider vouched for; the one that the browser had before ends.
async fn sign_in(
    request: &Identified,
    provider: &str,
    identity: &Identity,
    gateway: &Gateway,
    snapshot: &Snapshot,
) -> Result<SignedIn, Refusal> {
    let now = Moment::of(&gateway.clock);
    let configured = snapshot.config.auth.providers.iter().find(|p| p.name == provider);
    let roles = configured.map(|p| p.roles.as_slice()).unwrap_or_default();
    let account = gateway
        .federated
        .account(&gateway.auth.accounts, provider, identity, roles, now.unix_ms)
        .await
        .map_err(|_| unavailable())?;
    let opened = gateway.auth.open(&snapshot.keyring, account, limits(&snapshot.config.session), now).await;
    let signed_in = opened.map_err(|error| match error {
        SignInError::Wrong => Refusal::Unauthenticated,
        SignInError::LockedOut(_) | SignInError::Busy(_) | SignInError::Unavailable(_) => unavailable(),
    })?;
    if let Some(old) = token(request, snapshot) {
        gateway.auth.sign_out(&snapshot.keyring, old).await.map_err(|_| unavailable())?;
    }
    Ok(signed_in)
}

fn with_session(mut answer: Response<Body>, signed_in: &SignedIn, snapshot: &Snapshot) -> Response<Body> {
    let cookie = snapshot.cookie.set(signed_in.token.expose(), signed_in.max_age);
    answer.headers_mut().append(SET_COOKIE, cookie);
    answer
}

fn name<'r>(request: &'r Identified, snapshot: &Snapshot) -> Result<&'r str, Refusal> {
    Own::provider_of(request.path().as_str(), &snapshot.config.gateway.prefix).ok_or(Refusal::NotFound)
}

/// Nothing of the reason reaches the client.
fn refusal(denied: Denied) -> Refusal {
    match denied {
        Denied::UnknownProvider => Refusal::NotFound,
        Denied::Invalid => Refusal::Unauthenticated,
        Denied::NotAllowed => Refusal::Forbidden("You may not do this."),
        Denied::Unavailable => Refusal::Unavailable { retry_after: Some(Duration::from_secs(5)) },
    }
}

fn id_token(request: &Identified, bytes: &[u8]) -> Result<String, Refusal> {
    let kind = request.text_header(http::header::CONTENT_TYPE).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::UnsupportedMediaType);
    }
    schema::check(bytes, JSON_DEPTH_MAX).map_err(|why| Refusal::BadRequest(why.sentence()))?;
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|_| Refusal::BadRequest("The body is not valid JSON."))?;
    value.get("id_token").and_then(|t| t.as_str()).map(str::to_owned).ok_or_else(|| {
        Refusal::InvalidInput(vec![Detail { path: "/id_token".into(), message: "must be a text".into() }])
    })
}

/// A parameter that may come once; twice it means two things.
fn single(query: &str, wanted: &str) -> Result<Option<String>, Refusal> {
    let mut values = query_pairs(query).filter(|(name, _)| name == wanted).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::BadRequest("A parameter that may stand once stands twice."));
    }
    Ok(first)
}

/// Absolute addresses come from the configuration, never from a request (THREATS RT-15).
fn redirect_uri(name: &str, snapshot: &Snapshot) -> String {
    let config = &snapshot.config;
    let site =
        config.gateway.public_url.clone().unwrap_or_else(|| format!("http://{}", config.server.listen));
    format!("{site}{}/auth/callback/{name}", config.gateway.prefix)
}

fn redirect(status: StatusCode, target: &str) -> Result<Response<Body>, Refusal> {
    let location = HeaderValue::try_from(target).map_err(|_| Refusal::Internal)?;
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer.headers_mut().insert(LOCATION, location);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The address holds the state and the code: nobody else learns it.
    answer.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(answer)
}

/// The short-lived cookie that binds a sign-in under way to its browser.
struct StateCookie {
    secure: bool,
}

impl StateCookie {
    fn of(snapshot: &Snapshot) -> Self {
        let config = &snapshot.config;
        let https = config.gateway.public_url.as_deref().is_some_and(|site| site.starts_with("https://"));
        Self { secure: https || config.environment == Environment::Production }
    }

    fn name(&self) -> &'static str {
        let [secure, plain] = hops::LOGIN_COOKIES;
        if self.secure { secure } else { plain }
    }

    fn set(&self, value: &str, max_age: Duration) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let line = format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={}",
            self.name(),
            max_age.as_secs()
        );
        HeaderValue::try_from(line).unwrap_or(HeaderValue::from_static("pm_login=; Path=/; Max-Age=0"))
    }

    /// The value, where there is exactly one.
    fn read(&self, request: &Identified) -> Option<String> {
        match find(request.headers(), self.name()) {
            CookieFound::One(value) => Some(value.to_owned()),
            CookieFound::Absent | CookieFound::Many | CookieFound::Malformed => None,
        }
    }
}
