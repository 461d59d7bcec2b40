//! What edits changed: the lines of each policy file, kept so that the next edit can be shown beside what is in force. In
//! memory only, without the values of secrets; the database gets names and numbers of lines.

mod diff;
mod mask;
mod texts;
mod values;

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub use self::diff::{DIFF_BYTES_MAX, Difference, difference};
pub use self::texts::{FILE_BYTES_MAX, Places, TEXTS_BYTES_MAX, Texts};

/// Edits whose difference is kept.
pub const EDITS_MAX: usize = 20;
/// Most bytes of an edit's problems that are kept.
pub const PROBLEMS_BYTES_MAX: usize = 16 * 1024;

/// What an edit did to one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// The file, relative to the config file's folder.
    pub file: String,
    /// Lines that came.
    pub added: usize,
    /// Lines that went.
    pub removed: usize,
}

/// One edit, as it is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// When it was judged, in milliseconds since 1970-01-01 UTC; its row in the database has the same time.
    pub time_ms: i64,
    /// The difference to what was in force, as `diff -u` writes it, without the values of secrets.
    pub diff: String,
    /// What was found in it, with carets.
    pub problems: String,
}

/// The last edits.
#[derive(Debug, Default)]
pub struct Edits(Mutex<VecDeque<Arc<Edit>>>);

impl Edits {
    /// Keeps an edit.
    pub fn push(&self, edit: Edit) {
        let mut kept = self.0.lock();
        if kept.len() == EDITS_MAX {
            kept.pop_front();
        }
        kept.push_back(Arc::new(edit));
    }

    /// The edit that was judged at that time, in milliseconds since 1970-01-01 UTC.
    pub fn at(&self, time_ms: i64) -> Option<Arc<Edit>> {
        self.0.lock().iter().find(|edit| edit.time_ms == time_ms).cloned()
    }
}

#[cfg(test)]
mod tests;
