//! Budget: 800 ns for a hook that does nothing, 200 ns for a hundred plugins that do not match.
//!
//! The trade of rules: what one hook costs at least, what each shipped plugin costs, and what a reload costs.
//! Run alone with `cargo bench rules:`.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use pluginmind::base::clock::Clock;
use pluginmind::base::ids::CorrelationId;
use pluginmind::base::location::Location;
use pluginmind::config::{Mode, PluginOverride, SettingValue};
use pluginmind::script::{
    BodyFacts, Decision, Folders, GeoFacts, Hook, IdentityFacts, Ledger, RequestFacts, ResponseFacts,
    RouteFacts,
};
use pluginmind::script::{RuleBook, UserFacts};

/// A plugin of a few lines, with a setting.
const SMALL: &str = "fn on_request(req) {
    if req.path == \"/never\" && settings::limit > 7 {
        score(10, \"bench.never\");
    }
}
";
/// Shipped plugins that look at routes of APIs alone.
const OF_APIS: [&str; 2] = ["api-tiers", "json-guard"];
/// A stack as workers have it.
const STACK_BYTES: usize = 8 << 20;
/// Passes of each thread where two threads are compared with one.
const PASSES: u32 = 2_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn word(mode: Mode) -> PluginOverride {
    PluginOverride { mode: Some(mode), ..PluginOverride::default() }
}

fn load(root: &Path, words: &BTreeMap<String, PluginOverride>) -> RuleBook {
    let folders = Folders { plugins: &root.join("plugins"), scripts: &root.join("scripts"), root };
    let (book, problems) = RuleBook::load(folders, words);
    assert!(!problems.has_errors(), "{}", problems.render());
    book
}

/// The names of the shipped plugins, in the order in which they are asked.
fn shipped() -> Vec<String> {
    load(root(), &BTreeMap::new()).plugins().iter().map(|plugin| plugin.name.to_string()).collect()
}

/// The shipped plugins that `on` names, enforcing; the others are off.
fn enforcing(names: &[String], on: impl Fn(&str) -> bool) -> RuleBook {
    let mode = |name: &str| if on(name) { Mode::Enforce } else { Mode::Off };
    let words = names.iter().map(|name| (name.clone(), word(mode(name)))).collect();
    load(root(), &words)
}

/// A folder with one plugin of that text.
fn one_plugin(main: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("plugins/rule");
    fs::create_dir_all(&plugin).expect("a folder");
    let manifest = "name = \"rule\"\nversion = \"1.0.0\"\napi = 1\ndescription = \"A bench.\"\nmode = \"enforce\"\n\
        on_error = \"deny\"\nroutes = { include = [\"*\"] }\n\
        [settings]\nlimit = { type = \"int\", default = 7, doc = \"A bench.\" }\n";
    fs::write(plugin.join("plugin.toml"), manifest).expect("a manifest");
    fs::write(plugin.join("main.rhai"), main).expect("a script");
    folder
}

/// A request as a browser sends it, by somebody who is signed in; a POST signs in by JSON.
fn facts(method: Method, path: &str, route: &str) -> Arc<RequestFacts> {
    let posts = method == Method::POST;
    let body = br#"{"username":"ada","password":"correct horse battery staple"}"#;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "shop.example"),
        ("accept", "text/html,application/xhtml+xml"),
        ("accept-language", "de-CH,de;q=0.9,en;q=0.8"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if posts {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
    }
    let facts = RequestFacts {
        id: CorrelationId::generate(),
        method,
        scheme: "https",
        host: "shop.example".to_owned(),
        path: path.to_owned(),
        raw_path: path.to_owned(),
        query_string: "page=2&sort=price".to_owned(),
        upgrade: "",
        http_version: "1.1",
        client_ip: IpAddr::from([192, 0, 2, 1]),
        client_port: 50_000,
        tls: None,
        client_hash: "35df6877071473787ec69d19b4cf9119".into(),
        headers,
        session_cookie: "pm_session".into(),
        route: RouteFacts::new(route.into(), "shop".into(), Arc::default()),
        content_length: if posts { body.len() as u64 } else { 0 },
        unix_ms: 1_767_614_400_000,
        geo: GeoFacts::known(Location::default()),
        identity: OnceLock::new(),
        body: OnceLock::new(),
    };
    let user = UserFacts { id: "u1".to_owned(), name: "ada".to_owned(), ..UserFacts::default() };
    facts.identify(IdentityFacts { user: Some(user), ..IdentityFacts::default() });
    if posts {
        facts.give_body(BodyFacts::new("application/json", bytes::Bytes::from_static(body)));
    }
    Arc::new(facts)
}

fn answer() -> ResponseFacts {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/html"));
    headers.insert("server", HeaderValue::from_static("nginx"));
    let body = bytes::Bytes::from_static(b"<!doctype html><title>Shop</title><p>Hello.");
    ResponseFacts {
        status: StatusCode::OK,
        headers,
        size: body.len() as u64,
        latency_ms: 3,
        body: Some(body),
    }
}

/// One request from its arrival to the end of its answer; whether it passed.
fn pass(book: &RuleBook, facts: &Arc<RequestFacts>) -> bool {
    let clock = Clock::System;
    let mut ledger = Ledger::new();
    for hook in [Hook::Request, Hook::Auth, Hook::Body, Hook::Upstream] {
        let asked = hook != Hook::Body || facts.body.get().is_some();
        if asked && !matches!(book.run(hook, facts, None, &mut ledger, &clock), Decision::Pass) {
            return false;
        }
    }
    let mut answer = answer();
    [Hook::Response, Hook::ResponseBody, Hook::Log]
        .into_iter()
        .all(|hook| matches!(book.run(hook, facts, Some(&mut answer), &mut ledger, &clock), Decision::Pass))
}

/// What calling a hook costs that does nothing: the floor under every plugin.
pub fn floor(c: &mut Criterion) {
    let folder = one_plugin("fn on_request(req) { }\n");
    let book = load(folder.path(), &BTreeMap::new());
    let facts = facts(Method::GET, "/items/42", "shop");
    c.bench_function("rules: floor, an empty hook", |b| {
        b.iter(|| {
            let mut ledger = Ledger::new();
            book.run(Hook::Request, black_box(&facts), None, &mut ledger, &Clock::System)
        });
    });
}

/// A hundred plugins of which none looks at the request's route: what those cost that have nothing to say.
pub fn not_matching(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..100 {
        let plugin = folder.path().join(format!("plugins/rule-{number}"));
        fs::create_dir_all(&plugin).expect("a folder");
        let manifest = format!(
            "name = \"rule-{number}\"\nversion = \"1.0.0\"\napi = 1\ndescription = \"A bench.\"\nmode = \"enforce\"\n\
             on_error = \"deny\"\nroutes = {{ include = [\"elsewhere-*\"] }}\n"
        );
        fs::write(plugin.join("plugin.toml"), manifest).expect("a manifest");
        fs::write(plugin.join("main.rhai"), "fn on_request(req) { }\n").expect("a script");
    }
    let book = load(folder.path(), &BTreeMap::new());
    let mut facts = facts(Method::GET, "/items/42", "shop");
    if let Some(facts) = Arc::get_mut(&mut facts) {
        facts.route = book.on_route(facts.route.clone());
    }
    assert!(!book.looks_at(&facts.route, &facts.method, &facts.path));
    c.bench_function("rules: 100 plugins that do not match", |b| {
        b.iter(|| {
            let mut ledger = Ledger::new();
            book.run(Hook::Request, black_box(&facts), None, &mut ledger, &Clock::System)
        });
    });
}

/// Each shipped plugin alone, and all of them together, on requests that have nothing to hide.
pub fn plugins(c: &mut Criterion) {
    let names = shipped();
    let both = |route| (facts(Method::GET, "/items/42", route), facts(Method::POST, "/login", route));
    for name in &names {
        let (get, post) = both(if OF_APIS.contains(&name.as_str()) { "api" } else { "shop" });
        let book = enforcing(&names, |other| other == name);
        c.bench_function(&format!("rules: {name}, GET"), |b| b.iter(|| pass(&book, black_box(&get))));
        if book.interested(Hook::Body) {
            c.bench_function(&format!("rules: {name}, POST"), |b| b.iter(|| pass(&book, black_box(&post))));
        }
    }
    let (get, post) = both("shop");
    let book = enforcing(&names, |_| true);
    assert!(pass(&book, &get) && pass(&book, &post), "an honest request passes every plugin");
    c.bench_function("rules: all shipped, GET", |b| b.iter(|| pass(&book, black_box(&get))));
    c.bench_function("rules: all shipped, POST", |b| b.iter(|| pass(&book, black_box(&post))));
}

/// A thousand lines of honest script: fifty functions of twenty lines.
fn thousand_lines() -> String {
    use std::fmt::Write as _;
    let mut main = "fn on_request(req) {\n    judge_0(req);\n}\n".to_owned();
    for i in 0..50 {
        let _ = writeln!(main, "fn judge_{i}(req) {{\n    let seen = req.path.len() + settings::limit;");
        for line in 0..16 {
            let _ = writeln!(main, "    if seen > {} {{ score(1, \"bench.long\"); }}", 1_000 + line);
        }
        let next = if i < 49 { format!("judge_{}(req)", i + 1) } else { "seen".to_owned() };
        let _ = writeln!(main, "    {next}\n}}");
    }
    main
}

/// Reading, checking and compiling, as a reload does it, off the workers.
pub fn reload(c: &mut Criterion) {
    let small = one_plugin(SMALL);
    c.bench_function("rules: check and load one plugin", |b| b.iter(|| load(small.path(), &BTreeMap::new())));
    let long = one_plugin(&thousand_lines());
    c.bench_function("rules: check and load 1,000 lines", |b| b.iter(|| load(long.path(), &BTreeMap::new())));
    let limit = |n: i64| {
        let value = SettingValue { value: n.into(), origin: "config.toml:1".to_owned() };
        let settings = BTreeMap::from([("limit".to_owned(), value)]);
        BTreeMap::from([("rule".to_owned(), PluginOverride { settings, ..PluginOverride::default() })])
    };
    let mut n = 0;
    // The book is built anew whatever changed; that a setting is no dearer than a script is what this shows.
    c.bench_function("rules: another value of a setting", |b| {
        b.iter(|| {
            n += 1;
            load(small.path(), &limit(n))
        });
    });
}

/// How long that many threads take for [`PASSES`] each, on one book.
fn together(book: &Arc<RuleBook>, threads: usize) -> Duration {
    let ready = Arc::new(Barrier::new(threads + 1));
    let work = |_| {
        let (book, ready) = (book.clone(), ready.clone());
        let run = move || {
            let facts = facts(Method::GET, "/items/42", "shop");
            ready.wait();
            (0..PASSES).filter(|_| pass(&book, black_box(&facts))).count()
        };
        thread::Builder::new().stack_size(STACK_BYTES).spawn(run).expect("a thread")
    };
    let running: Vec<_> = (0..threads).map(work).collect();
    ready.wait();
    let begin = Instant::now();
    for thread in running {
        assert_eq!(thread.join().expect("it ends"), PASSES as usize);
    }
    begin.elapsed()
}

/// Whether two workers on the same book do twice as much as one: 2.00 is perfect, 1.00 means that they wait for
/// each other (or that the machine has one free core).
#[expect(clippy::print_stderr, reason = "a ratio is no time that criterion could measure")]
pub fn two_threads(_: &mut Criterion) {
    let names = shipped();
    let book = Arc::new(enforcing(&names, |_| true));
    together(&book, 1); // warm
    let (one, two) = (together(&book, 1), together(&book, 2));
    let ratio = 2.0 * one.as_secs_f64() / two.as_secs_f64();
    eprintln!(
        "rules: two threads do {ratio:.2} times the work of one ({one:?}, {two:?} for {PASSES} passes each)"
    );
}
