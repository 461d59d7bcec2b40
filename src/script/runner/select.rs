//! Which cases are asked for: those of plugins by name, or single ones by theirs.

use std::path::Path;
use std::sync::Arc;

use crate::base::nearest::nearest;
use crate::base::problems::{Problem, Problems};

/// How the name of every case begins; no plugin's name can, for it has no `_`.
pub(super) const CASE_PREFIX: &str = "test_";

/// What of the tests is run, and what is measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestPlan<'a> {
    /// Names of plugins and of cases (`test_…`); none means all.
    pub names: &'a [String],
    /// Whether to measure what the cases reach.
    pub coverage: bool,
}

impl TestPlan<'_> {
    fn plugins(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| !name.starts_with(CASE_PREFIX))
    }

    fn cases(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| name.starts_with(CASE_PREFIX))
    }

    /// Whether that plugin was asked for by its name.
    pub(super) fn names_plugin(&self, plugin: &str) -> bool {
        self.plugins().any(|name| name == plugin)
    }

    /// Whether cases of that plugin may be run.
    pub(super) fn takes_plugin(&self, plugin: &str) -> bool {
        self.plugins().next().is_none() || self.names_plugin(plugin)
    }

    /// Whether that case is run.
    pub(super) fn takes_case(&self, case: &str) -> bool {
        self.cases().next().is_none() || self.cases().any(|name| name == case)
    }

    /// Whether only some cases of a plugin are run: then nobody is told of those that are not there.
    pub(super) fn picks_cases(&self) -> bool {
        self.cases().next().is_some()
    }

    /// Whether a problem keeps what was asked for from being run. Below `plugins` it is that plugin's alone.
    pub(super) fn concerns(&self, problem: &Problem, plugins: &Path) -> bool {
        let file = problem.place.as_ref().map(|p| &*p.file).or(problem.origin.as_deref());
        let below = file.and_then(|file| Path::new(file).strip_prefix(plugins).ok());
        let plugin = below.and_then(|rest| rest.components().next()).and_then(|c| c.as_os_str().to_str());
        plugin.is_none_or(|plugin| self.takes_plugin(plugin))
    }

    /// A problem for each plugin that is not there.
    pub(super) fn unknown_plugins(&self, known: &[Arc<str>], problems: &mut Problems) {
        for name in self.plugins().filter(|name| !known.iter().any(|k| **k == ***name)) {
            let why = format!("there is no plugin `{name}` that can be tested");
            problems.push(hinted(Problem::of("tests", why), name, known.iter().map(|k| &**k)));
        }
    }

    /// A problem for each case that is not there.
    pub(super) fn unknown_cases(&self, known: &[String], problems: &mut Problems) {
        for name in self.cases().filter(|name| !known.contains(name)) {
            let why = format!("there is no case `{name}` in the plugins that are tested");
            problems.push(hinted(Problem::of("tests", why), name, known.iter().map(String::as_str)));
        }
    }
}

fn hinted<'a>(problem: Problem, name: &str, mut known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    match nearest(name, known.clone()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None if known.next().is_none() => problem.hint("there are none at all"),
        None => problem,
    }
}
