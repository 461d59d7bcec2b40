//! `pluginmind new plugin`: a folder that passes `check` and `test`, from a template or from a plugin that is there.

mod copy;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::book::{Folders, RuleBook};
use super::manifest::is_plugin_name;
use crate::base::nearest::nearest;

/// The files of the template. `NAME` and `CODE` in them are the plugin's name and what its codes begin with.
const TEMPLATE: [(&str, &str); 4] = [
    ("plugin.toml", include_str!("plugin.toml")),
    ("main.rhai", include_str!("main.rhai")),
    ("tests/basic.rhai", include_str!("basic.rhai")),
    ("README.md", include_str!("README.md")),
];
/// What is taken of a name for codes, in characters: a code has at most 64.
const CODE_PREFIX_MAX: usize = 40;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Scaffold {
    /// The plugin's name.
    pub plugin: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The files in it, by name.
    pub files: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// The name is not one.
    #[error(
        "`{0}` is not the name of a plugin: lower-case letters, digits and `-`, a letter first, at most 64; not `path`, not `scripts`"
    )]
    Name(String),
    /// Something has that name.
    #[error("{0} is there already, and nothing in it was touched")]
    Exists(String),
    /// There is no such plugin to begin with.
    #[error("there is no plugin `{name}` to copy{hint}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// What may have been meant; empty where nothing is near.
        hint: String,
    },
    /// The plugin to copy holds something that is not copied.
    #[error("{path} cannot be copied: {why}")]
    Odd {
        /// What it is.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Files to be written: the name below the plugin's folder, and the content.
type Files = Vec<(String, Vec<u8>)>;

/// Writes a new plugin below the plugins folder, which is made where it is missing. Nothing is ever overwritten.
///
/// # Errors
/// See [`ScaffoldError`]; then nothing was written.
pub fn scaffold(folders: Folders<'_>, name: &str, from: Option<&str>) -> Result<Scaffold, ScaffoldError> {
    if !is_plugin_name(name) {
        return Err(ScaffoldError::Name(name.to_owned()));
    }
    let folder = folders.plugins.join(name);
    if folder.symlink_metadata().is_ok() {
        return Err(ScaffoldError::Exists(folder.display().to_string()));
    }
    let files = match from {
        None => template(name),
        Some(from) => copied(folders, name, from)?,
    };
    // A folder that begins with a dot is nobody's plugin: a running gateway sees all of the new one or nothing.
    let draft = folders.plugins.join(format!(".new-{name}-{}", std::process::id()));
    let written = write(&draft, &files).and_then(|()| fs::rename(&draft, &folder).map_err(at(&folder)));
    if written.is_err() {
        // The draft is ours alone; that it cannot be removed is no news beside the error.
        fs::remove_dir_all(&draft).ok();
    }
    written?;
    let files = files.into_iter().map(|(name, _)| name).collect();
    Ok(Scaffold { plugin: name.to_owned(), folder, files })
}

fn template(name: &str) -> Files {
    let code = code_prefix(name);
    let filled = |text: &str| text.replace("NAME", name).replace("CODE", &code).into_bytes();
    TEMPLATE.into_iter().map(|(file, text)| (file.to_owned(), filled(text))).collect()
}

/// The files of another plugin with the new name; its codes begin with the new name, for each code has one plugin.
fn copied(folders: Folders<'_>, name: &str, from: &str) -> Result<Files, ScaffoldError> {
    let (book, _) = RuleBook::load(folders, &BTreeMap::new());
    let plugins = book.into_plugins();
    let Some(plugin) = plugins.iter().find(|p| *p.name == *from) else {
        let near = nearest(from, plugins.iter().map(|p| &*p.name));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(ScaffoldError::Unknown { name: from.to_owned(), hint });
    };
    let mut files = copy::read(&plugin.folder)?;
    let prefix = code_prefix(name);
    let codes: Vec<(String, String)> = plugin
        .codes
        .iter()
        .map(|code| {
            let rest = code.split_once('.').map_or(code.as_str(), |(_, rest)| rest);
            (format!("\"{code}\""), format!("\"{prefix}.{rest}\""))
        })
        .collect();
    for (file, bytes) in &mut files {
        if let Ok(text) = std::str::from_utf8(bytes) {
            *bytes = copy::renamed(file, text, (from, name), &codes).into_bytes();
        }
    }
    Ok(files)
}

/// What the codes of a plugin begin with: its name, as far as a code may hold it.
fn code_prefix(name: &str) -> String {
    name.replace('-', "_").chars().take(CODE_PREFIX_MAX).collect()
}

fn write(folder: &Path, files: &Files) -> Result<(), ScaffoldError> {
    for (file, bytes) in files {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(at(parent))?;
        fs::write(&path, bytes).map_err(at(&path))?;
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ScaffoldError {
    let path = path.display().to_string();
    move |source| ScaffoldError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_plugin_is_whole_or_not_there() {
        let ground = tempfile::tempdir().unwrap();
        let root = ground.path();
        let (plugins, scripts) = (root.join("plugins"), root.join("scripts"));
        let folders = Folders { plugins: &plugins, scripts: &scripts, root };
        for name in ["", "Big", "a_b", "1a", "path", "scripts", "../x", "a/b", &"a".repeat(65)] {
            assert!(matches!(scaffold(folders, name, None), Err(ScaffoldError::Name(_))), "{name}");
        }
        assert!(matches!(scaffold(folders, "mine", Some("none")), Err(ScaffoldError::Unknown { .. })));
        assert!(!plugins.exists());
        let long = format!("a{}", "-b".repeat(31));
        for name in ["mine", &long] {
            assert_eq!(scaffold(folders, name, None).unwrap().files.len(), 4);
            assert!(matches!(scaffold(folders, name, None), Err(ScaffoldError::Exists(_))));
        }
        let (_, problems) = RuleBook::load(folders, &BTreeMap::new());
        assert!(problems.is_empty(), "{}", problems.render());
        assert_eq!(fs::read_dir(&plugins).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn a_copy_has_its_own_name_and_codes_and_starts_in_shadow() {
        let ground = tempfile::tempdir().unwrap();
        let root = ground.path();
        let (plugins, scripts) = (root.join("plugins"), root.join("scripts"));
        let folders = Folders { plugins: &plugins, scripts: &scripts, root };
        let first = scaffold(folders, "first", None).unwrap();
        let manifest = first.folder.join("plugin.toml");
        let text = fs::read_to_string(&manifest).unwrap().replace("\"shadow\"\n", "\"enforce\"  # now\n");
        fs::write(&manifest, text).unwrap();
        let second = scaffold(folders, "second-one", Some("first")).unwrap();
        let read = |file: &str| fs::read_to_string(second.folder.join(file)).unwrap();
        assert!(read("plugin.toml").starts_with("name        = \"second-one\"\n"));
        assert!(read("plugin.toml").contains("\nmode        = \"shadow\"  # now\n"));
        assert!(read("main.rhai").contains("deny(403, \"second_one.closed\""));
        assert!(read("tests/basic.rhai").contains("assert_denied(out, \"second_one.closed\")"));
        assert!(read("README.md").starts_with("# second-one\n"));
        assert_eq!(RuleBook::load(folders, &BTreeMap::new()).0.plugins().len(), 2);
    }
}
