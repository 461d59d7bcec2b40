//! How many different members were seen under a key: a bounded set of hashes, exact up to its bound.

use std::collections::BTreeSet;

/// Members that are told apart; a count that has come so far stays there until the window ends.
pub(in crate::script) const MEMBERS_MAX: usize = 1_024;
/// Bytes of one member, with its share of the tree.
const MEMBER_BYTES: usize = 12;

/// Different members since the first of them; the window ends at once and not little by little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::script) struct Distinct {
    /// When the window ends, in milliseconds since 1970-01-01 UTC.
    pub ends_ms: i64,
    /// 64 bits of the keyed hash of each member.
    pub members: BTreeSet<u64>,
}

impl Distinct {
    /// An empty set that ends at that moment.
    pub fn until(ends_ms: i64) -> Self {
        Self { ends_ms, members: BTreeSet::new() }
    }

    /// Adds a member; how many there are then.
    pub fn add(&mut self, member: u64) -> i64 {
        if self.members.len() < MEMBERS_MAX {
            self.members.insert(member);
        }
        i64::try_from(self.members.len()).unwrap_or(i64::MAX)
    }

    pub fn weight(&self) -> usize {
        self.members.len() * MEMBER_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_once_and_never_beyond_the_bound() {
        let mut distinct = Distinct::until(1);
        assert_eq!((distinct.add(1), distinct.add(1), distinct.add(2)), (1, 1, 2));
        for member in 0..2_000 {
            distinct.add(member);
        }
        assert_eq!(distinct.add(5_000), 1_024);
    }
}
