//! Effective values of config.toml, each with where it comes from.

use serde_json::Value;

use super::env;
use super::load::Inputs;
use super::reference::keys;
use crate::base::problems::Source;

/// One effective value.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ShownKey {
    /// The dotted key.
    pub key: String,
    /// The value as it was written; a sentence in place of a secret; nothing where there is no default.
    pub value: Value,
    /// `config.toml:12`, `environment variable X`, or `default`.
    pub origin: String,
}

/// The key, or every key of the section, of that name. Lists of tables are not shown.
pub fn shown(inputs: &Inputs, wanted: &str) -> Vec<ShownKey> {
    let (overlay, _) = env::overlay(&inputs.environment);
    let parsed = toml::de::DeTable::parse(&inputs.source.text).ok();
    let mut shown = Vec::new();
    for doc in keys() {
        let below = doc.key.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if !below || doc.key.contains(['[', '*']) {
            continue;
        }
        let found = parsed.as_ref().and_then(|table| look(table.get_ref(), &doc.key, &inputs.source));
        let (value, origin) = match (overlay.get(&doc.key), found) {
            (Some((origin, text)), _) => (Value::from(text.as_str()), origin.clone()),
            (None, Some((value, line))) => (value, format!("{}:{line}", inputs.source.name)),
            (None, None) => (default(&doc.default), "default".to_owned()),
        };
        let hidden = doc.kind.contains("secret") && origin != "default";
        shown.push(ShownKey { key: doc.key, value: if hidden { "(secret)".into() } else { value }, origin });
    }
    shown
}

/// Every key that can be shown: for a hint.
pub fn shown_keys() -> Vec<String> {
    keys().into_iter().map(|doc| doc.key).filter(|key| !key.contains(['[', '*'])).collect()
}

fn default(written: &str) -> Value {
    let parsed = format!("x = {written}").parse::<toml::Table>().ok();
    let value = parsed.and_then(|table| serde_json::to_value(table.get("x")?).ok());
    value.unwrap_or_else(|| written.into())
}

fn look(table: &toml::de::DeTable<'_>, key: &str, source: &Source) -> Option<(Value, usize)> {
    use toml::de::DeValue;
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = table.get(first)?;
    match (value.get_ref(), rest) {
        (DeValue::Table(inner), Some(rest)) => look(inner, rest, source),
        (_, None) => {
            let written = source.text.get(value.span())?;
            Some((default(written), source.place(value.span()).line))
        }
        _ => None,
    }
}
