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
    /// Rhai's words. They may quote what the script threw, and so are for tests only.
    pub words: String,
}

/// Calls the hook and waits for it to end, which the limits see to.
pub(super) fn call(plugin: &Plugin, call: &Arc<Call>, limits: Limits) -> Heard {
    let mut args = vec![Dynamic::from(Request(call.clone()))];
    match call.hook.second() {
        Second::Nothing => {}
        Second::Upstream => args.push(Dynamic::from(Up(call.clone()))),
        Second::Response => args.push(Dynamic::from(Response(call.clone()))),
        Second::Verdict => args.push(Dynamic::from(Denied(call.clone()))),
    }
    invoke(plugin, call, call.hook.name(), args, limits)
}

/// Calls a function of the plugin, hook or not, and waits for it to end.
pub(super) fn invoke(
    plugin: &Plugin,
    call: &Arc<Call>,
    function: &str,
    args: Vec<Dynamic>,
    limits: Limits,
) -> Heard {
    budget::start(limits, &call.clock);
    let ran = guarded(|| {
        let options = CallFnOptions::new().eval_ast(false).with_tag(Request(call.clone()));
        let mut scope = Scope::new();
        plugin
            .engine
            .call_fn_with_options::<Dynamic>(options, &mut scope, &plugin.ast, function, args)
            .map(drop)
    });
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
        None => Err(Fault { kind: FaultKind::Panic, line: 0, words: "the call panicked".to_owned() }),
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
    Fault { kind, line: inner.position().line().unwrap_or(0), words }
}
