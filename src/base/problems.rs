//! What is wrong with a file that a person wrote: every finding at once, each with its place, a caret and a hint.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// A text that problems point into.
#[derive(Clone, Debug)]
pub struct Source {
    /// How the file is named to the reader: relative to the config file's folder.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A named text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The place of a byte range, on the line where it begins.
    pub fn place(&self, span: Range<usize>) -> Place {
        let start = floor_char(&self.text, span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |i| start + i);
        let end = floor_char(&self.text, span.end).clamp(start, line_end);
        Place {
            file: self.name.clone(),
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            width: self.text[start..end].chars().count().max(1),
            excerpt: Some(self.text[line_start..line_end].trim_end().to_owned()),
        }
    }

    /// The place of a line and column, both from 1; the caret covers the word that begins there.
    pub fn place_at(&self, line: usize, column: usize) -> Place {
        let line = line.max(1);
        let excerpt = self.text.lines().nth(line - 1).unwrap_or_default();
        let word = |c: &char| c.is_alphanumeric() || *c == '_';
        let width = excerpt.chars().skip(column.saturating_sub(1)).take_while(word).count().max(1);
        Place {
            file: self.name.clone(),
            line,
            column: column.max(1),
            width,
            excerpt: Some(excerpt.trim_end().to_owned()),
        }
    }

    /// The file as a whole: its first line, without an excerpt.
    pub fn top(&self) -> Place {
        Place { file: self.name.clone(), line: 1, column: 1, width: 1, excerpt: None }
    }
}

fn floor_char(text: &str, index: usize) -> usize {
    let mut i = index.min(text.len());
    while !text.is_char_boundary(i) {
        i -= 1;
    }
    i
}

/// Where in a file a problem stands.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// The file, as the reader names it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Characters that the caret covers.
    pub width: usize,
    /// The line itself; absent where it could show a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot go live.
    Error,
    /// The file can go live; somebody should look.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The checker's code (`PM020`), where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// What is wrong, lower case, one sentence.
    pub message: String,
    /// Where, for what stands in a file.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Where, for what does not stand in a file: an environment variable, a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// An error at a place in a file.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: None,
            message: message.into(),
            place: Some(place),
            origin: None,
            hint: None,
        }
    }

    /// An error that stands in no file.
    pub fn of(origin: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: None,
            message: message.into(),
            place: None,
            origin: Some(origin.into()),
            hint: None,
        }
    }

    /// The same finding with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same finding with a checker code.
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The same finding as a warning.
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// `file:line:column: message`, in one line.
    pub fn short(&self) -> String {
        match (&self.place, &self.origin) {
            (Some(p), _) => format!("{}:{}:{}: {}", p.file, p.line, p.column, self.message),
            (None, Some(origin)) => format!("{origin}: {}", self.message),
            (None, None) => self.message.clone(),
        }
    }

    /// The finding as rustc would show it: message, place, line, caret, hint.
    pub fn render(&self) -> String {
        let mut out = match self.severity {
            Severity::Error => "error".to_owned(),
            Severity::Warning => "warning".to_owned(),
        };
        if let Some(code) = self.code {
            let _ = write!(out, "[{code}]");
        }
        let _ = writeln!(out, ": {}", self.message);
        let gutter = self.place.as_ref().map_or(1, |p| p.line.to_string().len());
        let blank = " ".repeat(gutter);
        match (&self.place, &self.origin) {
            (Some(p), _) => {
                let _ = writeln!(out, "{blank}--> {}:{}:{}", p.file, p.line, p.column);
                if let Some(excerpt) = &p.excerpt {
                    let (line, pad) = printable(excerpt, p.column);
                    let _ = writeln!(
                        out,
                        "{blank} |\n{} | {line}\n{blank} | {pad}{}",
                        p.line,
                        "^".repeat(p.width)
                    );
                }
            }
            (None, Some(origin)) => {
                let _ = writeln!(out, "{blank}--> {origin}");
            }
            (None, None) => {}
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "{blank} = help: {hint}");
        }
        out
    }
}

/// The line with tabs as spaces and control characters as dots, and the white space that stands before its caret.
fn printable(line: &str, column: usize) -> (String, String) {
    let clean: String = line
        .chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '.'
            } else {
                c
            }
        })
        .collect();
    (clean, " ".repeat(column.saturating_sub(1)))
}

/// All findings of one look, in the order in which they were found.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a finding.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds all of another look's findings.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Every finding.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many findings there are, warnings included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something was found that keeps the files from going live.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|p| p.severity == Severity::Error)
    }

    /// All findings as a person reads them, a blank line between two.
    pub fn render(&self) -> String {
        self.0.iter().map(Problem::render).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_a_caret_under_the_word() {
        let source = Source::new("config.toml", "a = 1\nbrust = 2\n");
        let problem = Problem::at(source.place(6..11), "unknown key `brust`").hint("did you mean `burst`?");
        assert_eq!(
            problem.render(),
            "error: unknown key `brust`\n --> config.toml:2:1\n  |\n2 | brust = 2\n  | ^^^^^\n  = help: did you mean `burst`?\n"
        );
    }

    #[test]
    fn a_span_inside_a_character_or_past_the_end_does_not_panic() {
        let source = Source::new("x", "é");
        assert_eq!(source.place(1..9).line, 1);
        assert_eq!(source.place(99..100).line, 1);
        assert_eq!(source.place_at(7, 9).line, 7);
    }
}
