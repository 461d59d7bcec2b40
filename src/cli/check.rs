//! `pluginmind check`: everything that `serve` and a reload check, without serving, and the plugins' cases.

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, cases, inputs, render};
use crate::base::problems::{Problem, Problems};
use crate::config::{self, Inputs};
use crate::live::snapshot;
use crate::server::admin::token::read_token;

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let inputs = inputs::gather(options).map_err(Failure::unread)?;
    let problems = look(inputs)?;
    render::problems(&problems, options.format);
    Ok(if problems.has_errors() { Exit::Problems } else { Exit::Fine })
}

/// In development `serve` makes a secret where there is none; a look makes no file, so it looks with one of its own.
pub(super) fn lend_secret(inputs: &mut Inputs) -> Result<(), Failure> {
    if config::load(inputs).config.is_some_and(|config| config.session.keys.is_empty()) {
        let secret = config::new_secret().map_err(|error| Failure::cannot_run(error.to_string()))?;
        inputs.environment.insert("PLUGINMIND_SESSION__SECRET".to_owned(), secret.expose().clone());
    }
    Ok(())
}

fn look(mut inputs: Inputs) -> Result<Problems, Failure> {
    lend_secret(&mut inputs)?;
    let built = snapshot::build(&inputs, 0);
    let mut problems = built.problems;
    if let Some(snapshot) = built.snapshot {
        // A token file that was named must be there when `serve` starts.
        if let Some(why) = snapshot.config.admin.token_file.as_deref().and_then(|file| read_token(file).err())
        {
            problems.push(Problem::of("admin.token_file", why.to_string()));
        }
        cases::append(&snapshot.config, &mut problems);
    }
    Ok(problems)
}
