use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use http::{HeaderMap, Method};

use super::*;
use crate::base::ids::CorrelationId;
use crate::geo::Geo;
use crate::script::{GeoFacts, RouteFacts};
use crate::store::Label;

fn row(id: &str) -> UsageRow {
    UsageRow {
        time_ms: 1,
        correlation_id: CorrelationId::accept(id.as_bytes()).unwrap(),
        method: Label::from("GET"),
        route: Label::from("api"),
        status: 200,
        code: None,
        stage: None,
        duration_us: 5,
        bytes_in: 0,
        bytes_out: 0,
        client_hash: [1; 16],
        user_hash: None,
        plugin: None,
        rule_line: None,
        generation: 1,
        service: None,
        policy: [0; 8],
        trace: None,
    }
}

fn facts(path_bytes: usize) -> Arc<RequestFacts> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Arc::new(RequestFacts {
        id: CorrelationId::generate(),
        method: Method::GET,
        scheme: "http",
        host: String::new(),
        path: "x".repeat(path_bytes),
        raw_path: String::new(),
        query_string: String::new(),
        http_version: "1.1",
        upgrade: "",
        client_ip: address,
        client_port: 0,
        tls: None,
        client_hash: "".into(),
        headers: HeaderMap::new(),
        session_cookie: "".into(),
        route: RouteFacts::default(),
        content_length: 0,
        unix_ms: 1,
        geo: GeoFacts::new(Arc::new(Geo::default()), address),
        identity: OnceLock::new(),
        body: OnceLock::new(),
    })
}

fn ids(recalled: &[Recalled]) -> Vec<&str> {
    recalled.iter().map(|kept| kept.row.correlation_id.as_str()).collect()
}

#[test]
fn the_oldest_fall_out_and_numbers_go_on() {
    let recall = Recall::new(3);
    for id in ["a", "b", "c", "d", "e"] {
        recall.push(&row(id), None);
    }
    let all = recall.since(0, 10);
    assert_eq!(ids(&all), ["c", "d", "e"]);
    assert_eq!(all.iter().map(|kept| kept.seq).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!((ids(&recall.since(4, 10)), recall.last()), (vec!["e"], 5));
    assert!(recall.since(5, 10).is_empty());
    assert_eq!(ids(&recall.since(0, 2)), ["d", "e"], "a reader who is behind gets the newest");
}

#[test]
fn a_ring_of_none_keeps_none_and_a_smaller_one_lets_the_oldest_go() {
    let recall = Recall::new(0);
    recall.push(&row("a"), Some(&facts(10)));
    assert!(recall.since(0, 10).is_empty() && recall.find("a").is_empty());
    recall.resize(10);
    ["b", "c", "d"].iter().for_each(|id| recall.push(&row(id), Some(&facts(10))));
    recall.resize(1);
    assert_eq!(ids(&recall.since(0, 10)), ["d"]);
    let held = recall.find("d")[0].facts.as_ref().map(|facts| facts.bytes());
    assert_eq!(Some(recall.ring.lock().bytes), held);
}

#[test]
fn an_id_that_a_client_sent_twice_is_found_twice_with_the_newest_first() {
    let recall = Recall::new(10);
    ["a", "b", "a"].iter().for_each(|id| recall.push(&row(id), None));
    assert_eq!(recall.find("a").iter().map(|kept| kept.seq).collect::<Vec<_>>(), [3, 1]);
    assert!(recall.find("nobody").is_empty());
}

#[test]
fn of_a_large_request_the_row_alone_is_kept() {
    let recall = Recall::new(10);
    recall.push(&row("small"), Some(&facts(100)));
    recall.push(&row("large"), Some(&facts(FACTS_BYTES_MAX)));
    assert!(recall.find("small")[0].facts.is_some());
    assert!(recall.find("large")[0].facts.is_none());
}

#[test]
fn all_together_hold_no_more_than_is_allowed_and_the_oldest_give_first() {
    let each = FACTS_BYTES_MAX / 2;
    let most = 2 * FACTS_BYTES_ALL_MAX / each;
    let recall = Recall::new(most);
    let shared = facts(each);
    for _ in 0..most + 5 {
        recall.push(&row("a"), Some(&shared));
        assert!(recall.ring.lock().bytes <= FACTS_BYTES_ALL_MAX);
    }
    let all = recall.since(0, SINCE_MAX);
    assert!(all.last().unwrap().facts.is_some(), "the newest has them");
    let kept = recall.ring.lock();
    let with = kept.kept.iter().filter(|k| k.facts.is_some()).count();
    assert_eq!(kept.bytes, with * shared.bytes(), "the sum is that of what is there");
    assert!(kept.kept.iter().skip_while(|k| k.facts.is_none()).all(|k| k.facts.is_some()), "in order");
}

#[test]
fn what_requests_held_goes_where_a_person_is_forgotten() {
    let recall = Recall::new(10);
    ["a", "b"].iter().for_each(|id| recall.push(&row(id), Some(&facts(10))));
    recall.forget_facts();
    assert!(recall.since(0, 10).iter().all(|kept| kept.facts.is_none()));
    recall.push(&row("c"), Some(&facts(10)));
    assert!(recall.find("c")[0].facts.is_some());
    assert_eq!(ids(&recall.since(0, 10)), ["a", "b", "c"]);
}
