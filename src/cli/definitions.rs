//! `pluginmind definitions DIR`: what scripts can say, for editors.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, render};
use crate::script;

pub(super) fn run(options: &Options, folder: &Path) -> Result<Exit, Failure> {
    let files = write(folder).map_err(|(path, error)| {
        Failure::cannot_run(format!("{} cannot be written: {error}", path.display()))
    })?;
    render::result(options.format, &json!({ "folder": folder, "files": files }), || {
        format!("wrote {}: {}", folder.display(), files.join(", "))
    });
    Ok(Exit::Fine)
}

/// Writes every file in place of what stands there, and gives their names.
fn write(folder: &Path) -> Result<Vec<String>, (PathBuf, io::Error)> {
    fs::create_dir_all(folder).map_err(|error| (folder.to_owned(), error))?;
    let mut names = Vec::new();
    for (name, text) in script::definitions() {
        let path = folder.join(&name);
        fs::write(&path, text).map_err(|error| (path, error))?;
        names.push(name);
    }
    Ok(names)
}
