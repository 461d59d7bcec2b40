//! Copies of plugins: read whole and bounded, then renamed.

use std::fs;
use std::path::Path;

use super::{Files, ScaffoldError, at};

/// Files of a plugin that is copied.
const FILES_MAX: usize = 1_000;
/// Bytes of one of them: lists may be long.
const BYTES_MAX: u64 = 16 << 20;
/// Folders within folders.
const DEPTH_MAX: usize = 3;

/// Every file below a folder, hidden ones left out. Links are not followed: they may lead out of it.
pub(super) fn read(folder: &Path) -> Result<Files, ScaffoldError> {
    let mut files = Files::new();
    descend(folder, "", DEPTH_MAX, &mut files)?;
    files.sort();
    Ok(files)
}

fn descend(folder: &Path, prefix: &str, depth: usize, files: &mut Files) -> Result<(), ScaffoldError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let path = entry.path();
        let odd = |why| ScaffoldError::Odd { path: path.display().to_string(), why };
        let name = entry.file_name().into_string().map_err(|_| odd("its name is not text"))?;
        if name.starts_with('.') {
            continue;
        }
        let meta = entry.metadata().map_err(at(&path))?;
        if meta.is_dir() {
            if depth == 0 {
                return Err(odd("it lies too deep"));
            }
            descend(&path, &format!("{prefix}{name}/"), depth - 1, files)?;
        } else if !meta.is_file() {
            return Err(odd("it is neither a file nor a folder"));
        } else if meta.len() > BYTES_MAX || files.len() >= FILES_MAX {
            return Err(odd("the plugin is too large"));
        } else {
            files.push((format!("{prefix}{name}"), fs::read(&path).map_err(at(&path))?));
        }
    }
    Ok(())
}

/// One file of the copy: names and mode in the manifest, codes in scripts, the title of the README.
pub(super) fn renamed(
    file: &str,
    text: &str,
    (from, name): (&str, &str),
    codes: &[(String, String)],
) -> String {
    if file == "plugin.toml" {
        return manifest(text, name);
    }
    if file == "README.md" {
        return text.replacen(&format!("# {from}"), &format!("# {name}"), 1);
    }
    if Path::new(file).extension().is_none_or(|end| end != "rhai") {
        return text.to_owned();
    }
    codes.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
}

/// The manifest with its `name` and `mode` changed, line by line, so that the comments stay.
fn manifest(text: &str, name: &str) -> String {
    let mut top = true;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        top &= !line.trim_start().starts_with('[');
        let key = line.split_once('=').map(|(key, _)| key.trim()).filter(|_| top);
        match key {
            Some("name") => out.push_str(&with_value(line, name)),
            Some("mode") => out.push_str(&with_value(line, "shadow")),
            _ => out.push_str(line),
        }
    }
    out
}

/// A line `key = "old" …` with another value between its first quotes.
fn with_value(line: &str, value: &str) -> String {
    let mut parts = line.splitn(3, '"');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(key), Some(_), Some(rest)) => format!("{key}\"{value}\"{rest}"),
        _ => line.to_owned(),
    }
}
