//! A bounded map in shards: entries end by themselves, and the least used give way when a quota is reached.
//!
//! No lock is held while another is taken: quotas are counted beside the shards, and what is too much is taken away
//! after an entry was put in, from one shard at a time.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::cell::Entry;
use super::shard::{Shard, Slot};

/// Shards of one table; each has a lock of its own.
const SHARDS: usize = 16;

/// Shards that are looked at to find an entry that gives way.
const SHARDS_LOOKED_AT: usize = 4;

/// What one table may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::script) struct Quota {
    pub keys: usize,
    pub bytes: usize,
    /// Whether entries outlive the process.
    pub persist: bool,
}

/// A bounded map from keys to entries.
pub(in crate::script) struct Table {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// Counts uses, so that the least recent is known.
    uses: AtomicU64,
    keys: AtomicUsize,
    bytes: AtomicUsize,
    evicted: AtomicU64,
    /// The shard from which the next entry is taken away.
    cursor: AtomicUsize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            uses: AtomicU64::new(1),
            keys: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            cursor: AtomicUsize::new(0),
        }
    }
}

impl Table {
    /// Looks at an entry that has not ended.
    pub fn read<R>(&self, key: &str, now_ms: i64, look: impl FnOnce(&Entry) -> R) -> Option<R> {
        let used = self.uses.fetch_add(1, Relaxed);
        let mut shard = self.shard(key).lock();
        let slot = shard.entries.get_mut(key).filter(|slot| slot.entry.expires_ms > now_ms)?;
        slot.used = used;
        Some(look(&slot.entry))
    }

    /// Changes an entry: `change` gets the one that has not ended, and leaves the one that is to stand there.
    pub fn update<R>(
        &self,
        key: &str,
        now_ms: i64,
        quota: Quota,
        change: impl FnOnce(&mut Option<Entry>) -> R,
    ) -> R {
        let used = self.uses.fetch_add(1, Relaxed);
        let result = {
            let mut shard = self.shard(key).lock();
            let (ended_keys, ended_bytes) = shard.end(now_ms);
            self.give_up(ended_keys, ended_bytes);
            let (key, before) = shard.take(key);
            let old_weight = before.as_ref().map(|slot| slot.weight);
            let old_end = before.as_ref().map(|slot| slot.entry.expires_ms);
            let mut held = before.map(|slot| slot.entry);
            let result = change(&mut held);
            let new_weight = held.map(|entry| {
                let weight = Slot::weight_of(&key, &entry);
                shard.put(&key, Slot { entry, used, weight }, old_end);
                weight
            });
            if new_weight.is_none() {
                shard.removed(&key, old_end);
            }
            if quota.persist {
                shard.mark(&key, quota.keys);
            }
            self.account(old_weight, new_weight);
            result
        };
        self.keep_within(quota, used);
        result
    }

    /// Puts an entry where none is, without marking it as changed: for what was saved.
    pub fn restore(&self, key: &str, entry: Entry, quota: Quota) {
        let used = self.uses.fetch_add(1, Relaxed);
        {
            let mut shard = self.shard(key).lock();
            if shard.entries.contains_key(key) {
                return;
            }
            let key: Arc<str> = key.into();
            let weight = Slot::weight_of(&key, &entry);
            shard.put(&key, Slot { entry, used, weight }, None);
            self.account(None, Some(weight));
        }
        self.keep_within(quota, used);
    }

    /// Removes entries that have ended, and those that are too many for a smaller quota.
    pub fn tidy(&self, now_ms: i64, quota: Quota) {
        for shard in &self.shards {
            let (keys, bytes) = shard.lock().end(now_ms);
            self.give_up(keys, bytes);
        }
        self.keep_within(quota, u64::MAX);
    }

    /// Removes everything.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let keys = shard.entries.len();
            let bytes = shard.entries.values().map(|slot| slot.weight).sum();
            *shard = Shard::default();
            self.give_up(keys, bytes);
        }
    }

    /// Shows every entry that has not ended, shard by shard.
    pub fn each(&self, now_ms: i64, mut see: impl FnMut(&Arc<str>, &Entry)) {
        for shard in &self.shards {
            let shard = shard.lock();
            for (key, slot) in shard.entries.iter().filter(|(_, slot)| slot.entry.expires_ms > now_ms) {
                see(key, &slot.entry);
            }
        }
    }

    /// How many entries there are, those not counted that have ended.
    pub fn len(&self, now_ms: i64) -> usize {
        for shard in &self.shards {
            let (keys, bytes) = shard.lock().end(now_ms);
            self.give_up(keys, bytes);
        }
        self.keys()
    }

    /// Entries, ended ones perhaps among them.
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed)
    }

    /// Bytes of all entries, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Entries that gave way to others since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Up to `most` changed entries, `None` for those that are no more; they count as saved from now on.
    pub fn changes(&self, most: usize) -> Vec<(Arc<str>, Option<Entry>)> {
        let mut changes = Vec::new();
        for shard in &self.shards {
            let left = most - changes.len();
            if left == 0 {
                break;
            }
            shard.lock().changes(left, &mut changes);
        }
        changes
    }

    /// Marks a key as changed again: saving it failed.
    pub fn mark(&self, key: &Arc<str>, quota: Quota) {
        self.shard(key).lock().mark(key, quota.keys);
    }

    /// Changes that could not even be remembered since the start.
    pub fn lost(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().lost).sum()
    }

    fn shard(&self, key: &str) -> &Mutex<Shard> {
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default();
        &self.shards[hash % SHARDS]
    }

    fn account(&self, old: Option<usize>, new: Option<usize>) {
        match (old, new) {
            (Some(old), None) => self.give_up(1, old),
            (old, Some(new)) => {
                self.bytes.fetch_add(new, Relaxed);
                match old {
                    Some(old) => self.give_up(0, old),
                    None => drop(self.keys.fetch_add(1, Relaxed)),
                }
            }
            (None, None) => {}
        }
    }

    fn give_up(&self, keys: usize, bytes: usize) {
        if keys > 0 {
            self.keys.fetch_sub(keys, Relaxed);
        }
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Takes entries away until the quota holds; those used since `used` stay.
    fn keep_within(&self, quota: Quota, used: u64) {
        while self.keys() > quota.keys || self.bytes() > quota.bytes {
            if !self.evict(quota, used) {
                return; // only what was just put in is left
            }
        }
    }

    /// Takes away the least used of a few entries of a few shards.
    fn evict(&self, quota: Quota, used: u64) -> bool {
        let first = self.cursor.fetch_add(1, Relaxed);
        let shards = || (0..SHARDS).map(|i| &self.shards[first.wrapping_add(i) % SHARDS]);
        // A look at each, and then at the one again: no two locks at a time.
        let looks = shards().filter_map(|shard| shard.lock().oldest(used).map(|age| (age, shard)));
        let Some((_, shard)) = looks.take(SHARDS_LOOKED_AT).min_by_key(|(age, _)| *age) else { return false };
        let mut shard = shard.lock();
        // Somebody else may have taken it in between; then the next round finds another.
        let Some((key, weight)) = shard.evict(used) else { return true };
        if quota.persist {
            shard.mark(&key, quota.keys);
        }
        drop(shard);
        self.give_up(1, weight);
        self.evicted.fetch_add(1, Relaxed);
        true
    }
}
