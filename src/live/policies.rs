//! Of the policies that were in force lately, which files each plugin had: to say which of them are others now.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

/// Policies that are remembered, the one in force included.
pub const POLICIES_MAX: usize = 64;

/// One policy: the first bytes of its hash, and of each plugin folder the hash of its files.
type Known = ([u8; 8], BTreeMap<String, String>);

/// The policies that were in force lately.
#[derive(Debug, Default)]
pub struct Policies(Mutex<VecDeque<Known>>);

impl Policies {
    /// A policy is in force now.
    pub fn remember(&self, policy: [u8; 8], plugins: BTreeMap<String, String>) {
        let mut known = self.0.lock();
        known.retain(|(before, _)| *before != policy);
        if known.len() == POLICIES_MAX {
            known.pop_front();
        }
        known.push_back((policy, plugins));
    }

    /// Those of the plugins whose files are not those of then any more. Empty also where nothing is known of then.
    pub fn changed(&self, then: Option<[u8; 8]>, now: [u8; 8], plugins: &[&str]) -> Vec<String> {
        let known = self.0.lock();
        let of =
            |wanted: [u8; 8]| known.iter().find(|(policy, _)| *policy == wanted).map(|(_, hashes)| hashes);
        let Some((then, now)) = then.and_then(of).zip(of(now)) else { return Vec::new() };
        let mut changed: Vec<_> = plugins.iter().filter(|name| then.get(**name) != now.get(**name)).collect();
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().map(|name| (*name).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins(hashes: &[(&str, &str)]) -> BTreeMap<String, String> {
        hashes.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect()
    }

    #[test]
    fn what_changed_is_what_has_other_files_or_is_gone() {
        let policies = Policies::default();
        policies.remember([1; 8], plugins(&[("a", "1"), ("b", "1"), ("c", "1")]));
        policies.remember([2; 8], plugins(&[("a", "1"), ("b", "2")]));
        assert_eq!(policies.changed(Some([1; 8]), [2; 8], &["c", "b", "a", "b"]), ["b", "c"]);
        assert!(policies.changed(Some([1; 8]), [2; 8], &["a"]).is_empty());
        assert!(policies.changed(Some([9; 8]), [2; 8], &["a", "b"]).is_empty(), "nothing is known of then");
    }

    #[test]
    fn the_oldest_policies_are_forgotten() {
        let policies = Policies::default();
        for n in 0..=u8::try_from(POLICIES_MAX).unwrap() {
            policies.remember([n; 8], plugins(&[("a", &n.to_string())]));
        }
        assert_eq!(policies.0.lock().len(), POLICIES_MAX);
        assert!(policies.changed(Some([0; 8]), [9; 8], &["a"]).is_empty());
        assert_eq!(policies.changed(Some([1; 8]), [9; 8], &["a"]), ["a"]);
    }
}
