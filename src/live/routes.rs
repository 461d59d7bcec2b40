//! The routes, compiled once a snapshot: the longest path that matches wins, whatever the number of routes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue};

use crate::config::{Destination, Route};
use crate::schema::Compiled;
use crate::script::RouteFacts;

/// Methods that a route takes when it lists none.
pub const USUAL_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A route, ready to be asked.
#[derive(Debug)]
pub struct CompiledRoute {
    /// As configured.
    pub route: Route,
    /// Metric label and log field.
    pub name: Arc<str>,
    /// The service that it leads to; none where the gateway answers.
    pub service: Option<Arc<str>>,
    /// The schema of request bodies, compiled.
    pub schema: Option<Compiled>,
    /// The headers that it sets on the request that goes upstream.
    pub set_headers: Vec<(HeaderName, HeaderValue)>,
    /// What rules know of the route, and which of them look at it; worked out by the first request.
    pub facts: OnceLock<RouteFacts>,
}

/// Every route, by path.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact: ByPath,
    prefix: ByPath,
    /// Bytes of the longest prefix: no longer piece of a path need be looked up, however many slashes it holds.
    prefix_max: usize,
}

type ByPath = HashMap<String, Vec<Arc<CompiledRoute>>, BuildHasherDefault<PathHash>>;

/// A hash for paths that an operator chose. What a client asks for is only looked up, so it need not be one that nobody can
/// foresee.
#[derive(Default)]
struct PathHash(u64);

/// What the table says of a request.
#[derive(Debug)]
pub enum Found {
    /// This route takes it.
    Route(Arc<CompiledRoute>),
    /// The path is known, the method is not; the text is an `Allow` header.
    OtherMethods(Arc<CompiledRoute>, String),
    /// Nothing matches.
    Nothing,
}

impl CompiledRoute {
    /// A route with its schema compiled.
    pub fn new(route: Route, schema: Option<Compiled>) -> Self {
        let service = match &route.to {
            Destination::Service(name) => Some(Arc::from(name.as_str())),
            Destination::Respond(_) | Destination::Redirect(_) => None,
        };
        let set = |(name, value): &(String, String)| Some((name.parse().ok()?, value.parse().ok()?));
        // The configuration holds no name and no value that is none.
        let set_headers = route.set_headers.iter().filter_map(set).collect();
        let facts = OnceLock::new();
        Self { name: Arc::from(route.name.as_str()), service, schema, set_headers, facts, route }
    }

    /// Whether the route takes the method; the method names are case-sensitive (RFC 9110 section 9.1).
    pub fn takes(&self, method: &str) -> bool {
        if self.route.methods.is_empty() {
            return USUAL_METHODS.contains(&method);
        }
        self.route.methods.iter().any(|m| m == method) || (method == "HEAD" && self.takes_get_for_head())
    }

    fn takes_get_for_head(&self) -> bool {
        self.route.methods.iter().any(|m| m == "GET")
    }

    fn serves(&self, host: &str) -> bool {
        self.route.host.as_deref().is_none_or(|own| own == host)
    }
}

impl PathHash {
    fn add(&mut self, word: u64) {
        let mixed = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = u64::try_from((mixed >> 64) ^ (mixed & u128::from(u64::MAX))).unwrap_or_default();
    }
}

impl Hasher for PathHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last) ^ u64::try_from(bytes.len()).unwrap_or_default().rotate_left(56));
    }
}

impl RouteTable {
    /// A table of routes; where two share a path, the one with a host is asked first, then the file's order.
    pub fn new(routes: impl IntoIterator<Item = CompiledRoute>) -> Self {
        let mut table = Self::default();
        for route in routes {
            let route = Arc::new(route);
            let list = match route.route.path.strip_suffix('*') {
                Some(prefix) => table.prefix.entry(prefix.to_owned()).or_default(),
                None => table.exact.entry(route.route.path.clone()).or_default(),
            };
            list.push(route);
        }
        table.prefix_max = table.prefix.keys().map(String::len).max().unwrap_or_default();
        for list in table.exact.values_mut().chain(table.prefix.values_mut()) {
            list.sort_by_key(|r| r.route.host.is_none());
        }
        table
    }

    /// The route of a request. The longest matching path wins first; hosts and methods choose among equal paths only,
    /// so that a method that a narrow route does not take never falls through to a wider route with weaker rules.
    pub fn find(&self, host: &str, path: &str, method: &str) -> Found {
        if let Some(found) = self.exact.get(path).and_then(|list| choose(list, host, method)) {
            return found;
        }
        let mut end = path.len().min(self.prefix_max);
        while let Some(slash) = memchr::memrchr(b'/', &path.as_bytes()[..end]) {
            if let Some(found) = self.prefix.get(&path[..=slash]).and_then(|list| choose(list, host, method))
            {
                return found;
            }
            end = slash;
        }
        Found::Nothing
    }

    /// Every route.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<CompiledRoute>> {
        self.exact.values().chain(self.prefix.values()).flatten()
    }
}

fn choose(list: &[Arc<CompiledRoute>], host: &str, method: &str) -> Option<Found> {
    // A route for this very host speaks for it alone: what it does not take never falls through to a route for any host.
    let own = list.iter().any(|r| r.route.host.as_deref() == Some(host));
    let serving = || list.iter().filter(|r| r.serves(host) && (!own || r.route.host.is_some()));
    if let Some(route) = serving().find(|r| r.takes(method)) {
        return Some(Found::Route(Arc::clone(route)));
    }
    let first = serving().next()?;
    let mut allow: Vec<&str> = serving().flat_map(|r| allowed(r)).collect();
    allow.sort_unstable();
    allow.dedup();
    Some(Found::OtherMethods(Arc::clone(first), allow.join(", ")))
}

fn allowed(route: &CompiledRoute) -> Vec<&str> {
    if route.route.methods.is_empty() {
        return USUAL_METHODS.to_vec();
    }
    let head = route.takes_get_for_head().then_some("HEAD");
    route.route.methods.iter().map(String::as_str).chain(head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::EncodedSlashes;
    use crate::config::{AuthNeed, Credential, Destination, Respond};

    fn route(name: &str, path: &str, host: Option<&str>, methods: &[&str]) -> CompiledRoute {
        let route = Route {
            name: name.to_owned(),
            path: path.to_owned(),
            host: host.map(str::to_owned),
            methods: methods.iter().map(|m| (*m).to_owned()).collect(),
            to: Destination::Respond(Respond { status: 200, json: None, text: None }),
            auth: AuthNeed::None,
            accept: vec![Credential::Session],
            roles: Vec::new(),
            body_schema: None,
            body_max: None,
            content_types: Vec::new(),
            rate_limit: None,
            login_redirect: false,
            websocket: true,
            strip_prefix: None,
            set_headers: Vec::new(),
            tags: Vec::new(),
            encoded_slashes: EncodedSlashes::Refuse,
        };
        CompiledRoute::new(route, None)
    }

    fn table() -> RouteTable {
        RouteTable::new([
            route("all", "/*", None, &[]),
            route("api", "/api/*", None, &[]),
            route("admin", "/api/admin/*", None, &["GET"]),
            route("exact", "/api/admin/x", None, &["POST"]),
            route("any-host", "/h/*", None, &[]),
            route("own-host", "/h/*", Some("a.example"), &["GET"]),
        ])
    }

    fn find(host: &str, method: &str, path: &str) -> String {
        match table().find(host, path, method) {
            Found::Route(route) => route.name.to_string(),
            Found::OtherMethods(route, allow) => format!("405 {} {allow}", route.name),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn the_longest_path_wins_and_an_exact_one_before_a_prefix() {
        assert_eq!(find("", "GET", "/"), "all");
        assert_eq!(find("", "GET", "/api"), "all");
        assert_eq!(find("", "GET", "/api/"), "api");
        assert_eq!(find("", "GET", "/api/admin/y"), "admin");
        assert_eq!(find("", "POST", "/api/admin/x"), "exact");
    }

    #[test]
    fn a_path_of_any_length_finds_the_longest_prefix() {
        for n in 0..40 {
            assert_eq!(find("", "GET", &format!("/api/admin/{}", "a/".repeat(n))), "admin", "{n}");
            assert_eq!(find("", "GET", &format!("/{}", "a/".repeat(n))), "all", "{n}");
        }
        assert_eq!(RouteTable::default().prefix_max, 0);
        assert!(matches!(RouteTable::default().find("", "/a/b", "GET"), Found::Nothing));
    }

    #[test]
    fn a_method_that_a_narrow_route_does_not_take_never_falls_through_to_a_wide_one() {
        assert_eq!(find("", "POST", "/api/admin/y"), "405 admin GET, HEAD");
        assert_eq!(find("", "GET", "/api/admin/x"), "405 exact POST");
        assert_eq!(find("", "HEAD", "/api/admin/y"), "admin");
        assert_eq!(find("", "PROPFIND", "/z"), "405 all DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    }

    #[test]
    fn a_route_for_a_host_speaks_for_that_host_alone() {
        assert_eq!(find("a.example", "GET", "/h/x"), "own-host");
        assert_eq!(find("a.example", "POST", "/h/x"), "405 own-host GET, HEAD");
        assert_eq!(find("b.example", "POST", "/h/x"), "any-host");
    }
}
