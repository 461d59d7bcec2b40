//! `pluginmind test`: runs a plugin's own cases, each with a fresh plugin, a fixed clock and nothing else.

mod asserts;
mod bench;
mod builder;
mod outcome;

#[cfg(test)]
pub(super) use builder::plain_facts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Module, Scope, Shared};

use self::bench::{Bench, Handle};
use super::book::{Folders, RuleBook};
use super::budget::{self, CALL_MEMORY_MAX, Limits};
use super::compile;
use super::engine::{Names, guarded, sandbox};
use super::plugin::Plugin;
use super::source::Reader;
use crate::base::clock::Clock;
use crate::base::nearest::nearest;
use crate::base::problems::{Problem, Problems, Source};
use crate::config::Mode;

/// Test files of one plugin.
const FILES_MAX: usize = 64;
/// Stack of the thread that runs tests, in bytes: the same as a worker's.
const STACK_BYTES: usize = 8 << 20;
/// What one test may use; the hooks that it calls have their own, smaller limits.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), ops: 5_000_000, memory: CALL_MEMORY_MAX };

/// The results of all cases.
#[derive(Clone, Debug, Default, serde::Serialize)]
#[serde(transparent)]
pub struct TestReport {
    /// One row a case, in the order of plugins, files and lines.
    pub cases: Vec<TestCase>,
}

/// The result of one case.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TestCase {
    /// The plugin.
    pub plugin: Arc<str>,
    /// The name of the function.
    pub test: String,
    /// The file, relative to the config file's folder.
    pub file: String,
    /// Whether it passed.
    pub ok: bool,
    /// What failed, with `file:line:` and the trace of the last request; absent where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Time it took, in milliseconds.
    pub duration_ms: f64,
}

impl TestReport {
    /// Whether every case passed.
    pub fn is_ok(&self) -> bool {
        self.cases.iter().all(|c| c.ok)
    }
}

/// Runs the tests of the named plugins, or of all for no names, with the settings of their manifests.
///
/// Problems are those that keep a plugin or its tests from being read; no case of a plugin that has any is run.
pub fn run_tests(folders: Folders<'_>, names: &[String]) -> (TestReport, Problems) {
    let run = || run_here(folders, names);
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("rule-tests".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, run);
        worker.ok().and_then(|w| w.join().ok()).unwrap_or_else(|| {
            let mut problems = Problems::default();
            problems.push(Problem::of("tests", "the thread that runs the tests ended early"));
            (TestReport::default(), problems)
        })
    })
}

/// Reads and compiles the tests of every plugin without running them: what `check` says about them.
pub fn check_tests(folders: Folders<'_>) -> Problems {
    // A plugin that does not load has its own problems, and they are told where it is loaded.
    let (book, _) = RuleBook::load(folders, &BTreeMap::new());
    let mut reader = Reader::new(folders.root);
    for plugin in book.into_plugins() {
        for (_, source) in reader.scripts(&plugin.folder.join("tests"), FILES_MAX) {
            if let Err(found) = prepare(&source, &plugin) {
                reader.problems.append(found);
            }
        }
    }
    reader.problems
}

fn run_here(folders: Folders<'_>, names: &[String]) -> (TestReport, Problems) {
    let (book, mut problems) = RuleBook::load(folders, &BTreeMap::new());
    let known: Vec<Arc<str>> = book.plugins().into_iter().map(|p| p.name).collect();
    for name in names.iter().filter(|n| !known.iter().any(|k| **k == ***n)) {
        let problem = Problem::of("tests", format!("there is no plugin `{name}` that can be tested"));
        problems.push(match nearest(name, known.iter().map(|k| &**k)) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        });
    }
    let mut report = TestReport::default();
    if problems.has_errors() {
        return (report, problems);
    }
    let mut reader = Reader::new(folders.root);
    for plugin in book.into_plugins() {
        if names.is_empty() || names.iter().any(|n| **n == *plugin.name) {
            test_plugin(plugin, &mut reader, &mut report);
        }
    }
    problems.append(reader.problems);
    (report, problems)
}

fn test_plugin(mut plugin: Plugin, reader: &mut Reader<'_>, report: &mut TestReport) {
    plugin.manifest.mode = Mode::Enforce;
    let declared = plugin.settings.clone();
    let name = plugin.name.clone();
    let files = reader.scripts(&plugin.folder.join("tests"), FILES_MAX);
    let plugin = Arc::new(Mutex::new(plugin));
    for (_, source) in files {
        let (ast, engine) = match prepare(&source, &plugin.lock()) {
            Ok(ready) => ready,
            Err(found) => {
                reader.problems.append(found);
                continue;
            }
        };
        for test in cases(&source, &ast) {
            plugin.lock().restore(&declared);
            let began = Clock::System.now();
            let failed = run_case(&engine, &ast, &test, &plugin, &source);
            let took = Clock::System.now().saturating_duration_since(began);
            report.cases.push(TestCase {
                plugin: name.clone(),
                test,
                file: source.name.to_string(),
                ok: failed.is_none(),
                message: failed,
                duration_ms: took.as_secs_f64() * 1_000.0,
            });
        }
    }
}

/// Compiles a test file and builds the sandbox that it runs in.
fn prepare(source: &Source, plugin: &Plugin) -> Result<(AST, Engine), Problems> {
    let extras = plugin.surroundings();
    let constants = compile::constants(source, &extras)?;
    let ast = compile::functions(source, &extras, &constants).map_err(|failure| {
        let mut problems = Problems::default();
        problems.push(failure.problem);
        problems
    })?;
    let mut engine = sandbox(&extras, Names::Known);
    engine.register_global_module(vocabulary());
    engine.register_global_module(compile::constant_module(&constants));
    Ok((ast, engine))
}

/// The functions that only tests have.
fn vocabulary() -> Shared<Module> {
    let mut module = Module::new();
    builder::register(&mut module);
    bench::register(&mut module);
    outcome::register(&mut module);
    asserts::register(&mut module);
    module.build_index();
    module.into()
}

/// The test functions of a file, in the order in which they stand.
fn cases(source: &Source, ast: &AST) -> Vec<String> {
    let mut names: Vec<String> = ast
        .iter_functions()
        .filter(|f| f.name.starts_with("test_") && f.params.is_empty())
        .map(|f| f.name.to_owned())
        .collect();
    names.sort_by_key(|n| source.text.find(&format!("fn {n}")).unwrap_or(usize::MAX));
    names
}

fn run_case(
    engine: &Engine,
    ast: &AST,
    test: &str,
    plugin: &Arc<Mutex<Plugin>>,
    source: &Source,
) -> Option<String> {
    let bench = Handle(Arc::new(Bench::new(plugin.clone())));
    budget::start(LIMITS, &Clock::System);
    let ran = guarded(|| {
        let options = CallFnOptions::new().eval_ast(false).with_tag(bench.clone());
        engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), ast, test, ())
    });
    let spent = budget::finish();
    let error = match ran {
        None => return Some(format!("{}: the test panicked", source.name)),
        Some(Ok(_)) => return None,
        Some(Err(e)) => e,
    };
    let inner = error.unwrap_inner();
    let words = match (inner, spent.stop) {
        (_, Some(stop)) => format!("the test was stopped: {stop:?}"),
        (EvalAltResult::ErrorRuntime(value, _), _) => value.to_string(),
        (other, _) => other.to_string(),
    };
    let line = inner.position().line().unwrap_or(0);
    let trace = bench.0.last_trace();
    let trace = if trace.is_empty() { String::new() } else { format!("\n{trace}") };
    Some(format!("{}:{line}: {words}{trace}", source.name))
}
