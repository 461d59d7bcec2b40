//! `pluginmind test`: runs a plugin's own cases, each with a fresh plugin, a fixed clock and nothing else.

mod asserts;
mod bench;
mod builder;
mod coverage;
mod outcome;
mod select;

#[cfg(test)]
pub(super) use builder::plain_facts;
pub(super) use coverage::Probe;
pub use coverage::{Missed, PluginCoverage, Share};
pub use select::TestPlan;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Module, Scope, Shared};

use self::bench::{Bench, Handle};
use self::select::CASE_PREFIX;
use super::book::{Folders, RuleBook};
use super::budget::{self, CALL_MEMORY_MAX, Limits};
use super::compile;
use super::engine::{Names, guarded, sandbox};
use super::library;
use super::plugin::Plugin;
use super::source::Reader;
use crate::base::clock::Clock;
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
pub struct TestReport {
    /// One row a case, in the order of plugins, files and lines.
    pub cases: Vec<TestCase>,
    /// One row a plugin, where coverage was asked for.
    pub coverage: Vec<PluginCoverage>,
    /// A sentence for each plugin that was to be tested and has no case.
    pub untested: Vec<String>,
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

/// Runs the tests that the plan asks for, with the settings of the plugins' manifests.
///
/// Problems are those that keep a plugin or its tests from being read; no case of a plugin that has any is run.
pub fn run_tests(folders: Folders<'_>, plan: TestPlan<'_>) -> (TestReport, Problems) {
    let run = || run_here(folders, plan);
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

fn run_here(folders: Folders<'_>, plan: TestPlan<'_>) -> (TestReport, Problems) {
    let (book, found) = RuleBook::load(folders, &BTreeMap::new());
    let mut reader = Reader::new(folders.root);
    let below = PathBuf::from(reader.name(folders.plugins));
    let mut problems = Problems::default();
    found.iter().filter(|p| plan.concerns(p, &below)).for_each(|p| problems.push(p.clone()));
    let known: Vec<Arc<str>> = book.plugins().into_iter().map(|p| p.name).collect();
    plan.unknown_plugins(&known, &mut problems);
    let mut report = TestReport::default();
    if problems.has_errors() {
        return (report, problems);
    }
    let mut seen = Vec::new();
    for plugin in book.into_plugins().into_iter().filter(|p| plan.takes_plugin(&p.name)) {
        seen.extend(test_plugin(plugin, plan, &mut reader, &mut report));
    }
    plan.unknown_cases(&seen, &mut reader.problems);
    problems.append(reader.problems);
    (report, problems)
}

/// Runs one plugin's cases; gives the names of all that there are.
fn test_plugin(
    mut plugin: Plugin,
    plan: TestPlan<'_>,
    reader: &mut Reader<'_>,
    report: &mut TestReport,
) -> Vec<String> {
    plugin.manifest.mode = Mode::Enforce;
    plugin.probe = plan.coverage.then(Probe::default);
    let probe = plugin.probe.clone();
    let declared = plugin.settings.clone();
    let name = plugin.name.clone();
    let files = reader.scripts(&plugin.folder.join("tests"), FILES_MAX);
    let folder = reader.name(&plugin.folder.join("tests"));
    let file_count = files.len();
    let covered = if plan.coverage { own_files(&plugin, reader) } else { Vec::new() };
    let plugin = Arc::new(Mutex::new(plugin));
    let mut seen = Vec::new();
    let mut unread = false;
    for (_, source) in files {
        let (ast, engine) = match prepare(&source, &plugin.lock()) {
            Ok(ready) => ready,
            Err(found) => {
                unread = true;
                reader.problems.append(found);
                continue;
            }
        };
        for test in cases(&source, &ast, &mut reader.problems) {
            seen.push(test.clone());
            if !plan.takes_case(&test) {
                continue;
            }
            plugin.lock().restore(&declared);
            asserts::forget();
            let began = Clock::System.now();
            let failed = run_case(&engine, &ast, &test, &plugin, &source);
            let took = Clock::System.now().saturating_duration_since(began);
            if failed.is_none() && asserts::made() == 0 {
                reader.problems.push(asserts_nothing(&source, &test));
            }
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
    if seen.is_empty() && !unread && !plan.picks_cases() {
        report.untested.push(untested(&name, &folder, file_count));
        if plan.names_plugin(&name) {
            reader.problems.push(Problem::of("tests", untested(&name, &folder, file_count)));
        }
    }
    report.coverage.extend(probe.map(|probe| coverage::measure(name, &covered, &probe)));
    seen
}

/// Why there is nothing to run.
fn untested(plugin: &str, folder: &str, files: usize) -> String {
    let why = match files {
        0 => format!("no `.rhai` file stands in {folder}"),
        _ => format!("no function `{CASE_PREFIX}…()` stands in the files of {folder}"),
    };
    format!("the plugin `{plugin}` has no tests: {why}")
}

fn asserts_nothing(source: &Source, test: &str) -> Problem {
    let message = format!("the case `{test}` asserts nothing, and so can never fail");
    let problem = Problem::at(source.place_at(line_of(source, test), 1), message).warning();
    problem.hint("say what must hold with assert, assert_eq, assert_denied or assert_passed")
}

/// The plugin's own files with their statements, as they were compiled.
fn own_files(plugin: &Plugin, reader: &mut Reader<'_>) -> Vec<(Source, Arc<AST>)> {
    let mut files = Vec::new();
    if let Some(main) = reader.read(&plugin.folder.join("main.rhai")) {
        files.push((main, plugin.ast.clone()));
    }
    let around = plugin.surroundings();
    for (_, source) in reader.scripts(&plugin.folder.join("lib"), library::FILES_MAX) {
        // It compiled a moment ago; whoever has just broken it hears so from the next run.
        let Ok(constants) = compile::constants(&source, &around) else { continue };
        if let Ok(ast) = compile::functions(&source, &around, &constants) {
            files.push((source, Arc::new(ast)));
        }
    }
    files
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
fn cases(source: &Source, ast: &AST, problems: &mut Problems) -> Vec<String> {
    let (mut names, mut misshapen) = (Vec::new(), Vec::new());
    for function in ast.iter_functions().filter(|f| f.name.starts_with(CASE_PREFIX)) {
        let of_its_kind = if function.params.is_empty() { &mut names } else { &mut misshapen };
        of_its_kind.push(function.name.to_owned());
    }
    names.sort_by_key(|n| line_of(source, n));
    for name in misshapen {
        let message = format!("`{name}` has parameters, and so is no case and is never run");
        problems.push(Problem::at(source.place_at(line_of(source, &name), 1), message).warning());
    }
    names
}

/// The line on which a function begins; 1 where it cannot be found.
fn line_of(source: &Source, function: &str) -> usize {
    let begins = |line: &str| {
        let rest = line.split_once("fn ").map(|(_, rest)| rest.trim_start());
        rest.and_then(|rest| rest.strip_prefix(function))
            .is_some_and(|rest| rest.trim_start().starts_with('('))
    };
    source.text.lines().position(begins).map_or(1, |line| line + 1)
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
