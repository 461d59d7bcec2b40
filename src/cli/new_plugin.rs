//! `pluginmind new plugin`: a folder to begin with.

use super::exit::Exit;
use super::failure::Failure;
use super::options::New;
use super::{Options, inputs, render};
use crate::script::{Folders, Scaffold, ScaffoldError, scaffold};

pub(super) fn run(options: &Options, what: &New) -> Result<Exit, Failure> {
    let New::Plugin { name, from } = what;
    let config = inputs::config(options)?;
    let folders =
        Folders { plugins: &config.plugins.path, scripts: &config.plugins.scripts, root: &config.folder };
    let made = scaffold(folders, name, from.as_deref()).map_err(|error| match error {
        ScaffoldError::Io { .. } => Failure::cannot_run(error.to_string()),
        _ => Failure::problem(error.to_string()),
    })?;
    render::result(options.format, &made, || text(&made));
    Ok(Exit::Fine)
}

fn text(made: &Scaffold) -> String {
    let files = made.files.join(", ");
    let (name, folder) = (&made.plugin, made.folder.display());
    format!("wrote {folder}: {files}\nnext: pluginmind test {name} --coverage")
}
