//! Tests of the whole floor: plugins made on the spot, and what comes of them.

mod bodies;
mod checker;
mod corpus;
mod entries;
mod findings;
mod gateway_bans;
mod generated;
mod inline;
mod prefilter;
mod rehearsal;
mod remembering;
mod running;
mod sandbox;
mod sandbox_rows;
mod shipped;
mod standing;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread;

use tempfile::TempDir;

use super::runner::plain_facts;
use super::*;
use crate::base::clock::Clock;
use crate::base::problems::{Problems, Severity};
use crate::config::PluginOverride;

/// A folder of plugins that a test writes.
struct Ground(TempDir);

impl Ground {
    /// One plugin named `rule` that enforces and fails closed.
    fn with(main: &str) -> Self {
        Self::new().plugin("rule", "mode = \"enforce\"\non_error = \"deny\"\n", main)
    }

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn plugin(self, name: &str, manifest: &str, main: &str) -> Self {
        let head = format!("name = \"{name}\"\nversion = \"1.0.0\"\napi = 1\n{manifest}");
        self.file(&format!("plugins/{name}/plugin.toml"), &head)
            .file(&format!("plugins/{name}/main.rhai"), main)
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn load(&self, overrides: &BTreeMap<String, PluginOverride>) -> (RuleBook, Problems) {
        let root = self.0.path();
        RuleBook::load(
            Folders { plugins: &root.join("plugins"), scripts: &root.join("scripts"), root },
            overrides,
        )
    }

    /// The book, which must have no error.
    fn book(&self) -> RuleBook {
        let (book, problems) = self.load(&BTreeMap::new());
        assert!(!problems.has_errors(), "{}", problems.render());
        book
    }

    /// Every error in one line each, with its code and hint.
    fn problems(&self) -> String {
        self.found(Severity::Error)
    }

    /// Every warning in one line each, with its code and hint.
    fn warnings(&self) -> String {
        self.found(Severity::Warning)
    }

    fn found(&self, severity: Severity) -> String {
        of_severity(&self.load(&BTreeMap::new()).1, severity)
    }

    fn tests(&self, names: &[String]) -> (TestReport, Problems) {
        let root = self.0.path();
        run_tests(
            Folders { plugins: &root.join("plugins"), scripts: &root.join("scripts"), root },
            TestPlan { names, coverage: false },
        )
    }
}

fn errors(problems: &Problems) -> String {
    of_severity(problems, Severity::Error)
}

fn of_severity(problems: &Problems, severity: Severity) -> String {
    short(&only(problems, severity))
}

fn only(problems: &Problems, severity: Severity) -> Problems {
    let mut some = Problems::default();
    problems.iter().filter(|p| p.severity == severity).for_each(|p| some.push(p.clone()));
    some
}

fn short(problems: &Problems) -> String {
    let line = |p: &crate::base::problems::Problem| {
        let hint = p.hint.as_ref().map_or_else(String::new, |h| format!(" [{h}]"));
        format!("{} {}{hint}", p.code.unwrap_or("-"), p.short())
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Runs on a thread with a worker's stack.
fn on_worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(8 << 20).spawn(work).unwrap().join().unwrap()
}

/// A clock that stands still, so that only operations and memory end a script.
fn still() -> Clock {
    Clock::manual(1_767_614_400_000)
}

/// Asks the book once, and shows the decision in a few words.
fn decide(book: &RuleBook, hook: Hook, facts: RequestFacts) -> (String, Ledger) {
    let mut ledger = Ledger::new();
    let decision = book.run(hook, &Arc::new(facts), None, &mut ledger, &still());
    (words(&decision), ledger)
}

fn words(decision: &Decision) -> String {
    match decision {
        Decision::Pass => "pass".to_owned(),
        Decision::Refuse { refusal, rule, .. } => format!("{} {} {rule}", refusal.status, refusal.code),
        Decision::Fault { plugin } => format!("fault {plugin}"),
    }
}

/// What `on_request` of one plugin decides for `GET /`.
fn request(main: &str) -> String {
    let book = Ground::with(main).book();
    on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).0)
}

/// How the only call of the plugin ended.
fn ending(main: &str) -> Outcome {
    let book = Ground::with(main).book();
    on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).1.notes().last().unwrap().outcome)
}

/// What `on_response` of one plugin makes of an answer with those headers.
fn respond(main: &str, headers: &[(&'static str, &str)]) -> (String, ResponseFacts) {
    let book = Ground::with(main).book();
    let mut head = ResponseFacts {
        status: http::StatusCode::OK,
        headers: http::HeaderMap::new(),
        size: 0,
        latency_ms: 0,
        body: None,
    };
    for (name, value) in headers {
        head.headers.append(*name, value.parse().unwrap());
    }
    on_worker(move || {
        let facts = Arc::new(plain_facts("GET", "/"));
        let decision = book.run(Hook::Response, &facts, Some(&mut head), &mut Ledger::new(), &still());
        (words(&decision), head)
    })
}
