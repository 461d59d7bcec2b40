//! What a rule may know of a request. Filled by the pipeline, read by scripts, changed by nobody.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method, header};

use super::body::BodyFacts;
use super::geo_facts::GeoFacts;
use super::picks::OnRoute;
use crate::base::ids::CorrelationId;
use crate::base::tls::{ClientCertificate, Tls};

/// The facts of one request. Scripts get a handle to it; a copy of the handle costs one count.
///
/// No part of it can be printed: it is full of what must stand in no log.
pub struct RequestFacts {
    /// The correlation id.
    pub id: CorrelationId,
    /// The method.
    pub method: Method,
    /// `http` or `https`, as the client sees it.
    pub scheme: &'static str,
    /// The canonical host, without the port.
    pub host: String,
    /// The canonical path: what goes upstream.
    pub path: String,
    /// The path as it was sent.
    pub raw_path: String,
    /// The query without `?`; empty where there is none.
    pub query_string: String,
    /// `1.0`, `1.1` or `2`.
    pub http_version: &'static str,
    /// What the client wants to speak from here on: `websocket`, or nothing.
    pub upgrade: &'static str,
    /// The client's address, after trusted proxies, IPv4-mapped folded.
    pub client_ip: IpAddr,
    /// The client's port; 0 where a proxy hides it.
    pub client_port: u16,
    /// What TLS says of the connection; absent where the client speaks plain HTTP to us.
    pub tls: Option<Arc<Tls>>,
    /// The pseudonym of the client's address.
    pub client_hash: Arc<str>,
    /// The request headers as received.
    pub headers: HeaderMap,
    /// The name of the session cookie: scripts never see its value.
    pub session_cookie: Arc<str>,
    /// The route; all empty where there is none.
    pub route: RouteFacts,
    /// The declared length of the body in bytes; 0 where none is declared.
    pub content_length: u64,
    /// Wall-clock time of arrival, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: i64,
    /// Where the client is, looked up when a rule asks.
    pub geo: GeoFacts,
    /// Who it is; set once, when the identity stage is over.
    pub identity: OnceLock<IdentityFacts>,
    /// The body; set once, where somebody asks for it.
    pub body: OnceLock<BodyFacts>,
}

/// The route of a request.
#[derive(Clone, Debug)]
pub struct RouteFacts {
    /// The route's name; empty for a path without a route.
    pub name: Arc<str>,
    /// The service behind it; empty where the gateway itself answers.
    pub service: Arc<str>,
    /// The route's tags.
    pub tags: Arc<[String]>,
    /// The plugins that look at it, once worked out.
    pub(super) picks: Option<OnRoute>,
}

impl RouteFacts {
    /// A route of that name and service, with those tags.
    pub fn new(name: Arc<str>, service: Arc<str>, tags: Arc<[String]>) -> Self {
        Self { name, service, tags, picks: None }
    }
}

impl Default for RouteFacts {
    fn default() -> Self {
        Self::new(Arc::default(), Arc::default(), Arc::default())
    }
}

/// Who a request comes from, as far as it is known.
#[derive(Clone, Default)]
pub struct IdentityFacts {
    /// The signed-in user.
    pub user: Option<UserFacts>,
    /// The session that said so.
    pub session: Option<SessionFacts>,
    /// The API key that said so.
    pub api_key: Option<ApiKeyFacts>,
}

/// A signed-in user.
#[derive(Clone, Default)]
pub struct UserFacts {
    /// The opaque id (`sub`).
    pub id: String,
    /// The name, where one is known.
    pub name: String,
    /// The roles.
    pub roles: Vec<String>,
    /// The groups.
    pub groups: Vec<String>,
    /// How the user signed in: `local`, or the provider's name.
    pub method: String,
    /// Whether a second factor was shown. Nothing in this version asks for one, so only tests say so.
    pub mfa: bool,
    /// The pseudonym of the user.
    pub hash: String,
}

/// A live session.
#[derive(Clone, Default)]
pub struct SessionFacts {
    /// A pseudonym of the session's id, never the id itself.
    pub id: String,
    /// Seconds since it began.
    pub age_seconds: u64,
}

/// A machine's key, without its secret.
#[derive(Clone, Default)]
pub struct ApiKeyFacts {
    /// The public id.
    pub id: String,
    /// The tier.
    pub tier: String,
    /// Whose key it is.
    pub owner: String,
}

impl RequestFacts {
    /// Says who it is. The first word stands: facts never change.
    pub fn identify(&self, identity: IdentityFacts) {
        // A second identity would change a fact that a rule has already judged.
        let _ = self.identity.set(identity);
    }

    /// Gives the body to rules. The first one stands.
    pub fn give_body(&self, body: BodyFacts) {
        let _ = self.body.set(body);
    }

    /// The same request as if it came now: on the route and with the places of another snapshot, nobody known yet, and the
    /// body not read yet.
    pub fn anew(&self, route: RouteFacts, geo: GeoFacts, session_cookie: Arc<str>) -> Self {
        Self {
            id: self.id.clone(),
            method: self.method.clone(),
            scheme: self.scheme,
            host: self.host.clone(),
            path: self.path.clone(),
            raw_path: self.raw_path.clone(),
            query_string: self.query_string.clone(),
            http_version: self.http_version,
            upgrade: self.upgrade,
            client_ip: self.client_ip,
            client_port: self.client_port,
            tls: self.tls.clone(),
            client_hash: Arc::clone(&self.client_hash),
            headers: self.headers.clone(),
            session_cookie,
            route,
            content_length: self.content_length,
            unix_ms: self.unix_ms,
            geo,
            identity: OnceLock::new(),
            body: OnceLock::new(),
        }
    }

    /// About how many bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        let texts = [&self.host, &self.path, &self.raw_path, &self.query_string];
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        // What was parsed of a body takes room beside its bytes.
        let body = self.body.get().map_or(0, |body| 2 * body.size());
        size_of::<Self>() + texts.map(String::len).iter().sum::<usize>() + headers.sum::<usize>() + body
    }

    pub(super) fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.tls.as_ref()?.client.as_ref()
    }

    pub(super) fn user(&self) -> Option<&UserFacts> {
        self.identity.get()?.user.as_ref()
    }

    pub(super) fn session(&self) -> Option<&SessionFacts> {
        self.identity.get()?.session.as_ref()
    }

    pub(super) fn api_key(&self) -> Option<&ApiKeyFacts> {
        self.identity.get()?.api_key.as_ref()
    }

    /// A header as text: all its values as one list (RFC 9110 section 5.3), so that a rule judges no fewer than the
    /// upstream reads (THREATS HB-08); `""` where it is absent, is no text, or holds a credential.
    pub(super) fn header(&self, name: &str) -> Cow<'_, str> {
        if is_secret(name) {
            return Cow::Borrowed("");
        }
        let values = self.headers.get_all(name).iter();
        let mut texts = values.filter_map(|v| std::str::from_utf8(v.as_bytes()).ok());
        let first = texts.next().unwrap_or_default();
        let Some(second) = texts.next() else { return Cow::Borrowed(first) };
        let mut list = format!("{first}, {second}");
        for more in texts {
            list.push_str(", ");
            list.push_str(more);
        }
        Cow::Owned(list)
    }

    /// A cookie's value; `""` where it is absent or is the session's.
    pub(super) fn cookie(&self, name: &str) -> &str {
        if name == &*self.session_cookie {
            return "";
        }
        let lines = self.headers.get_all(header::COOKIE).iter();
        let pairs =
            lines.filter_map(|v| std::str::from_utf8(v.as_bytes()).ok()).flat_map(|line| line.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map_or("", |(_, v)| v)
    }
}

/// Headers whose values are credentials; scripts see that they are there, and nothing of them.
pub(super) fn is_secret(name: &str) -> bool {
    ["authorization", "proxy-authorization", "cookie", "x-api-key"]
        .iter()
        .any(|s| name.eq_ignore_ascii_case(s))
}
