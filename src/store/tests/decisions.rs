//! The rows of decisions.

use super::*;
use crate::base::ids::CorrelationId;

fn row(time_ms: i64, code: &str, mode: &'static str, client: u8, user: Option<u8>) -> DecisionRow {
    DecisionRow {
        time_ms,
        correlation_id: CorrelationId::generate(),
        plugin: Label::from("guard"),
        hook: "on_request",
        rule: "guard/main.rhai:3".to_owned(),
        code: Label::from(std::sync::Arc::<str>::from(code)),
        outcome: if code == "points" { "score" } else { "deny" },
        mode,
        route: Label::from("api"),
        client_hash: [client; 16],
        user_hash: user.map(|u| [u; 16]),
    }
}

#[test]
fn the_impact_counts_what_would_have_been_refused_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("x.db"), Options::default()).unwrap();
    let rows = [
        row(10, "old", "shadow", 1, None),
        row(100, "a", "shadow", 1, Some(1)),
        row(101, "a", "shadow", 1, Some(2)),
        row(102, "b", "shadow", 2, None),
        row(103, "c", "enforce", 3, None),
        row(104, "points", "shadow", 4, None),
    ];
    for row in &rows {
        store.add_decision(row.clone());
    }
    store.add_decision(DecisionRow { plugin: Label::from("other"), ..row(105, "a", "shadow", 5, None) });
    store.flush().wait().unwrap();
    let impact = store.reader().unwrap().impact("guard", 100).unwrap();
    assert_eq!((impact.requests, impact.people, impact.addresses), (3, 2, 2));
    assert_eq!(impact.by_code, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert_eq!(impact.by_route, [("api".to_owned(), 3)]);
    assert_eq!(impact.scores, [("points".to_owned(), 1)]);
    assert_eq!(impact.samples[0], rows[3].correlation_id.as_str());
}

#[test]
fn decisions_go_with_the_usage_rows_of_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("x.db"), Options::default()).unwrap();
    store.add_decision(row(10, "old", "shadow", 1, None));
    store.add_decision(row(100, "new", "shadow", 1, None));
    store.flush().wait().unwrap();
    store
        .sweep(Sweep { now_ms: 200, sessions_seen_before_ms: 0, usage_before_ms: 50, usage_rows_max: 0 })
        .wait()
        .unwrap();
    let impact = store.reader().unwrap().impact("guard", 0).unwrap();
    assert_eq!(impact.by_code, [("new".to_owned(), 1)]);
}

#[test]
fn a_decision_that_falls_off_the_queue_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { usage_queue_max: 0, ..Options::default() };
    let store = Store::open(&folder.path().join("x.db"), options).unwrap();
    store.add_decision(row(10, "a", "shadow", 1, None));
    assert_eq!(store.usage_rows_dropped(), 1);
}
