//! Why `serve` does not start, on standard error: for a person with lines and carets, elsewhere as JSON lines like
//! everything that `serve` writes.

use std::io::{IsTerminal as _, stderr};

use serde_json::json;

use super::exit::Exit;
use super::{inputs, render};
use crate::base::clock::Clock;
use crate::base::problems::{Problem, Problems, Severity};
use crate::telemetry::timestamp::push_rfc3339;

/// Tells one sentence.
pub fn sentence(text: &str) {
    if stderr().is_terminal() {
        render::error(text);
    } else {
        line("ERROR", text, None);
    }
}

/// Tells why the config file cannot be read, and how the start ends.
pub fn unread(problem: &Problem) -> Exit {
    if stderr().is_terminal() {
        return inputs::report(problem);
    }
    tell(problem);
    if problem.place.is_some() { Exit::Problems } else { Exit::CannotRun }
}

/// Tells every problem that keeps the files from going live.
pub fn problems(problems: &Problems) {
    if stderr().is_terminal() {
        render::complain(&render::report(problems));
        return;
    }
    problems.iter().for_each(tell);
}

fn tell(problem: &Problem) {
    let level = if problem.severity == Severity::Error { "ERROR" } else { "WARN" };
    line(level, &problem.short(), problem.hint.as_deref());
}

fn line(level: &str, message: &str, hint: Option<&str>) {
    let mut timestamp = String::new();
    push_rfc3339(&mut timestamp, Clock::System.unix_ms());
    let mut line = json!({ "timestamp": timestamp, "level": level, "message": message });
    if let Some(hint) = hint {
        line["hint"] = hint.into();
    }
    render::complain(&line.to_string());
}
