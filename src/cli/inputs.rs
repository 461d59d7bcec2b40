//! What a configuration is made of: the file, or the copy in the binary, and the environment.

use std::collections::BTreeMap;
use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, render};
use crate::base::problems::{Place, Problem};
use crate::config::{self, Config, FileError, Inputs};

/// Reads the config file and the environment.
///
/// # Errors
/// The file that was named, or the one that is there, cannot be read.
pub fn gather(options: &Options) -> Result<Inputs, Problem> {
    let environment = environment();
    let Some(file) = options.config_file() else { return Ok(Inputs::embedded(Path::new("."), environment)) };
    let inputs = Inputs::from_file(&file, environment).map(|inputs| match &options.relative_to {
        Some(folder) => Inputs { folder: folder.clone(), ..inputs },
        None => inputs,
    });
    inputs.map_err(|error| {
        let name = file.display().to_string();
        match error {
            FileError::NotUtf8 { line } => {
                let place = Place { file: name.into(), line, column: 1, width: 1, excerpt: None };
                Problem::at(place, "the line is not UTF-8")
            }
            other => Problem::of(name, other.to_string()),
        }
    })
}

/// Tells why the config file cannot be read, and how the verb ends: with a place in the file it is the file that is wrong.
pub fn report(problem: &Problem) -> Exit {
    render::error(&problem.short());
    if problem.place.is_some() { Exit::Problems } else { Exit::CannotRun }
}

/// The configuration, for a verb that needs it whole.
pub(super) fn config(options: &Options) -> Result<Config, Failure> {
    let loaded = config::load(&gather(options).map_err(Failure::unread)?);
    loaded.config.ok_or(Failure::Found(loaded.problems))
}

/// The variables whose names are text; a value that is not is kept as well as can be, so that it is refused and not ignored.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect()
}
