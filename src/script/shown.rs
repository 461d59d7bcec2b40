//! Effective values of a plugin, each with where it comes from.

use serde::Serialize;
use serde_json::{Value, json};

use super::book::RuleBook;
use super::manifest::OnError;
use super::plugin::mode_word;
use super::settings::from_script;

/// One effective value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The key, as a person writes it.
    pub key: String,
    /// The value; a sentence in place of a secret.
    pub value: Value,
    /// `plugins/x/plugin.toml:3`, `config.toml:12`, `environment variable X`, or `default`.
    pub origin: String,
}

/// What stands in place of a secret.
pub const HIDDEN: &str = "(secret)";

impl RuleBook {
    /// Every effective value of a plugin; `None` where there is no such plugin.
    pub fn shown(&self, name: &str) -> Option<Vec<Shown>> {
        let plugin = self.plugins().iter().position(|p| &*p.name == name).and_then(|i| self.nth(i))?;
        let manifest = &plugin.manifest;
        let on_error = if manifest.on_error == OnError::Deny { "deny" } else { "allow" };
        let values = [
            ("version", json!(manifest.version)),
            ("mode", json!(mode_word(manifest.mode))),
            ("priority", json!(manifest.priority)),
            ("enforce_share", json!(manifest.enforce_share)),
            ("on_error", json!(on_error)),
            ("limits.time", json!(crate::base::units::show_duration(manifest.limits.time))),
            ("limits.ops", json!(manifest.limits.ops)),
            ("limits.memory", json!(crate::base::units::show_size(manifest.limits.memory))),
        ];
        let origin = |key: &str| manifest.origins.get(key).cloned().unwrap_or_else(|| "default".to_owned());
        let mut shown: Vec<_> = values
            .into_iter()
            .map(|(key, value)| Shown { key: key.to_owned(), value, origin: origin(key) })
            .collect();
        for (name, declared) in &manifest.settings {
            let hidden = || json!(HIDDEN);
            let value = plugin.settings.get(name).map_or(Value::Null, from_script);
            shown.push(Shown {
                key: format!("settings.{name}"),
                value: if declared.secret { hidden() } else { value },
                origin: declared.origin.clone(),
            });
        }
        Some(shown)
    }
}
