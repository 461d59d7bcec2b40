//! Reads the files of rules: plain files only, bounded, as UTF-8. Nothing here can block on a pipe or fill the memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use crate::base::problems::{Problem, Problems, Source};
use crate::base::text::hex;

/// The longest script or manifest, in bytes.
pub const FILE_BYTES_MAX: u64 = 64 << 10;
/// The longest file of a list, in bytes.
const LIST_BYTES_MAX: u64 = 16 << 20;
/// Entries of one folder that are looked at.
const ENTRIES_MAX: usize = 1_024;

/// An edit that nobody has saved: a text that is read in place of what a plugin's `main.rhai` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The plugin's name. Its folder must be there.
    pub plugin: String,
    /// What its `main.rhai` would hold.
    pub main: String,
}

/// Reads files, and remembers which.
pub(super) struct Reader<'a> {
    root: &'a Path,
    /// A file and the text that is read in its place.
    edit: Option<(PathBuf, &'a str)>,
    /// Each file that was read, with the hash of its content in hex.
    pub inputs: Vec<(PathBuf, String)>,
    /// Of each plugin, the hash of its files, also where it cannot go live.
    pub hashes: BTreeMap<String, String>,
    pub problems: Problems,
}

impl<'a> Reader<'a> {
    pub fn new(root: &'a Path) -> Self {
        Self::instead(root, None)
    }

    /// A reader for which one file holds another text than it does.
    pub fn instead(root: &'a Path, edit: Option<(PathBuf, &'a str)>) -> Self {
        Self { root, edit, inputs: Vec::new(), hashes: BTreeMap::new(), problems: Problems::default() }
    }

    /// The config file's folder.
    pub fn root_folder(&self) -> PathBuf {
        self.root.to_owned()
    }

    /// How a path is named to the reader of a problem: relative to the config file's folder.
    pub fn name(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }

    /// The text of a file, without a byte order mark.
    pub fn read(&mut self, path: &Path) -> Option<Source> {
        self.read_within(path, FILE_BYTES_MAX)
    }

    /// The text of a file of a list, and when it was written, in milliseconds since 1970-01-01 UTC.
    pub fn read_list(&mut self, path: &Path) -> Option<(Source, i64)> {
        let source = self.read_within(path, LIST_BYTES_MAX)?;
        let written = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
        let since = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Some((source, i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }

    fn read_within(&mut self, path: &Path, most: u64) -> Option<Source> {
        let bytes = match &self.edit {
            Some((file, text)) if file == path => within(text.as_bytes().to_vec(), most),
            _ => read_plain(path, most),
        };
        match bytes {
            Ok(bytes) => {
                self.inputs.push((path.to_owned(), hex_hash(&bytes)));
                match String::from_utf8(bytes) {
                    Ok(text) => {
                        Some(Source::new(self.name(path), text.strip_prefix('\u{feff}').unwrap_or(&text)))
                    }
                    Err(_) => self.fail(path, "the file is not UTF-8 text"),
                }
            }
            Err(why) => self.fail(path, &why),
        }
    }

    /// The entries of a folder that are no editor's leftovers, by name. A missing folder is empty.
    pub fn entries(&mut self, folder: &Path) -> Vec<(String, PathBuf)> {
        let listing = match fs::read_dir(folder) {
            Ok(listing) => listing,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(e) => {
                self.problems
                    .push(Problem::of(self.name(folder), format!("the folder cannot be read: {}", e.kind())));
                return Vec::new();
            }
        };
        let mut found: Vec<_> = listing
            .filter_map(Result::ok)
            .filter_map(|e| Some((e.file_name().into_string().ok()?, e.path())))
            .filter(|(name, _)| !is_leftover(name))
            .take(ENTRIES_MAX + 1)
            .collect();
        if found.len() > ENTRIES_MAX {
            let message = format!("only the first {ENTRIES_MAX} entries of this folder would be read");
            self.problems.push(Problem::of(self.name(folder), message));
            found.truncate(ENTRIES_MAX);
        }
        found.sort();
        found
    }

    /// The scripts of a folder as namespaces: `clock.rhai` is `clock`.
    pub fn scripts(&mut self, folder: &Path, files_max: usize) -> Vec<(String, Source)> {
        let files: Vec<_> = self
            .entries(folder)
            .into_iter()
            .filter_map(|(name, path)| Some((name.strip_suffix(".rhai")?.to_owned(), path)))
            .collect();
        if files.len() > files_max {
            self.problems
                .push(Problem::of(self.name(folder), format!("at most {files_max} scripts may stand here")));
        }
        files.into_iter().take(files_max).filter_map(|(name, path)| Some((name, self.read(&path)?))).collect()
    }

    fn fail<T>(&mut self, path: &Path, why: &str) -> Option<T> {
        self.problems.push(Problem::of(self.name(path), why));
        None
    }
}

fn read_plain(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let meta = fs::metadata(path).map_err(|e| format!("the file cannot be read: {}", e.kind()))?;
    if !meta.is_file() {
        return Err("this is not a plain file".to_owned());
    }
    let file = File::open(path).map_err(|e| format!("the file cannot be read: {}", e.kind()))?;
    let mut bytes = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|e| format!("the file cannot be read: {}", e.kind()))?;
    within(bytes, most)
}

fn within(bytes: Vec<u8>, most: u64) -> Result<Vec<u8>, String> {
    if u64::try_from(bytes.len()).is_ok_and(|n| n > most) {
        return Err(format!("the file is larger than {} KiB", most >> 10));
    }
    Ok(bytes)
}

/// Hidden files, and what editors leave behind.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || [".swp", ".tmp", ".bak"].iter().any(|end| name.ends_with(end))
}

/// SHA-256 in hex.
pub(super) fn hex_hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}
