//! `pluginmind config show NAME`: effective values, each with where it comes from.

use serde_json::{Value, json};

use super::check::lend_secret;
use super::exit::Exit;
use super::failure::Failure;
use super::options::Config;
use super::{Options, inputs, render};
use crate::base::nearest::nearest;
use crate::config;
use crate::live::snapshot;

pub(super) fn run(options: &Options, what: &Config) -> Result<Exit, Failure> {
    let Config::Show { name } = what;
    let mut inputs = inputs::gather(options).map_err(Failure::unread)?;
    lend_secret(&mut inputs)?;
    let built = snapshot::build(&inputs, 0);
    let Some(snapshot) = built.snapshot else { return Err(Failure::Found(built.problems)) };
    let values = match snapshot.rules.shown(name) {
        Some(values) => json!(values),
        // The secret that was lent is nobody's.
        None => json!(config::shown(&inputs::gather(options).map_err(Failure::unread)?, name)),
    };
    if values.as_array().is_none_or(Vec::is_empty) {
        let plugins: Vec<String> = snapshot.rules.plugins().iter().map(|p| p.name.to_string()).collect();
        let keys = config::shown_keys();
        let near = nearest(name, plugins.iter().chain(&keys).map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        return Err(Failure::problem(format!("there is no plugin and no key `{name}`{hint}")));
    }
    render::result(options.format, &values, || table(&values));
    Ok(Exit::Fine)
}

fn table(values: &Value) -> String {
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows: Vec<_> = values
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let value = row.get("value").map_or_else(String::new, |value| match value {
                Value::String(text) if text.is_empty() => "\"\"".to_owned(),
                Value::String(text) => text.clone(),
                Value::Null => "-".to_owned(),
                other => other.to_string(),
            });
            [text(row, "key"), value, text(row, "origin")]
        })
        .collect();
    render::table(["KEY", "VALUE", "FROM"], &rows, "")
}
