//! A bounded map of buckets, in shards. A bucket in use is never evicted; a full one is forgotten, for a new one
//! would be just as full; when no place is left, new keys share one overflow bucket.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use super::bucket::{Bucket, Limit};
use crate::base::random_key::RandomAlready;

/// How many shards a map has; each has a lock of its own.
const SHARDS: usize = 64;

/// How many buckets are looked at, to forget the idle ones, whenever a key is new.
const SWEEP_STEP: usize = 4;

/// How many are looked at when no place is left.
const SWEEP_STEP_FULL: usize = 16;

/// A key, made by the limiter: 64 bits of keyed hash, and 64 bits that tell apart what shares them.
pub type Key = [u64; 2];

/// The bucket of one key, locked.
pub type Held<'a> = MappedMutexGuard<'a, Bucket>;

/// Buckets by key.
pub struct Keyed {
    shards: Box<[Mutex<Shard>]>,
    overflow: Mutex<Option<Bucket>>,
    count: AtomicUsize,
}

/// Entries stand in a vector, so that a sweep can go through them a few at a time.
#[derive(Default)]
struct Shard {
    places: HashMap<Key, u32, BuildHasherDefault<RandomAlready>>,
    entries: Vec<(Key, Bucket)>,
    cursor: usize,
}

impl Keyed {
    /// An empty map.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            overflow: Mutex::new(None),
            count: AtomicUsize::new(0),
        }
    }

    /// The bucket of a key, refilled: its own, a new full one, or the overflow bucket when `keys_max` are in use.
    pub fn hold(&self, key: Key, limit: Limit, now_ns: u64, keys_max: usize) -> Held<'_> {
        let mut shard = self.shard(key).lock();
        let place = shard.find(key).or_else(|| self.insert(&mut shard, key, limit, now_ns, keys_max));
        let mut held = if let Some(place) = place {
            MutexGuard::map(shard, |shard| &mut shard.entries[place].1)
        } else {
            drop(shard);
            MutexGuard::map(self.overflow.lock(), |o| o.get_or_insert_with(|| Bucket::full(limit, now_ns)))
        };
        held.refill(limit, now_ns);
        held
    }

    /// A look at the bucket of a key without making one.
    pub fn peek(&self, key: Key) -> Option<Bucket> {
        let shard = self.shard(key).lock();
        shard.find(key).map(|place| shard.entries[place].1)
    }

    /// How many keys have a bucket of their own.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn insert(
        &self,
        shard: &mut Shard,
        key: Key,
        limit: Limit,
        now_ns: u64,
        keys_max: usize,
    ) -> Option<usize> {
        let mut freed = shard.sweep(now_ns, SWEEP_STEP);
        if self.len().saturating_sub(freed) >= keys_max {
            freed += shard.sweep(now_ns, SWEEP_STEP_FULL);
        }
        self.count.fetch_sub(freed, Ordering::Relaxed);
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < keys_max).then_some(n + 1))
            .ok()
            .map(|_| shard.push(key, Bucket::full(limit, now_ns)))
    }

    fn shard(&self, key: Key) -> &Mutex<Shard> {
        // The lowest bits of the hash; the map below turns it, and uses its middle.
        &self.shards[usize::try_from(key[0] % SHARDS as u64).unwrap_or(0)]
    }
}

impl Shard {
    fn find(&self, key: Key) -> Option<usize> {
        self.places.get(&key).map(|place| *place as usize)
    }

    fn push(&mut self, key: Key, bucket: Bucket) -> usize {
        let place = self.entries.len();
        self.places.insert(key, u32::try_from(place).unwrap_or(u32::MAX));
        self.entries.push((key, bucket));
        place
    }

    /// Looks at the next few entries and forgets those that are full; says how many.
    fn sweep(&mut self, now_ns: u64, steps: usize) -> usize {
        let mut freed = 0;
        for _ in 0..steps.min(self.entries.len()) {
            if self.cursor >= self.entries.len() {
                self.cursor = 0;
            }
            if self.entries[self.cursor].1.is_idle(now_ns) {
                self.remove(self.cursor);
                freed += 1;
            } else {
                self.cursor += 1;
            }
        }
        freed
    }

    fn remove(&mut self, place: usize) {
        let (key, _) = self.entries.swap_remove(place);
        self.places.remove(&key);
        if let Some((moved, _)) = self.entries.get(place) {
            self.places.insert(*moved, u32::try_from(place).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { per_minute: 60, burst: 2 };

    fn key(n: u64) -> Key {
        [n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n]
    }

    fn drain(map: &Keyed, n: u64, now_ns: u64, keys_max: usize) -> u32 {
        let mut held = map.hold(key(n), LIMIT, now_ns, keys_max);
        let was = held.remaining();
        (0..was).for_each(|_| held.charge());
        was
    }

    #[test]
    fn ip_08_a_flood_of_new_keys_neither_evicts_nor_refills_a_bucket_in_use_and_shares_one_bucket() {
        let map = Keyed::new();
        for n in 0..100 {
            assert_eq!(drain(&map, n, 0, 100), 2);
        }
        assert_eq!(drain(&map, 1_000, 0, 100), 2, "the overflow bucket is full once");
        for n in 1_001..20_000 {
            assert_eq!(drain(&map, n, 0, 100), 0, "and shared by everybody after that");
        }
        for n in 0..100 {
            assert_eq!(drain(&map, n, 0, 100), 0, "key {n} stays throttled");
        }
        assert_eq!(map.len(), 100);
    }

    #[test]
    fn idle_buckets_make_room() {
        let map = Keyed::new();
        for n in 0..64 * 16 {
            drain(&map, n, 0, 64 * 16);
        }
        let later = 10_000_000_000;
        for n in 100_000..100_000 + 64 * 16 {
            assert_eq!(drain(&map, n, later, 64 * 16), 2, "a place was free for {n}");
        }
        assert!(map.len() <= 64 * 16);
    }

    #[test]
    fn the_count_is_the_number_of_entries_after_sweeps() {
        let map = Keyed::new();
        for n in 0..5_000 {
            drain(&map, n, n * 1_000_000, 1_000);
        }
        let entries: usize = map.shards.iter().map(|s| s.lock().entries.len()).sum();
        let places: usize = map.shards.iter().map(|s| s.lock().places.len()).sum();
        assert_eq!((map.len(), map.len()), (entries, places));
        for shard in &map.shards {
            let shard = shard.lock();
            for (place, (key, _)) in shard.entries.iter().enumerate() {
                assert_eq!(shard.find(*key), Some(place));
            }
        }
    }
}
