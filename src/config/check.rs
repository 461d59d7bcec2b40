//! For tests: reads a text and shows what was found, one finding a line.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::problems::{Severity, Source};

use super::{Config, Inputs, load};

/// A secret that production takes.
pub(super) const STRONG: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

pub(super) fn inputs(folder: &Path, text: &str, environment: &[(&str, &str)]) -> Inputs {
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Inputs {
        source: Source::new("config.toml", text),
        folder: folder.to_owned(),
        environment,
        writable_by_all: false,
    }
}

/// Findings as `[warning ]place: message [hint]`.
pub(super) fn report_in(folder: &Path, text: &str, environment: &[(&str, &str)]) -> String {
    let loaded = load(&inputs(folder, text, environment));
    assert_eq!(loaded.config.is_none(), loaded.problems.has_errors());
    let line = |p: &crate::base::problems::Problem| {
        let word = if p.severity == Severity::Warning { "warning " } else { "" };
        let hint = p.hint.as_ref().map_or_else(String::new, |h| format!(" [{h}]"));
        format!("{word}{}{hint}", p.short())
    };
    loaded.problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn dev(text: &str) -> String {
    report_in(Path::new("/nonexistent"), text, &[])
}

pub(super) fn production(text: &str) -> String {
    let environment = [("ENVIRONMENT", "production"), ("BACKEND_SESSION_SECRET", STRONG)];
    report_in(Path::new("/nonexistent"), text, &environment)
}

pub(super) fn config(text: &str) -> Config {
    let loaded = load(&inputs(Path::new("/nonexistent"), text, &[]));
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.problems.render()))
}

#[track_caller]
pub(super) fn finds(report: &str, part: &str) {
    assert!(report.contains(part), "looked for: {part}\nfound:\n{report}");
}
