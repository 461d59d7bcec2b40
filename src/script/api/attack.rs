//! `attack::`: how much what a client sent looks like an injection. Each class has a weight: 5 is one clear construct, and
//! what is less is a hint. What a weight means is the rule's decision.

use http::header;
use rhai::{Array, Module, export_module, exported_module};

use super::text::pay;
use crate::script::attack::{Place, Weights, is_plain, judge};
use crate::script::call::{Raised, Request, error};
use crate::script::facts::{RequestFacts, is_secret};

/// Texts of one request that are judged; a request with more is an error.
const INPUTS_MAX: usize = 20_000;
/// Judging costs more than looking: one byte counts as this many.
const BYTE_COST: usize = 8;

/// Headers that browsers and proxies write. Their values are judged only where they hold what no such value does.
const WRITTEN_BY_MACHINES: [&str; 30] = [
    "host",
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-charset",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "dnt",
    "etag",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "origin",
    "pragma",
    "priority",
    "range",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
];

/// Whether a value holds the beginning of an expression, a tag or a quotation.
fn is_odd(value: &str) -> bool {
    ["${", "%{", "{{", "<", "'"].iter().any(|sign| value.contains(sign))
}

/// The weights of a request.
#[derive(Clone, Copy)]
pub(super) struct Attack(Weights);

pub(super) fn module() -> Module {
    exported_module!(attack)
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Attack>("Attack");
    module.combine_flatten(exported_module!(members));
}

/// Collects the weights of many texts.
struct Judge<'a> {
    weights: Weights,
    skip: &'a Array,
    place: Place,
    inputs: usize,
}

impl<'a> Judge<'a> {
    fn new(skip: &'a Array, place: Place) -> Self {
        Self { weights: Weights::default(), skip, place, inputs: 0 }
    }

    fn skips(&self, name: &str) -> bool {
        self.skip.iter().any(|s| s.read_lock::<rhai::ImmutableString>().is_some_and(|s| s.as_str() == name))
    }

    fn text(&mut self, text: &str) -> Raised<()> {
        if is_plain(text) {
            return Ok(());
        }
        self.inputs += 1;
        if self.inputs > INPUTS_MAX {
            return Err(error(format!("a request has at most {INPUTS_MAX} texts to judge")));
        }
        pay(text.len() * BYTE_COST)?;
        self.weights.raise(judge(text, self.place));
        Ok(())
    }

    /// Names and values of a query or a form.
    fn pairs(&mut self, text: &str) -> Raised<()> {
        for pair in text.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            if !self.skips(name) {
                self.text(name)?;
                self.text(value)?;
            }
        }
        // A value with a bare `&` falls apart into pairs: a shell's `&&` and an entity do.
        if text.contains("&&") || text.contains("& ") || text.contains("&#") || text.contains("&lt;") {
            self.text(text.split_once('=').map_or(text, |(_, value)| value))?;
        }
        Ok(())
    }

    fn path(&mut self, path: &str) -> Raised<()> {
        if path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'~')) {
            return Ok(());
        }
        self.text(path)?;
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            self.text(segment)?;
        }
        Ok(())
    }

    fn headers(&mut self, facts: &RequestFacts) -> Raised<()> {
        for (name, value) in &facts.headers {
            let name = name.as_str();
            if is_secret(name) {
                continue;
            }
            let value = String::from_utf8_lossy(value.as_bytes());
            let by_machine = WRITTEN_BY_MACHINES.contains(&name)
                || name.starts_with("sec-")
                || name.starts_with("access-control-");
            if by_machine && !is_odd(&value) {
                continue;
            }
            if name == "referer" {
                self.link(&value)?;
            } else if name == "user-agent" && is_browser(&value) {
                // Nothing to see: letters, versions and brackets.
            } else if !self.skips(name) {
                self.text(&value)?;
            }
        }
        Ok(())
    }

    /// A link is judged by its parts: that it leads elsewhere says nothing.
    fn link(&mut self, link: &str) -> Raised<()> {
        let Some((scheme, rest)) = link.split_once("://") else { return self.text(link) };
        let (host, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b".:_-[]".contains(&b);
        if !scheme.bytes().all(|b| b.is_ascii_alphabetic()) || !host.bytes().all(is_host) {
            return self.text(link);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        self.path(path)?;
        self.pairs(query)
    }

    fn cookies(&mut self, facts: &RequestFacts) -> Raised<()> {
        for line in facts.headers.get_all(header::COOKIE) {
            let line = String::from_utf8_lossy(line.as_bytes());
            for pair in line.split(';') {
                let (name, value) = pair.trim().split_once('=').unwrap_or(("", pair.trim()));
                if name != &*facts.session_cookie && !self.skips(name) {
                    self.text(name)?;
                    self.text(value)?;
                }
            }
        }
        Ok(())
    }

    fn json(&mut self, value: &serde_json::Value) -> Raised<()> {
        match value {
            serde_json::Value::String(text) => self.text(text),
            serde_json::Value::Array(items) => items.iter().try_for_each(|v| self.json(v)),
            serde_json::Value::Object(fields) => fields.iter().try_for_each(|(name, v)| {
                if self.skips(name) {
                    return Ok(());
                }
                self.text(name)?;
                self.json(v)
            }),
            _ => Ok(()),
        }
    }

    /// The fields of a multipart form (RFC 7578); files are not judged, their names are.
    fn multipart(&mut self, text: &str, boundary: &str) -> Raised<()> {
        for part in text.split(boundary) {
            let Some((head, body)) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n")) else {
                // No part, or what stands behind a boundary in mid-line: it reaches the application all the same.
                self.text(part.trim())?;
                continue;
            };
            let is_disposition = |l: &&str| l.to_ascii_lowercase().starts_with("content-disposition");
            let head = head.lines().map(str::trim).find(is_disposition).unwrap_or_default();
            let named = |key: &str| {
                let (_, rest) = head.split_once(&format!("{key}=\""))?;
                rest.split_once("\"\r")
                    .or_else(|| rest.split_once("\"\n"))
                    .or_else(|| rest.rsplit_once('"'))
                    .map(|(n, _)| n)
            };
            if named("; name").or_else(|| named("name")).is_some_and(|name| self.skips(name)) {
                continue;
            }
            match named("filename") {
                Some(file) => self.text(file)?,
                None => self.text(body.trim_end_matches('-').trim_end_matches(['\r', '\n']))?,
            }
        }
        Ok(())
    }
}

/// What browsers call themselves: a fixed alphabet without quotes, and brackets around words.
fn is_browser(agent: &str) -> bool {
    agent.starts_with("Mozilla/5.0 (")
        && !agent.contains("..")
        && agent.bytes().all(|b| b.is_ascii_alphanumeric() || b" /.;:,()_-+".contains(&b))
        && !agent.contains("/etc/")
        && !agent.to_ascii_lowercase().contains("select")
        && !agent.contains("; cat ")
        && agent.matches('(').count() <= 3
}

#[export_module]
mod attack {
    /// Judges path, query, cookies and headers of the request. Parameters, cookies and headers of the names in `skip` are
    /// left out.
    #[rhai_fn(return_raw)]
    pub fn head(req: Request, skip: Array) -> Raised<Attack> {
        let facts = &req.0.facts;
        let mut judge = Judge::new(&skip, Place::Head);
        judge.path(&facts.raw_path)?;
        judge.pairs(&facts.query_string)?;
        judge.cookies(facts)?;
        judge.headers(facts)?;
        Ok(Attack(judge.weights))
    }

    /// Judges the body: fields of forms, texts of JSON, or all of a text. Fields of the names in `skip` are left out. The
    /// manifest's `[body] request` must ask for the body.
    #[rhai_fn(return_raw)]
    pub fn body(req: Request, skip: Array) -> Raised<Attack> {
        let facts = &req.0.facts;
        let mut judge = Judge::new(&skip, Place::Body);
        let Some(body) = facts.body.get() else { return Ok(Attack(judge.weights)) };
        let kind = facts.header("content-type").into_owned();
        let boundary = kind.split_once("boundary=").map(|(_, b)| {
            let b =
                b.strip_prefix('"').map_or_else(|| b.split(';').next(), |quoted| quoted.split('"').next());
            format!("--{}", b.unwrap_or_default().trim())
        });
        if let Some(json) = body.json() {
            judge.json(json)?;
        } else if body.is_form() {
            judge.place = Place::Form;
            judge.pairs(&body.text())?;
        } else if let Some(boundary) = boundary.filter(|_| kind.starts_with("multipart/")) {
            judge.multipart(&body.text(), &boundary)?;
        } else {
            judge.text(&body.text())?;
        }
        Ok(Attack(judge.weights))
    }

    /// Judges one text.
    #[rhai_fn(return_raw)]
    pub fn text(s: &str) -> Raised<Attack> {
        let skip = Array::new();
        let mut judge = Judge::new(&skip, Place::Body);
        judge.text(s)?;
        Ok(Attack(judge.weights))
    }
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod members {
    /// SQL injection.
    #[rhai_fn(get = "sqli", pure)]
    pub fn sqli(attack: &mut Attack) -> i64 {
        i64::from(attack.0.sqli)
    }

    /// Cross-site scripting.
    #[rhai_fn(get = "xss", pure)]
    pub fn xss(attack: &mut Attack) -> i64 {
        i64::from(attack.0.xss)
    }

    /// Path traversal, and reading of files and addresses that are nobody's to show.
    #[rhai_fn(get = "traversal", pure)]
    pub fn traversal(attack: &mut Attack) -> i64 {
        i64::from(attack.0.traversal)
    }

    /// Command injection.
    #[rhai_fn(get = "command", pure)]
    pub fn command(attack: &mut Attack) -> i64 {
        i64::from(attack.0.command)
    }

    /// Injection into templates, expressions, objects, documents and heads.
    #[rhai_fn(get = "code", pure)]
    pub fn code(attack: &mut Attack) -> i64 {
        i64::from(attack.0.code)
    }

    /// The highest of all.
    #[rhai_fn(get = "most", pure)]
    pub fn most(attack: &mut Attack) -> i64 {
        let Weights { sqli, xss, traversal, command, code } = attack.0;
        i64::from(sqli.max(xss).max(traversal).max(command).max(code))
    }
}
