//! `[storage]`: the SQLite database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::document::Table;

use super::context::Context;
use super::count;

/// The database and how long rows are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// The database file; its folder is the data folder.
    pub path: PathBuf,
    /// How long usage rows are kept.
    pub retention: Duration,
    /// Most usage rows that wait to be written; what comes then is dropped and counted.
    pub usage_queue_max: usize,
    /// Most usage rows that are kept, the newest; 0 is as many as there are.
    pub usage_rows_max: usize,
    /// The share of requests that nobody refused which have a usage row, from 0.0 to 1.0.
    pub usage_sample: f64,
    /// Requests that ended last and are kept in memory; 0 keeps none.
    pub recall: usize,
}

impl Storage {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>, context: &Context) -> Self {
        let path = table.text(
            "path",
            "data/pluginmind.db",
            "The database file; its folder is the data folder. A change needs a restart.",
        );
        if path.is_empty() || path.ends_with('/') {
            table.report(table.problem("path", "`storage.path` must name a file"));
        }
        let retention =
            table.duration("retention", "30d", Duration::from_secs(1), "How long usage rows are kept.");
        let usage_queue_max = table.integer(
            "usage_queue_max",
            10_000,
            (1, 10_000_000),
            "Most usage rows that wait to be written; what comes then is dropped and counted.",
        );
        let usage_rows_max = table.integer(
            "usage_rows_max",
            0,
            (0, i64::MAX),
            "Most usage rows that are kept; of more, the oldest go. 0 sets no bound but `retention`.",
        );
        let usage_sample = table.fraction(
            "usage_sample",
            "1.0",
            "The share of requests that get a usage row. Refused ones always do, and every request has its access line.",
        );
        let recall = table.integer(
            "recall",
            1_000,
            (0, 100_000),
            "Requests that ended last and are kept in memory, for the console and to judge one again; 0 keeps none.",
        );
        table.finish();
        Self {
            path: context.resolve(&path),
            retention,
            usage_queue_max: count(usage_queue_max),
            usage_rows_max: count(usage_rows_max),
            usage_sample: usage_sample.unwrap_or(1.0),
            recall: count(recall),
        }
    }

    /// The folder of the database, the development secret and the admin token.
    pub fn data_folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}
