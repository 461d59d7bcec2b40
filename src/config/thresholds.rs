//! `[thresholds]`: what sums of `score()` lead to.

use crate::base::document::Table;

/// Sums that decide; 0 is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// At this sum the request is refused with 403.
    pub deny: i64,
}

impl Thresholds {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let deny = table.integer(
            "deny",
            100,
            (0, 1_000_000),
            "At this sum of `score()` the request is refused with 403; 0 is off.",
        );
        table.finish();
        Self { deny }
    }
}
