//! Too many wrong passwords: an account's name, and the network they come from, are told to wait before any more work is
//! done for them.
//!
//! Names are counted as they are typed, in their canonical form, whether or not an account has them: who is told to wait
//! learns nothing. What is counted is in memory, bounded, and gone with the process. A table that is full lets no new key
//! go uncounted: all of them share one count, so a flood of names locks out more, never less.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::name::AccountName;
use crate::base::address::lockout_network;
use crate::config;

/// Most names, and most networks, that are counted apart.
pub const COUNTED_MAX: usize = 100_000;
/// A full table is looked through for what is over at most this often.
const PURGE_EVERY: Duration = Duration::from_secs(1);

/// When somebody is locked out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Wrong passwords for one name that lock it; 0 is never.
    pub failures: u32,
    /// Wrong passwords from one network that lock it; 0 is never.
    pub network_failures: u32,
    /// How long a lock lasts.
    pub lock_for: Duration,
    /// Wrong passwords count together when they come within this time of the first.
    pub window: Duration,
}

impl Terms {
    /// As configured.
    pub fn of(config: &config::Auth) -> Self {
        Self {
            failures: config.lockout_failures,
            network_failures: config.lockout_network_failures,
            lock_for: config.lockout_for,
            window: config.lockout_window,
        }
    }
}

/// Locked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong passwords")]
pub struct LockedOut {
    /// Until when it is of no use to try again.
    pub retry_after: Duration,
}

/// Who tries: a name as a keyed hash, and a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    name: u64,
    network: IpAddr,
}

/// What was counted. One for the whole process.
#[derive(Default)]
pub struct Lockout {
    /// Under a key of this process's own, so that nobody can choose names that fall together.
    hashes: RandomState,
    names: Mutex<Table<u64>>,
    networks: Mutex<Table<IpAddr>>,
}

impl Lockout {
    /// Somebody who types a name, from an address. What is no name is counted as it stands.
    pub fn attempt(&self, name: &str, address: IpAddr) -> Attempt {
        let name = match AccountName::parse(name) {
            Ok(canonical) => self.hashes.hash_one(canonical.expose()),
            Err(_) => self.hashes.hash_one(name),
        };
        Attempt { name, network: lockout_network(address) }
    }

    /// Whether a password may be looked at.
    ///
    /// # Errors
    /// [`LockedOut`], with the longer of the two waits.
    pub fn check(&self, attempt: Attempt, now: Instant) -> Result<(), LockedOut> {
        let name = self.names.lock().wait(&attempt.name, now);
        let network = self.networks.lock().wait(&attempt.network, now);
        match name.max(network) {
            Some(retry_after) => Err(LockedOut { retry_after }),
            None => Ok(()),
        }
    }

    /// Counts a password that was looked at. A right one clears the name, not the network: who has an account of their own
    /// must not be able to go on guessing at others.
    pub fn record(&self, attempt: Attempt, right: bool, terms: Terms, now: Instant) {
        if right {
            self.names.lock().forget(&attempt.name);
            return;
        }
        self.names.lock().fail(attempt.name, terms.failures, terms, now);
        self.networks.lock().fail(attempt.network, terms.network_failures, terms, now);
    }

    /// Lets a name try again at once, for when its password was changed.
    pub fn forgive(&self, name: &AccountName) {
        self.names.lock().forget(&self.hashes.hash_one(name.expose()));
    }
}

impl std::fmt::Debug for Lockout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lockout")
    }
}

/// Counts by key, and one for all keys that found no room.
struct Table<K> {
    counts: HashMap<K, Count>,
    overflow: Count,
    purged: Option<Instant>,
    most: usize,
}

/// Wrong passwords in a row.
#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    /// When it is as if nothing had been: the end of the window, or of the lock.
    over: Option<Instant>,
    locked: bool,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { counts: HashMap::new(), overflow: Count::default(), purged: None, most: COUNTED_MAX }
    }
}

impl<K: std::hash::Hash + Eq> Table<K> {
    fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        let full = self.counts.len() >= self.most;
        match self.counts.get(key) {
            Some(count) => count.wait(now),
            None if full => self.overflow.wait(now),
            None => None,
        }
    }

    fn fail(&mut self, key: K, most: u32, terms: Terms, now: Instant) {
        if most == 0 {
            return;
        }
        if self.counts.len() >= self.most && !self.counts.contains_key(&key) {
            self.purge(now);
        }
        if self.counts.len() >= self.most && !self.counts.contains_key(&key) {
            self.overflow.fail(most, terms, now);
            return;
        }
        self.counts.entry(key).or_default().fail(most, terms, now);
    }

    fn forget(&mut self, key: &K) {
        self.counts.remove(key);
    }

    fn purge(&mut self, now: Instant) {
        if self.purged.is_some_and(|then| now.saturating_duration_since(then) < PURGE_EVERY) {
            return;
        }
        self.purged = Some(now);
        self.counts.retain(|_, count| count.is_on(now));
    }
}

impl Count {
    fn is_on(&self, now: Instant) -> bool {
        self.over.is_some_and(|over| now < over)
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        let over = self.over.filter(|over| self.locked && now < *over)?;
        Some(over.saturating_duration_since(now))
    }

    fn fail(&mut self, most: u32, terms: Terms, now: Instant) {
        if !self.is_on(now) {
            *self = Self { failures: 0, over: now.checked_add(terms.window), locked: false };
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= most && !self.locked {
            self.locked = true;
            self.over = now.checked_add(terms.lock_for);
        }
    }
}

#[cfg(test)]
mod tests;
