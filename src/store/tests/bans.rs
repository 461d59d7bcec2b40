//! Bans and lockdown on real files.

use super::*;

fn ban(target: &str, expires_ms: Option<i64>) -> BanRow {
    BanRow {
        kind: "network",
        target: target.to_owned(),
        reason: "scans".to_owned(),
        made_by: "cli".to_owned(),
        created_ms: 1_000,
        expires_ms,
    }
}

#[test]
fn bans_are_there_after_a_start_until_they_end_or_are_removed_and_what_has_ended_is_swept() {
    let (_folder, path) = folder();
    let store = open(&path);
    for row in [ban("203.0.113.5/32", None), ban("10.0.0.0/8", Some(5_000)), ban("10.0.0.0/9", Some(9_000))] {
        store.save_ban(row).wait().unwrap();
    }
    let user = BanRow { kind: "user", ..ban("203.0.113.5/32", None) };
    store.save_ban(user.clone()).wait().unwrap();
    let again = BanRow { reason: "again".to_owned(), ..ban("203.0.113.5/32", Some(9_000)) };
    store.save_ban(again.clone()).wait().unwrap();
    store.close(SOON).unwrap();
    drop(store);
    let store = open(&path);
    let bans = |now_ms| {
        let mut bans = store.reader().unwrap().bans(now_ms).unwrap();
        bans.sort_by(|a, b| (a.kind, &a.target).cmp(&(b.kind, &b.target)));
        bans
    };
    assert_eq!(bans(4_999).len(), 4, "one of each target and kind");
    assert_eq!(bans(5_000), [ban("10.0.0.0/9", Some(9_000)), again.clone(), user.clone()]);
    store
        .remove_bans(vec![("network", "10.0.0.0/9".to_owned()), ("user", "nobody".to_owned())])
        .wait()
        .unwrap();
    assert_eq!(bans(5_000), [again, user.clone()]);
    let sweep =
        Sweep { now_ms: 9_000, sessions_seen_before_ms: 0, usage_before_ms: 0, usage_rows_max: usize::MAX };
    store.sweep(sweep).wait().unwrap();
    assert_eq!(bans(0), [user], "what has ended is off the disk");
}

#[test]
fn lockdown_is_one_row_while_it_is_on() {
    let (_folder, path) = folder();
    let store = open(&path);
    let row = |since_ms| LockdownRow {
        reason: "leak".to_owned(),
        made_by: "cli".to_owned(),
        since_ms,
        expires_ms: None,
    };
    let read = || store.reader().unwrap().lockdown().unwrap();
    assert_eq!(read(), None);
    store.set_lockdown(Some(row(1))).wait().unwrap();
    store.set_lockdown(Some(row(2))).wait().unwrap();
    assert_eq!(read(), Some(row(2)));
    store.set_lockdown(None).wait().unwrap();
    store.set_lockdown(None).wait().unwrap();
    assert_eq!(read(), None);
}
