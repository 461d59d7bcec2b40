//! What rules remember: keys, counters, limits and lists of each plugin. It outlives every snapshot, is bounded by
//! quotas, and is saved off the request path.

mod cell;
mod declared;
mod distinct;
mod files;
mod fixed;
mod key;
mod keys;
mod list;
mod listing;
mod rate;
mod saved;
mod shard;
mod space;
mod table;
mod view;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::RwLock;

pub(super) use declared::{ListSpec, read_lists, read_quota};
pub(super) use files::load_lists;
pub use saved::StateRow;

pub(super) use listing::Value as ListValue;
pub(super) use space::{Area, Space};
pub(super) use table::Quota;
pub(super) use view::{List, View};

use super::gateway_list::GatewayBans;
use crate::base::address::Pseudonymiser;

/// Plugins whose state is kept in memory, those that are no more included.
const SPACES_MAX: usize = 256;
/// Entries that one call of [`State::changes`] gives at most.
pub const CHANGES_MAX: usize = 500;

/// The state of all plugins. One for the whole process.
pub struct State {
    spaces: RwLock<BTreeMap<Arc<str>, Arc<Space>>>,
    people: Arc<Pseudonymiser>,
    bans: Option<Arc<dyn GatewayBans>>,
    /// Which plugin's changes come next.
    turn: AtomicUsize,
}

/// What one plugin's state takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSize {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Entries.
    pub keys: u64,
    /// Bytes, roughly.
    pub bytes: u64,
    /// Entries that gave way to others since the start.
    pub evicted: u64,
    /// Changes that were not saved and never will be.
    pub lost: u64,
}

impl State {
    /// An empty state. Under `key` people and addresses in keys become pseudonyms; 32 random bytes are expected.
    pub fn new(key: &[u8]) -> Self {
        Self {
            spaces: RwLock::default(),
            people: Arc::new(Pseudonymiser::new(key)),
            bans: None,
            turn: AtomicUsize::new(0),
        }
    }

    /// Lets rules look into the gateway's bans.
    #[must_use]
    pub fn with_bans(self, bans: Arc<dyn GatewayBans>) -> Self {
        Self { bans: Some(bans), ..self }
    }

    /// Puts back what was saved, before anything goes live.
    pub fn load(&self, rows: impl IntoIterator<Item = StateRow>) {
        for row in rows {
            self.space(&row.plugin).restore(&row);
        }
    }

    /// Changes since the last call, [`CHANGES_MAX`] at most; those that could not be saved come back by
    /// [`State::unsaved`].
    pub fn changes(&self) -> Vec<StateRow> {
        let spaces: Vec<_> = self.spaces.read().values().cloned().collect();
        let first = self.turn.fetch_add(1, Relaxed);
        let mut rows = Vec::new();
        for i in 0..spaces.len() {
            let left = CHANGES_MAX.saturating_sub(rows.len());
            if left == 0 {
                break;
            }
            rows.extend(spaces[(first + i) % spaces.len()].changes(left));
        }
        rows
    }

    /// Takes changes back that could not be saved.
    pub fn unsaved(&self, rows: &[StateRow]) {
        for row in rows {
            self.space(&row.plugin).unsaved(row);
        }
    }

    /// Removes what has ended at that moment (milliseconds since 1970-01-01 UTC).
    pub fn tidy(&self, now_ms: i64) {
        let spaces: Vec<_> = self.spaces.read().values().cloned().collect();
        for space in spaces {
            space.tidy(now_ms);
        }
    }

    /// What each plugin's state takes.
    pub fn sizes(&self) -> Vec<StateSize> {
        let spaces: Vec<_> = self.spaces.read().values().cloned().collect();
        let size = |space: &Arc<Space>| {
            let (keys, bytes) = space.size();
            let (evicted, lost) = (space.evicted(), space.lost());
            StateSize { plugin: space.name.clone(), keys, bytes, evicted, lost }
        };
        spaces.iter().map(size).collect()
    }

    /// The state of a plugin; made where there is none yet.
    pub(super) fn space(&self, plugin: &str) -> Arc<Space> {
        if let Some(space) = self.spaces.read().get(plugin) {
            return space.clone();
        }
        let mut spaces = self.spaces.write();
        if spaces.len() >= SPACES_MAX && !spaces.contains_key(plugin) {
            // Whoever holds the others: they are of plugins that run. The rest is on disk and comes back at a start.
            spaces.retain(|_, space| Arc::strong_count(space) > 1);
        }
        spaces
            .entry(plugin.into())
            .or_insert_with(|| Arc::new(Space::new(plugin, self.people.clone(), self.bans.clone())))
            .clone()
    }
}

impl Default for State {
    /// An empty state under a key that everybody knows: for `check` and tests.
    fn default() -> Self {
        Self::new(&[0; 32])
    }
}

#[cfg(test)]
mod tests;
