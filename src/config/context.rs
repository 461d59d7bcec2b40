//! What the readers of the tables need to know of each other.

use std::path::{Path, PathBuf};

use crate::base::problems::Problem;

use super::Environment;

/// The surroundings of a reading.
pub(super) struct Context {
    /// Development or production.
    pub(super) environment: Environment,
    /// The folder that relative paths are relative to.
    pub(super) folder: PathBuf,
    /// Whether the keys are only written down, and no other file is looked at.
    pub(super) describing: bool,
    /// The other files that were looked at, there or not.
    pub(super) files: Vec<PathBuf>,
}

impl Context {
    /// Whether the production refusals hold.
    pub(super) fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// An error in production, a warning in development.
    pub(super) fn strict(&self, problem: Problem) -> Problem {
        if self.is_production() { problem } else { problem.warning() }
    }

    /// A path of the file, taken from the config file's folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        Path::new(&self.folder).join(path)
    }
}
