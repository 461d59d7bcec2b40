//! The plugins' own cases: run for `test`, and as a part of `check`.

use crate::base::problems::{Place, Problem, Problems};
use crate::config::Config;
use crate::script::{Folders, TestCase, TestPlan, TestReport, run_tests};

/// Runs the cases that the plan asks for.
pub(super) fn run(config: &Config, plan: TestPlan<'_>) -> (TestReport, Problems) {
    let folders =
        Folders { plugins: &config.plugins.path, scripts: &config.plugins.scripts, root: &config.folder };
    run_tests(folders, plan)
}

/// Adds what the cases have to say to what was found before: cases that fail, and test files that cannot be read.
pub(super) fn append(config: &Config, plugin: Option<&str>, problems: &mut Problems) {
    let names: Vec<String> = plugin.map(str::to_owned).into_iter().collect();
    let (report, found) = run(config, TestPlan { names: &names, ..TestPlan::default() });
    let known: Vec<String> = problems.iter().map(Problem::short).collect();
    // The plugins were looked at before: what is wrong with them is told once.
    found.iter().filter(|problem| !known.contains(&problem.short())).for_each(|p| problems.push(p.clone()));
    report.cases.iter().filter(|case| !case.ok).for_each(|case| problems.push(failed(case)));
}

fn failed(case: &TestCase) -> Problem {
    let message = case.message.as_deref().unwrap_or_default();
    let place = message.strip_prefix(case.file.as_str()).and_then(|rest| rest.strip_prefix(':'));
    let numbered = place.and_then(|rest| {
        let (line, why) = rest.split_once(':')?;
        Some((line.parse().ok()?, why.trim()))
    });
    let (line, why) = numbered.unwrap_or((1, message));
    let place =
        Place { file: case.file.as_str().into(), line: line.max(1), column: 1, width: 1, excerpt: None };
    Problem::at(place, format!("the case `{}` of `{}` fails: {why}", case.test, case.plugin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_case_is_a_problem_at_its_line() {
        let case = TestCase {
            plugin: "honeypot".into(),
            test: "test_x".into(),
            file: "plugins/honeypot/tests/a.rhai".into(),
            ok: false,
            message: Some("plugins/honeypot/tests/a.rhai:7: expected 403".into()),
            duration_ms: 0.1,
        };
        assert_eq!(
            failed(&case).short(),
            "plugins/honeypot/tests/a.rhai:7:1: the case `test_x` of `honeypot` fails: expected 403"
        );
        let bare = TestCase { message: Some("it panicked".into()), ..case };
        assert!(
            failed(&bare).short().ends_with("a.rhai:1:1: the case `test_x` of `honeypot` fails: it panicked")
        );
    }
}
