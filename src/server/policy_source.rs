//! Where the policy is read from: for what an operator asks of the files while the gateway runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::problems::Problem;
use crate::config::Inputs;

/// The config file and the environment, read anew each time. Cloned freely.
#[derive(Clone)]
pub struct PolicySource {
    gather: Arc<dyn Fn() -> Result<Inputs, Problem> + Send + Sync>,
    config_file: Option<PathBuf>,
}

impl PolicySource {
    /// What reads them, and where config.toml is; nowhere, where the one in the binary is in use.
    pub fn new(
        gather: impl Fn() -> Result<Inputs, Problem> + Send + Sync + 'static,
        config_file: Option<PathBuf>,
    ) -> Self {
        Self { gather: Arc::new(gather), config_file }
    }

    /// Reads them. Blocks: not for a worker.
    ///
    /// # Errors
    /// The config file cannot be read.
    pub fn gather(&self) -> Result<Inputs, Problem> {
        (self.gather)()
    }

    /// config.toml, where there is one.
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }
}
