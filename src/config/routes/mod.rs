//! `[[routes]]`: which requests go where, and what they need.

mod conflicts;
mod content_type;
mod path;
mod redirect;
mod respond;
mod schema;
mod set_headers;

pub use redirect::{PATH as REDIRECT_PATH, QUERY as REDIRECT_QUERY, Redirect};
pub use respond::Respond;
pub use schema::Schema;

use crate::base::document::Table;
use crate::base::nearest::nearest;
use crate::base::target::{EncodedSlashes, Host};

use super::context::Context;
use super::gateway::OwnPaths;
use super::methods::{self, parse_method};
use super::rate_limit::{TOKENS, tokens};
use super::server::Server;
use super::services::{Protocol, Service};

/// Whether a route needs a caller who is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthNeed {
    /// 401 without a valid credential.
    Required,
    /// The caller is told upstream when known.
    Optional,
    /// Nobody asks.
    None,
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The session cookie.
    Session,
    /// An API key in `Authorization: Bearer` or `X-Api-Key`.
    ApiKey,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// To a service, by name.
    Service(String),
    /// Answered here.
    Respond(Respond),
    /// Sent elsewhere.
    Redirect(Redirect),
}

/// Limits of one route that replace the general ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RouteLimits {
    /// Replaces `rate_limit.user_per_minute`.
    pub user_per_minute: Option<u32>,
    /// Replaces `rate_limit.user_burst`.
    pub user_burst: Option<u32>,
    /// Replaces `rate_limit.ip_per_minute`.
    pub ip_per_minute: Option<u32>,
    /// Replaces `rate_limit.ip_burst`.
    pub ip_burst: Option<u32>,
}

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Metric label and log field; the path where no name is given.
    pub name: String,
    /// `/exact` or `/prefix/*`.
    pub path: String,
    /// The host it is for, lower case; any where absent.
    pub host: Option<String>,
    /// The methods it takes; the seven usual ones where empty.
    pub methods: Vec<String>,
    /// Where it goes.
    pub to: Destination,
    /// Whether the caller must be known.
    pub auth: AuthNeed,
    /// Kinds of credentials that count here; never empty.
    pub accept: Vec<Credential>,
    /// Roles of which the caller needs one; none are needed where empty.
    pub roles: Vec<String>,
    /// The schema of request bodies.
    pub body_schema: Option<Schema>,
    /// Replaces `server.body_max`, in bytes.
    pub body_max: Option<u64>,
    /// Media types it takes, `type/subtype` or `type/*`; any where empty.
    pub content_types: Vec<String>,
    /// Replaces `[rate_limit]` for this route, with buckets of its own.
    pub rate_limit: Option<RouteLimits>,
    /// Removed from the path before it goes upstream.
    pub strip_prefix: Option<String>,
    /// Headers set on the request that goes upstream.
    pub set_headers: Vec<(String, String)>,
    /// Words for plugins' `[routes]`.
    pub tags: Vec<String>,
    /// Whether `%2F` and `%5C` may stand in the path.
    pub encoded_slashes: EncodedSlashes,
    /// Whether a browser without a session is sent to sign in (302) in place of a 401.
    pub login_redirect: bool,
    /// Whether WebSockets may be opened; where not, a handshake is refused (403).
    pub websocket: bool,
}

/// Most routes.
const ROUTES_MAX: usize = 1_000;

/// Longest name, role or tag, in bytes.
const WORD_BYTES_MAX: usize = 128;

/// The tables that routes refer to.
pub(super) struct Surroundings<'a> {
    pub(super) server: &'a Server,
    pub(super) services: &'a [Service],
    pub(super) own: &'a OwnPaths,
}

impl Route {
    /// Reads every `[[routes]]`.
    pub(super) fn read_all(
        root: &mut Table<'_>,
        around: &Surroundings<'_>,
        context: &mut Context,
    ) -> Vec<Self> {
        let mut routes: Vec<Self> = Vec::new();
        for table in root.tables("routes") {
            if routes.len() == ROUTES_MAX {
                table.report(table.problem("path", format!("there are more than {ROUTES_MAX} routes")));
                break;
            }
            routes.push(Self::read(table, &routes, around, context));
        }
        routes
    }

    fn read(mut table: Table<'_>, before: &[Self], around: &Surroundings<'_>, context: &mut Context) -> Self {
        let path = table.required_text("path", "`/exact` or `/prefix/*`; the longest match wins.");
        let name = table.optional_text(
            "name",
            "Metric label, log field, and the name in `[routes]` of plugins; else the path.",
        );
        let route = Self {
            name: name.unwrap_or_else(|| path.clone()),
            path,
            host: table.parsed(
                "host",
                "host name",
                "",
                "The host it is for, without a port; any where absent.",
                parse_host,
            ),
            methods: table.list(
                "methods",
                "list of methods",
                &[],
                "Methods it takes; where empty GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.",
                parse_method,
            ),
            to: destination(&mut table, around),
            auth: auth_need(&mut table),
            accept: accept(&mut table),
            roles: table.list(
                "roles",
                "list of words",
                &[],
                "Roles of which the caller needs one; the scopes of an API key count as roles.",
                parse_word,
            ),
            body_schema: schema::read(&mut table, context),
            body_max: table.optional_size("body_max", "", "Replaces `server.body_max`."),
            content_types: table.list(
                "content_types",
                "list of media types",
                &[],
                "Media types of bodies, `type/subtype` or `type/*`; any where empty.",
                content_type::parse,
            ),
            rate_limit: limits(table.table("rate_limit")),
            strip_prefix: table
                .optional_text("strip_prefix", "Removed from the front of the path before it goes upstream, and from `{path}` of a redirect."),
            set_headers: set_headers::read(&mut table),
            tags: table.list("tags", "list of words", &[], "Words for `[routes]` of plugins.", parse_word),
            encoded_slashes: encoded_slashes(&mut table),
            login_redirect: table.flag(
                "login_redirect",
                false,
                "Send a browser without a session to sign in (302) in place of 401.",
            ),
            websocket: table.flag(
                "websocket",
                true,
                "Whether WebSockets may be opened to the service; where not, a handshake is refused (403).",
            ),
        };
        if table.exists() {
            route.check(&table, around);
            conflicts::check(&route, &table, before, around.own);
        }
        table.finish();
        route
    }

    /// What is wrong with keys together.
    fn check(&self, table: &Table<'_>, around: &Surroundings<'_>) {
        let report = |key, message: String| table.report(table.problem(key, message));
        if let (true, Err(why)) = (table.has("path"), path::check(&self.path, self.encoded_slashes)) {
            report("path", why);
        }
        let service = |name: &String| around.services.iter().find(|s| s.name == *name);
        let to_http2 = matches!(&self.to, Destination::Service(name)
            if service(name).is_some_and(|s| s.protocol == Protocol::Http2));
        if table.has("websocket") && self.websocket && to_http2 {
            report("websocket", "the service speaks HTTP/2, over which no WebSockets are opened".to_owned());
        }
        if table.has("name") && parse_word(&self.name).is_err() {
            report(
                "name",
                format!("a route's name has 1 to {WORD_BYTES_MAX} characters, none of them a control"),
            );
        }
        let strip = self.strip_prefix.as_ref().map(|prefix| path::check_strip(prefix, &self.path));
        if let Some(Err(why)) = strip {
            report("strip_prefix", why);
        }
        if table.has("accept") && self.accept.is_empty() {
            report("accept", "`accept` names no kind of credential: `session`, `api_key` or both".to_owned());
        }
        if self.login_redirect && !self.accept.is_empty() && !self.accept.contains(&Credential::Session) {
            let message =
                "`login_redirect` on a route that accepts no session: who signs in is refused again";
            report("login_redirect", message.to_owned());
        }
        if !self.roles.is_empty() && self.auth == AuthNeed::None {
            let message =
                "`roles` on a route with `auth = \"none\"`: only callers who happen to be known can pass";
            table.report(table.problem("roles", message).warning());
        }
        if around.server.require_schema && self.body_schema.is_none() && methods::take_bodies(&self.methods) {
            let message = format!(
                "route `{}` takes bodies and has no `body_schema`, which `server.require_schema` asks for",
                self.name
            );
            let hint = "add a schema, or narrow the route: methods = [\"GET\", \"HEAD\"]";
            table.report(table.problem("path", message).hint(hint));
        }
    }
}

fn auth_need(table: &mut Table<'_>) -> AuthNeed {
    let words =
        [("required", AuthNeed::Required), ("optional", AuthNeed::Optional), ("none", AuthNeed::None)];
    let doc = "Whether the caller must be known: `required`, `optional` or `none`.";
    table.choice("auth", &words, "required", doc).unwrap_or(AuthNeed::Required)
}

fn accept(table: &mut Table<'_>) -> Vec<Credential> {
    let parse = |text: &str| match text {
        "session" => Ok(Credential::Session),
        "api_key" => Ok(Credential::ApiKey),
        _ => Err(match nearest(text, ["session", "api_key"]) {
            Some(near) => format!("`{text}` is no kind of credential; did you mean `{near}`?"),
            None => format!("`{text}` is no kind of credential; there are `session` and `api_key`"),
        }),
    };
    let doc = "Kinds of credentials that count here: `session`, `api_key` or both. One of another kind is as good as none.";
    table.list("accept", "list of kinds", &["session", "api_key"], doc, parse)
}

fn encoded_slashes(table: &mut Table<'_>) -> EncodedSlashes {
    let words = [("refuse", EncodedSlashes::Refuse), ("keep", EncodedSlashes::Keep)];
    let doc = "Whether `%2F` and `%5C` may stand in the path: `refuse` or `keep`.";
    table.choice("encoded_slashes", &words, "refuse", doc).unwrap_or_default()
}

/// `service`, `respond` or `redirect`: exactly one.
fn destination(table: &mut Table<'_>, around: &Surroundings<'_>) -> Destination {
    let service = table.optional_text("service", "The service it goes to.");
    let has_respond = table.has("respond");
    let has_redirect = table.has("redirect");
    let respond = Respond::read(table.table("respond"));
    let redirect = Redirect::read(table.table("redirect"));
    let others = usize::from(has_respond) + usize::from(has_redirect);
    match (&service, others) {
        (Some(_), 1..) | (None, 2..) => {
            let key = if has_redirect { "redirect" } else { "respond" };
            table.report(table.problem(key, "a route has one of `service`, `respond` and `redirect`"));
        }
        (None, 0) if table.exists() && !table.has("service") => {
            table.report(table.problem("service", "a route needs `service`, `respond` or `redirect`"));
        }
        (Some(name), 0) if !around.services.iter().any(|s| s.name == *name) => {
            let problem = table.problem("service", format!("there is no service `{name}`"));
            let names = || around.services.iter().map(|s| s.name.as_str()).filter(|n| !n.is_empty());
            table.report(match nearest(name, names()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None if names().next().is_none() => problem.hint("add a `[[services]]` table with this name"),
                None => problem.hint(format!("services are `{}`", names().collect::<Vec<_>>().join("`, `"))),
            });
        }
        _ => {}
    }
    match service {
        Some(name) => Destination::Service(name),
        None if has_redirect => Destination::Redirect(redirect),
        None => Destination::Respond(respond),
    }
}

fn limits(mut table: Table<'_>) -> Option<RouteLimits> {
    let mut number = |key, doc| table.optional_integer(key, "", TOKENS, doc).map(tokens);
    let limits = RouteLimits {
        user_per_minute: number(
            "user_per_minute",
            "Replaces `rate_limit.user_per_minute`, with buckets of the route's own.",
        ),
        user_burst: number("user_burst", "Replaces `rate_limit.user_burst`."),
        ip_per_minute: number("ip_per_minute", "Replaces `rate_limit.ip_per_minute`."),
        ip_burst: number("ip_burst", "Replaces `rate_limit.ip_burst`."),
    };
    table.finish();
    (limits != RouteLimits::default()).then_some(limits)
}

fn parse_host(text: &str) -> Result<String, String> {
    match Host::parse(text) {
        Ok(host) if host.port().is_none() => Ok(host.name().to_owned()),
        Ok(_) => Err(format!("`{text}` has a port: a route's host has none")),
        Err(_) if text.contains('*') => {
            Err(format!("`{text}`: a host has no `*`; leave `host` out to take any"))
        }
        Err(_) => Err(format!("`{text}` is not a host name")),
    }
}

fn parse_word(text: &str) -> Result<String, String> {
    if (1..=WORD_BYTES_MAX).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.trim() == text
    {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a word of 1 to {WORD_BYTES_MAX} characters"))
    }
}

#[cfg(test)]
mod tests;
