//! A request that nobody sent, judged by the files on disk, one rule of which may be edited in memory. Nothing is saved,
//! nothing is counted, and no upstream hears of it.

mod question;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;

use super::aside::{Aside, AsideError};
use super::explain::{Play, Policy, Told, play_here};
use super::policy_source::PolicySource;
use crate::base::location::Location;
use crate::base::problems::{Problem, Problems, Severity};
use crate::geo::Geo;
use crate::live::snapshot::{self, Built};
use crate::pipeline::gateway::Gateway;

pub use self::question::{BadQuestion, Question, RequestFields};

/// Longest request that is played, in bytes.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// What comes of a question.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// What was decided; absent where the files, with the edit, cannot go live.
    pub told: Option<Told>,
    /// Why they cannot; else what the checker says of the edited plugin.
    pub problems: Vec<Found>,
    /// Always false.
    pub saved: bool,
}

/// A problem, and how it is shown to a person.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Severity, code, message, place (file, line, column, width, excerpt) and hint.
    #[serde(flatten)]
    pub problem: Problem,
    /// The same as text, with the line and a caret.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    /// The config file cannot be read.
    #[error("{}", .0.short())]
    Unread(Box<Problem>),
    /// There is no such plugin.
    #[error("there is no plugin `{0}` with files of its own")]
    NoPlugin(String),
    /// The play cannot be set up.
    #[error(transparent)]
    Play(#[from] super::explain::PlayError),
    /// It is not its turn.
    #[error(transparent)]
    Aside(#[from] AsideError),
}

/// Where questions are answered, one at a time.
#[derive(Clone)]
pub struct Playground {
    files: PolicySource,
    aside: Aside,
}

impl Playground {
    /// A playground on these files.
    pub fn new(files: PolicySource) -> Self {
        Self { files, aside: Aside::new("playground") }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// There is no such plugin, or the play cannot be set up; what is wrong with a script is no error.
    pub async fn judge(&self, gateway: &Arc<Gateway>, question: Question) -> Result<Judged, PlaygroundError> {
        let (files, gateway) = (self.files.clone(), Arc::clone(gateway));
        self.aside.run(move || judge(&files, &gateway, question)).await?
    }

    /// The text of a plugin's `main.rhai` as it is in force.
    pub fn main_of(gateway: &Gateway, plugin: &str) -> Option<Arc<str>> {
        let snapshot = gateway.live.current();
        // A rule of one line stands in config.toml, and has no file.
        snapshot.rules.file_hashes().get(plugin).and_then(|_| snapshot.rules.main_of(plugin))
    }
}

fn judge(files: &PolicySource, gateway: &Gateway, question: Question) -> Result<Judged, PlaygroundError> {
    let Question { request, client, assumed, country, upstream, edit } = question;
    let inputs = files.gather().map_err(|problem| PlaygroundError::Unread(Box::new(problem)))?;
    let current = gateway.live.current();
    let Built { snapshot, problems, plugin_files, .. } =
        snapshot::build_edited(&inputs, current.generation, current.before(), edit.as_ref());
    if let Some(edit) = &edit
        && plugin_files.is_some_and(|files| !files.contains_key(&edit.plugin))
    {
        return Err(PlaygroundError::NoPlugin(edit.plugin.clone()));
    }
    let Some(mut snapshot) = snapshot else {
        return Ok(Judged { told: None, problems: found(&problems, |_| true), saved: false });
    };
    if let Some(country) = country {
        let location = Location { country, ..Location::default() };
        snapshot.geo = Arc::new(Geo::assuming(location));
    }
    let is_stale = edit.is_none() && snapshot.hash != current.hash;
    let policy = Policy::of(&snapshot);
    let line = request.line();
    let mut played = play_here(snapshot, Play { request, client, assumed, upstream })?;
    let known = edit
        .as_ref()
        .and_then(|edit| current.rules.plugins().into_iter().find(|plugin| *plugin.name == *edit.plugin));
    if let Some(plugin) = known.filter(|plugin| plugin.mode != "enforce" || plugin.enforce_share < 1.0) {
        let remark = format!("`{}` was judged as if it enforced: its mode is {}", plugin.name, plugin.mode);
        played.remarks.push(remark);
    }
    if is_stale {
        played.remarks.push("the files on disk decided, which are not in force".to_owned());
    }
    let own = |problem: &Problem| edit.as_ref().is_some_and(|edit| is_of(problem, &edit.plugin));
    let problems = found(&problems, own);
    Ok(Judged { told: Some(Told::new(&line, client, policy, played)), problems, saved: false })
}

fn found(problems: &Problems, take: impl Fn(&Problem) -> bool) -> Vec<Found> {
    let mut found: Vec<_> = problems.iter().filter(|problem| take(problem)).collect();
    found.sort_by_key(|problem| problem.severity != Severity::Error);
    found.into_iter().map(|problem| Found { problem: problem.clone(), text: problem.render() }).collect()
}

/// Whether a problem stands in the folder of a plugin.
fn is_of(problem: &Problem, plugin: &str) -> bool {
    let file = problem.place.as_ref().map(|place| &*place.file).or(problem.origin.as_deref());
    file.is_some_and(|file| file.split('/').any(|part| part == plugin))
}
