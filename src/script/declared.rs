//! `[settings]` of a manifest: which settings a plugin has, their types, defaults and bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::settings::{Kind, plain_data};
use crate::base::document::Table;
use crate::base::problems::Problem;
use crate::base::units::{parse_duration, show_duration, show_size};

/// A declared setting and its default.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub kind: Kind,
    pub default: Value,
    min: Option<f64>,
    max: Option<f64>,
    choices: Vec<Value>,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Where the effective value comes from: `plugin.toml:12`.
    pub origin: String,
}

/// Settings of one plugin.
const SETTINGS_MAX: usize = 100;

impl Setting {
    /// Reads a value for this setting.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn read(&self, value: &Value) -> Result<rhai::Dynamic, String> {
        let read = self.kind.read(value)?;
        if !self.choices.is_empty() && !self.choices.contains(value) {
            let all = self.choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(format!("must be one of {all}"));
        }
        if let Some(measure) = self.kind.measure(value) {
            let least = self.min.filter(|least| measure < *least);
            let most = self.max.filter(|most| measure > *most);
            if let Some(bound) = least {
                return Err(format!("must be at least {}", self.shown(bound)));
            }
            if let Some(bound) = most {
                return Err(format!("must be at most {}", self.shown(bound)));
            }
        }
        Ok(read)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the bound was read from a text of that unit"
    )]
    fn shown(&self, bound: f64) -> String {
        match self.kind {
            Kind::Duration => show_duration(Duration::from_millis(bound as u64)),
            Kind::Size => show_size(bound as u64),
            _ => bound.to_string(),
        }
    }
}

/// Reads `[settings]`.
pub(super) fn read_settings(root: &mut Table<'_>) -> BTreeMap<String, Setting> {
    let mut table = root.table("settings");
    let named = table.named_tables();
    if named.len() > SETTINGS_MAX {
        table.report(Problem::at(table.place(table.span()), format!("at most {SETTINGS_MAX} settings")));
    }
    let mut settings = BTreeMap::new();
    for (name, mut table) in named.into_iter().take(SETTINGS_MAX) {
        if !rhai::is_valid_identifier(&name) || is_reserved(&name) {
            let place = table.place(table.span());
            table.report(
                Problem::at(place, format!("`{name}` cannot be the name of a setting")).code("PM032"),
            );
        }
        if let Some(setting) = read_setting(&mut table) {
            settings.insert(name, setting);
        }
        table.finish();
    }
    table.finish();
    settings
}

fn read_setting(table: &mut Table<'_>) -> Option<Setting> {
    let kind = table.parsed("type", "type", "", "The type of the value.", Kind::parse);
    if kind.is_none() && !table.has("type") {
        let place = table.place(table.span());
        table.report(Problem::at(place, format!("`{}.type` is required", table.path())));
    }
    table.optional_text("doc", "One sentence for people.");
    let [default, min, max, choices] =
        [("default", "a value"), ("min", "a value"), ("max", "a value"), ("choices", "a list")].map(
            |(key, kind)| {
                table.value(key, kind, "A value of the setting's type.").map(|(v, _)| plain_data(v))
            },
        );
    let secret = table.flag("secret", false, "Whether its value is never shown.");
    let kind = kind?;
    let Some(default) = default else {
        if !table.has("default") {
            let place = table.place(table.span());
            table.report(Problem::at(place, format!("`{}.default` is required", table.path())));
        }
        return None;
    };
    let choices = match choices {
        Some(Value::Array(items)) => items,
        Some(_) => {
            table.report(table.problem("choices", "`choices` must be a list"));
            Vec::new()
        }
        None => Vec::new(),
    };
    let setting = Setting {
        min: bound(table, "min", &kind, min),
        max: bound(table, "max", &kind, max),
        kind,
        default,
        choices,
        secret,
        origin: table.origin("default"),
    };
    if let Err(why) = setting.read(&setting.default) {
        table.report(table.problem("default", format!("`{}.default` {why}", table.path())).code("PM031"));
    }
    Some(setting)
}

/// A bound as the measure of its kind: of texts and lists, the number of characters or items.
fn bound(table: &Table<'_>, key: &'static str, kind: &Kind, value: Option<Value>) -> Option<f64> {
    let value = value?;
    let measure = match (kind, &value) {
        (Kind::Duration, Value::String(t)) => parse_duration(t).ok().and(kind.measure(&value)),
        (Kind::Duration, _) => None,
        _ => kind.measure(&value).filter(|_| !value.is_array()),
    };
    if measure.is_none() {
        table.report(table.problem(key, format!("`{key}` is not a bound for this type")));
    }
    measure
}

/// Words that Rhai keeps for itself; `settings::NAME` would be a syntax error.
fn is_reserved(name: &str) -> bool {
    const WORDS: [&str; 34] = [
        "shared",
        "default",
        "match",
        "case",
        "new",
        "with",
        "is",
        "use",
        "call",
        "until",
        "go",
        "null",
        "nil",
        "static",
        "var",
        "package",
        "super",
        "thread",
        "spawn",
        "sync",
        "async",
        "await",
        "yield",
        "public",
        "protected",
        "module",
        "goto",
        "void",
        "eval",
        "import",
        "export",
        "print",
        "debug",
        "this",
    ];
    WORDS.contains(&name)
}
