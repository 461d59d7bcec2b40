//! Another mode for a plugin while the gateway runs: the edit of config.toml, and the reload.

use std::sync::Arc;

use serde::Serialize;

use super::aside::{Aside, AsideError};
use super::policy_source::PolicySource;
use super::reload::Report;
use crate::base::problems::{Problem, Problems};
use crate::config::Mode;
use crate::live::promotion::{Promotion, PromotionError};
use crate::live::reloader::Reloader;
use crate::pipeline::gateway::Gateway;

/// What a switch came to.
#[derive(Clone, Debug, Serialize)]
pub struct Promoted {
    /// The plugin.
    pub plugin: String,
    /// The mode that it had.
    pub from: &'static str,
    /// The mode that config.toml says now.
    pub to: &'static str,
    /// Whether config.toml was edited; not where it said so already.
    pub changed: bool,
    /// The line of config.toml (from 1) that says it, where it was edited.
    pub line: Option<usize>,
    /// Whether it is in force; absent where nothing was changed.
    pub in_force: Option<bool>,
    /// The generation in force.
    pub generation: u64,
    /// What the reload found.
    pub problems: Arc<Problems>,
}

/// Why a mode was not switched.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// There is no file that could say it.
    #[error(
        "the configuration is the one in the binary, which cannot be edited: start the gateway with `--config FILE`"
    )]
    Embedded,
    /// The config file cannot be read.
    #[error("{}", .0.short())]
    Unread(Box<Problem>),
    /// The plugin, the files, or the edit.
    #[error(transparent)]
    Promotion(#[from] PromotionError),
    /// It is not its turn.
    #[error(transparent)]
    Aside(#[from] AsideError),
    /// The file says it, and no reload could be asked for.
    #[error("config.toml was edited, and the reload gave no result: ask for one")]
    NotReloaded,
}

/// Where modes are switched, one at a time.
#[derive(Clone)]
pub struct Promoter {
    files: PolicySource,
    aside: Aside,
}

impl Promoter {
    /// One for these files.
    pub fn new(files: PolicySource) -> Self {
        Self { files, aside: Aside::new("promote") }
    }

    /// Switches a plugin's mode in config.toml and has it taken over.
    ///
    /// # Errors
    /// Nothing was changed, but for [`PromoteError::NotReloaded`].
    pub async fn switch(
        &self,
        gateway: &Arc<Gateway>,
        reloader: Option<&Reloader<Report>>,
        plugin: &str,
        to: Mode,
    ) -> Result<Promoted, PromoteError> {
        let (files, current, name) = (self.files.clone(), gateway.live.current(), plugin.to_owned());
        let edited = self.aside.run(move || {
            let before = current.before();
            let file = files.config_file().ok_or(PromoteError::Embedded)?;
            let inputs = files.gather().map_err(|problem| PromoteError::Unread(Box::new(problem)))?;
            let promotion = Promotion::of(inputs, &name, before)?;
            let from = promotion.from();
            if from == to.word() {
                return Ok((from, None));
            }
            let switch = promotion.switch(to, before)?;
            switch.write(file).map_err(PromotionError::from)?;
            Ok::<_, PromoteError>((from, Some(switch.line())))
        });
        let (from, line) = edited.await??;
        let mut promoted = Promoted {
            plugin: plugin.to_owned(),
            from,
            to: to.word(),
            changed: line.is_some(),
            line,
            in_force: None,
            generation: gateway.live.current().generation,
            problems: Arc::default(),
        };
        if promoted.changed {
            let report = reloader.ok_or(PromoteError::NotReloaded)?.reload().await;
            let report = report.map_err(|_| PromoteError::NotReloaded)?;
            promoted.in_force = Some(report.applied);
            promoted.generation = report.generation;
            promoted.problems = report.problems;
        }
        Ok(promoted)
    }
}

impl PromoteError {
    /// Whether it is about the plugin's name.
    pub fn is_no_plugin(&self) -> bool {
        matches!(self, Self::Promotion(PromotionError::NoPlugin { .. }))
    }
}
