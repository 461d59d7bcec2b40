//! `pluginmind test`: the plugins' own cases.

use std::fmt::Write as _;

use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use super::options::{Format, Test};
use super::{Options, cases, coverage, inputs, junit, render, watch_tests};
use crate::base::problems::Problems;
use crate::config::Config;
use crate::script::{TestPlan, TestReport};

pub(super) fn run(options: &Options, asked: &Test) -> Result<Exit, Failure> {
    if asked.watch {
        return watch_tests::run(options, asked);
    }
    let config = inputs::config(options)?;
    Ok(once(options, asked, &config))
}

/// Runs everything that was asked for once, and tells it.
pub(super) fn once(options: &Options, asked: &Test, config: &Config) -> Exit {
    let measured = asked.coverage || asked.coverage_min.is_some();
    let plan = TestPlan { names: &asked.names, coverage: measured };
    let (report, problems) = cases::run(config, plan);
    if !problems.is_empty() {
        render::complain(&render::report(&problems));
    }
    show(options, &report, &problems, measured);
    let short = asked.coverage_min.map(|min| coverage::short_of(&report.coverage, min)).unwrap_or_default();
    if !short.is_empty() {
        render::complain(&short);
    }
    let fine = report.is_ok() && !problems.has_errors() && short.is_empty();
    if fine { Exit::Fine } else { Exit::Problems }
}

fn show(options: &Options, report: &TestReport, problems: &Problems, measured: bool) {
    match options.format {
        Format::Junit => render::print(&junit::document(report, problems)),
        Format::Json if measured => {
            render::json(&json!({ "cases": report.cases, "coverage": report.coverage }));
        }
        Format::Json => render::json(&report.cases),
        Format::Human if problems.has_errors() && report.cases.is_empty() => {
            render::print("no case was run");
        }
        Format::Human | Format::Github => render::print(&text(report)),
    }
}

fn text(report: &TestReport) -> String {
    let mut out = table(report);
    for sentence in &report.untested {
        let _ = write!(out, "\n\n{sentence}");
    }
    if !report.coverage.is_empty() {
        let _ = write!(out, "\n\n{}", coverage::text(&report.coverage));
    }
    out
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
