//! Bans and lockdown against a log in memory.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::fake_log::FakeLog;
use super::*;
use crate::config;

const NOW: i64 = 1_000_000;

fn bans(never: &[&str], max: usize) -> (Bans, Arc<FakeLog>) {
    let log = Arc::new(FakeLog::default());
    let never = never.iter().map(|net| parse_network(net).unwrap()).collect();
    (Bans::new(log.clone(), &config::Bans { never, max }), log)
}

fn ban(target: &str, expires_ms: Option<i64>) -> Ban {
    let target = match parse_network(target) {
        Ok(net) => Target::Network(net),
        Err(_) => Target::User(target.into()),
    };
    Ban { target, reason: "".into(), made_by: MADE_BY_CLI.into(), created_ms: NOW, expires_ms }
}

fn by_rule(target: &str, expires_ms: Option<i64>) -> Ban {
    Ban { made_by: "rule:honeypot".into(), ..ban(target, expires_ms) }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn add(bans: &Bans, ban: Ban) {
    bans.add(ban, NOW).unwrap().await.unwrap();
}

#[tokio::test]
async fn an_address_is_banned_alone_by_its_network_and_in_whatever_spelling() {
    let (bans, _) = bans(&[], 10);
    for target in ["203.0.113.5", "198.51.100.0/24", "2001:db8:1:2::/64", "2001:db8:9::1"] {
        add(&bans, ban(target, None)).await;
    }
    let is = |text: &str| bans.is_address_banned(ip(text), NOW);
    assert!(is("203.0.113.5") && is("::ffff:203.0.113.5") && !is("203.0.113.6"));
    assert!(is("198.51.100.0") && is("198.51.100.255") && !is("198.51.101.0"));
    assert!(is("2001:db8:1:2:ffff::1") && !is("2001:db8:1:3::1"), "a /64 ends where it ends");
    assert!(is("2001:db8:9::1") && !is("2001:db8:9::2"));
}

#[tokio::test]
async fn every_length_of_prefix_holds_exactly_its_network() {
    for length in 0..=32_u8 {
        let (bans, _) = bans(&[], 10);
        add(&bans, ban(&format!("170.170.170.170/{length}"), None)).await;
        assert!(bans.is_address_banned(ip("170.170.170.170"), NOW), "/{length}");
        if length > 0 {
            let flipped = u32::from_be_bytes([170; 4]) ^ (1 << (32 - u32::from(length)));
            assert!(!bans.is_address_banned(IpAddr::V4(flipped.into()), NOW), "/{length}");
        }
        assert!(!bans.is_address_banned(ip("2001:db8::1"), NOW), "families do not mix");
    }
}

#[tokio::test]
async fn the_nearest_ban_that_holds_is_named() {
    let (bans, _) = bans(&[], 10);
    add(&bans, ban("10.0.0.0/8", None)).await;
    add(&bans, ban("10.1.0.0/16", Some(NOW + 5))).await;
    let named = |now| bans.of_address(ip("10.1.2.3"), now).unwrap().target.to_string();
    assert_eq!((named(NOW), named(NOW + 5)), ("10.1.0.0/16".to_owned(), "10.0.0.0/8".to_owned()));
}

#[tokio::test]
async fn who_can_never_be_banned_is_not_and_passes_within_a_wider_ban() {
    let (bans, log) = bans(&["127.0.0.0/8", "::1", "10.0.0.7"], 10);
    for target in ["127.0.0.1", "::ffff:127.0.0.1", "127.9.0.0/16", "::1", "10.0.0.7"] {
        assert_eq!(bans.add(ban(target, None), NOW).err(), Some(BanError::Never), "{target}");
    }
    assert!(log.calls.lock().is_empty(), "nothing of it comes to the disk");
    add(&bans, ban("10.0.0.0/24", None)).await;
    assert!(bans.is_address_banned(ip("10.0.0.8"), NOW));
    assert!(!bans.is_address_banned(ip("10.0.0.7"), NOW));
    assert!(!bans.is_address_banned(ip("::ffff:10.0.0.7"), NOW));
    bans.configure(&config::Bans { never: Vec::new(), max: 10 });
    assert!(bans.is_address_banned(ip("10.0.0.7"), NOW), "an edit holds at once");
}

#[tokio::test]
async fn a_ban_ends_by_the_clock_and_leaves_room_when_it_has() {
    let (bans, _) = bans(&[], 2);
    add(&bans, ban("203.0.113.5", Some(NOW + 1_000))).await;
    add(&bans, ban("ann", Some(NOW + 1_000))).await;
    assert!(bans.is_address_banned(ip("203.0.113.5"), NOW + 999) && bans.is_user_banned("ann", NOW + 999));
    assert!(!bans.is_address_banned(ip("203.0.113.5"), NOW + 1_000));
    assert!(!bans.is_user_banned("ann", NOW + 1_000));
    assert_eq!(bans.counts(NOW + 999), (1, 1));
    assert_eq!((bans.counts(NOW + 1_000), bans.list(NOW + 1_000)), ((0, 0), vec![]));
    assert_eq!(bans.add(ban("203.0.113.6", None), NOW).err(), Some(BanError::Full));
    bans.add(ban("203.0.113.6", None), NOW + 1_000).unwrap().await.unwrap();
    bans.tidy(NOW + 1_000);
    assert!(!bans.bans_users(), "where nobody is banned, nobody is looked for");
}

#[tokio::test]
async fn bans_have_a_limit_and_rules_cannot_take_the_operators_places() {
    let (bans, _) = bans(&[], 10);
    for n in 0..9 {
        bans.add(by_rule(&format!("203.0.113.{n}"), None), NOW).unwrap().await.unwrap();
    }
    assert_eq!(bans.add(by_rule("203.0.113.99", None), NOW).err(), Some(BanError::Full));
    add(&bans, ban("198.51.100.1", None)).await;
    assert_eq!(bans.add(ban("198.51.100.2", None), NOW).err(), Some(BanError::Full));
    add(&bans, ban("198.51.100.1", Some(NOW + 9))).await;
    assert_eq!(bans.counts(NOW), (10, 0), "one of the same target needs no place");
    assert!(bans.tells_that_it_is_full(NOW) && !bans.tells_that_it_is_full(NOW + 59_999));
    assert!(bans.tells_that_it_is_full(NOW + 60_000));
}

#[tokio::test]
async fn a_rule_never_shortens_a_ban_that_stands() {
    let (bans, log) = bans(&[], 10);
    add(&bans, ban("203.0.113.5", None)).await;
    assert!(bans.lengthen(by_rule("203.0.113.5", Some(NOW + 5)), NOW).unwrap().is_none());
    assert_eq!(bans.list(NOW)[0].expires_ms, None);
    add(&bans, by_rule("203.0.113.6", Some(NOW + 5))).await;
    assert!(bans.lengthen(by_rule("203.0.113.6", Some(NOW + 9)), NOW).unwrap().is_some());
    assert_eq!(log.calls.lock().len(), 3);
}

#[tokio::test]
async fn a_rule_leaves_a_ban_of_somebody_else_as_it_is() {
    let (bans, _) = bans(&[], 10);
    add(&bans, ban("203.0.113.6", Some(NOW + 5))).await;
    assert!(bans.lengthen(by_rule("203.0.113.6", Some(NOW + 9)), NOW).unwrap().is_none());
    assert_eq!(bans.list(NOW)[0].expires_ms, Some(NOW + 5), "and its maker can still tell it from a rule's");
    let by_rule = by_rule("203.0.113.6", None);
    assert!(bans.remove_own(&by_rule.target, &by_rule.made_by).is_none(), "it is not the rule's to end");
    assert_eq!(bans.list(NOW).len(), 1);
}

#[tokio::test]
async fn what_keeps_people_out_wins_where_the_disk_is_in_doubt() {
    let (bans, log) = bans(&[], 10);
    add(&bans, ban("203.0.113.5", None)).await;
    log.broken.store(true, Ordering::Relaxed);
    let written = bans.add(ban("203.0.113.6", None), NOW).unwrap();
    assert_eq!(written.await, Err(Unavailable));
    assert!(bans.is_address_banned(ip("203.0.113.6"), NOW), "in force, and not reported as done");
    let target = ban("203.0.113.5", None).target;
    assert_eq!(bans.revoke(&target, NOW).await, Err(Unavailable));
    assert!(bans.is_address_banned(ip("203.0.113.5"), NOW), "still out");
    assert_eq!(bans.revoke_all(NOW).await, Err(Unavailable));
    log.broken.store(false, Ordering::Relaxed);
    assert_eq!(bans.revoke(&target, NOW).await, Ok(true));
    assert_eq!(bans.revoke(&target, NOW).await, Ok(false));
    assert_eq!(bans.revoke_all(NOW).await, Ok(1));
    assert_eq!(bans.counts(NOW), (0, 0));
    assert!(!bans.is_address_banned(ip("203.0.113.6"), NOW));
}

#[tokio::test]
async fn a_ban_that_was_made_anew_while_the_old_one_was_revoked_stands() {
    let (bans, log) = bans(&[], 10);
    add(&bans, ban("203.0.113.5", None)).await;
    let target = ban("203.0.113.5", None).target;
    let mut revoke = Box::pin(bans.revoke(&target, NOW));
    // The first look hands the write over; before the answer comes, somebody bans again.
    let anew = Ban { created_ms: NOW + 1, ..ban("203.0.113.5", None) };
    let first = std::future::poll_fn(|cx| std::task::Poll::Ready(revoke.as_mut().poll(cx).is_ready())).await;
    bans.add(anew, NOW + 1).unwrap().await.unwrap();
    assert!(!first, "the disk has not answered yet");
    revoke.await.unwrap();
    assert!(bans.is_address_banned(ip("203.0.113.5"), NOW + 1));
    assert_eq!(log.calls.lock().last().unwrap(), "save 203.0.113.5", "the disk saw the same order");
}

#[tokio::test]
async fn saved_bans_and_lockdown_come_back() {
    let (bans, log) = bans(&[], 1);
    bans.load([ban("203.0.113.5", None), ban("ann", None)]);
    assert!(bans.is_address_banned(ip("203.0.113.5"), NOW) && bans.is_user_banned("ann", NOW));
    let state = |expires_ms| LockdownState {
        reason: "leak".into(),
        made_by: MADE_BY_CLI.into(),
        since_ms: NOW,
        expires_ms,
    };
    bans.lockdown.load(Some(state(Some(NOW + 10))));
    assert!(bans.lockdown.is_on(NOW + 9) && !bans.lockdown.is_on(NOW + 10));
    assert_eq!(bans.lockdown.left(NOW).unwrap().as_millis(), 10);
    assert_eq!((bans.lockdown.left(NOW + 10), bans.lockdown.state(NOW + 10)), (None, None));
    assert!(log.calls.lock().is_empty());
}

#[tokio::test]
async fn lockdown_begins_at_once_and_ends_only_with_the_disk() {
    let (bans, log) = bans(&[], 1);
    let lockdown = &bans.lockdown;
    assert!(!lockdown.is_on(NOW) && lockdown.left(NOW).is_none());
    let state =
        LockdownState { reason: "".into(), made_by: "console".into(), since_ms: NOW, expires_ms: None };
    log.broken.store(true, Ordering::Relaxed);
    assert_eq!(lockdown.begin(state.clone()).await, Err(Unavailable));
    assert!(lockdown.is_on(i64::MAX - 1), "on until somebody ends it");
    assert_eq!(lockdown.left(NOW), None);
    assert_eq!(lockdown.end(NOW).await, Err(Unavailable));
    assert!(lockdown.is_on(NOW));
    log.broken.store(false, Ordering::Relaxed);
    assert_eq!(lockdown.end(NOW).await, Ok(true));
    assert!(!lockdown.is_on(NOW));
    assert_eq!(lockdown.end(NOW).await, Ok(false));
}
