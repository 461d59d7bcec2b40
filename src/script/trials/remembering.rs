//! Rules that remember: the words of state, plugins that go live, schedules.

use super::*;

const STATEFUL: &str = "mode = \"enforce\"\non_error = \"deny\"\n";

fn ask(book: &Arc<RuleBook>, target: &'static str) -> String {
    let book = book.clone();
    on_worker(move || decide(&book, Hook::Request, plain_facts("GET", target)).0)
}

fn start(book: &Arc<RuleBook>, booting: bool) -> Vec<Note> {
    let book = book.clone();
    on_worker(move || book.start(booting, &still()).notes)
}

#[test]
fn what_a_rule_remembers_outlives_the_book() {
    let ground =
        Ground::with(r#"fn on_request(req) { if kv::incr("n", 1) > 2 { deny(403, "n.many", "Enough."); } }"#);
    let state = State::default();
    for expected in ["pass", "pass", "403 n.many rule/main.rhai:1"] {
        let mut book = ground.book();
        book.remember_in(&state);
        assert_eq!(ask(&Arc::new(book), "/"), expected);
    }
    assert_eq!(
        ask(&Arc::new(ground.book()), "/"),
        "pass",
        "a book that does not go live has a state of its own"
    );
}

#[test]
fn a_verdict_ends_every_change_whatever_the_script_catches() {
    let ground = Ground::with(
        r#"
        fn on_request(req) {
            if req.path == "/see" {
                deny(400 + kv::get("n", 0) + list::size("l") + counter::count("c", "k", "1m"), "n.seen", "");
            }
            try { deny(403, "n.no", ""); } catch {}
            try { kv::set("n", 1); } catch {}
            try { counter::hit("c", "k", "1m"); } catch {}
            try { list::add("l", "x"); } catch {}
        }"#,
    );
    let ground = ground.file(
        "plugins/rule/plugin.toml",
        "name = \"rule\"\nversion = \"1\"\napi = 1\nmode = \"enforce\"\non_error = \"deny\"\nlists.l.type = \"string\"\n",
    );
    let book = Arc::new(ground.book());
    assert!(ask(&book, "/").starts_with("403 n.no"));
    assert!(ask(&book, "/see").starts_with("400 n.seen"));
}

#[test]
fn an_unknown_list_or_a_wrong_argument_is_a_fault() {
    for main in [
        r#"fn on_request(req) { let n = "nowhere"; list::has(n, "x"); }"#,
        r#"fn on_request(req) { let w = "soon"; counter::hit("a", "b", w); }"#,
        r#"fn on_request(req) { let w = -1; counter::hit("a", "b", w); }"#,
        r#"fn on_request(req) { let w = 0; counter::hit("a", "b", w); }"#,
        r#"fn on_request(req) { kv::set("a", || 1); }"#,
        r#"fn on_request(req) { let n = 0; limit::allow("a", "b", n, "1m"); }"#,
        r#"fn on_request(req) { kv::set("a", "x"); kv::incr("a", 1); }"#,
    ] {
        assert_eq!(request(main), "fault rule", "{main}");
    }
}

#[test]
fn a_loop_over_state_ends_by_the_budget() {
    let loops = "fn on_request(req) { let n = 0; while n < 1000000 { kv::set(`k${n}`, n); n += 1; } }";
    assert_eq!(ending(loops), Outcome::Fault(FaultKind::Operations));
}

#[test]
fn a_list_file_is_read_again_alone_and_what_rules_added_stays() {
    let manifest = format!("{STATEFUL}[lists]\nbad = {{ type = \"ip\", file = \"lists/bad.txt\" }}\n");
    let main = r#"fn on_request(req) {
        if req.path == "/add" { list::add("bad", "198.51.100.7", "1h"); }
        if list::has("bad", req.query("ip")) { deny(403, "ip.bad", list::note("bad", req.query("ip"))); }
        if req.path == "/size" { deny(400 + list::size("bad"), "ip.size", ""); }
    }"#;
    let ground = Ground::new()
        .plugin("rule", &manifest, main)
        .file("plugins/rule/lists/bad.txt", "203.0.113.0/24 ; ; scanners\n");
    let state = State::default();
    let mut before = ground.book();
    before.remember_in(&state);
    let before = Arc::new(before);
    assert!(ask(&before, "/?ip=203.0.113.9").starts_with("403"));
    assert_eq!(ask(&before, "/add?ip=192.0.2.1"), "pass");
    let ground = ground.file("plugins/rule/lists/bad.txt", "192.0.2.0/24\n192.0.2.77\n");
    let mut after = ground.book();
    after.remember_in(&state);
    let after = Arc::new(after);
    assert_ne!(before.inputs(), after.inputs(), "the file is part of the policy");
    assert_eq!(before.plugins()[0].hash, after.plugins()[0].hash, "the plugin is the same");
    assert_eq!(ask(&after, "/?ip=203.0.113.9"), "pass");
    assert!(ask(&after, "/?ip=192.0.2.1").starts_with("403"));
    assert!(ask(&after, "/?ip=198.51.100.7").starts_with("403"), "what a rule added");
    assert!(
        ask(&after, "/size?ip=10.0.0.1").starts_with("403 ip.size")
            || ask(&after, "/size?ip=10.0.0.1").contains("ip.size")
    );
}

#[test]
fn a_manifest_says_what_is_wrong_with_its_lists_its_quota_and_its_schedules() {
    let manifest = "on_error = \"deny\"
        [lists]
        a = { type = \"numbers\" }
        b = { type = \"ip\", file = \"../../secret\" }
        c = { type = \"glob\", max = 100000 }
        [state]
        max_keys = 0
        max_bytes = \"1 KiB\"
        max = 1
        [[schedule]]
        every = \"60s\"
        call = \"refesh\"
        [[schedule]]
        call = \"refresh\"
        [[schedule]]
        every = \"10ms\"
        call = \"refresh\"
        time = \"1h\"
        [[schedule]]
        at = \"25:00\"
        call = \"refresh\"
        ";
    let main = "fn on_request(req) { refresh(); } fn refresh() { kv::set(\"a\", 1); }";
    let found = Ground::new().plugin("rule", manifest, main).problems();
    for wanted in [
        "`numbers` is not one of",
        "is no file of the plugin's `lists` folder",
        "between 1 and 500",
        "between 1 and 1000000",
        "`state.max_bytes` is between",
        "`max`",
        "either `every` or `at`",
        "must be between 1s and 366d",
        "a scheduled run lasts at most 10s",
        "`25:00` is not a time of day",
    ] {
        assert!(found.contains(wanted), "{wanted} in\n{found}");
    }
    let typo = "on_error = \"deny\"\n[[schedule]]\nevery = \"60s\"\ncall = \"refesh\"\n";
    let found = Ground::new().plugin("rule", typo, main).problems();
    assert!(found.contains("PM013") && found.contains("[did you mean `refresh`?]"), "{found}");
}

#[test]
fn on_start_knows_why_and_which_version_ran_before() {
    let main = r#"
        fn on_start(info) { kv::set("why", `${info.reason} ${info.previous_version}`); kv::incr("starts", 1); }
        fn on_request(req) { deny(400 + kv::get("starts", 0), "start.seen", kv::get("why", "")); }
    "#;
    let version = |version: &str| {
        let head = format!("name = \"rule\"\nversion = \"{version}\"\napi = 1\n{STATEFUL}");
        Ground::new().file("plugins/rule/plugin.toml", &head).file("plugins/rule/main.rhai", main)
    };
    let state = State::default();
    let live = |ground: &Ground| {
        let mut book = ground.book();
        book.remember_in(&state);
        Arc::new(book)
    };
    let why = |book: &Arc<RuleBook>| {
        let book = book.clone();
        on_worker(move || {
            let facts = Arc::new(plain_facts("GET", "/"));
            match book.run(Hook::Request, &facts, None, &mut Ledger::new(), &still()) {
                Decision::Refuse { refusal, .. } => format!("{} {}", refusal.status, refusal.message),
                other => words(&other),
            }
        })
    };
    let first = live(&version("1.0.0"));
    assert_eq!(start(&first, true).len(), 1);
    assert_eq!(why(&first), "401 boot ");
    let same = live(&version("1.0.0"));
    assert_eq!(start(&same, false).len(), 0, "nothing changed");
    let second = live(&version("1.1.0"));
    start(&second, false);
    assert_eq!(why(&second), "402 reload 1.0.0");
    start(&second, true);
    assert_eq!(why(&second), "403 boot 1.1.0");
}

#[test]
fn a_fault_or_a_verb_in_on_start_is_noted_and_stops_nothing() {
    for main in ["fn on_start(info) { throw 1; }", "fn on_start(info) { let n = 0; loop { n += 1; } }"] {
        let book = Arc::new(Ground::with(main).book());
        let notes = start(&book, true);
        assert!(matches!(notes[..], [Note { outcome: Outcome::Fault(_), .. }]), "{notes:?}");
    }
}

#[test]
fn a_schedule_runs_at_its_time_once_at_a_time_and_makes_nothing_up() {
    let manifest = format!("{STATEFUL}[[schedule]]\nevery = \"60s\"\ncall = \"refresh\"\n");
    let main = r#"
        fn refresh() { kv::incr("runs", 1); }
        fn on_request(req) { deny(400 + kv::get("runs", 0), "runs.seen", ""); }
    "#;
    let book = Arc::new(Ground::new().plugin("rule", &manifest, main).book());
    let mut table = Timetable::default();
    assert_eq!(table.due(&book, 0), []);
    assert_eq!(table.due(&book, 59_999), []);
    let jobs = table.due(&book, 60_000);
    assert_eq!(jobs.len(), 1);
    assert_eq!(table.due(&book, 200_000), [], "it runs still");
    table.done(&jobs[0]);
    assert_eq!(table.due(&book, 259_999), [], "what was missed is not made up for");
    assert_eq!(table.due(&book, 260_000).len(), 1);
    let (shared, job) = (book.clone(), jobs[0].clone());
    let notes = on_worker(move || shared.run_job(&job, &still()).notes);
    assert!(matches!(notes[..], [Note { outcome: Outcome::Pass, .. }]), "{notes:?}");
    assert!(ask(&book, "/").starts_with("401"));
    let gone = Ground::new().plugin("rule", STATEFUL, main).book();
    assert_eq!(table.due(&gone, 10_000_000), []);
    let off = Ground::new().plugin("rule", &manifest.replace("enforce", "off"), main).book();
    assert_eq!((table.due(&off, 20_000_000), table.due(&off, 30_000_000)), (vec![], vec![]));
}

#[test]
fn two_schedules_of_one_function_both_come_to_their_turn_and_never_at_once() {
    let manifest = format!(
        "{STATEFUL}[[schedule]]\nevery = \"60s\"\ncall = \"refresh\"\n[[schedule]]\nevery = \"90s\"\ncall = \"refresh\"\n"
    );
    let main = "fn refresh() { kv::incr(\"runs\", 1); } fn on_request(req) { kv::get(\"runs\", 0); }";
    let book = Ground::new().plugin("rule", &manifest, main).book();
    let mut table = Timetable::default();
    assert_eq!(table.due(&book, 0), []);
    let first = table.due(&book, 60_000);
    assert_eq!(first.iter().map(|job| job.nth).collect::<Vec<_>>(), [0]);
    assert_eq!(table.due(&book, 90_000), [], "the first one runs still");
    table.done(&first[0]);
    assert_eq!(table.due(&book, 120_000).len(), 1);
    table.done(&first[0]);
    let second = table.due(&book, 180_000);
    assert_eq!(second.len(), 1, "both are due, and one of them runs");
}

#[test]
fn a_verb_in_a_schedule_is_a_fault_and_its_own_budget_ends_it() {
    for (main, time) in [
        ("fn refresh() { score(1, \"a.b\"); } fn on_request(req) { refresh(); }", "10s"),
        ("fn refresh() { deny(403, \"a.b\", \"\"); } fn on_request(req) { refresh(); }", "10s"),
        ("fn refresh() { let n = 0; loop { n += 1; } } fn on_request(req) { refresh(); }", "1ms"),
    ] {
        let manifest =
            format!("{STATEFUL}[[schedule]]\nevery = \"60s\"\ncall = \"refresh\"\ntime = \"{time}\"\n");
        let book = Ground::new().plugin("rule", &manifest, main).book();
        let notes = on_worker(move || {
            book.run_job(&Job { plugin: "rule".into(), call: "refresh".to_owned(), nth: 0 }, &Clock::System)
                .notes
        });
        assert!(matches!(notes[..], [Note { outcome: Outcome::Fault(_), .. }]), "{main}: {notes:?}");
    }
}

#[test]
fn tests_begin_with_nothing_and_may_put_something_there() {
    let manifest = format!(
        "{STATEFUL}[lists]\nbad = {{ type = \"ip\" }}\n[[schedule]]\nevery = \"60s\"\ncall = \"refresh\"\n"
    );
    let main = r#"
        fn refresh() { kv::set("limit", kv::get("limit", 0) + 1); }
        fn on_request(req) {
            if list::has("bad", req.ip) { deny(403, "ip.bad", ""); }
            if kv::get("limit", 0) > 5 { deny(429, "ip.limit", ""); }
        }
    "#;
    let tests = r#"
        fn test_list() {
            list_add("bad", "192.0.2.0/24");
            assert_denied(run(request("GET", "/").ip("192.0.2.1")), "ip.bad");
        }
        fn test_kv() {
            kv_set("limit", 5);
            assert_passed(run(request("GET", "/").ip("192.0.2.1")));
            run_schedule("refresh");
            assert_denied(run(request("GET", "/").ip("192.0.2.1")), "ip.limit");
        }
        fn test_again() { assert_passed(run(request("GET", "/").ip("192.0.2.1"))); }
        fn test_unknown() { run_schedule("nothing"); }
    "#;
    let ground = Ground::new().plugin("rule", &manifest, main).file("plugins/rule/tests/t.rhai", tests);
    let (report, problems) = ground.tests(&[]);
    assert!(problems.is_empty(), "{}", problems.render());
    let failed: Vec<_> = report.cases.iter().filter(|c| !c.ok).collect();
    assert_eq!(report.cases.len(), 4);
    assert!(failed.len() == 1 && failed[0].test == "test_unknown", "{failed:?}");
}
