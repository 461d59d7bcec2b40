//! Switches a plugin's mode in the text of config.toml, and leaves every other character as it is.

use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::Mode;
use super::draft::Draft;
use super::file::{FileError, read_file};

/// All permissions of config.toml stay.
const PERMISSIONS: u32 = 0o7777;

/// Why a mode was not switched. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The file cannot be read.
    #[error("{path}: {why}", path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: FileError,
    },
    /// The file is written in a way that this does not edit.
    #[error(
        "the file says it in a way that is not edited by machine: write `mode = \"{mode}\"` into `[plugins.{plugin}]`"
    )]
    ByHand {
        /// The plugin.
        plugin: String,
        /// The word for the mode.
        mode: &'static str,
    },
    /// Somebody changed the file meanwhile.
    #[error("{path} was changed meanwhile: ask again", path = .path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be replaced.
    #[error("{path} cannot be replaced: {source}", path = .path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The text with a plugin's mode switched, and the line (from 1) that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// The whole text.
    pub text: String,
    /// The line that was changed or added.
    pub line: usize,
}

/// Switches a plugin's mode in a text.
///
/// # Errors
/// [`SwitchError::ByHand`] where the place for it is not found for certain.
pub fn switch_mode(text: &str, plugin: &str, mode: Mode) -> Result<Switched, SwitchError> {
    let by_hand = || SwitchError::ByHand { plugin: plugin.to_owned(), mode: mode.word() };
    let table = DeTable::parse(text).map_err(|_| by_hand())?;
    let stands = below(table.get_ref(), "plugins").and_then(|plugins| {
        let (name, value) = plugins.iter().find(|(name, _)| name.get_ref().as_ref() == plugin)?;
        let DeValue::Table(own) = value.get_ref() else { return None };
        let mode = own.iter().find(|(key, _)| key.get_ref().as_ref() == "mode");
        Some((name.span().start, mode.map(|(_, value)| value.span())))
    });
    let said = format!("\"{}\"", mode.word());
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (at, edited) = match stands {
        Some((_, Some(old))) => (old.start, format!("{}{said}{}", &text[..old.start], &text[old.end..])),
        Some((name, None)) if is_header(text, name, plugin) => {
            let at = text[name..].find('\n').map_or(text.len(), |n| name + n + 1);
            let missing = if text[..at].ends_with('\n') { "" } else { end };
            (at + missing.len(), format!("{}{missing}mode = {said}{end}{}", &text[..at], &text[at..]))
        }
        _ => {
            let missing = if text.is_empty() || text.ends_with('\n') { "" } else { end };
            let lead = format!("{missing}{end}[plugins.{plugin}]{end}");
            (text.len() + lead.len(), format!("{text}{lead}mode = {said}{end}"))
        }
    };
    // Whatever way the file is written in: it must say the same as before, but for the mode.
    if !says(text, &edited, plugin, mode.word()) {
        return Err(by_hand());
    }
    let line = 1 + edited[..at].matches('\n').count();
    Ok(Switched { text: edited, line })
}

/// Puts a text in the place of the one that was read from the file.
///
/// # Errors
/// The file is another than the one that was read, or cannot be replaced; it is as it was.
pub fn replace_text(file: &Path, before: &str, after: &str) -> Result<(), SwitchError> {
    let unwritable = |source| SwitchError::Unwritable { path: file.to_owned(), source };
    // The file itself, not the link to it: a rename would leave what the link points at as it was.
    let target = file.canonicalize().map_err(unwritable)?;
    let mut draft = Draft::begin(&target).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SwitchError::Unwritable { path: Draft::path(&target), source },
        _ => unwritable(source),
    })?;
    // Written first: between the last look and the rename lies no wait for the disk.
    draft.write(&target, after, PERMISSIONS).map_err(unwritable)?;
    let now = read_file(&target).map_err(|why| SwitchError::Unreadable { path: file.to_owned(), why })?;
    if now.text != before {
        return Err(SwitchError::Changed { path: file.to_owned() });
    }
    draft.take_place(&target).map_err(unwritable)
}

fn below<'t>(table: &'t DeTable<'t>, key: &str) -> Option<&'t DeTable<'t>> {
    match table.get(key)?.get_ref() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    }
}

/// Whether the name at that place stands in `[plugins.NAME]`.
fn is_header(text: &str, name: usize, plugin: &str) -> bool {
    let begin = text[..name].rfind('\n').map_or(0, |n| n + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let Some(inside) = line.trim_start().strip_prefix('[').and_then(|rest| rest.split(']').next()) else {
        return false;
    };
    let plain: String = inside.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect();
    plain == format!("plugins.{plugin}")
}

fn says(before: &str, after: &str, plugin: &str, mode: &str) -> bool {
    let (Ok(mut wanted), Ok(got)) = (before.parse::<toml::Table>(), after.parse::<toml::Table>()) else {
        return false;
    };
    let empty = || toml::Value::Table(toml::Table::new());
    let plugins = wanted.entry("plugins").or_insert_with(empty);
    let Some(plugins) = plugins.as_table_mut() else { return false };
    let Some(own) = plugins.entry(plugin).or_insert_with(empty).as_table_mut() else { return false };
    own.insert("mode".to_owned(), mode.into());
    wanted == got
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn enforce(text: &str) -> String {
        switch_mode(text, "a-b", Mode::Enforce).map_or_else(|e| e.to_string(), |s| s.text)
    }

    #[test]
    fn the_word_is_replaced_and_nothing_else() {
        let before = "# top\n[plugins]  # all\npath = 'p'\n\n[plugins.a-b] # mine\n  mode   = 'shadow'   # until friday\npriority=1\n";
        let after = before.replace("'shadow'", "\"enforce\"");
        let switched = switch_mode(before, "a-b", Mode::Enforce).unwrap();
        assert_eq!((switched.text, switched.line), (after, 6));
    }

    #[test]
    fn a_table_without_a_mode_gets_one_under_its_head() {
        assert_eq!(
            enforce("[plugins.a-b] # mine\npriority = 1\n[x]\ny=1\n"),
            "[plugins.a-b] # mine\nmode = \"enforce\"\npriority = 1\n[x]\ny=1\n"
        );
        assert_eq!(enforce("[ plugins . \"a-b\" ]"), "[ plugins . \"a-b\" ]\nmode = \"enforce\"\n");
        assert_eq!(
            enforce("[plugins.a-b]\r\npriority = 1\r\n"),
            "[plugins.a-b]\r\nmode = \"enforce\"\r\npriority = 1\r\n"
        );
    }

    #[test]
    fn a_plugin_that_the_file_does_not_know_is_added_at_the_end() {
        assert_eq!(enforce(""), "\n[plugins.a-b]\nmode = \"enforce\"\n");
        assert_eq!(enforce("x = 1"), "x = 1\n\n[plugins.a-b]\nmode = \"enforce\"\n");
        let settings = "[plugins.a-b.settings]\nmode = \"calm\"\n";
        assert_eq!(enforce(settings), format!("{settings}\n[plugins.a-b]\nmode = \"enforce\"\n"));
        let commented = "# [plugins.a-b]\n# mode = \"shadow\"\n";
        assert_eq!(enforce(commented), format!("{commented}\n[plugins.a-b]\nmode = \"enforce\"\n"));
    }

    #[test]
    fn inline_and_dotted_modes_are_found_where_they_stand() {
        assert_eq!(
            enforce("[plugins]\na-b = { mode = \"off\", priority = 1 }\n"),
            "[plugins]\na-b = { mode = \"enforce\", priority = 1 }\n"
        );
        assert_eq!(enforce("plugins.a-b.mode = 'off'\n"), "plugins.a-b.mode = \"enforce\"\n");
    }

    #[test]
    fn what_cannot_be_edited_for_certain_is_left_alone() {
        for text in [
            "[plugins]\na-b = { priority = 1 }\n",
            "plugins.a-b.priority = 1\n",
            "plugins = { path = 'x' }\n",
            "[plugins]\na-b = 5\n",
            "not toml",
        ] {
            let said = enforce(text);
            assert!(said.contains("write `mode = \"enforce\"` into `[plugins.a-b]`"), "{text}: {said}");
        }
    }

    #[test]
    fn the_file_is_replaced_whole_with_its_permissions_and_only_if_it_is_the_one_that_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("config.toml"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        symlink(&file, &link).unwrap();
        replace_text(&link, "old", "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o644);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert!(matches!(replace_text(&file, "old", "newer"), Err(SwitchError::Changed { .. })));
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
    }
}
