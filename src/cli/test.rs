//! `pluginmind test`: the plugins' own cases.

use std::fmt::Write as _;

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, cases, inputs, render};
use crate::script::TestReport;

pub(super) fn run(options: &Options, plugins: &[String]) -> Result<Exit, Failure> {
    let config = inputs::config(options)?;
    let (report, problems) = cases::run(&config, plugins);
    if !problems.is_empty() {
        render::complain(&render::report(&problems));
    }
    if problems.has_errors() && report.cases.is_empty() {
        render::result(options.format, &report, || "no case was run".to_owned());
        return Ok(Exit::Problems);
    }
    render::result(options.format, &report, || table(&report));
    Ok(if report.is_ok() && !problems.has_errors() { Exit::Fine } else { Exit::Problems })
}

fn table(report: &TestReport) -> String {
    let rows: Vec<_> = report
        .cases
        .iter()
        .map(|case| {
            let result = if case.ok { "ok" } else { "FAILED" };
            [
                case.plugin.to_string(),
                case.test.clone(),
                result.to_owned(),
                format!("{:.1} ms", case.duration_ms),
            ]
        })
        .collect();
    let mut out = render::table(["PLUGIN", "CASE", "RESULT", "TIME"], &rows, "no cases");
    for message in report.cases.iter().filter_map(|case| case.message.as_deref()) {
        out.push_str("\n\n");
        out.push_str(message);
    }
    if report.cases.is_empty() {
        return out;
    }
    let failed = report.cases.iter().filter(|case| !case.ok).count();
    let _ = write!(out, "\n\n{} passed, {failed} failed", report.cases.len() - failed);
    out
}
