//! `req`: the facts of a request. No member is ever `()`; what is absent is `""`, 0 or `false`.

use rhai::{Array, Dynamic, ImmutableString, Module, export_module, exported_module};

use super::address::Ip;
use super::geo::Geo;
use super::identity::{ApiKey, Client, Route, Session, User};
use super::patterns;
use super::tls::{ClientCert, Tls};
use super::vars::Vars;
use crate::base::address::is_private;
use crate::base::target::query_value;
use crate::script::call::{Raised, Request, error};
use crate::script::facts::is_secret;

/// Values of one header given to a script.
const HEADER_VALUES_MAX: usize = 64;

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Request>("Request");
    module.combine_flatten(exported_module!(req));
}

fn text(value: &str) -> ImmutableString {
    value.into()
}

#[expect(clippy::cast_possible_wrap, reason = "lengths and counts are far below 2^63")]
#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod req {
    /// The correlation id.
    #[rhai_fn(get = "id", pure)]
    pub fn id(req: &mut Request) -> ImmutableString {
        text(req.0.facts.id.as_str())
    }

    /// The method, upper case.
    #[rhai_fn(get = "method", pure)]
    pub fn method(req: &mut Request) -> ImmutableString {
        text(req.0.facts.method.as_str())
    }

    /// `http` or `https`.
    #[rhai_fn(get = "scheme", pure)]
    pub fn scheme(req: &mut Request) -> ImmutableString {
        text(req.0.facts.scheme)
    }

    /// The host without the port, lower case.
    #[rhai_fn(get = "host", pure)]
    pub fn host(req: &mut Request) -> ImmutableString {
        text(&req.0.facts.host)
    }

    /// The canonical path: what goes upstream.
    #[rhai_fn(get = "path", pure)]
    pub fn path(req: &mut Request) -> ImmutableString {
        text(&req.0.facts.path)
    }

    /// The path as it was sent.
    #[rhai_fn(get = "raw_path", pure)]
    pub fn raw_path(req: &mut Request) -> ImmutableString {
        text(&req.0.facts.raw_path)
    }

    /// The query without `?`.
    #[rhai_fn(get = "query_string", pure)]
    pub fn query_string(req: &mut Request) -> ImmutableString {
        text(&req.0.facts.query_string)
    }

    /// The client's address.
    #[rhai_fn(get = "ip", pure)]
    pub fn ip(req: &mut Request) -> Ip {
        Ip { address: req.0.facts.client_ip, hash: req.0.facts.client_hash.clone() }
    }

    /// `User-Agent`.
    #[rhai_fn(get = "user_agent", pure)]
    pub fn user_agent(req: &mut Request) -> ImmutableString {
        text(&req.0.facts.header("user-agent"))
    }

    /// `Referer`.
    #[rhai_fn(get = "referer", pure)]
    pub fn referer(req: &mut Request) -> ImmutableString {
        text(&req.0.facts.header("referer"))
    }

    /// `Content-Type`.
    #[rhai_fn(get = "content_type", pure)]
    pub fn content_type(req: &mut Request) -> ImmutableString {
        text(&req.0.facts.header("content-type"))
    }

    /// The declared length of the body in bytes.
    #[rhai_fn(get = "content_length", pure)]
    pub fn content_length(req: &mut Request) -> i64 {
        req.0.facts.content_length as i64
    }

    /// `1.0`, `1.1` or `2`.
    #[rhai_fn(get = "http_version", pure)]
    pub fn http_version(req: &mut Request) -> ImmutableString {
        text(req.0.facts.http_version)
    }

    /// What the client wants to speak from here on: `websocket`, or nothing.
    #[rhai_fn(get = "upgrade", pure)]
    pub fn upgrade(req: &mut Request) -> ImmutableString {
        text(req.0.facts.upgrade)
    }

    /// When the request came, in seconds since 1970-01-01 UTC.
    #[rhai_fn(get = "time", pure)]
    pub fn time(req: &mut Request) -> i64 {
        req.0.facts.unix_ms.div_euclid(1_000)
    }

    /// The score so far.
    #[rhai_fn(get = "score", pure)]
    pub fn score(req: &mut Request) -> i64 {
        req.0.score()
    }

    /// The tags so far.
    #[rhai_fn(get = "tags", pure)]
    pub fn tags(req: &mut Request) -> Array {
        req.0.tags().into_iter().map(Dynamic::from).collect()
    }

    /// A header; its values joined by `, ` where it repeats. Credentials read as `""`.
    #[rhai_fn(pure)]
    pub fn header(req: &mut Request, name: &str) -> ImmutableString {
        text(&req.0.facts.header(name))
    }

    /// Whether a header is there, credentials included.
    #[rhai_fn(pure)]
    pub fn has_header(req: &mut Request, name: &str) -> bool {
        req.0.facts.headers.contains_key(name)
    }

    /// Every value of a header.
    #[rhai_fn(pure)]
    pub fn header_values(req: &mut Request, name: &str) -> Array {
        if is_secret(name) {
            return Array::new();
        }
        let values = req.0.facts.headers.get_all(name).iter().take(HEADER_VALUES_MAX);
        values
            .filter_map(|v| std::str::from_utf8(v.as_bytes()).ok())
            .map(|v| Dynamic::from(text(v)))
            .collect()
    }

    /// A query parameter, decoded; the first where it repeats.
    #[rhai_fn(pure)]
    pub fn query(req: &mut Request, name: &str) -> String {
        query_value(&req.0.facts.query_string, name).unwrap_or_default()
    }

    /// Whether a query parameter is there.
    #[rhai_fn(pure)]
    pub fn has_query(req: &mut Request, name: &str) -> bool {
        query_value(&req.0.facts.query_string, name).is_some()
    }

    /// A cookie; the session's reads as `""`.
    #[rhai_fn(pure)]
    pub fn cookie(req: &mut Request, name: &str) -> ImmutableString {
        text(req.0.facts.cookie(name))
    }

    /// Whether the request has a tag.
    #[rhai_fn(pure)]
    pub fn has_tag(req: &mut Request, tag: &str) -> bool {
        req.0.has_tag(tag)
    }

    /// Whether the path fits a glob.
    #[rhai_fn(return_raw, pure)]
    pub fn path_is(req: &mut Request, glob: &str) -> Raised<bool> {
        let glob = patterns::glob(glob).map_err(error)?;
        Ok(patterns::glob_matches(&glob, &req.0.facts.path))
    }

    /// Where the request comes from.
    #[rhai_fn(get = "client", pure)]
    pub fn client(req: &mut Request) -> Client {
        let facts = &req.0.facts;
        Client {
            ip: Ip { address: facts.client_ip, hash: facts.client_hash.clone() },
            port: i64::from(facts.client_port),
            is_private: is_private(facts.client_ip),
            tls_version: facts.tls.as_ref().map_or("", |tls| tls.version),
        }
    }

    /// What TLS says of the connection.
    #[rhai_fn(get = "tls", pure)]
    pub fn tls(req: &mut Request) -> Tls {
        Tls(req.0.facts.clone())
    }

    /// The client's certificate.
    #[rhai_fn(get = "client_cert", pure)]
    pub fn client_cert(req: &mut Request) -> ClientCert {
        ClientCert(req.0.facts.clone())
    }

    /// Where on earth; all empty without a database.
    #[rhai_fn(get = "geo", pure)]
    pub fn geo(req: &mut Request) -> Geo {
        Geo(req.0.facts.clone())
    }

    /// The signed-in user.
    #[rhai_fn(get = "user", pure)]
    pub fn user(req: &mut Request) -> User {
        User(req.0.facts.clone())
    }

    /// The session.
    #[rhai_fn(get = "session", pure)]
    pub fn session(req: &mut Request) -> Session {
        Session(req.0.facts.clone())
    }

    /// The API key.
    #[rhai_fn(get = "api_key", pure)]
    pub fn api_key(req: &mut Request) -> ApiKey {
        ApiKey(req.0.facts.clone())
    }

    /// The route.
    #[rhai_fn(get = "route", pure)]
    pub fn route(req: &mut Request) -> Route {
        Route(req.0.facts.route.clone())
    }

    /// This plugin's own notes on this request, kept from hook to hook.
    #[rhai_fn(get = "vars", pure)]
    pub fn vars(req: &mut Request) -> Vars {
        Vars(req.0.clone())
    }
}
