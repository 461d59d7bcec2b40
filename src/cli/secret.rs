//! `pluginmind secret`: the session secret.

use serde_json::{Value, json};

use super::exit::Exit;
use super::failure::Failure;
use super::options::Secret;
use super::{Options, inputs, offline, render, running, whereabouts};
use crate::config::{self, Config, RotateError};
use crate::server::admin::action::{Action, Which};

pub(super) fn run(options: &Options, what: Secret) -> Result<Exit, Failure> {
    match what {
        Secret::Generate => generate(options),
        Secret::Rotate { keep } => rotate(options, keep),
    }
}

fn generate(options: &Options) -> Result<Exit, Failure> {
    let secret = config::new_secret().map_err(|error| Failure::cannot_run(error.to_string()))?;
    render::result(options.format, &json!({ "secret": secret.expose() }), || secret.expose().clone());
    Ok(Exit::Fine)
}

/// What became of the sessions and of the running gateway.
struct Done {
    /// Absent where no gateway runs.
    in_force: Option<bool>,
    ended: Option<u64>,
}

/// The file first, then the gateway that runs on it, then the sessions: whoever signs in meanwhile gets a token of the new
/// secret or one that does not last. Everything that can be refused is asked before anything is changed.
fn rotate(options: &Options, keep: bool) -> Result<Exit, Failure> {
    let config = inputs::config(options)?;
    let file = config::secret_file(&config).map_err(|error| failure(&error))?;
    let gateway = whereabouts::find(options)?;
    let runs = running::runs(&gateway)?;
    let (rotated, done) = if runs {
        running::token(&gateway)?;
        let rotated = config::rotate(&file, keep).map_err(|error| failure(&error))?;
        // Asked for, though the gateway watches the file: when this verb ends, the new secret is in force.
        let report = running::reload(&gateway)?;
        let in_force = report.get("applied").and_then(Value::as_bool).unwrap_or(false);
        let ended = if keep { None } else { end_all(options)? };
        (rotated, Done { in_force: Some(in_force), ended })
    } else {
        // The database first: that nobody holds it proves that no gateway runs.
        let ended = if keep { None } else { end_all_on_disk(&config)? };
        let rotated = config::rotate(&file, keep).map_err(|error| failure(&error))?;
        (rotated, Done { in_force: None, ended })
    };
    let value = json!({
        "file": rotated.file, "kept": rotated.kept, "in_force": done.in_force, "sessions_ended": done.ended,
    });
    render::result(options.format, &value, || words(&rotated, &done));
    Ok(if done.in_force == Some(false) { Exit::Problems } else { Exit::Fine })
}

fn end_all(options: &Options) -> Result<Option<u64>, Failure> {
    let ended = running::change(options, Action::RevokeSessions(Which::All))?;
    Ok(ended.get("revoked").and_then(Value::as_u64))
}

fn end_all_on_disk(config: &Config) -> Result<Option<u64>, Failure> {
    if !config.storage.path.exists() {
        return Ok(Some(0));
    }
    let ended = offline::perform(config, Action::RevokeSessions(Which::All))?;
    Ok(ended.get("revoked").and_then(Value::as_u64))
}

fn failure(error: &RotateError) -> Failure {
    if error.is_by_configuration() {
        Failure::problem(error.to_string())
    } else {
        Failure::cannot_run(error.to_string())
    }
}

fn words(rotated: &config::Rotated, done: &Done) -> String {
    let mut lines = vec![format!("{}: a new secret stands first", rotated.file.display())];
    lines.push(match done.ended {
        Some(1) => "1 session ended".to_owned(),
        Some(ended) => format!("{ended} sessions ended"),
        None => format!("old sessions live out their time: secrets that still verify: {}", rotated.kept),
    });
    if done.in_force == Some(false) {
        lines.push(
            "the running gateway refused the reload and keeps the old secret: see `pluginmind check`"
                .to_owned(),
        );
    }
    lines.join("\n")
}
