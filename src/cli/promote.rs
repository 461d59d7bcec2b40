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
use crate::base::nearest::nearest;
use crate::base::problems::Source;
use crate::base::units::{parse_duration, show_duration};
use crate::config::{self, Config, Inputs, Mode, SwitchError, Switched};
use crate::live::snapshot::{self, Snapshot};
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

    fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

/// What a switch is about.
struct Plan {
    file: PathBuf,
    before: String,
    switched: Switched,
    from: &'static str,
}

pub(super) fn run(options: &Options, asked: &Asked) -> Result<Exit, Failure> {
    let Some(file) = options.config_file() else {
        let why = "the configuration is the one in the binary, which cannot be edited: write a config.toml with \
                   `pluginmind --config FILE`";
        return Err(Failure::problem(why));
    };
    let inputs = gather(options)?;
    let before = inputs.source.text.to_string();
    let snapshot = build(&inputs)?;
    let from = mode_of(&snapshot, &asked.name)?;
    let (impact, calls) = (impact(&snapshot.config, asked)?, calls(options, &asked.name));
    if from == asked.to.word() {
        let value = document(asked, from, &impact, calls, None);
        render::result(options.format, &value, || format!("{}: the mode is {from} already", asked.name));
        return Ok(Exit::Fine);
    }
    let switched = plan(options, &snapshot.config, &before, asked)?;
    let plan = Plan { file, before, switched, from };
    let shown = words(asked, &impact, calls, from);
    if !asked.yes {
        render::complain(&shown);
        consent(asked)?;
    }
    config::replace_text(&plan.file, &plan.before, &plan.switched.text).map_err(|error| failure(&error))?;
    let in_force = take_over(options);
    let value = document(asked, from, &impact, calls, Some((&plan, in_force)));
    render::result(options.format, &value, || {
        let done = done(asked, &plan, in_force);
        if asked.yes { format!("{shown}\n\n{done}") } else { done }
    });
    Ok(if in_force == Some(false) { Exit::Problems } else { Exit::Fine })
}

fn gather(options: &Options) -> Result<Inputs, Failure> {
    let mut inputs = inputs::gather(options).map_err(Failure::unread)?;
    lend_secret(&mut inputs)?;
    Ok(inputs)
}

fn build(inputs: &Inputs) -> Result<Snapshot, Failure> {
    let built = snapshot::build(inputs, 0);
    built.snapshot.ok_or(Failure::Found(built.problems))
}

/// The mode that the plugin has.
fn mode_of(snapshot: &Snapshot, name: &str) -> Result<&'static str, Failure> {
    let plugins = snapshot.rules.plugins();
    if let Some(plugin) = plugins.iter().find(|plugin| &*plugin.name == name) {
        return Ok(plugin.mode);
    }
    let hint = nearest(name, plugins.iter().map(|plugin| &*plugin.name));
    let hint = hint.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    Err(Failure::problem(format!("there is no plugin `{name}`{hint}")))
}

/// The edited text, once it is known that the gateway will take it.
fn plan(options: &Options, config: &Config, before: &str, asked: &Asked) -> Result<Switched, Failure> {
    let word = config.plugins.overrides.get(&asked.name);
    if let Some(origin) = word.and_then(|word| word.origins.get("mode"))
        && origin.starts_with("environment")
    {
        let why = format!("the mode of `{}` is set by {origin}, which wins over config.toml", asked.name);
        return Err(Failure::problem(why));
    }
    let switched = config::switch_mode(before, &asked.name, asked.to.mode());
    let switched = switched.map_err(|error| failure(&error))?;
    let mut edited = gather(options)?;
    edited.source = Source::new(edited.source.name.clone(), switched.text.as_str());
    build(&edited)?;
    Ok(switched)
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
    render::complain(&format!("Switch `{}` to {}? [y/N]", asked.name, asked.to.word()));
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

fn failure(error: &SwitchError) -> Failure {
    match error {
        SwitchError::ByHand { .. } | SwitchError::Changed { .. } => Failure::problem(error.to_string()),
        _ => Failure::cannot_run(error.to_string()),
    }
}

fn document(
    asked: &Asked,
    from: &str,
    impact: &Impact,
    calls: Option<u64>,
    done: Option<(&Plan, Option<bool>)>,
) -> Value {
    json!({
        "plugin": asked.name,
        "from": from,
        "to": asked.to.word(),
        "since": show_duration(asked.since),
        "calls": calls,
        "impact": impact,
        "changed": done.is_some(),
        "file": done.map(|(plan, _)| plan.file.display().to_string()),
        "line": done.map(|(plan, _)| plan.switched.line),
        "in_force": done.and_then(|(_, in_force)| in_force),
    })
}

fn words(asked: &Asked, impact: &Impact, calls: Option<u64>, from: &str) -> String {
    let (name, since) = (&asked.name, show_duration(asked.since));
    let mut lines = vec![format!("{name}: {from} -> {}", asked.to.word())];
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

fn done(asked: &Asked, plan: &Plan, in_force: Option<bool>) -> String {
    let said = format!(
        "{}:{}: `{}` is now {} (it was {})",
        plan.file.display(),
        plan.switched.line,
        asked.name,
        asked.to.word(),
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
