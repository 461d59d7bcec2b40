//! The history of edits: what each changed, what became of it, and why.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::admin::status::rfc3339;
use crate::config::{Config, Inputs};
use crate::live::edits::{Difference, Edits, FileChange, Places, Texts, difference};
use crate::store::ReloadRow;

/// Most files of one edit that are kept in the database.
pub const CHANGES_MAX: usize = 100;

/// What the policy in force was read from, line by line.
#[derive(Debug, Default)]
pub struct PolicyTexts(Texts);

impl PolicyTexts {
    /// The files as they are now. Blocks: not for a worker.
    pub fn read(inputs: &Inputs, config: &Config) -> Self {
        Self(read(&Texts::default(), inputs, config))
    }

    /// What has changed since the policy in force was read. Where the files are in force now, the next edit is compared with
    /// them. Blocks: not for a worker.
    pub fn compare(&mut self, inputs: &Inputs, in_force: &Config, applied: bool) -> Difference {
        let now = read(&self.0, inputs, in_force);
        let found = difference(&self.0, &now);
        if applied {
            self.0 = now;
        }
        found
    }
}

fn read(before: &Texts, inputs: &Inputs, config: &Config) -> Texts {
    let schemas = config.routes.iter().filter_map(|route| route.body_schema.as_ref()?.file.clone());
    let places = Places {
        root: &inputs.folder,
        folders: [&config.plugins.path, &config.plugins.scripts],
        files: schemas.collect(),
    };
    let name = Path::new(&*inputs.source.name).file_name().and_then(|name| name.to_str());
    before.read((name.unwrap_or("config.toml"), &inputs.source.text), &places)
}

/// The changes as a row keeps them.
pub(super) fn row_of(changes: &[FileChange]) -> String {
    serde_json::to_string(&changes[..changes.len().min(CHANGES_MAX)]).unwrap_or_default()
}

/// One edit as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// When it was judged, RFC 3339.
    pub time: String,
    /// `applied` or `rejected`.
    pub outcome: String,
    /// The generation in force afterwards.
    pub generation: u64,
    /// The hash of the policy; empty where it was rejected.
    pub hash: String,
    /// Why it was rejected, in one line.
    pub reason: Option<String>,
    /// What it changed, by file, against what was in force.
    pub changes: Vec<FileChange>,
    /// The difference as `diff -u` writes it, without the values of secrets; of the last edits of this process only.
    pub diff: Option<String>,
    /// What was found in it, with carets; of the last edits of this process only.
    pub problems: Option<String>,
}

/// The views of rows, with what is in memory of them.
pub fn views(rows: Vec<ReloadRow>, edits: &Edits) -> Vec<ReloadView> {
    rows.into_iter().map(|row| view(row, edits)).collect()
}

fn view(row: ReloadRow, edits: &Edits) -> ReloadView {
    let edit = edits.at(row.time_ms);
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    ReloadView {
        time: rfc3339(row.time_ms),
        outcome: row.outcome,
        generation: row.generation,
        hash: row.hash,
        reason: row.reason,
        changes: row.changes.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
        diff: edit.as_ref().and_then(|edit| text(&edit.diff)),
        problems: edit.as_ref().and_then(|edit| text(&edit.problems)),
    }
}
