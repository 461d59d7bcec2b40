//! `[plugins]`: where rules stand, and the operator's word over their manifests.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a plugin's verdicts do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are counted, and nothing else.
    Shadow,
    /// They decide.
    Enforce,
    /// The plugin is not run.
    Off,
}

/// Which routes a plugin looks at: globs over route names and tags.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RouteFilter {
    /// At least one must match; every route where empty.
    pub include: Vec<String>,
    /// None may match.
    pub exclude: Vec<String>,
}

/// A setting as the operator wrote it, with its place for problems.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingValue {
    /// The value, as plain data.
    pub value: serde_json::Value,
    /// `config.toml:12`.
    pub origin: String,
}

/// `[plugins.NAME]`: what the operator says over the manifest.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PluginOverride {
    /// Replaces `mode`.
    pub mode: Option<Mode>,
    /// Replaces `priority`.
    pub priority: Option<u16>,
    /// Replaces `[routes]`.
    pub routes: Option<RouteFilter>,
    /// Replace settings, by name.
    pub settings: BTreeMap<String, SettingValue>,
    /// Where the table stands, for problems.
    pub origin: String,
}

/// Where rules stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugins {
    /// The folder of plugin folders.
    pub path: PathBuf,
    /// The folder of shared namespaces.
    pub scripts: PathBuf,
    /// The operator's overrides, by plugin name.
    pub overrides: BTreeMap<String, PluginOverride>,
}
