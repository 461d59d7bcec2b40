//! `request(method, path)` and what follows it: a request as a test describes it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use rhai::{Array, Map, Module, export_module, exported_module};

use crate::base::ids::CorrelationId;
use crate::base::location::Location;
use crate::base::target::CanonicalPath;
use crate::base::tls::{ClientCertificate, Tls};
use crate::base::upgrade::asks_websocket;
use crate::script::api::Ip;
use crate::script::body::BodyFacts;
use crate::script::call::{Raised, error};
use crate::script::facts::{ApiKeyFacts, IdentityFacts, RequestFacts, RouteFacts, SessionFacts, UserFacts};
use crate::script::geo_facts::GeoFacts;
use crate::script::response::ResponseFacts;

/// The host of every test's request.
const HOST: &str = "example.test";
/// The client of a test that names none: a public address from the range for documentation (RFC 5737).
const CLIENT: &str = "198.51.100.7";
/// The name of the session cookie in tests.
const SESSION_COOKIE: &str = "pm_session";

/// The fingerprint of every test's client certificate.
const FINGERPRINT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

/// A request that a test is building, and the answer that its upstream would give.
#[derive(Clone)]
pub(super) struct TestRequest {
    method: Method,
    raw_path: String,
    path: String,
    query: String,
    headers: HeaderMap,
    client: Ip,
    tls: Option<Tls>,
    location: Location,
    route: Option<String>,
    tags: Vec<String>,
    identity: IdentityFacts,
    body: String,
    upstream_status: StatusCode,
    upstream_headers: HeaderMap,
    upstream_body: String,
}

impl TestRequest {
    fn new(method: &str, target: &str) -> Raised<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let canonical = CanonicalPath::parse(path).map_err(error)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(HOST));
        Ok(Self {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| error("this is not a method"))?,
            raw_path: path.to_owned(),
            path: canonical.as_str().to_owned(),
            query: query.to_owned(),
            headers,
            client: Ip::parse(CLIENT)?,
            tls: None,
            location: Location::default(),
            route: None,
            tags: Vec::new(),
            identity: IdentityFacts::default(),
            body: String::new(),
            upstream_status: StatusCode::OK,
            upstream_headers: HeaderMap::new(),
            upstream_body: String::new(),
        })
    }

    pub fn facts(&self, unix_ms: i64) -> RequestFacts {
        RequestFacts {
            id: CorrelationId::accept(b"test").unwrap_or_else(CorrelationId::generate),
            method: self.method.clone(),
            scheme: "https",
            host: HOST.to_owned(),
            path: self.path.clone(),
            raw_path: self.raw_path.clone(),
            query_string: self.query.clone(),
            upgrade: if asks_websocket(&self.headers) { "websocket" } else { "" },
            http_version: "1.1",
            client_ip: self.client.address,
            client_port: 50_000,
            tls: self.tls.clone().map(Arc::new),
            client_hash: "client-hash".into(),
            headers: self.headers.clone(),
            session_cookie: SESSION_COOKIE.into(),
            route: RouteFacts::new(
                self.route.clone().unwrap_or_default().into(),
                "app".into(),
                self.tags.clone().into(),
            ),
            content_length: u64::try_from(self.body.len()).unwrap_or(u64::MAX),
            unix_ms,
            geo: GeoFacts::known(self.location.clone()),
            identity: OnceLock::new(),
            body: OnceLock::new(),
        }
    }

    pub fn response(&self) -> ResponseFacts {
        let size = u64::try_from(self.upstream_body.len()).unwrap_or(u64::MAX);
        ResponseFacts {
            status: self.upstream_status,
            headers: self.answer_headers(),
            size,
            latency_ms: 1,
            body: None,
        }
    }

    pub fn identity(&self) -> IdentityFacts {
        self.identity.clone()
    }

    /// The body of the request.
    pub fn body_facts(&self) -> BodyFacts {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        BodyFacts::new(kind, Bytes::from(self.body.clone()))
    }

    /// The body of the upstream's answer.
    pub fn answer(&self) -> Bytes {
        Bytes::from(self.upstream_body.clone())
    }

    /// An answer with a body is plain text, unless the test says what it is.
    fn answer_headers(&self) -> HeaderMap {
        let mut headers = self.upstream_headers.clone();
        if !self.upstream_body.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        headers
    }

    /// Whether the test says which route it is; else the plugin's choice of routes is not looked at.
    pub fn has_route(&self) -> bool {
        self.route.is_some() || !self.tags.is_empty()
    }

    fn with(&mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(self);
        self.clone()
    }

    fn with_body(&mut self, kind: &'static str, text: &str) -> Self {
        self.with(|r| {
            text.clone_into(&mut r.body);
            r.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            r.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        })
    }
}

fn over_tls() -> Tls {
    Tls { version: "1.3", server_name: Some(HOST.to_owned()), client: None }
}

fn field(name: &str, value: &str) -> Raised<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error("this is not a header name"))?;
    let value = HeaderValue::from_str(value).map_err(|_| error("this is not a header value"))?;
    Ok((name, value))
}

/// Escapes what would end a query parameter or its value.
fn form_escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

fn form(map: &Map) -> String {
    map.iter()
        .map(|(k, v)| format!("{}={}", form_escaped(k), form_escaped(&v.to_string())))
        .collect::<Vec<_>>()
        .join("&")
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<TestRequest>("TestRequest");
    module.combine_flatten(exported_module!(api));
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod api {
    /// A request from a stranger at a public address; the upstream answers 200 with nothing.
    #[rhai_fn(return_raw)]
    pub fn request(method: &str, path: &str) -> Raised<TestRequest> {
        TestRequest::new(method, path)
    }

    /// From that address.
    #[rhai_fn(return_raw)]
    pub fn ip(r: &mut TestRequest, address: &str) -> Raised<TestRequest> {
        let client = Ip::parse(address)?;
        Ok(r.with(|r| r.client = client))
    }

    /// From that country.
    pub fn country(r: &mut TestRequest, code: &str) -> TestRequest {
        r.with(|r| code.clone_into(&mut r.location.country))
    }

    /// From the network of that autonomous system.
    #[rhai_fn(return_raw)]
    pub fn asn(r: &mut TestRequest, number: i64) -> Raised<TestRequest> {
        let number = u32::try_from(number).map_err(|_| error("this is not the number of a network"))?;
        Ok(r.with(|r| r.location.asn = number))
    }

    /// Over TLS to the gateway itself, having asked for the request's host.
    pub fn tls(r: &mut TestRequest) -> TestRequest {
        r.with(|r| r.tls = Some(r.tls.take().unwrap_or_else(over_tls)))
    }

    /// With that client certificate, over TLS: its subject as RFC 4514 writes it.
    pub fn client_cert(r: &mut TestRequest, subject: &str) -> TestRequest {
        r.with(|r| {
            let mut tls = r.tls.take().unwrap_or_else(over_tls);
            let fingerprint = FINGERPRINT.to_owned();
            tls.client = Some(ClientCertificate { subject: subject.to_owned(), fingerprint });
            r.tls = Some(tls);
        })
    }

    /// From an exit of Tor.
    pub fn tor(r: &mut TestRequest) -> TestRequest {
        r.with(|r| r.location.is_tor = true)
    }

    /// With that header, beside others of the same name.
    #[rhai_fn(return_raw)]
    pub fn header(r: &mut TestRequest, name: &str, value: &str) -> Raised<TestRequest> {
        let (name, value) = field(name, value)?;
        Ok(r.with(|r| {
            if name == header::HOST {
                r.headers.insert(name, value);
            } else {
                r.headers.append(name, value);
            }
        }))
    }

    /// With that cookie.
    #[rhai_fn(return_raw)]
    pub fn cookie(r: &mut TestRequest, name: &str, value: &str) -> Raised<TestRequest> {
        let (name, value) = field("cookie", &format!("{name}={value}"))?;
        Ok(r.with(|r| {
            r.headers.append(name, value);
        }))
    }

    /// With that query parameter.
    pub fn query(r: &mut TestRequest, name: &str, value: &str) -> TestRequest {
        let pair = format!("{}={}", form_escaped(name), form_escaped(value));
        r.with(|r| {
            let and = if r.query.is_empty() { "" } else { "&" };
            r.query = format!("{}{and}{pair}", r.query);
        })
    }

    /// With that JSON body.
    pub fn json(r: &mut TestRequest, body: Map) -> TestRequest {
        let text = rhai::format_map_as_json(&body);
        r.with_body("application/json", &text)
    }

    /// With that form as its body.
    #[rhai_fn(name = "form")]
    pub fn form_body(r: &mut TestRequest, fields: Map) -> TestRequest {
        let text = form(&fields);
        r.with_body("application/x-www-form-urlencoded", &text)
    }

    /// With that field in its form, beside the others.
    #[rhai_fn(name = "form")]
    pub fn form_field(r: &mut TestRequest, name: &str, value: &str) -> TestRequest {
        let and = if r.body.is_empty() { "" } else { "&" };
        let text = format!("{}{and}{}={}", r.body, form_escaped(name), form_escaped(value));
        r.with_body("application/x-www-form-urlencoded", &text)
    }

    /// With that body: plain text, unless a header before it says what it is.
    #[rhai_fn(name = "body")]
    pub fn plain_body(r: &mut TestRequest, text: &str) -> TestRequest {
        let kind = r.headers.get(header::CONTENT_TYPE).cloned();
        let mut with = r.with_body("text/plain", text);
        if let Some(kind) = kind {
            with.headers.insert(header::CONTENT_TYPE, kind);
        }
        with
    }

    /// Signed in as that user.
    pub fn user(r: &mut TestRequest, name: &str, roles: Array) -> TestRequest {
        let roles = roles.into_iter().map(|r| r.to_string()).collect();
        r.with(|r| {
            r.identity.user = Some(UserFacts {
                id: name.to_owned(),
                name: name.to_owned(),
                roles,
                method: "local".to_owned(),
                hash: "user-hash".to_owned(),
                ..UserFacts::default()
            });
            r.identity.session = Some(SessionFacts { id: "session-hash".to_owned(), age_seconds: 60 });
        })
    }

    /// Having shown a second factor, where a user is signed in.
    pub fn mfa(r: &mut TestRequest) -> TestRequest {
        r.with(|r| {
            if let Some(user) = &mut r.identity.user {
                user.mfa = true;
            }
        })
    }

    /// With that API key.
    pub fn api_key(r: &mut TestRequest, id: &str, tier: &str) -> TestRequest {
        r.with(|r| {
            r.identity.api_key =
                Some(ApiKeyFacts { id: id.to_owned(), tier: tier.to_owned(), owner: String::new() });
        })
    }

    /// On that route.
    pub fn route(r: &mut TestRequest, name: &str) -> TestRequest {
        r.with(|r| r.route = Some(name.to_owned()))
    }

    /// On a route with that tag.
    pub fn route_tag(r: &mut TestRequest, tag: &str) -> TestRequest {
        r.with(|r| r.tags.push(tag.to_owned()))
    }

    /// The upstream answers with that status.
    #[rhai_fn(return_raw)]
    pub fn upstream(r: &mut TestRequest, status: i64) -> Raised<TestRequest> {
        let status = u16::try_from(status).ok().and_then(|s| StatusCode::from_u16(s).ok());
        let status = status.ok_or_else(|| error("this is not a status"))?;
        Ok(r.with(|r| r.upstream_status = status))
    }

    /// The upstream's answer has that header.
    #[rhai_fn(return_raw)]
    pub fn upstream_header(r: &mut TestRequest, name: &str, value: &str) -> Raised<TestRequest> {
        let (name, value) = field(name, value)?;
        Ok(r.with(|r| {
            r.upstream_headers.append(name, value);
        }))
    }

    /// The upstream's answer has that body.
    pub fn upstream_body(r: &mut TestRequest, body: &str) -> TestRequest {
        r.with(|r| body.clone_into(&mut r.upstream_body))
    }
}

/// The facts of a stranger's request, for tests of this floor.
#[cfg(test)]
pub(in crate::script) fn plain_facts(method: &str, target: &str) -> RequestFacts {
    TestRequest::new(method, target).unwrap().facts(0)
}
