//! Maps by ids that are random and made here, which no client chooses: what is random is as good as any hash of it, and
//! the standard hash takes ten times as long.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by [`super::UserId`] or [`super::SessionId`].
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<RandomAlready>>;

/// Takes the 16 bytes of an id for their own hash.
#[derive(Default)]
pub struct RandomAlready(u64);

impl Hasher for RandomAlready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.as_chunks().0 {
            // Turned, for the few bits that are the same in every id (RFC 9562 section 5.4) not to meet.
            self.0 = self.0.rotate_left(29) ^ u64::from_ne_bytes(*word);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;
    use crate::auth::{SessionId, UserId};

    #[test]
    fn random_ids_are_spread_over_the_lowest_and_the_highest_bits() {
        let state = BuildHasherDefault::<RandomAlready>::default();
        let users = (0..4_096).map(|_| state.hash_one(UserId::generate()));
        let sessions = (0..4_096).map(|_| state.hash_one(SessionId::generate()));
        for hashes in [users.collect::<Vec<_>>(), sessions.collect()] {
            let lowest: HashSet<u64> = hashes.iter().map(|hash| hash % 256).collect();
            let highest: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            assert_eq!((lowest.len(), highest.len()), (256, 128));
            assert!(hashes.iter().collect::<HashSet<_>>().len() > 4_090);
        }
    }
}
