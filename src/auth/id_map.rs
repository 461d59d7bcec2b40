//! Maps by ids that are random and made here, which no client chooses.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::base::random_key::RandomAlready;

/// A map by [`super::UserId`] or [`super::SessionId`].
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<RandomAlready>>;

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
