//! `[plugins]`: where rules stand, and the operator's word over their manifests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;

use crate::base::document::Table;
use crate::base::problems::Problem;

use super::context::Context;
use super::json::to_json;
use super::rules::InlineRule;

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

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Shadow, Self::Off];

    /// The word for it in config.toml.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
            Self::Off => "off",
        }
    }

    /// The mode of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }
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
    /// Replaces `enforce_share`.
    pub enforce_share: Option<f64>,
    /// Replaces `[routes]`.
    pub routes: Option<RouteFilter>,
    /// Replace settings, by name.
    pub settings: BTreeMap<String, SettingValue>,
    /// Where the table stands, for problems.
    pub origin: String,
    /// Where each key that stands in it comes from: `config.toml:12`, or a variable of the environment.
    pub origins: BTreeMap<&'static str, String>,
}

/// Where rules stand.
#[derive(Clone, Debug)]
pub struct Plugins {
    /// The folder of plugin folders.
    pub path: PathBuf,
    /// The folder of shared namespaces.
    pub scripts: PathBuf,
    /// The operator's overrides, by plugin name.
    pub overrides: BTreeMap<String, PluginOverride>,
    /// `[[rules]]`: rules of one line.
    pub rules: Vec<InlineRule>,
}

/// Longest plugin name, in bytes.
const NAME_BYTES_MAX: usize = 64;

impl Plugins {
    /// Reads the table and every `[plugins.NAME]`. Whether there is a plugin of that name is seen where plugins are.
    pub(super) fn read(mut table: Table<'_>, context: &Context) -> Self {
        let path = context.resolve(&table.text("path", "plugins", "The folder of plugin folders."));
        let scripts = context.resolve(&table.text("scripts", "scripts", "The folder of shared namespaces."));
        let mut overrides = BTreeMap::new();
        for (name, override_table) in table.named_tables() {
            if override_table.exists() && !is_plugin_name(&name) {
                let message = format!(
                    "`{}` is not a plugin's name: `a-z`, then `a-z`, `0-9` and `-`",
                    name.escape_default()
                );
                let place = override_table.place(override_table.span());
                override_table.report(Problem::at(place, message));
            }
            overrides.insert(name, PluginOverride::read(override_table));
        }
        table.finish();
        Self { path, scripts, overrides, rules: Vec::new() }
    }
}

impl PluginOverride {
    fn read(mut table: Table<'_>) -> Self {
        let modes = [("shadow", Mode::Shadow), ("enforce", Mode::Enforce), ("off", Mode::Off)];
        let mode =
            table.choice("mode", &modes, "", "Replaces `mode`: `shadow` (counted only), `enforce` or `off`.");
        let priority =
            table.optional_integer("priority", "", (0, 999), "Replaces `priority`; lower runs first.");
        let share = "Replaces `enforce_share`: the share of clients that it enforces on, from 0.0 to 1.0.";
        let enforce_share = table.fraction("enforce_share", "", share);
        let has_routes = table.has("routes");
        let given = ["mode", "priority", "enforce_share", "routes"].into_iter().filter(|key| table.has(key));
        let origins = given.map(|key| (key, table.origin(key))).collect();
        let mut filter = table.table("routes");
        let include = filter.texts(
            "include",
            &[],
            "Globs over route names and tags; at least one must match, where there are any.",
        );
        let exclude = filter.texts("exclude", &[], "Globs over route names and tags; none may match.");
        filter.finish();
        let settings = settings(&mut table);
        let place = table.place(table.span());
        let origin = format!("{}:{}", place.file, place.line);
        table.finish();
        Self {
            mode,
            priority: priority.and_then(|p| u16::try_from(p).ok()),
            enforce_share,
            routes: has_routes.then_some(RouteFilter { include, exclude }),
            settings,
            origin,
            origins,
        }
    }
}

fn settings(table: &mut Table<'_>) -> BTreeMap<String, SettingValue> {
    let doc = "Replaces settings, by name; the plugin's manifest says which there are.";
    let Some((value, _)) = table.value("settings", "table", doc) else { return BTreeMap::new() };
    let DeValue::Table(values) = value else {
        table.report(table.problem("settings", format!("`{}.settings` must be a table", table.path())));
        return BTreeMap::new();
    };
    let read = values.iter().map(|(name, value)| {
        let json = to_json(value.get_ref(), value.span(), &mut |span, why| {
            table.report(Problem::at(table.place(span), format!("`{}.settings`: {why}", table.path())));
        });
        let place = table.place(value.span());
        let origin = format!("{}:{}", place.file, place.line);
        (name.get_ref().to_string(), SettingValue { value: json, origin })
    });
    read.collect()
}

/// Whether the text matches `[a-z][a-z0-9-]*` and is short.
fn is_plugin_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::{config, dev, finds, report_in};

    #[test]
    fn an_override_keeps_the_places_of_its_settings() {
        let text = "[plugins.admin-hours]\nmode = \"enforce\"\npriority = 7\nroutes = { include = [\"a*\"] }\n\
                    [plugins.admin-hours.settings]\nopen = \"08:00\"\ndays = [1, 2]\n";
        let config = config(text);
        let hours = &config.plugins.overrides["admin-hours"];
        assert_eq!((hours.mode, hours.priority), (Some(Mode::Enforce), Some(7)));
        assert_eq!(hours.routes.as_ref().unwrap().include, ["a*"]);
        assert_eq!(hours.origin, "config.toml:1");
        assert_eq!(hours.settings["open"].origin, "config.toml:6");
        assert_eq!(hours.settings["days"].value, serde_json::json!([1, 2]));
    }

    #[test]
    fn what_is_wrong_with_an_override_is_shown_in_its_place() {
        finds(&dev("[plugins.Bad_Name]\n"), "config.toml:1:10: `Bad_Name` is not a plugin's name");
        finds(
            &dev("[plugins]\npaths = \"x\"\n"),
            "config.toml:2:1: unknown key `paths` in `[plugins]` [did you mean `path`?]",
        );
        finds(&dev("[plugins.a]\nmode = \"enforced\"\n"), "did you mean `enforce`?");
        finds(&dev("[plugins.a]\npriority = 1000\n"), "1000 is not between 0 and 999");
        finds(&dev("[plugins.a]\nsettings = 5\n"), "`plugins.a.settings` must be a table");
        finds(
            &dev("[plugins.a]\nmod = \"off\"\n"),
            "unknown key `mod` in `[plugins.a]` [did you mean `mode`?]",
        );
    }

    #[test]
    fn the_environment_can_switch_a_plugin_off() {
        let nowhere = std::path::Path::new("/nonexistent");
        let good = [("PLUGINMIND_PLUGINS__ADMIN_HOURS__MODE", "off")];
        assert_eq!(report_in(nowhere, "", &good), "");
        let bad = [("PLUGINMIND_PLUGINS__ADMIN_HOURS__MODES", "off")];
        finds(&report_in(nowhere, "", &bad), "there is no key `plugins.admin-hours.modes`");
    }
}
