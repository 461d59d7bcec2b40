//! The results of cases as `JUnit` XML, which build servers read: one suite a plugin.

use std::fmt::Write as _;

use crate::base::problems::{Problem, Problems, Severity};
use crate::script::{PluginCoverage, TestCase, TestReport};

/// The whole document. What kept cases from being run is an error in a suite of its own.
pub(super) fn document(report: &TestReport, problems: &Problems) -> String {
    let errors: Vec<&Problem> = problems.iter().filter(|p| p.severity == Severity::Error).collect();
    let failed = report.cases.iter().filter(|c| !c.ok).count();
    let total = report.cases.len() + errors.len();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"pluginmind\" tests=\"{total}\" failures=\"{failed}\" errors=\"{}\" time=\"{}\">",
        errors.len(),
        seconds(report.cases.iter())
    );
    for plugin in plugins(report) {
        let cases: Vec<&TestCase> = report.cases.iter().filter(|c| *c.plugin == *plugin).collect();
        suite(&mut out, plugin, &cases, report.coverage.iter().find(|c| *c.plugin == *plugin));
    }
    if !errors.is_empty() {
        let n = errors.len();
        let _ = writeln!(
            out,
            "  <testsuite name=\"problems\" tests=\"{n}\" failures=\"0\" errors=\"{n}\" time=\"0.000\">"
        );
        for problem in errors {
            let short = escaped(&problem.short());
            let _ = writeln!(out, "    <testcase classname=\"problems\" name=\"{short}\" time=\"0.000\">");
            let _ = writeln!(out, "      <error message=\"{short}\">{}</error>", escaped(&problem.render()));
            out.push_str("    </testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>");
    out
}

/// The plugins that were tested, in the order of their cases; those without a case that were measured after them.
fn plugins(report: &TestReport) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in report.cases.iter().map(|c| &*c.plugin).chain(report.coverage.iter().map(|c| &*c.plugin)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn suite(out: &mut String, plugin: &str, cases: &[&TestCase], coverage: Option<&PluginCoverage>) {
    let failed = cases.iter().filter(|c| !c.ok).count();
    let name = escaped(plugin);
    let _ = writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{}\">",
        cases.len(),
        seconds(cases.iter().copied())
    );
    if let Some(coverage) = coverage {
        out.push_str("    <properties>\n");
        for (key, share) in [("lines", coverage.lines), ("codes", coverage.codes)] {
            let percent = share.percent();
            let _ = writeln!(out, "      <property name=\"coverage.{key}.percent\" value=\"{percent}\"/>");
        }
        out.push_str("    </properties>\n");
    }
    for case in cases {
        let (test, file) = (escaped(&case.test), escaped(&case.file));
        let time = case.duration_ms / 1_000.0;
        let _ = write!(
            out,
            "    <testcase classname=\"{name}\" name=\"{test}\" file=\"{file}\" time=\"{time:.3}\""
        );
        match &case.message {
            None => out.push_str("/>\n"),
            Some(message) => {
                let first = escaped(message.lines().next().unwrap_or_default());
                let _ = writeln!(out, ">\n      <failure message=\"{first}\">{}</failure>", escaped(message));
                out.push_str("    </testcase>\n");
            }
        }
    }
    out.push_str("  </testsuite>\n");
}

fn seconds<'a>(cases: impl Iterator<Item = &'a TestCase>) -> String {
    format!("{:.3}", cases.map(|c| c.duration_ms).sum::<f64>() / 1_000.0)
}

/// A text for an element or an attribute. What XML 1.0 cannot hold at all becomes a replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if c < ' ' || matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_rule_says_ends_an_element_or_an_attribute() {
        assert_eq!(escaped("a<b>&\"'\n\u{1}\u{ffff}ü"), "a&lt;b&gt;&amp;&quot;&apos;&#10;\u{fffd}\u{fffd}ü");
    }

    #[test]
    fn a_failure_is_counted_in_its_suite_and_a_problem_in_another() {
        let case = |ok: bool| TestCase {
            plugin: "mine".into(),
            test: "test_x".into(),
            file: "plugins/mine/tests/a.rhai".into(),
            ok,
            message: (!ok).then(|| "a.rhai:1: got <b>\nmore".to_owned()),
            duration_ms: 1.5,
        };
        let report = TestReport { cases: vec![case(true), case(false)], ..TestReport::default() };
        let mut problems = Problems::default();
        problems.push(Problem::of("plugins/x", "it is \"wrong\""));
        let text = document(&report, &problems);
        for wanted in [
            "<testsuites name=\"pluginmind\" tests=\"3\" failures=\"1\" errors=\"1\" time=\"0.003\">",
            "<testsuite name=\"mine\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"0.003\">",
            "<failure message=\"a.rhai:1: got &lt;b&gt;\">a.rhai:1: got &lt;b&gt;&#10;more</failure>",
            "<testsuite name=\"problems\" tests=\"1\" failures=\"0\" errors=\"1\" time=\"0.000\">",
            "it is &quot;wrong&quot;",
        ] {
            assert!(text.contains(wanted), "{wanted}\nin\n{text}");
        }
    }
}
