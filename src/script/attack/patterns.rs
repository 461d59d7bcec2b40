//! Tables of weighted patterns: one pass over the text, whatever their number.

use regex::bytes::{RegexSet, RegexSetBuilder};

/// The largest compiled table, in bytes.
const COMPILED_BYTES_MAX: usize = 16 << 20;

/// A table of patterns and their weights.
pub(super) struct Table {
    set: RegexSet,
    weights: Vec<u8>,
}

impl Table {
    /// Compiles a table. The patterns are constants, and a test compiles each of them.
    pub fn new(rows: &[(u8, &str)]) -> Self {
        let set = RegexSetBuilder::new(rows.iter().map(|(_, pattern)| pattern))
            .unicode(false)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build()
            .expect("the patterns are constants and a test compiles them");
        Self { set, weights: rows.iter().map(|(weight, _)| *weight).collect() }
    }

    /// The sum of the weights of the patterns that match.
    pub fn weigh(&self, text: &[u8]) -> u8 {
        let matches = self.set.matches(text);
        matches.into_iter().fold(0, |sum, row| sum.saturating_add(self.weights[row]))
    }
}
