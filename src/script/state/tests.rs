use std::thread;
use std::time::Duration;

use rhai::Dynamic;

use super::cell::{Cell, Entry, NEVER_MS};
use super::list::ListKind;
use super::table::Table;
use super::*;

const QUOTA: Quota = Quota { keys: 1_000, bytes: 1 << 20, persist: true };
const MINUTE: Duration = Duration::from_secs(60);

fn view_of(state: &State, shadow: bool) -> View {
    let list = |kind, keys| List { kind, quota: Quota { keys, ..QUOTA }, fixed: fixed::Fixed::default() };
    let lists = BTreeMap::from([
        ("ips".to_owned(), list(ListKind::Ip, 3)),
        ("names".to_owned(), list(ListKind::String, 100)),
        ("paths".to_owned(), list(ListKind::Glob, 100)),
        ("hosts".to_owned(), list(ListKind::Domain, 100)),
    ]);
    View { space: state.space("p"), lists: Arc::new(lists), quota: QUOTA, shadow, scratch: None }
}

fn text(value: &str) -> ListValue<'_> {
    ListValue::Text(value)
}

fn got(view: &View, key: &str, now_ms: i64) -> Option<i64> {
    view.get(key, now_ms).and_then(|value| value.as_int().ok())
}

#[test]
fn a_value_ends_with_its_time_and_one_without_stays() {
    let view = view_of(&State::default(), false);
    view.set("a", 1_i64.into(), Some(MINUTE), 0).unwrap();
    view.set("b", 2_i64.into(), None, 0).unwrap();
    assert_eq!((got(&view, "a", 59_999), got(&view, "a", 60_000)), (Some(1), None));
    assert_eq!(got(&view, "b", i64::MAX - 1), Some(2));
    assert_eq!((view.ttl_ms("a", 1_000), view.ttl_ms("b", 0), view.ttl_ms("c", 0)), (59_000, -1, 0));
    assert_eq!(view.incr("n", 2, Some(MINUTE), 0), Ok(2));
    assert_eq!(view.incr("n", 3, Some(MINUTE), 30_000), Ok(5), "the first call says when it ends");
    assert_eq!(view.incr("n", 1, Some(MINUTE), 60_000), Ok(1));
    view.set("t", "x".into(), None, 0).unwrap();
    assert!(view.incr("t", 1, None, 0).is_err());
}

#[test]
fn a_swap_happens_only_where_the_old_value_stands() {
    let view = view_of(&State::default(), false);
    view.set("a", 1_i64.into(), None, 0).unwrap();
    assert_eq!(view.swap("a", &2_i64.into(), 3_i64.into(), 0), Ok(false));
    assert_eq!(view.swap("a", &1_i64.into(), 3_i64.into(), 0), Ok(true));
    assert_eq!(view.swap("b", &1_i64.into(), 3_i64.into(), 0), Ok(false));
    assert_eq!(got(&view, "a", 0), Some(3));
    assert!(view.delete("a", 0));
    assert!(!view.delete("a", 0));
}

#[test]
fn what_is_no_plain_data_or_too_large_is_not_kept() {
    let view = view_of(&State::default(), false);
    assert!(view.set("a", rhai::FnPtr::new("f").unwrap().into(), None, 0).is_err());
    assert!(view.set("a", "x".repeat(5_000).into(), None, 0).is_err());
    let nested = (0..12).fold(Dynamic::from(1_i64), |inner, _| vec![inner].into());
    assert!(view.set("a", nested, None, 0).is_err());
    assert_eq!(got(&view, "a", 0), None);
}

#[test]
fn more_keys_than_the_quota_push_out_the_least_used_and_are_counted() {
    let table = Table::default();
    let quota = Quota { keys: 100, ..QUOTA };
    let put = |key: &str| {
        let entry = Entry { cell: Cell::Rate(1), expires_ms: NEVER_MS };
        table.update(key, 0, quota, |slot| *slot = Some(entry));
    };
    put("favourite");
    for n in 0..5_000 {
        put(&format!("k{n}"));
        assert!(table.read("favourite", 0, |_| ()).is_some(), "in use at {n}");
    }
    assert_eq!(table.keys(), 100);
    assert_eq!(table.evicted(), 4_901);
}

#[test]
fn more_bytes_than_the_quota_push_others_out_too() {
    let table = Table::default();
    let quota = Quota { bytes: 64 << 10, ..QUOTA };
    for n in 0..200 {
        let entry = Entry { cell: Cell::Plain("x".repeat(4_000).into()), expires_ms: NEVER_MS };
        table.update(&format!("k{n}"), 0, quota, |slot| *slot = Some(entry));
        assert!(table.bytes() <= 64 << 10, "{} bytes at {n}", table.bytes());
    }
    assert!((10..=16).contains(&table.keys()), "{} keys", table.keys());
    table.clear();
    assert_eq!((table.keys(), table.bytes()), (0, 0));
}

#[test]
fn a_quota_of_one_key_keeps_the_last_one() {
    let table = Table::default();
    for n in 0..50_i64 {
        let entry = Entry { cell: Cell::Rate(n), expires_ms: NEVER_MS };
        table.update(&format!("k{n}"), 0, Quota { keys: 1, ..QUOTA }, |slot| *slot = Some(entry));
    }
    assert_eq!(table.keys(), 1);
    assert!(table.read("k49", 0, |_| ()).is_some());
}

#[test]
fn what_has_ended_is_gone_and_gives_its_bytes_back() {
    let state = State::default();
    let view = view_of(&state, false);
    for n in 0..500 {
        view.set(&format!("k{n}"), "x".repeat(100).into(), Some(MINUTE), 0).unwrap();
    }
    assert_eq!(state.sizes()[0].keys, 500);
    state.tidy(60_000);
    let size = state.sizes().remove(0);
    assert_eq!((size.keys, size.bytes, size.evicted), (0, 0, 0));
}

#[test]
fn two_threads_that_hit_one_counter_lose_no_hit() {
    let view = view_of(&State::default(), false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    view.hit("n", "k", 60_000, 0);
                    view.incr("n", 1, None, 0).unwrap();
                }
            });
        }
    });
    assert_eq!(view.count("n", "k", 60_000, 0), 4_000);
    assert_eq!(got(&view, "n", 0), Some(4_000));
}

#[test]
fn two_threads_at_a_limit_get_no_more_than_it_allows() {
    let view = view_of(&State::default(), false);
    let passed = thread::scope(|scope| {
        let work = || (0..500).filter(|_| view.allow("l", "k", 100, 60_000, 0)).count();
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().map(|t| t.join().unwrap()).sum::<usize>()
    });
    assert_eq!(passed, 100);
    assert_eq!(view.remaining("l", "k", 100, 60_000, 0), 0);
}

#[test]
fn counters_and_their_members_are_apart_by_name_and_key_and_forgotten_together() {
    let view = view_of(&State::default(), false);
    assert_eq!((view.hit("a", "k", 60_000, 0), view.hit("b", "k", 60_000, 0)), (1, 1));
    assert_eq!(view.hit("a", "l", 60_000, 0), 1);
    assert_eq!(view.distinct("a", "k", "m", 60_000, 0), 1);
    assert_eq!(view.distinct("a", "k", "m", 60_000, 0), 1);
    assert_eq!(view.distinct("a", "k", "n", 60_000, 0), 2);
    assert_eq!(view.count("a", "k", 30_000, 0), 0, "another window");
    view.reset("a", "k", 0);
    assert_eq!((view.count("a", "k", 60_000, 0), view.count("b", "k", 60_000, 0)), (0, 1));
    assert_eq!(view.distinct("a", "k", "m", 60_000, 0), 1);
    assert_eq!(view.distinct("a", "k", "n", 60_000, 60_000), 1, "a new window begins with the first member");
}

#[test]
fn lists_match_as_their_type_says() {
    let view = view_of(&State::default(), false);
    let add = |list: &str, value: &str| view.add(list, &text(value), None, "why", 0).unwrap();
    let has = |list: &str, value: &str| view.listed(list, &text(value), 0).unwrap().is_some();
    add("ips", "203.0.113.5");
    add("ips", "2001:db8::/32");
    assert!(has("ips", "203.0.113.5") && has("ips", "::ffff:203.0.113.5") && has("ips", "2001:db8:1::1"));
    assert!(!has("ips", "203.0.113.6"));
    add("names", "ann@x.org");
    assert!(has("names", "ann@x.org") && !has("names", "bob@x.org"));
    add("hosts", "example.com");
    assert!(has("hosts", "a.example.com") && !has("hosts", "example.org") && !has("hosts", "not a host"));
    add("paths", "/admin/**");
    assert!(has("paths", "/admin/x/y") && !has("paths", "/public"));
    assert!(view.remove("paths", &text("/admin/**"), 0).unwrap());
    assert!(!view.remove("paths", &text("/admin/**"), 0).unwrap());
    assert!(!has("paths", "/admin/x/y"));
    assert!(view.listed("ips", &text("nonsense"), 0).is_err());
    let unknown = view.listed("ip", &text("x"), 0).unwrap_err();
    assert!(unknown.contains("there is no list `ip`"), "{unknown}");
}

#[test]
fn a_full_list_lets_its_least_used_entry_go() {
    let state = State::default();
    let view = view_of(&state, false);
    for n in 0..10 {
        view.add("ips", &text(&format!("203.0.113.{n}")), None, "", 0).unwrap();
    }
    assert_eq!(view.size("ips", 0), Ok(3));
    assert_eq!(state.sizes()[0].evicted, 7);
}

#[test]
fn a_shadow_plugin_reads_what_is_real_and_writes_to_its_own_copy() {
    let state = State::default();
    let (real, shadow) = (view_of(&state, false), view_of(&state, true));
    real.set("a", 1_i64.into(), None, 0).unwrap();
    real.hit("c", "k", 60_000, 0);
    real.add("names", &text("ann"), None, "", 0).unwrap();
    assert_eq!(shadow.incr("a", 10, None, 0), Ok(11));
    assert_eq!(shadow.hit("c", "k", 60_000, 0), 2);
    assert!(shadow.remove("names", &text("ann"), 0).unwrap());
    shadow.add("names", &text("bob"), None, "", 0).unwrap();
    shadow.add("ips", &text("10.0.0.0/8"), None, "", 0).unwrap();
    let has = |view: &View, name: &str| view.listed("names", &text(name), 0).unwrap().is_some();
    assert_eq!((has(&shadow, "ann"), has(&shadow, "bob")), (false, true));
    assert_eq!((has(&real, "ann"), has(&real, "bob")), (true, false));
    assert_eq!((got(&real, "a", 0), got(&shadow, "a", 0)), (Some(1), Some(11)));
    assert_eq!(real.count("c", "k", 60_000, 0), 1);
    assert_eq!((shadow.size("names", 0), real.size("names", 0)), (Ok(1), Ok(1)));
    assert!(shadow.listed("ips", &text("10.1.1.1"), 0).unwrap().is_some());
    assert!(real.listed("ips", &text("10.1.1.1"), 0).unwrap().is_none());
    assert!(shadow.delete("a", 0) && !shadow.delete("a", 0));
    assert_eq!(got(&real, "a", 0), Some(1));
    let saved: Vec<_> = state.changes().into_iter().map(|row| row.key).collect();
    assert_eq!(saved.len(), 3, "only what is real is saved: {saved:?}");
    real.space.configure(QUOTA, BTreeMap::new(), false);
    assert_eq!(got(&shadow, "a", 0), Some(1), "a plugin that enforces has no copy");
}

#[test]
fn what_was_saved_is_there_again_and_names_nobody() {
    let state = State::default();
    let view = view_of(&state, false);
    view.set("192.0.2.7", 1_i64.into(), Some(MINUTE), 0).unwrap();
    view.hit("net", "2001:db8::7", 60_000, 0);
    view.distinct("who", "net", "ann@x.org", 60_000, 0);
    view.allow("rate", "ann@x.org", 5, 60_000, 0);
    view.add("ips", &ListValue::Address("203.0.113.5".parse().unwrap()), None, "scan", 0).unwrap();
    view.add("ips", &text("198.51.100.0/24"), None, "", 0).unwrap();
    view.add("names", &text("ann@x.org"), None, "", 0).unwrap();
    view.space.see("1.2.0", "hash", "settings");
    let rows = state.changes();
    assert_eq!((rows.len(), state.changes().len()), (8, 0));
    let shown = format!("{rows:?}");
    for personal in ["192.0.2.7", "2001:db8::7", "ann@", "203.0.113.5"] {
        assert!(!shown.contains(personal), "{personal} in {shown}");
    }
    let again = State::default();
    again.load(rows);
    assert!(again.changes().is_empty(), "what was loaded is saved already");
    let view = view_of(&again, false);
    assert_eq!((got(&view, "192.0.2.7", 0), got(&view, "192.0.2.7", 60_000)), (Some(1), None));
    assert_eq!(view.count("net", "2001:db8::7", 60_000, 0), 1);
    assert_eq!(view.distinct("who", "net", "ann@x.org", 60_000, 0), 1);
    assert_eq!(view.remaining("rate", "ann@x.org", 5, 60_000, 0), 4);
    assert_eq!(view.listed("ips", &text("203.0.113.5"), 0).unwrap().as_deref(), Some("scan"));
    assert!(view.listed("ips", &text("198.51.100.9"), 0).unwrap().is_some());
    assert!(view.listed("names", &text("ann@x.org"), 0).unwrap().is_some());
    assert_eq!(view.space.seen().version, "1.2.0");
}

#[test]
fn what_was_saved_is_kept_as_the_manifest_says_and_not_as_a_default_does() {
    let state = State::default();
    let space = state.space("p");
    let row = |list: &str, n: usize| StateRow {
        plugin: "p".to_owned(),
        list: list.to_owned(),
        key: format!("k:{n}"),
        value: Some("{\"listed\":\"\"}".to_owned()),
        expires_ms: None,
    };
    let lists = [("many", 100_010, true), ("few", 5, true), ("none", 100, false)]
        .map(|(name, keys, persist)| (name.to_owned(), Quota { keys, persist, bytes: 64 << 20 }));
    space.configure(QUOTA, BTreeMap::from(lists), false);
    state.load((0..100_010).map(|n| row("many", n)));
    state.load((0..10).flat_map(|n| [row("few", n), row("none", n)]));
    let count = |list| space.real.list(list).table.keys();
    assert_eq!((count("many"), count("few"), count("none")), (100_010, 5, 0));
}

#[test]
fn changes_that_were_not_saved_come_again_with_their_newest_value() {
    let state = State::default();
    let view = view_of(&state, false);
    view.set("a", 1_i64.into(), None, 0).unwrap();
    view.set("b", 1_i64.into(), None, 0).unwrap();
    let rows = state.changes();
    view.set("a", 2_i64.into(), None, 0).unwrap();
    view.delete("b", 0);
    state.unsaved(&rows);
    let mut again = state.changes();
    again.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(again[0].value.as_deref(), Some("{\"value\":2}"));
    assert_eq!((again[1].key.as_str(), again[1].value.clone()), ("k:b", None));
}

#[test]
fn a_database_that_never_answers_costs_a_bounded_memory_of_changes() {
    let table = Table::default();
    let quota = Quota { keys: 10, ..QUOTA };
    for n in 0..100_000 {
        let entry = Entry { cell: Cell::Rate(1), expires_ms: NEVER_MS };
        table.update(&format!("k{n}"), 0, quota, |slot| *slot = Some(entry));
    }
    assert!(table.lost() > 0);
    let mut remembered = 0;
    loop {
        match table.changes(500).len() {
            0 => break,
            n => remembered += n,
        }
    }
    assert!(remembered <= 16 * 1_024, "{remembered}");
}

#[test]
fn what_is_not_to_outlive_the_process_is_not_saved() {
    let state = State::default();
    let view = View { quota: Quota { persist: false, ..QUOTA }, ..view_of(&state, false) };
    view.set("a", 1_i64.into(), None, 0).unwrap();
    assert!(state.changes().is_empty());
}
