//! One shard of a table: the entries, when they end, and which of them are not saved yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::cell::{Entry, NEVER_MS};

/// Bytes that an entry takes beside its key and its cell: map, order and allocation.
const OVERHEAD_BYTES: usize = 96;
/// Entries that are looked at to find one that gives way.
const SAMPLES: usize = 8;
/// Changes that a shard remembers at least, whatever the quota.
const CHANGES_MIN: usize = 1_024;

/// An entry with what its table needs to know of it.
pub(super) struct Slot {
    pub entry: Entry,
    /// When it was used last, counted in uses.
    pub used: u64,
    pub weight: usize,
}

impl Slot {
    /// Bytes that the entry takes under that key.
    pub fn weight_of(key: &str, entry: &Entry) -> usize {
        OVERHEAD_BYTES + key.len() + entry.weight()
    }
}

#[derive(Default)]
pub(super) struct Shard {
    pub entries: IndexMap<Arc<str>, Slot>,
    /// Entries that end, by when.
    ends: BTreeSet<(i64, Arc<str>)>,
    /// Keys that changed since they were saved.
    dirty: IndexSet<Arc<str>>,
    /// Where the next sample begins.
    cursor: usize,
    pub lost: u64,
}

impl Shard {
    /// Takes an entry out to change it. The key is the one that the map already holds, where it does.
    pub fn take(&mut self, key: &str) -> (Arc<str>, Option<Slot>) {
        match self.entries.swap_remove_entry(key) {
            Some((key, slot)) => (key, Some(slot)),
            None => (key.into(), None),
        }
    }

    /// Puts an entry in; `old_end` is when the one before it would have ended.
    pub fn put(&mut self, key: &Arc<str>, slot: Slot, old_end: Option<i64>) {
        let end = slot.entry.expires_ms;
        if old_end != Some(end) {
            self.removed(key, old_end);
            if end != NEVER_MS {
                self.ends.insert((end, key.clone()));
            }
        }
        self.entries.insert(key.clone(), slot);
    }

    /// Forgets when an entry would have ended.
    pub fn removed(&mut self, key: &Arc<str>, old_end: Option<i64>) {
        if let Some(end) = old_end.filter(|end| *end != NEVER_MS) {
            self.ends.remove(&(end, key.clone()));
        }
    }

    /// Removes what has ended; how many entries and bytes.
    pub fn end(&mut self, now_ms: i64) -> (usize, usize) {
        let (mut keys, mut bytes) = (0, 0);
        while let Some((end, _)) = self.ends.first()
            && *end <= now_ms
        {
            let Some((_, key)) = self.ends.pop_first() else { break };
            if let Some(slot) = self.entries.swap_remove(&key) {
                keys += 1;
                bytes += slot.weight;
            }
        }
        // Saved rows of what has ended are swept from the database by their own end.
        (keys, bytes)
    }

    /// When the least used of a few entries was used, if that was before `used`.
    pub fn oldest(&self, used: u64) -> Option<u64> {
        self.sample(used).map(|(_, age)| age)
    }

    /// Removes the least used of a few entries that were not used since `used`; its key and weight.
    pub fn evict(&mut self, used: u64) -> Option<(Arc<str>, usize)> {
        let (victim, _) = self.sample(used)?;
        self.cursor = self.cursor.wrapping_add(SAMPLES);
        let (key, slot) = self.entries.swap_remove_index(victim)?;
        self.removed(&key, Some(slot.entry.expires_ms));
        Some((key, slot.weight))
    }

    fn sample(&self, used: u64) -> Option<(usize, u64)> {
        let count = self.entries.len();
        let sample = (0..SAMPLES.min(count)).map(|i| self.cursor.wrapping_add(i) % count);
        let ages = sample.filter_map(|i| self.entries.get_index(i).map(|(_, slot)| (i, slot.used)));
        ages.min_by_key(|(_, age)| *age).filter(|(_, age)| *age < used)
    }

    /// Notes that a key changed. Keys that are no more could pile up while nothing can be saved; then they are lost, and
    /// counted.
    pub fn mark(&mut self, key: &Arc<str>, keys_max: usize) {
        if self.dirty.len() >= CHANGES_MIN.max(keys_max) && !self.dirty.contains(key) {
            self.lost += 1;
        } else {
            self.dirty.insert(key.clone());
        }
    }

    /// Moves up to `most` changes out.
    pub fn changes(&mut self, most: usize, into: &mut Vec<(Arc<str>, Option<Entry>)>) {
        for _ in 0..most {
            let Some(key) = self.dirty.pop() else { return };
            let entry = self.entries.get(&key).map(|slot| slot.entry.clone());
            into.push((key, entry));
        }
    }
}
