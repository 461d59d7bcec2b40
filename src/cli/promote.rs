//! `pluginmind promote NAME`: shows what a plugin would have done, and switches its mode in config.toml.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::check::lend_secret;
use super::exit::Exit;
use super::failure::Failure;
use super::{Options, inputs, plugins, render, running, whereabouts};
use crate::base::clock::Clock;
use crate::base::units::{parse_duration, show_duration};
use crate::config::{Config, Mode, SwitchError};
use crate::geo::Geo;
use crate::live::promotion::{Promotion, PromotionError, Switch};
use crate::live::snapshot::Before;
use crate::store::{Impact, OpenError, Reader};

/// Most codes and routes that a person is shown; JSON has more.
const ROWS_MAX: usize = 10;

/// What is asked for.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The plugin
    name: String,
    /// The mode to switch to
    #[arg(long, value_enum, default_value_t = To::Enforce, value_name = "enforce|shadow|off", hide_possible_values = true)]
    to: To,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// How far to look back for what it would have done
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    since: std::time::Duration,
}

/// A mode, as a word of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum To {
    Enforce,
    Shadow,
    Off,
}

impl To {
    fn mode(self) -> Mode {
        match self {
            Self::Enforce => Mode::Enforce,
            Self::Shadow => Mode::Shadow,
            Self::Off => Mode::Off,
        }
    }
}

/// What was switched, and where.
struct Done {
    file: PathBuf,
    switch: Switch,
    from: &'static str,
}

pub(super) fn run(options: &Options, asked: &Asked) -> Result<Exit, Failure> {
    let Some(file) = options.config_file() else {
        let why = "the configuration is the one in the binary, which cannot be edited: write a config.toml with \
                   `pluginmind --config FILE`";
        return Err(Failure::problem(why));
    };
    let mut inputs = inputs::gather(options).map_err(Failure::unread)?;
    lend_secret(&mut inputs)?;
    let nothing = Geo::default();
    let before = Before { geo: &nothing, tls: None };
    let promotion = Promotion::of(inputs, &asked.name, before).map_err(failure)?;
    let from = promotion.from();
    let (impact, calls) = (impact(promotion.config(), asked)?, calls(options, &asked.name));
    if from == asked.to.mode().word() {
        let value = document(asked, from, &impact, calls, None);
        render::result(options.format, &value, || format!("{}: the mode is {from} already", asked.name));
        return Ok(Exit::Fine);
    }
    let switch = promotion.switch(asked.to.mode(), before).map_err(failure)?;
    let shown = words(asked, &impact, calls, from);
    if !asked.yes {
        render::complain(&shown);
        consent(asked)?;
    }
    switch.write(&file).map_err(|error| failure(error.into()))?;
    let plan = Done { file, switch, from };
    let in_force = take_over(options);
    let value = document(asked, from, &impact, calls, Some((&plan, in_force)));
    render::result(options.format, &value, || {
        let done = done(asked, &plan, in_force);
        if asked.yes { format!("{shown}\n\n{done}") } else { done }
    });
    Ok(if in_force == Some(false) { Exit::Problems } else { Exit::Fine })
}

/// What the plugin would have done; nothing where nothing was written down yet.
fn impact(config: &Config, asked: &Asked) -> Result<Impact, Failure> {
    let back = i64::try_from(asked.since.as_millis()).unwrap_or(i64::MAX);
    let since_ms = Clock::System.unix_ms().saturating_sub(back);
    let impact = match Reader::open(&config.storage.path) {
        Ok(reader) => reader.impact(&asked.name, since_ms),
        Err(OpenError::Absent { .. }) => return Ok(Impact::default()),
        Err(error) => Err(error),
    };
    impact.map_err(|error| Failure::cannot_run(error.to_string()))
}

/// Calls of the plugin since its files are in force; nothing where no gateway runs.
fn calls(options: &Options, name: &str) -> Option<u64> {
    let (plugins, live) = plugins::look(options).ok()?;
    let plugin =
        plugins.as_array()?.iter().find(|plugin| plugin.get("name").and_then(Value::as_str) == Some(name));
    plugin?.get("calls")?.as_u64().filter(|_| live)
}

/// Asks whoever is there.
fn consent(asked: &Asked) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::problem("nothing was changed: say `--yes` where nobody can be asked"));
    }
    render::complain(&format!("Switch `{}` to {}? [y/N]", asked.name, asked.to.mode().word()));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::cannot_run(error.to_string()))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::problem("nothing was changed"))
    }
}

/// Whether the running gateway has taken the file over; nothing where none runs, or where it does so by itself.
fn take_over(options: &Options) -> Option<bool> {
    let gateway = whereabouts::find(options).ok()?;
    if !running::runs(&gateway).ok()? {
        return None;
    }
    // Asked for, though the gateway watches the file: when this verb ends, the new mode is in force.
    let report = running::reload(&gateway).ok()?;
    report.get("applied").and_then(Value::as_bool)
}

fn failure(error: PromotionError) -> Failure {
    match error {
        PromotionError::Broken(problems) => Failure::Found(problems),
        PromotionError::Switch(SwitchError::Unreadable { .. } | SwitchError::Unwritable { .. }) => {
            Failure::cannot_run(error.to_string())
        }
        _ => Failure::problem(error.to_string()),
    }
}

fn document(
    asked: &Asked,
    from: &str,
    impact: &Impact,
    calls: Option<u64>,
    done: Option<(&Done, Option<bool>)>,
) -> Value {
    json!({
        "plugin": asked.name,
        "from": from,
        "to": asked.to.mode().word(),
        "since": show_duration(asked.since),
        "calls": calls,
        "impact": impact,
        "changed": done.is_some(),
        "file": done.map(|(plan, _)| plan.file.display().to_string()),
        "line": done.map(|(plan, _)| plan.switch.line()),
        "in_force": done.and_then(|(_, in_force)| in_force),
    })
}

fn words(asked: &Asked, impact: &Impact, calls: Option<u64>, from: &str) -> String {
    let (name, since) = (&asked.name, show_duration(asked.since));
    let mut lines = vec![format!("{name}: {from} -> {}", asked.to.mode().word())];
    if impact.requests == 0 {
        lines.push(format!("in the last {since} it would have refused no request"));
    } else {
        let all = impact.all_requests.max(impact.requests);
        lines.push(format!(
            "in the last {since} it would have refused {} of {all} requests ({}), of {} signed-in people and {} addresses",
            impact.requests,
            percent(impact.requests, all),
            impact.people,
            impact.addresses
        ));
    }
    let mut table = |what: &str, rows: &[(String, u64)]| {
        if rows.is_empty() {
            return;
        }
        let named = |name: &str| if name.is_empty() { "(none)".to_owned() } else { name.to_owned() };
        let rows: Vec<_> =
            rows.iter().take(ROWS_MAX).map(|(n, count)| [named(n), count.to_string()]).collect();
        lines.push(format!("\n{}", render::table([what, "REQUESTS"], &rows, "")));
    };
    table("CODE", &impact.by_code);
    table("ROUTE", &impact.by_route);
    table("SCORE", &impact.scores);
    if !impact.samples.is_empty() {
        lines.push(format!("\nfor example: {}", impact.samples.join(", ")));
    }
    if let Some(calls) = calls {
        lines.push(format!("calls since its files are in force: {calls}"));
    }
    lines.join("\n")
}

fn done(asked: &Asked, plan: &Done, in_force: Option<bool>) -> String {
    let said = format!(
        "{}:{}: `{}` is now {} (it was {})",
        plan.file.display(),
        plan.switch.line(),
        asked.name,
        asked.to.mode().word(),
        plan.from
    );
    match in_force {
        Some(true) => format!("{said}; the running gateway has taken it over"),
        Some(false) => format!("{said}; the running gateway refused the reload: see `pluginmind check`"),
        None => said,
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn percent(part: u64, all: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / all.max(1) as f64)
}
