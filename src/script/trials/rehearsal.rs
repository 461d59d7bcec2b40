//! A request that is only judged again: rules answer as they would, and nothing of it stays.

use super::*;

const COUNTING: &str = r#"
fn on_request(req) {
    if req.path == "/fail" { throw "no"; }
    list::add("seen", req.path);
    metric::inc("asked");
    alert::send("low", "asked", #{});
    log::info("asked");
    if counter::hit("n", "all", "1h") > 2 { deny(403, "n.many", "Enough."); }
}
fn on_auth(req) {
    if counter::count("n", "all", "1h") == 0 { deny(500, "n.lost", "It forgot what it wrote itself."); }
}"#;

const MANIFEST: &str = "name = \"rule\"\nversion = \"1\"\napi = 1\nmode = \"enforce\"\non_error = \"deny\"\n\
                        [lists]\nseen = { type = \"string\" }\n[budget]\nerrors = \"3/1m\"\n";

fn judged(book: &Arc<RuleBook>, target: &'static str, hooks: &'static [Hook]) -> Vec<String> {
    let book = book.clone();
    on_worker(move || {
        let facts = Arc::new(plain_facts("GET", target));
        let mut ledger = Ledger::of_rehearsal();
        hooks.iter().map(|hook| words(&book.run(*hook, &facts, None, &mut ledger, &still()))).collect()
    })
}

fn real(book: &Arc<RuleBook>, target: &'static str) -> String {
    let book = book.clone();
    on_worker(move || decide(&book, Hook::Request, plain_facts("GET", target)).0)
}

#[test]
fn what_is_only_judged_again_leaves_no_state_no_count_and_no_mark_on_the_breaker() {
    let ground = Ground::with(COUNTING).file("plugins/rule/plugin.toml", MANIFEST);
    let state = State::default();
    let mut book = ground.book();
    book.remember_in(&state);
    let book = Arc::new(book);
    for _ in 0..5 {
        assert_eq!(judged(&book, "/", &[Hook::Request, Hook::Auth]), ["pass", "pass"]);
        assert_eq!(judged(&book, "/fail", &[Hook::Request]), ["fault rule"]);
    }
    let info = book.plugins().remove(0);
    assert_eq!((info.counts.calls, info.trips, info.tripped), (0, 0, None));
    assert!(state.changes().is_empty(), "nothing is to be saved");
    assert_eq!((real(&book, "/"), real(&book, "/")), ("pass".to_owned(), "pass".to_owned()));
    assert_eq!(real(&book, "/"), "403 n.many rule/main.rhai:8", "the third that counts");
    // What is real is read.
    assert_eq!(judged(&book, "/", &[Hook::Request]), ["403 n.many rule/main.rhai:8"]);
}
