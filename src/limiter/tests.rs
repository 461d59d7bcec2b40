use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

fn limits(user: u32, ip: u32) -> Limits<'static> {
    Limits {
        user: Limit { per_minute: 60, burst: user },
        ip: Limit { per_minute: 60, burst: ip },
        keys_max: 1_000,
        scope: None,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn limiter() -> (Limiter, Instant) {
    let now = Instant::now();
    (Limiter::new(now), now)
}

#[test]
fn rl_01_a_second_account_does_not_give_the_address_a_new_bucket() {
    let (limiter, now) = limiter();
    let limits = limits(3, 5);
    let passed = ["a", "b", "c", "d"]
        .iter()
        .flat_map(|user| std::iter::repeat_n(user, 3))
        .filter(|user| limiter.take_both(ip("192.0.2.1"), Some(user), &limits, now).is_ok())
        .count();
    assert_eq!(passed, 5);
}

#[test]
fn both_are_charged_or_neither() {
    let (limiter, now) = limiter();
    let l = limits(1, 10);
    let address = ip("192.0.2.1");
    let first = limiter.take_both(address, Some("u"), &l, now).unwrap();
    assert_eq!((first.ip.remaining, first.user.unwrap().remaining), (9, 0));
    let denied = limiter.take_both(address, Some("u"), &l, now).unwrap_err();
    assert_eq!((denied.by.kind, denied.wait), (Kind::User, Duration::from_secs(1)));
    let next = limiter.take_both(address, None, &l, now).unwrap();
    assert_eq!(next.ip.remaining, 8, "the refused request cost the address nothing");

    let l = limits(10, 1);
    let other = ip("192.0.2.2");
    limiter.take_both(other, None, &l, now).unwrap();
    let denied = limiter.take_both(other, Some("v"), &l, now).unwrap_err();
    assert_eq!(denied.by.kind, Kind::Ip);
    let elsewhere = limiter.take_both(ip("192.0.2.3"), Some("v"), &l, now).unwrap();
    assert_eq!(elsewhere.user.unwrap().remaining, 9, "the refused request cost the user nothing");
}

#[test]
fn of_two_empty_buckets_the_longer_wait_is_told() {
    let (limiter, now) = limiter();
    let mut l = limits(1, 1);
    l.user.per_minute = 6;
    limiter.take_both(ip("192.0.2.1"), Some("u"), &l, now).unwrap();
    let denied = limiter.take_both(ip("192.0.2.1"), Some("u"), &l, now).unwrap_err();
    assert_eq!((denied.by.kind, denied.wait), (Kind::User, Duration::from_secs(10)));
    assert_eq!(denied.by.remaining, 0);
    l.ip.per_minute = 2;
    let denied = limiter.take_both(ip("192.0.2.1"), Some("u"), &l, now).unwrap_err();
    assert_eq!((denied.by.kind, denied.wait), (Kind::Ip, Duration::from_secs(30)));
}

#[test]
fn rl_02_refused_requests_empty_the_bucket_of_their_address_and_never_go_below() {
    let (limiter, now) = limiter();
    let l = limits(10, 3);
    let address = ip("192.0.2.1");
    assert_eq!(limiter.check_ip(address, &l, now), Ok(()));
    assert_eq!(limiter.keys(), (0, 0), "a look remembers nobody");
    for left in [2, 1, 0, 0, 0] {
        assert_eq!(limiter.charge_ip(address, &l, now).remaining, left);
    }
    let denied = limiter.check_ip(address, &l, now).unwrap_err();
    assert_eq!(denied.wait, Duration::from_secs(1), "five charges on three tokens make no debt");
    assert!(limiter.check_ip(address, &l, now + Duration::from_secs(1)).is_ok());
    assert!(limiter.check_ip(address, &l, now + Duration::from_secs(1)).is_ok(), "a look charges nothing");
}

#[test]
fn rl_03_ten_threads_get_exactly_what_the_bucket_holds() {
    let (limiter, now) = limiter();
    let l = limits(500, 700);
    let passed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                for _ in 0..500 {
                    if limiter.take_both(ip("192.0.2.1"), Some("u"), &l, now).is_ok() {
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 500);
    let left = limiter.take_both(ip("192.0.2.1"), None, &l, now).unwrap().ip.remaining;
    assert_eq!(left, 199, "the address paid for what passed and for nothing else");
}

#[test]
fn rl_05_a_clock_that_goes_back_gives_nothing_and_breaks_nothing() {
    let (limiter, now) = limiter();
    let l = limits(1, 1);
    let later = now + Duration::from_secs(60);
    limiter.take_both(ip("192.0.2.1"), Some("u"), &l, later).unwrap();
    assert!(limiter.take_both(ip("192.0.2.1"), Some("u"), &l, now).is_err());
    if let Some(before) = now.checked_sub(Duration::from_secs(1)) {
        assert!(limiter.take_both(ip("192.0.2.1"), Some("u"), &l, before).is_err());
    }
}

#[test]
fn rl_06_a_reload_is_no_way_around_the_limit() {
    let (limiter, now) = limiter();
    let address = ip("192.0.2.1");
    while limiter.take_both(address, Some("u"), &limits(5, 5), now).is_ok() {}
    assert!(limiter.take_both(address, Some("u"), &limits(500, 500), now).is_err());
    assert!(limiter.take_both(address, Some("u"), &limits(5, 5), now).is_err());
}

#[test]
fn ip_07_the_addresses_of_one_64_share_a_bucket_and_v4_in_v6_is_v4() {
    let (limiter, now) = limiter();
    let l = limits(1, 10);
    let passed = (0..10_000u32)
        .filter(|n| {
            let address = ip(&format!("2001:db8:1:2:{:x}:{:x}:0:1", n >> 8, n & 0xff));
            limiter.take_both(address, None, &l, now).is_ok()
        })
        .count();
    assert_eq!(passed, 10);
    assert!(limiter.take_both(ip("2001:db8:1:3::1"), None, &l, now).is_ok());
    limiter.take_both(ip("192.0.2.1"), None, &l, now).unwrap();
    assert_eq!(limiter.take_both(ip("::ffff:192.0.2.1"), None, &l, now).unwrap().ip.remaining, 8);
}

#[test]
fn ip_08_a_flood_of_addresses_and_users_leaves_the_throttled_throttled() {
    let (limiter, now) = limiter();
    let mut l = limits(2, 2);
    l.keys_max = 64;
    let victim = ip("192.0.2.1");
    while limiter.take_both(victim, Some("victim"), &l, now).is_ok() {}
    let passed = (0..50_000u32)
        .filter(|n| limiter.take_both(IpAddr::from(n.to_be_bytes()), Some(&n.to_string()), &l, now).is_ok())
        .count();
    assert!(passed <= 64 * 2 + 2, "{passed} passed");
    assert!(limiter.take_both(victim, Some("victim"), &l, now).is_err());
    let (users, ips) = limiter.keys();
    assert!(users <= 64 && ips <= 64);
}

#[test]
fn a_route_with_limits_of_its_own_has_buckets_of_its_own() {
    let (limiter, now) = limiter();
    let general = limits(1, 1);
    let own = Limits { scope: Some("login"), ..general };
    let address = ip("192.0.2.1");
    limiter.take_both(address, Some("u"), &general, now).unwrap();
    assert!(limiter.take_both(address, Some("u"), &own, now).is_ok());
    assert!(limiter.take_both(address, Some("u"), &own, now).is_err());
}

#[test]
fn the_headers_describe_the_bucket_with_the_least_left() {
    let (limiter, now) = limiter();
    let levels = limiter.take_both(ip("192.0.2.1"), Some("u"), &limits(120, 600), now).unwrap();
    assert_eq!(levels.least().kind, Kind::User);
    let levels = limiter.take_both(ip("192.0.2.2"), Some("v"), &limits(120, 60), now).unwrap();
    assert_eq!(levels.least().kind, Kind::Ip);
}
