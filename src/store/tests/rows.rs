//! What is written is what is read.

use super::*;

#[test]
fn users_and_sessions_read_back_as_they_were_written() {
    let (_folder, path) = folder();
    let store = open(&path);
    let changed = UserRow { disabled: true, password: None, roles: vec![], ..user(2) };
    for row in [user(1), user(2), changed.clone()] {
        store.save_user(row).wait().unwrap();
    }
    store.insert_session(session(1, 1), vec![]).wait().unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.users().unwrap(), [user(1), changed]);
    assert_eq!(reader.sessions(8_999).unwrap(), [session(1, 1)]);
    assert_eq!(reader.sessions(9_000).unwrap(), []);
}

#[test]
fn api_keys_read_back_as_they_were_written_and_the_first_revocation_stands() {
    let (_folder, path) = folder();
    let store = open(&path);
    let bare = |n: u8| KeyRow {
        id: [n; 8],
        digest: [n; 32],
        name: "ci".to_owned(),
        owner: String::new(),
        tier: String::new(),
        scopes: vec![],
        per_minute: None,
        created_ms: i64::from(n),
        expires_ms: None,
        last_used_ms: None,
        revoked_ms: None,
    };
    let full = KeyRow {
        owner: "billing".to_owned(),
        tier: "gold".to_owned(),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        per_minute: Some(7),
        expires_ms: Some(9_000),
        ..bare(2)
    };
    for row in [bare(1), full.clone()] {
        store.insert_key(row).wait().unwrap();
    }
    assert_eq!(store.reader().unwrap().keys().unwrap(), [full.clone(), bare(1)]);
    assert!(store.insert_key(bare(2)).wait().is_err(), "no key takes another's place");
    store.revoke_key([1; 8], 5).wait().unwrap();
    store.revoke_key([1; 8], 6).wait().unwrap();
    store.revoke_key([9; 8], 6).wait().unwrap();
    store.touch_key([2; 8], 8);
    store.flush().wait().unwrap();
    let used = KeyRow { last_used_ms: Some(8), ..full };
    let revoked = KeyRow { revoked_ms: Some(5), ..bare(1) };
    assert_eq!(store.reader().unwrap().keys().unwrap(), [used, revoked]);
}

#[test]
fn a_session_and_those_that_give_way_change_together() {
    let (_folder, path) = filled();
    let store = open(&path);
    store.insert_session(session(3, 1), vec![[1; 16], [99; 16]]).wait().unwrap();
    let ids = |store: &Store| {
        store.reader().unwrap().sessions(0).unwrap().iter().map(|s| s.id[0]).collect::<Vec<_>>()
    };
    assert_eq!(ids(&store), [2, 3]);
    let unknown_user = store.insert_session(session(4, 9), vec![[2; 16]]).wait();
    assert!(matches!(unknown_user, Err(WriteError::Refused(_))));
    assert_eq!(ids(&store), [2, 3]);
    assert!(store.is_healthy());
}

#[test]
fn sessions_are_removed_by_id_by_user_and_all() {
    let (_folder, path) = folder();
    let store = open(&path);
    for n in 1..=3 {
        store.save_user(user(n)).wait().unwrap();
        store.insert_session(session(n, n), vec![]).wait().unwrap();
        store.insert_session(session(n + 10, n), vec![]).wait().unwrap();
    }
    let left = |which| {
        store.remove_sessions(which).wait().unwrap();
        store.reader().unwrap().sessions(0).unwrap().iter().map(|s| s.id[0]).collect::<Vec<_>>()
    };
    assert_eq!(left(SessionsRemoved::Ids(vec![[1; 16], [1; 16], [77; 16]])), [2, 3, 11, 12, 13]);
    assert_eq!(left(SessionsRemoved::User([2; 16])), [3, 11, 13]);
    assert_eq!(left(SessionsRemoved::All), [0; 0]);
}

#[test]
fn a_name_belongs_to_one_user_and_the_neighbours_of_a_refused_write_are_written() {
    let (_folder, path) = folder();
    let store = open(&path);
    let twin = UserRow { id: [9; 16], ..user(1) };
    let writes = [user(1), twin, user(2)].map(|row| store.save_user(row));
    assert_eq!(writes.map(Pending::wait), [Ok(()), Err(WriteError::NameTaken), Ok(())]);
    assert_eq!(store.reader().unwrap().users().unwrap(), [user(1), user(2)]);
    assert_eq!(store.write_errors(), 0);
}

#[test]
fn db_13_text_is_never_read_as_sql() {
    let (_folder, path) = folder();
    let store = open(&path);
    let naughty =
        ["'; DROP TABLE users; --", "\" OR 1=1", "%s\u{0}x", "\u{202e}\u{feff}", "?1", ":name", "\\'"];
    for (n, text) in (1..).zip(naughty) {
        let row = UserRow {
            name: text.to_owned(),
            roles: vec![text.to_owned()],
            password: Some(text.into()),
            ..user(n)
        };
        store.save_user(row.clone()).wait().unwrap();
        assert!(store.reader().unwrap().users().unwrap().contains(&row), "{text:?}");
        let usage = UsageRow { code: Some(Label::Shared(text.into())), ..usage_row(1) };
        store.add_usage(usage);
        store.flush().wait().unwrap();
        assert_eq!(store.reader().unwrap().usage(1).unwrap()[0].code.as_deref(), Some(text));
    }
    assert_eq!(store.reader().unwrap().users().unwrap().len(), naughty.len());
}

#[test]
fn a_usage_row_reads_back_and_touches_ride_along() {
    let (_folder, path) = filled();
    let store = open(&path);
    let row = usage_row(5_000);
    let id = row.correlation_id.as_str().to_owned();
    store.add_usage(row);
    store.touch_session([1; 16], 4_321);
    store.flush().wait().unwrap();
    let reader = store.reader().unwrap();
    let listed = &reader.usage(10).unwrap()[0];
    assert_eq!(
        (listed.time_ms, &listed.correlation_id, &*listed.method, &*listed.route),
        (5_000, &id, "GET", "files")
    );
    assert_eq!(
        (listed.status, listed.duration_us, listed.rule_line, listed.generation),
        (403, 1_234, Some(12), 3)
    );
    assert_eq!(reader.sessions(0).unwrap()[0].last_seen_ms, 4_321);
}

#[test]
fn db_11_many_writers_and_readers_at_a_time_meet_no_lock() {
    let (_folder, path) = folder();
    let store = open(&path);
    store.save_user(user(0)).wait().unwrap();
    std::thread::scope(|scope| {
        for writer in 1..=4 {
            let (store, reader) = (store.clone(), store.reader().unwrap());
            scope.spawn(move || {
                for n in 0..25 {
                    let id = [writer * 50 + n; 16];
                    let row = SessionRow { id, ..session(0, 0) };
                    store.insert_session(row, vec![]).wait().unwrap();
                    store.add_usage(usage_row(i64::from(n)));
                    if n % 2 == 0 {
                        store.remove_sessions(SessionsRemoved::Ids(vec![id])).wait().unwrap();
                    }
                }
            });
            scope.spawn(move || (0..25).for_each(|_| assert!(reader.sessions(0).unwrap().len() <= 100)));
        }
    });
    store.flush().wait().unwrap();
    let reader = store.reader().unwrap();
    assert_eq!((reader.sessions(0).unwrap().len(), reader.usage(1_000).unwrap().len()), (4 * 12, 100));
    assert_eq!((store.write_errors(), store.usage_rows_dropped()), (0, 0));
    store.close(SOON).unwrap();
    open(&path);
}

#[test]
fn a_single_usage_row_is_written_without_anybody_asking() {
    let (_folder, path) = folder();
    let store = open(&path);
    store.flush().wait().unwrap();
    store.add_usage(usage_row(1));
    let reader = store.reader().unwrap();
    while reader.usage(1).unwrap().is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn reloads_read_back_newest_first_with_a_bounded_reason() {
    let (_folder, path) = folder();
    let store = open(&path);
    let row = |generation, reason: Option<String>| ReloadRow {
        time_ms: 7,
        generation,
        outcome: "kept".into(),
        hash: "ab".into(),
        reason,
        changes: Some("[]".into()),
    };
    store.add_reload(row(1, Some("é".repeat(5_000)))).wait().unwrap();
    store.add_reload(row(2, None)).wait().unwrap();
    let rows = store.reader().unwrap().reloads(10).unwrap();
    assert_eq!(rows[0], row(2, None));
    assert_eq!(rows[1].reason.as_ref().unwrap().len(), reloads::REASON_BYTES_MAX);
}

#[test]
fn only_the_newest_reloads_are_kept() {
    let (_folder, path) = folder();
    let store = open(&path);
    let row = |n| ReloadRow {
        time_ms: 0,
        generation: n,
        outcome: "applied".into(),
        hash: String::new(),
        reason: None,
        changes: None,
    };
    let kept = u64::try_from(reloads::RELOADS_MAX).unwrap();
    // In halves: the urgent queue holds fewer than all of them.
    for n in 0..kept + 5 {
        let pending = store.add_reload(row(n));
        if n % 500 == 0 {
            pending.wait().unwrap();
        }
    }
    store.flush().wait().unwrap();
    let rows = store.reader().unwrap().reloads(5_000).unwrap();
    assert_eq!((rows.len(), rows[0].generation), (1_000, kept + 4));
}

#[test]
fn debug_shows_neither_name_nor_password() {
    let shown = format!("{:?}", user(1));
    assert!(!shown.contains("user1") && !shown.contains("argon2"), "{shown}");
}

#[test]
fn a_session_is_extended_and_never_shortened_or_brought_back() {
    let (_folder, path) = filled();
    let store = open(&path);
    let ends = |store: &Store| {
        store
            .reader()
            .unwrap()
            .sessions(0)
            .unwrap()
            .iter()
            .map(|s| (s.id[0], s.expires_ms))
            .collect::<Vec<_>>()
    };
    store.extend_session([1; 16], 20_000).wait().unwrap();
    store.extend_session([2; 16], 8_000).wait().unwrap();
    assert_eq!(ends(&store), [(1, 20_000), (2, 9_000)]);
    store.remove_sessions(SessionsRemoved::Ids(vec![[1; 16]])).wait().unwrap();
    store.extend_session([1; 16], 30_000).wait().unwrap();
    assert_eq!(ends(&store), [(2, 9_000)]);
}

#[test]
fn an_erased_user_is_in_no_byte_of_the_files() {
    let (_folder, path) = folder();
    let store = open(&path);
    let marks = [&b"canary-to-forget"[..], b"$argon2id$canary", &[0xa7; 16], &[0xb9; 16]];
    let row = UserRow {
        id: [0xa7; 16],
        name: "canary-to-forget".to_owned(),
        password: Some("$argon2id$canary".to_owned()),
        ..user(1)
    };
    store.save_user(user(2)).wait().unwrap();
    store.save_user(row).wait().unwrap();
    store.insert_session(SessionRow { user: [0xa7; 16], ..session(0xb9, 1) }, vec![]).wait().unwrap();
    let found = || {
        let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
        let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        marks.map(|mark| bytes.windows(mark.len()).any(|window| window == mark))
    };
    assert_eq!(found(), [true; 4]);
    store.erase_user([0xa7; 16], "owner-canary".to_owned()).wait().unwrap();
    assert_eq!(found(), [false; 4]);
    let reader = store.reader().unwrap();
    assert_eq!((reader.users().unwrap(), reader.sessions(0).unwrap()), (vec![user(2)], vec![]));
    store.erase_user([0xa7; 16], "owner-canary".to_owned()).wait().unwrap();
}

#[test]
fn an_erased_persons_key_is_in_no_byte_of_the_files_however_often_the_rows_moved() {
    let (_folder, path) = folder();
    let store = open(&path);
    let key = [0xc3; 32];
    let person = |n: u16, size: usize| UserRow {
        id: (u128::from(n) << 64 | 0xd7d7).to_be_bytes(),
        name: format!("person{n}"),
        roles: vec!["r".repeat(size)],
        pseudonym_key: Some(Secret::new(if n == 150 { key } else { [1; 32] })),
        ..user(1)
    };
    // Rows grow, shrink and make room for others, so that pages are split, joined and freed.
    for size in [20, 700, 5, 300] {
        for n in (0..300).map(|n| n * 7 % 300) {
            drop(store.save_user(person(n, size)));
        }
        store.flush().wait().unwrap();
    }
    let found = || {
        let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
        let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        bytes.windows(8).filter(|window| *window == &key[..8]).count()
    };
    assert!(found() > 0);
    let row = person(150, 300);
    store.erase_user(row.id, "nobody".to_owned()).wait().unwrap();
    assert_eq!(found(), 0);
}

#[test]
fn who_had_no_key_of_their_own_has_one_when_the_database_was_opened_and_keeps_it() {
    let (_folder, path) = folder();
    let close = |store: Store| store.close(SOON).unwrap();
    let store = open(&path);
    store.save_user(UserRow { pseudonym_key: None, ..user(1) }).wait().unwrap();
    close(store);
    let keys = || -> Vec<Secret<[u8; 32]>> {
        let users = Reader::open(&path).unwrap().users().unwrap();
        users.into_iter().map(|row| row.pseudonym_key.expect("a key")).collect()
    };
    close(open(&path));
    let first = keys();
    assert_eq!(first.len(), 1);
    assert!(first[0].expose() != &[0; 32]);
    close(open(&path));
    assert!(keys() == first, "made once");
}

fn kv_row(key: &str, value: Option<&str>, expires_ms: Option<i64>) -> KvRow {
    KvRow {
        plugin: "honeypot".to_owned(),
        list: "trapped".to_owned(),
        key: key.to_owned(),
        value: value.map(str::to_owned),
        expires_ms,
    }
}

#[test]
fn what_rules_remember_reads_back_until_it_ends_or_is_deleted() {
    let (_folder, path) = folder();
    let store = open(&path);
    let (a, b) = (kv_row("a", Some("1"), None), kv_row("b", Some("2"), Some(5_000)));
    store.save_kv(vec![a.clone(), b.clone()]).wait().unwrap();
    assert_eq!(store.reader().unwrap().kv(4_999).unwrap(), [a.clone(), b]);
    assert_eq!(store.reader().unwrap().kv(5_000).unwrap(), [a]);
    let later = kv_row("a", Some("3"), Some(9_000));
    store.save_kv(vec![later.clone(), kv_row("c", None, None)]).wait().unwrap();
    assert_eq!(store.reader().unwrap().kv(5_000).unwrap(), [later]);
    store.save_kv(vec![kv_row("a", None, None)]).wait().unwrap();
    assert_eq!(store.reader().unwrap().kv(5_000).unwrap(), []);
    let sweep = Sweep { now_ms: 5_000, sessions_seen_before_ms: 0, usage_before_ms: 0, usage_rows_max: 0 };
    store.sweep(sweep).wait().unwrap();
    assert_eq!(store.reader().unwrap().kv(0).unwrap(), [], "what has ended is swept");
}

/// The row of a number: each field is sometimes as in the row before, and changes in a rhythm of its own.
fn varied(n: i64) -> UsageRow {
    let turn = |every: i64| n / 2 % every == 0;
    let name = |every: i64| turn(every).then(|| Label::Shared(format!("of {every}, {}", n % 3).into()));
    let small = |n: i64| u8::try_from(n % 100).unwrap();
    UsageRow {
        method: Label::Own(if turn(3) { "GET" } else { "POST" }),
        route: Label::Shared(format!("route {}", n / 5).into()),
        status: if turn(7) { 403 } else { 200 },
        code: name(3),
        stage: name(5),
        duration_us: n.unsigned_abs(),
        bytes_in: u64::from(turn(2)),
        bytes_out: u64::from(turn(5)) * 1_000,
        client_hash: [small(n / 4); 16],
        user_hash: turn(3).then(|| [small(n / 6); 16]),
        plugin: name(7),
        rule_line: turn(4).then_some(u32::from(small(n))),
        generation: u64::from(small(n / 20)),
        service: name(11),
        policy: [small(n / 9); 8],
        trace: turn(2).then(|| trace(n).encode()),
        ..usage_row(n)
    }
}

fn trace(n: i64) -> Trace {
    Trace { score: n, auth: "none".to_owned(), ..Trace::default() }
}

#[test]
fn each_row_is_written_as_it_is_whatever_stood_in_its_place_before() {
    let (_folder, path) = folder();
    let store = open(&path);
    // Of each size of a statement more than one in the first commit, and singles in a second.
    let rows: Vec<_> = (1..=16 * 5 + 4 * 3 + 3).map(varied).collect();
    for part in [&rows[..], &rows[..1]] {
        part.iter().for_each(|row| store.add_usage(row.clone()));
        store.flush().wait().unwrap();
    }
    let reader = store.reader().unwrap();
    let in_order = UsageFilter { after: Some(0), ..UsageFilter::default() };
    let read = reader.requests(&in_order, 1_000).unwrap();
    assert_eq!(read.len(), rows.len() + 1);
    for (number, (found, row)) in (1..).zip(read.iter().zip(rows.iter().chain(&rows[..1]))) {
        let name = |label: &Option<Label>| label.as_ref().map(|label| label.as_str().to_owned());
        let wanted = UsageListed {
            row: number,
            time_ms: row.time_ms,
            correlation_id: row.correlation_id.as_str().to_owned(),
            method: row.method.as_str().to_owned(),
            route: row.route.as_str().to_owned(),
            status: row.status,
            code: name(&row.code),
            stage: name(&row.stage),
            duration_us: row.duration_us.cast_signed(),
            plugin: name(&row.plugin),
            rule_line: row.rule_line,
            generation: row.generation.cast_signed(),
            bytes_in: row.bytes_in.cast_signed(),
            bytes_out: row.bytes_out.cast_signed(),
            client_hash: row.client_hash,
            user_hash: row.user_hash,
            service: name(&row.service),
            policy: Some(row.policy),
        };
        assert_eq!(*found, wanted);
        let of_id = reader.request(row.correlation_id.as_str()).unwrap();
        assert_eq!(of_id[0].1, row.trace.as_ref().map(|_| trace(row.time_ms)));
    }
}
