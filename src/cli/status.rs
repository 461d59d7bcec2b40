//! `pluginmind status`: what the running gateway says about itself.

use std::fmt::Write as _;

use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, findings, render, running, whereabouts};

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let gateway = whereabouts::find(options)?;
    let answer = running::get(&gateway, "/admin/api/status");
    let answer = answer.map_err(|error| Failure::cannot_run(error.to_string()))?;
    let status = running::document(&gateway, &answer)?;
    render::result(options.format, &status, || words(&status));
    Ok(Exit::Fine)
}

fn words(status: &Value) -> String {
    let mut out =
        format!("PluginMind {}, up {}\n\n", text(status, "version"), span(number(status, "uptime_seconds")));
    let reasons = findings::texts(status.get("reasons"));
    let ready = if reasons.is_empty() { "yes".to_owned() } else { format!("no: {}", reasons.join(", ")) };
    let generation = number(status, "generation");
    let stale = text(status, "policy") == "stale";
    let policy = if stale {
        format!(
            "STALE: the files were refused at {}; generation {generation} stays in force",
            text(status, "tried")
        )
    } else {
        format!("current: generation {generation}, in force since {}", text(status, "loaded"))
    };
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<12} {value}");
    };
    line("ready", &ready);
    line("policy", &policy);
    line("storage", text(status, "storage"));
    let lockdown = status.get("lockdown").and_then(Value::as_bool).unwrap_or_default();
    if lockdown {
        let end = text(status, "lockdown_expires");
        let until = if end.is_empty() { "`pluginmind lockdown off`" } else { end };
        line("LOCKDOWN", &format!("on, until {until}"));
    }
    line("bans", &number(status, "bans").to_string());
    line("sessions", &number(status, "sessions").to_string());
    line("connections", &number(status, "connections").to_string());
    line("rows dropped", &number(status, "usage_rows_dropped").to_string());
    for certificate in list(status, "certificates") {
        let (name, expires) = (text(certificate, "name"), text(certificate, "expires"));
        line("certificate", &format!("{name}, until {expires}"));
    }
    let keys = findings::texts(status.get("needs_restart"));
    if !keys.is_empty() {
        line("restart for", &keys.join(", "));
    }
    let problems = findings::read(status.get("problems"));
    if !problems.is_empty() {
        let _ = write!(out, "\n{}", problems.render());
    }
    let _ = write!(out, "\n{}\n\n{}", plugins(status), services(status));
    out
}

fn plugins(status: &Value) -> String {
    let rows: Vec<_> = list(status, "plugins")
        .map(|plugin| {
            let hooks = findings::texts(plugin.get("hooks")).join(", ");
            [text(plugin, "name").to_owned(), text(plugin, "mode").to_owned(), hooks]
        })
        .collect();
    render::table(["PLUGIN", "MODE", "HOOKS"], &rows, "no plugins")
}

fn services(status: &Value) -> String {
    let rows: Vec<_> = list(status, "services")
        .map(|service| {
            let required = service.get("required").and_then(Value::as_bool).unwrap_or(false);
            let need = if required { "required" } else { "" };
            let up = format!("{} of {}", number(service, "addresses_up"), number(service, "addresses"));
            [text(service, "name").to_owned(), text(service, "status").to_owned(), up, need.to_owned()]
        })
        .collect();
    render::table(["SERVICE", "STATUS", "ADDRESSES UP", ""], &rows, "no services")
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// A span of seconds in its two largest units.
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stale_policy_is_shown_with_its_file_line_column_and_caret() {
        let status = json!({
            "version": "1.2.3", "uptime_seconds": 3_725, "generation": 3, "policy": "stale", "ready": true, "reasons": [],
            "tried": "2026-01-01T00:00:00.000Z", "storage": "healthy", "lockdown": true, "lockdown_expires": "2026-01-01T01:00:00.000Z", "bans": 3, "sessions": 2, "connections": 1,
            "usage_rows_dropped": 0, "needs_restart": [],
            "certificates": [{ "name": "app.example", "expires": "2026-03-01T00:00:00.000Z" }],
            "problems": [{
                "severity": "error", "message": "unknown key `brust`", "file": "config.toml", "line": 2, "column": 1,
                "width": 5, "excerpt": "brust = 2", "hint": "did you mean `burst`?"
            }],
            "plugins": [{ "name": "honeypot", "mode": "enforce", "hooks": ["on_request"] }],
            "services": [{ "name": "app", "status": "down", "required": true, "addresses": 2, "addresses_up": 0 }],
        });
        insta::assert_snapshot!(words(&status), @r"
        PluginMind 1.2.3, up 1h 2m

        ready        yes
        policy       STALE: the files were refused at 2026-01-01T00:00:00.000Z; generation 3 stays in force
        storage      healthy
        LOCKDOWN     on, until 2026-01-01T01:00:00.000Z
        bans         3
        sessions     2
        connections  1
        rows dropped 0
        certificate  app.example, until 2026-03-01T00:00:00.000Z

        error: unknown key `brust`
         --> config.toml:2:1
          |
        2 | brust = 2
          | ^^^^^
          = help: did you mean `burst`?

        PLUGIN    MODE     HOOKS
        honeypot  enforce  on_request

        SERVICE  STATUS  ADDRESSES UP
        app      down    0 of 2        required
        ");
    }

    #[test]
    fn spans_are_told_in_their_two_largest_units() {
        assert_eq!([59, 61, 3_660, 90_000].map(span), ["59s", "1m 1s", "1h 1m", "1d 1h"]);
    }
}
