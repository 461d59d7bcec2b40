//! `pluginmind reload`: the running gateway takes over the files as they are now, or keeps what it has and says why.

use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, findings, render, running, whereabouts};

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let report = running::reload(&whereabouts::find(options)?)?;
    render::result(options.format, &report, || words(&report));
    Ok(if is_applied(&report) { Exit::Fine } else { Exit::Problems })
}

fn is_applied(report: &Value) -> bool {
    report.get("applied").and_then(Value::as_bool).unwrap_or(false)
}

fn words(report: &Value) -> String {
    let generation = report.get("generation").and_then(Value::as_u64).unwrap_or_default();
    let mut lines = Vec::new();
    let problems = findings::read(report.get("problems"));
    if !problems.is_empty() {
        lines.push(render::report(&problems));
    }
    if is_applied(report) {
        lines.push(format!("applied: generation {generation} is in force"));
    } else {
        lines.push(format!("refused: generation {generation} stays in force"));
    }
    let keys = findings::texts(report.get("needs_restart"));
    if !keys.is_empty() {
        lines.push(format!("needs a restart: {}", keys.join(", ")));
    }
    lines.join("\n")
}
