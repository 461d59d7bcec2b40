//! Findings as workflow commands, which GitHub shows beside the lines of a change.
//!
//! # Source
//! Workflow commands for GitHub Actions: in a message `%`, CR and LF are escaped, in a property `:` and `,` as well.

use std::fmt::Write as _;

use crate::base::problems::{Problem, Problems, Severity};

/// One line for each finding.
pub(super) fn lines(problems: &Problems) -> String {
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(problem: &Problem) -> String {
    let mut properties = Vec::new();
    if let Some(place) = &problem.place {
        properties.push(format!("file={}", property(&place.file)));
        properties.push(format!("line={}", place.line));
        properties.push(format!("col={}", place.column));
    }
    properties.extend(problem.code.map(|code| format!("title={code}")));
    let mut text = match (&problem.place, &problem.origin) {
        (None, Some(origin)) => format!("{origin}: {}", problem.message),
        _ => problem.message.clone(),
    };
    if let Some(hint) = &problem.hint {
        let _ = write!(text, " ({hint})");
    }
    let word = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let space = if properties.is_empty() { "" } else { " " };
    format!("::{word}{space}{}::{}", properties.join(","), data(&text))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::problems::Source;

    #[test]
    fn a_finding_is_one_line_and_cannot_begin_another_command() {
        let source = Source::new("a,b:c/main.rhai", "x\n");
        let mut problems = Problems::default();
        problems.push(
            Problem::at(source.place(0..1), "100% `x`\n::error::y").code("PM022").hint("did you mean `y`?"),
        );
        problems.push(Problem::of("[session]", "no").warning());
        assert_eq!(
            lines(&problems),
            "::error file=a%2Cb%3Ac/main.rhai,line=1,col=1,title=PM022::100%25 `x`%0A::error::y (did you mean `y`?)\n::warning::[session]: no"
        );
    }
}
