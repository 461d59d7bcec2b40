//! Another mode for a plugin while the gateway runs: what it would have done, the edit of config.toml, the reload.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::aside::{Aside, AsideError};
use super::policy_files::PolicyFiles;
use super::reload::Report;
use crate::base::problems::{Problem, Problems};
use crate::config::{Mode, SwitchError};
use crate::live::promotion::{Promotion, PromotionError};
use crate::live::reloader::Reloader;
use crate::pipeline::gateway::Gateway;
use crate::store::{Impact, OpenError, Reader};

/// How far back a plugin's impact is shown.
pub const IMPACT_SINCE: Duration = Duration::from_secs(24 * 60 * 60);

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
    files: PolicyFiles,
    aside: Aside,
    reads: Aside,
}

impl Promoter {
    /// One for these files.
    pub fn new(files: PolicyFiles) -> Self {
        Self { files, aside: Aside::new("promote"), reads: Aside::new("impact") }
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

    /// What a plugin would have refused in the last [`IMPACT_SINCE`]; absent where that cannot be read.
    pub async fn impact(&self, gateway: &Gateway, plugin: &str) -> Option<Impact> {
        let back = i64::try_from(IMPACT_SINCE.as_millis()).unwrap_or(i64::MAX);
        let since_ms = gateway.clock.unix_ms().saturating_sub(back);
        let (path, name) = (gateway.live.current().config.storage.path.clone(), plugin.to_owned());
        let read = self.reads.run(move || match Reader::open(&path) {
            Ok(reader) => reader.impact(&name, since_ms),
            Err(OpenError::Absent { .. }) => Ok(Impact::default()),
            Err(error) => Err(error),
        });
        match read.await {
            Ok(Ok(impact)) => Some(impact),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the impact of a plugin could not be read");
                None
            }
            Err(_) => None,
        }
    }
}

impl PromoteError {
    /// Whether it is about the plugin's name.
    pub fn is_no_plugin(&self) -> bool {
        matches!(self, Self::Promotion(PromotionError::NoPlugin { .. }))
    }

    /// Whether trying again may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Aside(_) | Self::NotReloaded)
            || matches!(self, Self::Promotion(PromotionError::Switch(SwitchError::Changed { .. })))
    }
}
