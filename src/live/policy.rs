//! What is known of the policy in force: which generation, since when, and whether a later edit was refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::base::problems::Problems;

/// The state of the policy, replaced as a whole after each attempt.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The generation in force.
    pub generation: u64,
    /// When it went live, in milliseconds since 1970-01-01 UTC.
    pub loaded_ms: i64,
    /// When the last attempt was made.
    pub tried_ms: i64,
    /// The problems of the last attempt: with errors among them the files on disk are not in force.
    pub problems: Arc<Problems>,
    /// Keys that were changed on disk and need a restart.
    pub needs_restart: Vec<&'static str>,
    /// Of each plugin folder, the hash of its files at the last attempt that could read them.
    pub plugin_files: Arc<BTreeMap<String, String>>,
}

impl Policy {
    /// Whether the files on disk are newer than what is in force.
    pub fn is_stale(&self) -> bool {
        self.problems.has_errors()
    }
}

/// The policy's state for readers on any thread.
#[derive(Debug)]
pub struct PolicyBoard(ArcSwap<Policy>);

impl PolicyBoard {
    /// A board with the first state.
    pub fn new(first: Policy) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// The state now.
    pub fn read(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    /// Replaces the state.
    pub fn write(&self, next: Policy) {
        self.0.store(Arc::new(next));
    }
}
