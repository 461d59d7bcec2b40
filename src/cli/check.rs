//! `pluginmind check`: everything that `serve` and a reload check, without serving, and the plugins' cases.

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, cases, inputs, render};
use crate::base::problems::{Problem, Problems};
use crate::config::{self, Inputs};
use crate::live::snapshot;
use crate::server::admin::token::read_token;

pub(super) fn run(options: &Options, plugin: Option<&str>) -> Result<Exit, Failure> {
    let inputs = inputs::gather(options).map_err(Failure::unread)?;
    let folder = match (plugin, config::load(&inputs).plugins) {
        (Some(name), Some(plugins)) => Some(folder_of(name, &plugins, &inputs)?),
        _ => None,
    };
    let problems = look(inputs, plugin)?;
    let problems = folder.map_or_else(|| problems.clone(), |folder| below(&folder, &problems));
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

/// How problems name the files of a plugin: its folder, relative to the config file's, with a `/` at the end.
fn folder_of(name: &str, plugins: &config::Plugins, inputs: &Inputs) -> Result<String, Failure> {
    let folder = plugins.path.join(name);
    if name.is_empty() || name.contains(['/', '\\', '.']) || !folder.is_dir() {
        return Err(Failure::Said(Exit::CannotRun, format!("there is no plugin `{name}`")));
    }
    Ok(format!("{}/", folder.strip_prefix(&inputs.folder).unwrap_or(&folder).display()))
}

/// The problems of files below a folder.
fn below(folder: &str, problems: &Problems) -> Problems {
    let mut some = Problems::default();
    let place = |p: &Problem| p.place.as_ref().map(|at| at.file.to_string()).or_else(|| p.origin.clone());
    let inside = |p: &&Problem| {
        place(p).is_some_and(|file| file.starts_with(folder) || file == folder.trim_end_matches('/'))
    };
    problems.iter().filter(inside).for_each(|p| some.push(p.clone()));
    some
}

fn look(mut inputs: Inputs, plugin: Option<&str>) -> Result<Problems, Failure> {
    lend_secret(&mut inputs)?;
    let built = snapshot::build(&inputs, 0);
    let mut problems = built.problems;
    if let Some(snapshot) = built.snapshot {
        // A token file that was named must be there when `serve` starts.
        if let Some(why) = snapshot.config.admin.token_file.as_deref().and_then(|file| read_token(file).err())
        {
            problems.push(Problem::of("admin.token_file", why.to_string()));
        }
        cases::append(&snapshot.config, plugin, &mut problems);
    }
    Ok(problems)
}
