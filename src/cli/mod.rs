//! Floor 7: what a person can ask for, one file a verb.

pub mod banner;
pub mod exit;
pub mod inputs;
pub mod render;
pub mod serve;

mod alerts;
mod bans;
mod cases;
mod check;
mod client;
mod config_show;
mod coverage;
mod definitions;
mod docs;
mod explain;
mod failure;
mod fatal;
mod findings;
mod github;
mod healthcheck;
mod junit;
mod keys;
mod lockdown;
mod logs;
mod new_plugin;
mod offline;
mod options;
mod password;
mod plugins;
pub mod privacy_check;
mod promote;
mod reload;
mod running;
mod secret;
mod sessions;
mod status;
mod test;
mod users;
mod watch_tests;
mod whereabouts;

use std::ffi::OsString;

use self::exit::Exit;
use self::failure::Failure;
use self::options::Verb;

pub use self::options::{Format, Options};

/// Reads the command line of the process and does what it asks for.
pub fn run() -> Exit {
    match run_with(std::env::args_os()) {
        Exit::Fine if render::is_lost() => Exit::CannotRun,
        exit => exit,
    }
}

fn run_with(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let (options, verb) = match options::parse(arguments) {
        Ok(asked) => asked,
        Err(error) => return usage(&error),
    };
    perform(&options, verb).unwrap_or_else(|failure| failure.tell())
}

fn perform(options: &Options, verb: Verb) -> Result<Exit, Failure> {
    if options.format == Format::Junit && !matches!(verb, Verb::Test(_)) {
        return Err(Failure::Said(Exit::Usage, "`--format junit` belongs to `test`".to_owned()));
    }
    if options.format == Format::Github && !matches!(verb, Verb::Check { .. }) {
        return Err(Failure::Said(Exit::Usage, "`--format github` belongs to `check`".to_owned()));
    }
    match verb {
        Verb::Serve => Ok(serve::run(options)),
        Verb::Check { plugin } => check::run(options, plugin.as_deref()),
        Verb::Test(asked) => test::run(options, &asked),
        Verb::New { what } => new_plugin::run(options, &what),
        Verb::Explain { asked } => explain::run(options, *asked),
        Verb::Logs { asked } => logs::run(options, &asked),
        Verb::Users { what } => users::run(options, what),
        Verb::Keys { what } => keys::run(options, what),
        Verb::Sessions { what } => sessions::run(options, what),
        Verb::Bans { what } => bans::run(options, what),
        Verb::Lockdown { what } => lockdown::run(options, what),
        Verb::Secret { what } => secret::run(options, what),
        Verb::Alerts { what } => alerts::run(options, what),
        Verb::Status => status::run(options),
        Verb::Reload => reload::run(options),
        Verb::Plugins => plugins::run(options),
        Verb::Promote { asked } => promote::run(options, &asked),
        Verb::Config { what } => config_show::run(options, &what),
        Verb::PrivacyCheck => privacy_check::run(options),
        Verb::Healthcheck => Ok(healthcheck::run(options)),
        Verb::Docs { what } => Ok(docs::run(options, what)),
        Verb::Definitions { folder } => definitions::run(options, &folder),
    }
}

/// Help and version are answers; everything else is a command line that is wrong.
fn usage(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    match error.kind() {
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => {
            render::print(text.trim_end());
            Exit::Fine
        }
        _ => {
            render::complain(text.trim_end());
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests;
