//! `pluginmind lockdown`: incident mode.

use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use super::options::Lockdown;
use super::{Options, inputs, offline, render, running};
use crate::bans::MADE_BY_CLI;
use crate::server::admin::action::Action;
use crate::server::admin::lockdown::{LockdownView, LockdownWanted};

pub(super) fn run(options: &Options, what: Lockdown) -> Result<Exit, Failure> {
    let wanted = |on, ttl, reason: Option<String>| {
        let reason = reason.unwrap_or_default();
        Action::Lockdown(LockdownWanted { on, ttl, reason, made_by: MADE_BY_CLI.to_owned() })
    };
    match what {
        Lockdown::Status => {
            let view = offline::lockdown(&inputs::config(options)?)?;
            render::result(options.format, &view, || words(&view));
        }
        Lockdown::On { ttl, reason } => {
            let done = running::change(options, wanted(true, ttl, reason))?;
            let expires = done.get("expires").and_then(Value::as_str);
            render::result(options.format, &done, || format!("lockdown is on {}", until(expires)));
        }
        Lockdown::Off => {
            let done = running::change(options, wanted(false, None, None))?;
            let was_on = done.get("was_on").and_then(Value::as_bool).unwrap_or_default();
            render::result(options.format, &done, || {
                if was_on { "lockdown is over".to_owned() } else { "lockdown was off already".to_owned() }
            });
        }
    }
    Ok(Exit::Fine)
}

fn words(view: &LockdownView) -> String {
    if !view.on {
        return "lockdown is off".to_owned();
    }
    let (since, by) =
        (view.since.as_deref().unwrap_or_default(), view.made_by.as_deref().unwrap_or_default());
    let reason = view.reason.as_deref().filter(|reason| !reason.is_empty());
    let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    format!("lockdown is on since {since} by {by}, {}{why}", until(view.expires.as_deref()))
}

fn until(expires: Option<&str>) -> String {
    expires.map_or_else(|| "until `pluginmind lockdown off`".to_owned(), |end| format!("until {end}"))
}
