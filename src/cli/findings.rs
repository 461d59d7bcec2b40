//! Problems as the running gateway sends them, read back so that they are shown as `check` shows them.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::base::problems::{Place, Problem, Problems};

#[derive(Deserialize)]
struct Finding {
    severity: String,
    code: Option<String>,
    message: String,
    file: Option<Arc<str>>,
    line: Option<usize>,
    column: Option<usize>,
    width: Option<usize>,
    excerpt: Option<String>,
    origin: Option<String>,
    hint: Option<String>,
}

/// The problems of a document; what does not look like one is left out.
pub(super) fn read(list: Option<&Value>) -> Problems {
    let mut problems = Problems::default();
    for value in list.and_then(Value::as_array).into_iter().flatten() {
        if let Ok(finding) = Finding::deserialize(value) {
            problems.push(finding.into_problem());
        }
    }
    problems
}

/// The texts of a list.
pub(super) fn texts(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

impl Finding {
    fn into_problem(self) -> Problem {
        let message = match &self.code {
            Some(code) => format!("[{code}] {}", self.message),
            None => self.message,
        };
        let mut problem = match (self.file, self.line) {
            (Some(file), Some(line)) => {
                let (column, width) = (self.column.unwrap_or(1), self.width.unwrap_or(1));
                Problem::at(Place { file, line, column, width, excerpt: self.excerpt }, message)
            }
            _ => Problem::of(self.origin.unwrap_or_default(), message),
        };
        problem.hint = self.hint;
        if self.severity == "warning" { problem.warning() } else { problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::problems::Source;

    #[test]
    fn a_problem_that_went_over_the_wire_looks_as_before() {
        let source = Source::new("config.toml", "a = 1\nbrust = 2\n");
        let mut problems = Problems::default();
        problems.push(Problem::at(source.place(6..11), "unknown key `brust`").hint("did you mean `burst`?"));
        problems.push(Problem::of("environment variable X", "nothing reads this variable").warning());
        let sent = serde_json::to_value(&problems).unwrap();
        assert_eq!(read(Some(&sent)).render(), problems.render());
        let mut coded = Problems::default();
        coded.push(Problem::at(source.place(0..1), "m").code("PM020"));
        let shown = read(Some(&serde_json::to_value(&coded).unwrap())).render();
        assert!(shown.starts_with("error: [PM020] m\n"), "{shown}");
    }
}
