//! Another mode for a plugin: what it has now, and the text of config.toml that gives it another, known to go live before
//! anything is written.

use std::path::Path;

use super::snapshot::{self, Before, Snapshot};
use crate::base::nearest::nearest;
use crate::base::problems::{Problems, Source};
use crate::config::{self, Config, Inputs, Mode, SwitchError, Switched};

/// Why a mode was not switched. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PromotionError {
    /// The files cannot go live as they are, or would not with that mode.
    #[error("the files on disk cannot go live: {}", first(.0))]
    Broken(Problems),
    /// There is no such plugin.
    #[error("there is no plugin `{name}`{}", .near.as_deref().map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default())]
    NoPlugin {
        /// What was asked for.
        name: String,
        /// One that is there.
        near: Option<String>,
    },
    /// The environment decides.
    #[error("the mode of `{plugin}` is set by {origin}, which wins over config.toml")]
    Environment {
        /// The plugin.
        plugin: String,
        /// What sets it.
        origin: String,
    },
    /// The text or the file.
    #[error(transparent)]
    Switch(#[from] SwitchError),
}

fn first(problems: &Problems) -> String {
    problems.iter().next().map(crate::base::problems::Problem::short).unwrap_or_default()
}

/// A plugin whose mode may be switched.
pub struct Promotion {
    inputs: Inputs,
    config: Config,
    plugin: String,
    from: &'static str,
}

impl Promotion {
    /// Looks the plugin up in the files as they are.
    ///
    /// # Errors
    /// The files cannot go live, or there is no such plugin.
    pub fn of(inputs: Inputs, plugin: &str, before: Before<'_>) -> Result<Self, PromotionError> {
        let Snapshot { rules, config, .. } = build(&inputs, before)?;
        let plugins = rules.plugins();
        let Some(found) = plugins.iter().find(|known| &*known.name == plugin) else {
            let near = nearest(plugin, plugins.iter().map(|known| &*known.name)).map(str::to_owned);
            return Err(PromotionError::NoPlugin { name: plugin.to_owned(), near });
        };
        Ok(Self { inputs, config, plugin: plugin.to_owned(), from: found.mode })
    }

    /// The mode that it has.
    pub fn from(&self) -> &'static str {
        self.from
    }

    /// The configuration of the files as they are.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The text that gives it another mode, once it is known that the gateway will take it.
    ///
    /// # Errors
    /// The environment decides, the text cannot be edited for certain, or the files would not go live.
    pub fn switch(mut self, to: Mode, before: Before<'_>) -> Result<Switch, PromotionError> {
        let word = self.config.plugins.overrides.get(&self.plugin);
        if let Some(origin) = word.and_then(|word| word.origins.get("mode"))
            && origin.starts_with("environment")
        {
            return Err(PromotionError::Environment { plugin: self.plugin, origin: origin.clone() });
        }
        let old = self.inputs.source.text.to_string();
        let switched = config::switch_mode(&old, &self.plugin, to)?;
        self.inputs.source = Source::new(self.inputs.source.name.clone(), switched.text.as_str());
        build(&self.inputs, before)?;
        Ok(Switch { old, switched })
    }
}

/// An edit of config.toml that is ready to be written.
#[derive(Debug)]
pub struct Switch {
    old: String,
    switched: Switched,
}

impl Switch {
    /// Writes it, unless the file is another one by now.
    ///
    /// # Errors
    /// The file was changed meanwhile, or cannot be replaced; it is as it was.
    pub fn write(&self, file: &Path) -> Result<(), SwitchError> {
        config::replace_text(file, &self.old, &self.switched.text)
    }

    /// The line (from 1) that says the mode.
    pub fn line(&self) -> usize {
        self.switched.line
    }
}

fn build(inputs: &Inputs, before: Before<'_>) -> Result<Snapshot, PromotionError> {
    let built = snapshot::build_after(inputs, 0, before);
    built.snapshot.ok_or(PromotionError::Broken(built.problems))
}
