//! The lines of every policy file at one moment: of each a keyed hash, to compare, and what may be shown of it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::mask;
use crate::base::text::cut;
use crate::live::fingerprint::is_leftover;

/// The largest file whose lines are kept, in bytes; of a larger one only that it changed is seen.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of all files whose lines are kept.
pub const TEXTS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most of one line that is shown, in bytes.
const LINE_BYTES_MAX: usize = 400;
/// Most files that are looked at.
const FILES_MAX: usize = 2_000;
/// Deepest folder below plugins and scripts.
const DEPTH_MAX: usize = 4;
/// What files of a policy are called.
const ENDINGS: [&str; 4] = ["rhai", "toml", "txt", "json"];

/// The policy files at one moment.
#[derive(Clone, Debug)]
pub struct Texts {
    pub(super) files: BTreeMap<String, Arc<Lines>>,
    hasher: RandomState,
    bytes: usize,
}

/// The lines of one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// A hash of each line; of a file that is too large, one of the whole.
    pub hashes: Vec<u64>,
    /// What may be shown of each line; nothing of a file that is too large.
    pub shown: Vec<Box<str>>,
}

/// Where the policy's files are.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    /// The config file's folder: files are named relative to it.
    pub root: &'a Path,
    /// Folders that are looked through.
    pub folders: [&'a Path; 2],
    /// Single files beside them.
    pub files: Vec<PathBuf>,
}

impl Default for Texts {
    /// No file.
    fn default() -> Self {
        Self { files: BTreeMap::new(), hasher: RandomState::new(), bytes: 0 }
    }
}

impl Texts {
    /// Reads the files as they are now; `config` is the configuration's name and text. Blocks: not for a worker.
    pub fn read(&self, config: (&str, &str), places: &Places<'_>) -> Self {
        // The same key, so that two moments can be compared.
        let mut texts = Self { files: BTreeMap::new(), hasher: self.hasher.clone(), bytes: 0 };
        texts.add(config.0.to_owned(), config.1);
        for file in &places.files {
            texts.read_file(file, places.root);
        }
        for folder in places.folders {
            texts.walk(folder, places.root, 0);
        }
        texts
    }

    fn walk(&mut self, folder: &Path, root: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let names = entries.flatten().map(|entry| entry.file_name()).filter(|name| !is_leftover(name));
        let mut names: Vec<_> = names.take(FILES_MAX).collect();
        names.sort_unstable();
        for name in names {
            let path = folder.join(name);
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() && depth < DEPTH_MAX => self.walk(&path, root, depth + 1),
                Ok(meta) if meta.is_file() => {
                    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
                    if ENDINGS.contains(&ending) && self.files.len() < FILES_MAX {
                        self.read_file(&path, root);
                    }
                }
                _ => {}
            }
        }
    }

    fn read_file(&mut self, path: &Path, root: &Path) {
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
        let Ok(meta) = fs::metadata(path) else { return };
        if meta.len() > most {
            let told = (meta.len(), meta.modified().ok());
            let hashes = vec![self.hasher.hash_one(told)];
            self.files.insert(name, Arc::new(Lines { hashes, shown: Vec::new() }));
        } else if let Ok(text) = fs::read_to_string(path) {
            self.add(name, &text);
        }
    }

    fn add(&mut self, name: String, text: &str) {
        self.bytes += text.len();
        let kind = if Path::new(&name).extension().is_some_and(|ending| ending == "rhai") {
            mask::Kind::Script
        } else {
            mask::Kind::Values
        };
        let lines = if text.len() > FILE_BYTES_MAX || self.bytes > TEXTS_BYTES_MAX {
            Lines { hashes: vec![self.hasher.hash_one(text)], shown: Vec::new() }
        } else {
            Lines {
                hashes: text.lines().map(|line| self.hasher.hash_one(line)).collect(),
                shown: mask::lines(text, kind)
                    .into_iter()
                    .map(|line| cut(&line, LINE_BYTES_MAX).into())
                    .collect(),
            }
        };
        self.files.insert(name, Arc::new(lines));
    }
}
