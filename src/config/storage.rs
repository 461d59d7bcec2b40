//! `[storage]`: the SQLite database.

use std::path::PathBuf;
use std::time::Duration;

/// The database and how long rows are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The database file; its folder is the data folder.
    pub path: PathBuf,
    /// How long usage rows are kept.
    pub retention: Duration,
    /// Most usage rows that wait to be written; what comes then is dropped and counted.
    pub usage_queue_max: usize,
}
