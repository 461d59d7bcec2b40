//! Shares of clients, budgets, and what is counted.

use std::time::Duration;

use super::*;
use crate::config::Mode;

const FAULTY: &str =
    r#"fn on_request(req) { if req.path == "/bad" { throw "no"; } deny(403, "rule.no", "No."); }"#;

fn ask(book: &RuleBook, path: &str, clock: &Clock) -> (String, Ledger) {
    let mut facts = plain_facts("GET", "/");
    path.clone_into(&mut facts.path);
    let mut ledger = Ledger::new();
    let decision = book.run(Hook::Request, &Arc::new(facts), None, &mut ledger, clock);
    (words(&decision), ledger)
}

fn said(book: &RuleBook, path: &str, clock: &Clock) -> String {
    ask(book, path, clock).0
}

/// A book that stands on a board, with that much more in its manifest.
fn standing(board: &Board, manifest: &str, main: &str) -> RuleBook {
    let manifest = format!("mode = \"enforce\"\n{manifest}");
    let (mut book, problems) = Ground::new().plugin("rule", &manifest, main).load(&BTreeMap::new());
    assert!(!problems.has_errors(), "{}", problems.render());
    book.stand_on(board, 7);
    book
}

fn board() -> Board {
    Board::new(&[3; 32])
}

#[test]
fn a_new_plugin_starts_in_shadow() {
    let book = Ground::new().plugin("rule", "on_error = \"deny\"\n", FAULTY).book();
    assert_eq!(book.plugins()[0].mode, "shadow");
    let (decision, ledger) = ask(&book, "/", &still());
    assert_eq!((decision.as_str(), ledger.notes()[0].mode), ("pass", Mode::Shadow));
}

#[test]
fn a_share_decides_for_some_clients_and_is_shadow_for_the_rest() {
    let book = standing(&board(), "on_error = \"deny\"\nenforce_share = 0.5\n", FAULTY);
    let mut enforced = 0;
    for n in 0..200_u32 {
        let mut facts = plain_facts("GET", "/");
        facts.client_ip = std::net::Ipv4Addr::from(n << 8 | 1).into();
        let facts = Arc::new(facts);
        let mut ledger = Ledger::new();
        let first = words(&book.run(Hook::Request, &facts, None, &mut ledger, &still()));
        let again = words(&book.run(Hook::Request, &facts, None, &mut ledger, &still()));
        assert_eq!(first, again);
        let mode = if first == "pass" { Mode::Shadow } else { Mode::Enforce };
        assert!(ledger.notes().iter().all(|note| note.mode == mode));
        enforced += u32::from(mode == Mode::Enforce);
    }
    assert!((60..140).contains(&enforced), "{enforced}");
    let counts = &book.plugins()[0].counts;
    assert_eq!((counts.refused, counts.refused + counts.would_refuse), (u64::from(enforced) * 2, 400));
}

#[test]
fn a_share_is_a_number_from_0_to_1() {
    for (share, finds) in [("1.1", "not between"), ("-1", "not between"), ("\"half\"", "must be a number")] {
        let ground =
            Ground::new().plugin("rule", &format!("on_error = \"deny\"\nenforce_share = {share}\n"), FAULTY);
        assert!(ground.problems().contains(finds), "{share}: {}", ground.problems());
    }
    for share in ["0", "1", "0.25"] {
        Ground::new()
            .plugin("rule", &format!("on_error = \"deny\"\nenforce_share = {share}\n"), FAULTY)
            .book();
    }
}

#[test]
fn a_tripped_plugin_is_in_shadow_until_probes_show_that_it_is_well() {
    let (board, clock) = (board(), still());
    let book = standing(&board, "on_error = \"deny\"\n[budget]\nerrors = \"3/1m\"\n", FAULTY);
    for _ in 0..3 {
        assert_eq!(said(&book, "/bad", &clock), "fault rule");
    }
    assert_eq!((said(&book, "/bad", &clock), said(&book, "/", &clock)), ("pass".into(), "pass".into()));
    assert_eq!((book.plugins()[0].tripped, book.plugins()[0].state()), (Some("shadow"), 3));
    clock.advance(Duration::from_secs(61));
    for _ in 0..3 {
        assert_eq!(said(&book, "/", &clock), "pass", "a probe does not count yet");
    }
    assert!(said(&book, "/", &clock).starts_with("403"));
    assert_eq!((book.plugins()[0].tripped, book.plugins()[0].trips), (None, 1));
}

#[test]
fn a_guard_that_trips_to_off_takes_its_routes_with_it_unless_a_fallback_lets_them_pass() {
    for (more, expected) in
        [("fallback = \"deny\"", "fault rule"), ("fallback = \"allow\"", "pass"), ("", "fault rule")]
    {
        let (board, clock) = (board(), still());
        let manifest =
            format!("on_error = \"deny\"\n[budget]\nerrors = \"1/1m\"\naction = \"off\"\n{more}\n");
        let book = standing(&board, &manifest, FAULTY);
        assert_eq!(said(&book, "/bad", &clock), "fault rule");
        let calls = book.plugins()[0].counts.calls;
        assert_eq!(said(&book, "/", &clock), expected, "{more}");
        assert_eq!(book.plugins()[0].counts.calls, calls, "it is not called");
    }
    let open =
        standing(&board(), "on_error = \"allow\"\n[budget]\nerrors = \"1/1m\"\naction = \"off\"\n", FAULTY);
    let clock = still();
    assert_eq!((said(&open, "/bad", &clock), said(&open, "/", &clock)), ("pass".into(), "pass".into()));
}

#[test]
fn the_consequence_of_off_is_a_warning_until_somebody_says_that_it_is_meant() {
    let problems = |more: &str| {
        let manifest = format!("on_error = \"deny\"\n[budget]\nerrors = \"1/1m\"\naction = \"off\"\n{more}");
        let (_, problems) = Ground::new().plugin("rule", &manifest, FAULTY).load(&BTreeMap::new());
        assert!(!problems.has_errors());
        short(&problems)
    };
    assert!(problems("").contains("every request that it looks at is answered with 503"), "{}", problems(""));
    assert_eq!((problems("fallback = \"deny\"\n"), problems("fallback = \"allow\"\n")), Default::default());
}

#[test]
fn an_unrelated_reload_keeps_a_tripped_plugin_tripped_and_a_new_version_starts_clean() {
    let (board, clock) = (board(), still());
    let manifest = "on_error = \"deny\"\n[budget]\nerrors = \"1/1m\"\n";
    let first = standing(&board, manifest, FAULTY);
    said(&first, "/bad", &clock);
    let same = standing(&board, manifest, FAULTY);
    assert_eq!((same.plugins()[0].tripped, same.plugins()[0].counts.calls), (Some("shadow"), 1));
    let other = standing(&board, manifest, &format!("// mended\n{FAULTY}"));
    assert_eq!((other.plugins()[0].tripped, other.plugins()[0].counts.calls), (None, 0));
}

#[test]
fn what_is_told_of_a_trip_is_told_once() {
    use std::sync::Mutex;
    let (board, told) = (board(), Arc::new(Mutex::new(Vec::new())));
    let ear = told.clone();
    board.on_trip(Box::new(move |trip| ear.lock().unwrap().push(trip.change)));
    let clock = still();
    let book = standing(&board, "on_error = \"deny\"\n[budget]\nerrors = \"2/1m\"\n", FAULTY);
    for _ in 0..5 {
        said(&book, "/bad", &clock);
    }
    assert_eq!(*told.lock().unwrap(), ["tripped"]);
    clock.advance(Duration::from_secs(61));
    said(&book, "/bad", &clock);
    assert_eq!(*told.lock().unwrap(), ["tripped", "still tripped"]);
}

#[test]
fn verdicts_and_faults_are_counted_by_code_and_kind() {
    let book = standing(&board(), "on_error = \"deny\"\n", FAULTY);
    for path in ["/", "/", "/bad"] {
        said(&book, path, &still());
    }
    let counts = &book.plugins()[0].counts;
    assert_eq!((counts.calls, counts.refused, counts.would_refuse), (3, 2, 0));
    assert_eq!(counts.verdicts.get("rule.no"), Some(&2));
    assert_eq!(counts.faults.get("script"), Some(&1));
    assert_eq!(book.plugins()[0].since_ms, 7);
}
