//! Who is told to wait, for how long, and what a flood of names changes about it.

use std::net::Ipv4Addr;

use super::*;

const TERMS: Terms = Terms {
    failures: 3,
    network_failures: 8,
    lock_for: Duration::from_secs(900),
    window: Duration::from_secs(600),
};
const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    lockout: Lockout,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { lockout: Lockout::default(), now: Instant::now() }
    }

    fn fail(&self, name: &str, address: &str) {
        self.lockout.record(self.attempt(name, address), false, TERMS, self.now);
    }

    fn attempt(&self, name: &str, address: &str) -> Attempt {
        self.lockout.attempt(name, address.parse().unwrap())
    }

    fn wait(&self, name: &str, address: &str) -> Option<Duration> {
        self.lockout.check(self.attempt(name, address), self.now).err().map(|locked| locked.retry_after)
    }
}

#[test]
fn en_04_a_name_is_locked_in_every_spelling_and_from_everywhere() {
    let b = Bench::new();
    for (name, address) in [("Ada@Example.org", "192.0.2.1"), (" ada@example.org", "198.51.100.1")] {
        b.fail(name, address);
    }
    assert_eq!(b.wait("ada@example.org", "203.0.113.1"), None);
    b.fail("ADA@example.org", "2001:db8::1");
    for spelling in ["ada@example.org", "Ada@example.ORG\t"] {
        assert_eq!(b.wait(spelling, "203.0.113.1"), Some(TERMS.lock_for), "{spelling}");
    }
    assert_eq!(b.wait("bob", "203.0.113.1"), None);
}

#[test]
fn what_is_no_name_is_counted_as_it_stands() {
    let b = Bench::new();
    (0..3).for_each(|_| b.fail("a b", "192.0.2.1"));
    assert_eq!(b.wait("a b", "192.0.2.1"), Some(TERMS.lock_for));
    assert_eq!(b.wait("a c", "192.0.2.1"), None);
}

#[test]
fn rl_11_a_network_is_locked_whatever_names_it_tries() {
    let b = Bench::new();
    (0..8).for_each(|i| b.fail(&format!("name-{i}"), &format!("192.0.2.{i}")));
    assert_eq!(b.wait("another", "192.0.2.200"), Some(TERMS.lock_for));
    assert_eq!(b.wait("another", "192.0.3.200"), None);
    (0..8).for_each(|i| b.fail(&format!("six-{i}"), &format!("2001:db8::{i}")));
    assert_eq!(b.wait("another", "2001:db8::ffff:1"), Some(TERMS.lock_for));
    assert_eq!(b.wait("another", "2001:db8:0:1::1"), None);
    assert_eq!(
        b.wait("another", "::ffff:192.0.2.7"),
        Some(TERMS.lock_for),
        "a folded address is no way around"
    );
}

#[test]
fn a_lock_ends_and_the_count_begins_anew() {
    let mut b = Bench::new();
    (0..3).for_each(|_| b.fail("ada", "192.0.2.1"));
    b.now += TERMS.lock_for.saturating_sub(SECOND);
    assert_eq!(b.wait("ada", "192.0.2.1"), Some(SECOND));
    b.now += SECOND;
    assert_eq!(b.wait("ada", "192.0.2.1"), None);
    (0..2).for_each(|_| b.fail("ada", "192.0.2.1"));
    assert_eq!(b.wait("ada", "192.0.2.1"), None);
}

#[test]
fn a_wrong_password_long_ago_no_longer_counts() {
    let mut b = Bench::new();
    (0..2).for_each(|_| b.fail("ada", "192.0.2.1"));
    b.now += TERMS.window;
    (0..2).for_each(|_| b.fail("ada", "192.0.2.1"));
    assert_eq!(b.wait("ada", "192.0.2.1"), None);
}

#[test]
fn a_wrong_password_that_was_under_way_does_not_lengthen_a_lock() {
    let mut b = Bench::new();
    (0..3).for_each(|_| b.fail("ada", "192.0.2.1"));
    b.now += SECOND;
    b.fail("ada", "192.0.2.1");
    assert_eq!(b.wait("ada", "192.0.2.1"), Some(TERMS.lock_for.saturating_sub(SECOND)));
}

#[test]
fn a_right_password_clears_the_name_and_not_the_network() {
    let b = Bench::new();
    (0..2).for_each(|_| b.fail("ada", "192.0.2.1"));
    b.lockout.record(b.attempt("Ada", "192.0.2.1"), true, TERMS, b.now);
    (0..2).for_each(|_| b.fail("ada", "192.0.2.1"));
    assert_eq!(b.wait("ada", "192.0.2.1"), None);
    (0..4).for_each(|i| b.fail(&format!("n{i}"), "192.0.2.1"));
    assert!(b.wait("ada", "192.0.2.1").is_some(), "eight from this network by now");
}

#[test]
fn a_new_password_lets_the_name_try_again_at_once() {
    let b = Bench::new();
    (0..3).for_each(|_| b.fail("ada", "192.0.2.1"));
    b.lockout.forgive(&AccountName::parse("ADA").unwrap());
    assert_eq!(b.wait("ada", "192.0.2.1"), None);
}

#[test]
fn zero_is_never() {
    let b = Bench::new();
    let off = Terms { failures: 0, network_failures: 0, ..TERMS };
    (0..100).for_each(|_| b.lockout.record(b.attempt("ada", "192.0.2.1"), false, off, b.now));
    assert_eq!(b.wait("ada", "192.0.2.1"), None);
}

#[test]
fn a_full_table_counts_newcomers_together_and_keeps_who_is_locked() {
    let now = Instant::now();
    let mut table = Table { most: 4, ..Table::default() };
    (0..3).for_each(|_| table.fail(0, 3, TERMS, now));
    (1..4).for_each(|key| table.fail(key, 3, TERMS, now));
    (10..13).for_each(|key| table.fail(key, 3, TERMS, now));
    assert_eq!(table.counts.len(), 4);
    assert!(table.wait(&99, now).is_some(), "three newcomers failed");
    assert!(table.wait(&0, now).is_some(), "a lock is not pushed out");
    assert!(table.wait(&1, now).is_none(), "who has a count of their own keeps it");
    let later = now + TERMS.window;
    table.fail(50, 3, TERMS, later);
    assert!(table.counts.contains_key(&50), "what is over makes room");
    assert!(table.wait(&0, later).is_some());
    assert!(table.wait(&99, later).is_none(), "there is room");
}

#[test]
fn debug_shows_no_name() {
    let b = Bench::new();
    let attempt = b.lockout.attempt("ada", Ipv4Addr::LOCALHOST.into());
    assert!(!format!("{attempt:?}{:?}", b.lockout).contains("ada"));
}
