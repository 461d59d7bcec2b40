//! `pluginmind plugins`: how each plugin stands, from the running gateway, else from the files.

use serde_json::{Value, json};

use super::check::lend_secret;
use super::client::NoAnswer;
use super::exit::Exit;
use super::failure::Failure;
use super::{Options, inputs, render, running, whereabouts};
use crate::live::snapshot;
use crate::server::admin::plugins::states;

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let (plugins, live) = look(options)?;
    render::result(options.format, &plugins, || words(&plugins, live));
    Ok(Exit::Fine)
}

/// Every plugin, and whether a gateway said so.
pub(super) fn look(options: &Options) -> Result<(Value, bool), Failure> {
    let gateway = whereabouts::find(options)?;
    match running::get(&gateway, "/admin/api/plugins") {
        Ok(answer) => Ok((running::document(&gateway, &answer)?, true)),
        Err(NoAnswer::NotRunning(_)) => Ok((on_disk(options)?, false)),
        Err(other) => Err(Failure::cannot_run(other.to_string())),
    }
}

fn on_disk(options: &Options) -> Result<Value, Failure> {
    let mut inputs = inputs::gather(options).map_err(Failure::unread)?;
    lend_secret(&mut inputs)?;
    let built = snapshot::build(&inputs, 0);
    let Some(snapshot) = built.snapshot else { return Err(Failure::Found(built.problems)) };
    let plugins = states(snapshot.rules.plugins(), snapshot.rules.file_hashes(), &built.problems);
    Ok(serde_json::to_value(plugins).unwrap_or_else(|_| json!([])))
}

fn words(plugins: &Value, live: bool) -> String {
    let list = || plugins.as_array().into_iter().flatten();
    let rows: Vec<_> = list().map(row).collect();
    let head = [
        "PLUGIN", "STATE", "SHARE", "VERSION", "CALLS", "REFUSED", "WOULD", "FAULTS", "P50", "P99", "HASH",
        "FILE",
    ];
    let mut lines = vec![render::table(head, &rows, "no plugins")];
    for plugin in list() {
        let name = text(plugin, "name");
        for (key, what) in [("verdicts", "counted"), ("would", "would have counted"), ("faults", "faults")] {
            let counts = by_name(plugin.get(key));
            if !counts.is_empty() {
                lines.push(format!("{name}: {what}: {counts}"));
            }
        }
        if let Some(reason) = plugin.get("reason").and_then(Value::as_str) {
            lines.push(format!("{name}: the files on disk are not in force: {reason}"));
        }
        if let Some(to) = plugin.get("tripped_to").and_then(Value::as_str) {
            lines.push(format!(
                "{name}: tripped to {to}: it failed or was slow more often than its `[budget]` allows"
            ));
        }
    }
    if !live {
        lines.push("no gateway runs: this is what the files say".to_owned());
    }
    lines.join("\n")
}

fn row(plugin: &Value) -> [String; 12] {
    let number = |key: &str| plugin.get(key).and_then(Value::as_u64).unwrap_or_default().to_string();
    let micros = |key: &str| format!("{:.0} µs", plugin.get(key).and_then(Value::as_f64).unwrap_or_default());
    let faults: u64 = counts(plugin.get("faults")).map(|(_, n)| n).sum();
    let share = plugin.get("enforce_share").and_then(Value::as_f64).unwrap_or_default();
    [
        text(plugin, "name").to_owned(),
        text(plugin, "state").to_owned(),
        format!("{:.0} %", share * 100.0),
        text(plugin, "version").to_owned(),
        number("calls"),
        number("refused"),
        number("would_refuse"),
        faults.to_string(),
        micros("p50_us"),
        micros("p99_us"),
        short(text(plugin, "hash")),
        short(text(plugin, "file_hash")),
    ]
}

fn by_name(value: Option<&Value>) -> String {
    counts(value).map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
}

fn counts(value: Option<&Value>) -> impl Iterator<Item = (&str, u64)> {
    let map = value.and_then(Value::as_object).into_iter().flatten();
    map.map(|(name, n)| (name.as_str(), n.as_u64().unwrap_or_default()))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// As much of a hash as tells two apart.
fn short(hash: &str) -> String {
    if hash.is_empty() { "-".to_owned() } else { hash.chars().take(8).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_edit_that_is_not_in_force_is_told_with_its_reason() {
        let plugins = json!([{
            "name": "honeypot", "version": "1.0.0", "state": "enforce", "enforce_share": 1.0, "calls": 12,
            "refused": 2, "would_refuse": 0, "faults": { "script": 1 }, "verdicts": { "honeypot.hit": 2 },
            "p50_us": 3.5, "p99_us": 9.0, "hash": "0123456789", "file_hash": "fedcba9876",
            "reason": "plugins/honeypot/main.rhai:3:1: unknown function",
        }]);
        insta::assert_snapshot!(words(&plugins, false), @r"
        PLUGIN    STATE    SHARE  VERSION  CALLS  REFUSED  WOULD  FAULTS  P50   P99   HASH      FILE
        honeypot  enforce  100 %  1.0.0    12     2        0      1       4 µs  9 µs  01234567  fedcba98
        honeypot: counted: honeypot.hit 2
        honeypot: faults: script 1
        honeypot: the files on disk are not in force: plugins/honeypot/main.rhai:3:1: unknown function
        no gateway runs: this is what the files say
        ");
    }
}
