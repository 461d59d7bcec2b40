//! Runs one hook of one plugin, and reads what came of it.

use std::sync::Arc;
use std::time::Duration;

use rhai::{CallFnOptions, Dynamic, EvalAltResult, Scope};

use super::api::{Denied, Up};
use super::budget::{self, Limits, Spent, Stop};
use super::call::{Call, Request, Response, Said};
use super::engine::guarded;
use super::hook::Second;
use super::ledger::FaultKind;
use super::plugin::Plugin;
use super::verdict::Verdict;
use crate::config::Mode;

/// How one call ended.
pub(super) struct Heard {
    pub outcome: Result<Option<Verdict>, Fault>,
    pub said: Said,
    pub time: Duration,
    /// Whether what was said counts.
    pub mode: Mode,
}

/// Why a script failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub kind: FaultKind,
    /// Line in the script; 0 where it is not known.
    pub line: usize,
    /// Column in that line; 0 where it is not known.
    pub column: usize,
    /// What may be told of it: nothing that the script had in hand.
    pub told: String,
    /// Rhai's words. They may quote what the script threw, and so are for tests only.
    pub words: String,
}

/// Calls the hook and waits for it to end, which the limits see to.
pub(super) fn call(plugin: &Plugin, call: &Arc<Call>, limits: Limits) -> Heard {
    let request = Dynamic::from(Request(call.clone()));
    let second = match call.hook.second() {
        Second::Nothing => None,
        Second::Upstream => Some(Dynamic::from(Up(call.clone()))),
        Second::Response => Some(Dynamic::from(Response(call.clone()))),
        Second::Verdict => Some(Dynamic::from(Denied(call.clone()))),
    };
    if plugin.probe.is_some() {
        // What runs is told to the probe by Rhai's own call.
        let args = [Some(request), second].into_iter().flatten().collect();
        return invoke(plugin, call, call.hook.name(), args, limits);
    }
    within(plugin, call, limits, || {
        let tag = request.clone();
        let ran = match second {
            None => plugin.entries.run(&plugin.engine, &plugin.ast, call.hook, tag, [request]),
            Some(second) => {
                plugin.entries.run(&plugin.engine, &plugin.ast, call.hook, tag, [request, second])
            }
        };
        ran.unwrap_or(Ok(()))
    })
}

/// Calls a function of the plugin, hook or not, and waits for it to end.
pub(super) fn invoke(
    plugin: &Plugin,
    call: &Arc<Call>,
    function: &str,
    args: Vec<Dynamic>,
    limits: Limits,
) -> Heard {
    within(plugin, call, limits, || {
        let options = CallFnOptions::new().eval_ast(false).with_tag(Request(call.clone()));
        let mut scope = Scope::new();
        plugin
            .engine
            .call_fn_with_options::<Dynamic>(options, &mut scope, &plugin.ast, function, args)
            .map(drop)
    })
}

/// Runs a script within its limits, and hears what it said.
fn within(
    plugin: &Plugin,
    call: &Arc<Call>,
    limits: Limits,
    script: impl FnOnce() -> Result<(), Box<EvalAltResult>>,
) -> Heard {
    budget::start(limits, &call.clock);
    let ran = guarded(script);
    let spent = budget::finish();
    let mut said = std::mem::take(&mut *call.said.lock());
    // The recorded verdict is authoritative, whatever happened after it.
    let outcome = match said.verdict.take() {
        Some(verdict) => Ok(Some(verdict)),
        None => read(ran, spent),
    };
    Heard { outcome, said, time: spent.time, mode: plugin.manifest.mode }
}

fn read(ran: Option<Result<(), Box<EvalAltResult>>>, spent: Spent) -> Result<Option<Verdict>, Fault> {
    match ran {
        None => Err(Fault::nowhere(FaultKind::Panic, "the call panicked")),
        Some(Ok(())) => Ok(None),
        Some(Err(e)) if matches!(e.unwrap_inner(), EvalAltResult::Exit(..)) => Ok(None),
        Some(Err(e)) => Err(classify(&e, spent.stop)),
    }
}

/// What kind of fault an error is. A stop by the budget outranks the error that it showed itself as.
fn classify(error: &EvalAltResult, stop: Option<Stop>) -> Fault {
    let inner = error.unwrap_inner();
    let kind = match stop {
        Some(Stop::Operations) => FaultKind::Operations,
        Some(Stop::Time) => FaultKind::Time,
        Some(Stop::Memory) => FaultKind::Memory,
        Some(Stop::Decided) | None => match inner {
            EvalAltResult::ErrorDataTooLarge(..) => FaultKind::Memory,
            _ => FaultKind::Script,
        },
    };
    let words = match stop {
        Some(Stop::Operations) => "too many operations".to_owned(),
        Some(Stop::Time) => "too much time".to_owned(),
        Some(Stop::Memory) => "too much memory".to_owned(),
        _ => inner.to_string(),
    };
    let told = if kind == FaultKind::Script { told(inner) } else { words.clone() };
    let (line, column) = (inner.position().line().unwrap_or(0), inner.position().position().unwrap_or(0));
    Fault { kind, line, column, told, words }
}

impl Fault {
    /// A fault that has no place in the script.
    pub fn nowhere(kind: FaultKind, words: &str) -> Self {
        Self { kind, line: 0, column: 0, told: words.to_owned(), words: words.to_owned() }
    }
}

/// What went wrong in a script, in words of the script's own text and of types: no value of a request is among them.
fn told(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => format!("there is no function `{signature}`"),
        EvalAltResult::ErrorVariableNotFound(name, _) => format!("there is no variable `{name}`"),
        EvalAltResult::ErrorModuleNotFound(name, _) => format!("there is no namespace `{name}`"),
        EvalAltResult::ErrorMismatchDataType(wanted, found, _) => {
            format!("`{wanted}` is expected, not `{found}`")
        }
        EvalAltResult::ErrorMismatchOutputType(wanted, found, _) => {
            format!("`{wanted}` is expected as the result, not `{found}`")
        }
        EvalAltResult::ErrorArrayBounds(..) => "a list has no such place".to_owned(),
        EvalAltResult::ErrorStringBounds(..) => "a text has no such place".to_owned(),
        EvalAltResult::ErrorIndexingType(kind, _) => format!("`{kind}` has no places"),
        EvalAltResult::ErrorArithmetic(..) => "the numbers cannot be reckoned with".to_owned(),
        EvalAltResult::ErrorStackOverflow(_) => "functions call each other too deeply".to_owned(),
        EvalAltResult::ErrorRuntime(..) => {
            "the script threw, or a function refused what it was given".to_owned()
        }
        _ => "the script failed".to_owned(),
    }
}
