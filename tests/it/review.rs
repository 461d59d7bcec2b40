//! What holds across the stages: who pays, what is said of an answer, and what a connection is good for afterwards.

use std::fs;
use std::io::{Read, Write};

use crate::harness::client::{Connection, compose};
use crate::harness::{Setup, Upstream};

const FIXED: &str = r#"
[server]
body_max = "1 KB"
[cors]
origins = ["http://app.test"]
[[routes]]
path = "/fixed"
auth = "none"
respond = { text = "fixed" }
"#;

#[test]
fn co_06_a_listed_page_can_read_a_refusal_of_any_stage() {
    let config = format!("{FIXED}\n[rate_limit]\nip_per_minute = 1\nip_burst = 1\n");
    let gateway = Setup::new(&config).start();
    let listed = ("Origin", "http://app.test");
    let ask = |line: &str, more: (&str, &str)| gateway.send(line, &[more, listed], b"");
    assert_eq!(ask("GET /fixed", ("X-Test", "1")).status, 200);
    for (line, more, status) in [
        ("GET /fixed", ("X-Test", "1"), 429),
        ("GET /fixed//x", ("X-Test", "1"), 400),
        ("GET /fixed", ("Expect", "a-miracle"), 417),
        ("TRACE /fixed", ("X-Test", "1"), 405),
    ] {
        let answer = ask(line, more);
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://app.test"), "{line}");
    }
}

#[test]
fn every_refusal_for_want_of_tokens_is_a_decision_that_is_counted() {
    let config = format!("{FIXED}\n[rate_limit]\nip_per_minute = 1\nip_burst = 1\n");
    let gateway = Setup::new(&config).start();
    assert_eq!(gateway.get("/fixed").status, 200);
    for _ in 0..3 {
        assert_eq!(gateway.get("/fixed").status, 429);
    }
    let denied = "pluginmind_rate_limit_decisions_total{bucket=\"ip\",decision=\"deny\"}";
    assert!(gateway.metric(denied) > 2.5);
}

#[test]
fn being_sent_to_sign_in_is_paid_for_by_the_address() {
    let gateway = Setup::new(
        "[rate_limit]\nip_per_minute = 1\nip_burst = 2\n\
         [[routes]]\npath = \"/page\"\nlogin_redirect = true\nrespond = { text = \"in\" }\n",
    )
    .start();
    let ask = || gateway.send("GET /page", &[("Accept", "text/html")], b"");
    let first = ask();
    assert_eq!((first.status, first.header("x-ratelimit-remaining")), (302, Some("1")));
    assert_eq!((ask().status, ask().status), (302, 429));
}

#[test]
fn a_request_that_is_refused_at_its_head_is_logged_with_its_client() {
    let mut gateway = Setup::new(FIXED).start();
    assert_eq!(gateway.send("TRACE /fixed", &[("X-Request-ID", "head-1")], b"").status, 405);
    let line = gateway.wait_for_log(|l| l.contains("head-1"));
    assert!(line.contains("\"client.hash\":"), "{line}");
}

#[test]
fn sl_07_a_fixed_answer_keeps_the_bodys_limits() {
    let gateway = Setup::new(FIXED).start();
    let chunk = format!("7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2_000));
    let chunked = [("Transfer-Encoding", "chunked")];
    let answer = gateway.send("POST /fixed", &chunked, chunk.as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (413, "REQUEST_TOO_LARGE"));
    let answer = gateway.send("POST /fixed", &chunked, b"zz\r\n");
    assert_eq!((answer.status, answer.header("connection")), (400, Some("close")));
}

#[test]
fn a_connection_stays_usable_after_a_body_that_was_read_and_only_then() {
    let config = format!(
        "{FIXED}\n[[routes]]\npath = \"/shaped\"\nauth = \"none\"\nbody_schema = \"shape.json\"\n\
         respond = {{ text = \"shaped\" }}\n"
    );
    let gateway = Setup::new(&config).file("shape.json", r#"{"type":"object"}"#).start();
    let json = [("Content-Type", "application/json")];
    let mut connection = Connection::open(gateway.public);
    for (line, body, status) in [
        ("POST /fixed", "x".repeat(1_000).as_bytes(), 200),
        ("POST /shaped", b"[]", 422),
        ("POST /shaped", b"{", 400),
        ("POST /shaped", b"{}", 200),
        ("POST /auth/login", b"{}", 422),
    ] {
        connection.send(compose(line, &json, body)).expect("the gateway reads");
        let answer = connection.read().expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (status, None), "{line}");
    }
    connection.send(compose("POST /nowhere", &json, b"unread")).expect("the gateway reads");
    let answer = connection.read().expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
    assert!(connection.closes());
}

#[test]
fn lg_08_an_answer_that_its_client_left_is_logged_once_and_as_cut() {
    let upstream = Upstream::with(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").ok();
        while stream.write_all(&[b'x'; 8_192]).is_ok() {}
        false
    });
    let mut gateway = Setup::new(&upstream.config()).start();
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("GET /up/x", &[("X-Request-ID", "left-1")], b"")).expect("the gateway reads");
    let mut some = [0; 1_000];
    connection.stream().read_exact(&mut some).expect("an answer begins");
    drop(connection);
    let line = gateway.wait_for_log(|l| l.contains("left-1"));
    assert!(line.contains("\"code\":\"RESPONSE_CUT\""), "{line}");
}

#[test]
fn hr_09_a_request_under_way_still_finds_a_service_that_a_reload_removed() {
    let upstream = Upstream::hello();
    let config = format!("{FIXED}\n{}body_schema = \"shape.json\"\n", upstream.config());
    let gateway = Setup::new(&config).file("shape.json", r#"{"type":"object"}"#).start();
    let mut connection = Connection::open(gateway.public);
    let headers = [("Content-Type", "application/json"), ("Content-Length", "2"), ("Expect", "100-continue")];
    connection.send(compose("POST /up/x", &headers, b"")).expect("the gateway reads");
    let mut interim = [0; 25];
    connection.stream().read_exact(&mut interim).expect("the gateway asks for the body");
    let before = gateway.generation();
    let without = gateway.config().replace(&config[FIXED.len()..], "");
    gateway.save("config.toml", &without);
    gateway.until("the service is gone", |g| g.generation() > before);
    assert_eq!(gateway.get("/up/x").status, 404);
    let metrics = gateway.ask_admin("GET /metrics", &[], b"").text();
    assert!(!metrics.contains("upstream_up{"), "an alert on it would never end");
    connection.send(b"{}").expect("the gateway reads");
    assert_eq!(connection.read().expect("an answer").text(), "hello");
}

#[test]
fn hr_13_a_key_that_needs_a_restart_says_so_until_the_restart() {
    let gateway = Setup::new(&format!("{FIXED}\n[storage]\npath = \"data/a.db\"\n")).start();
    let needs = || gateway.ask_admin("GET /admin/api/status", &[], b"").json()["needs_restart"].clone();
    let reload = |from: &str, to: &str| {
        fs::write(gateway.at("config.toml"), gateway.config().replace(from, to)).expect("a file");
        assert!(gateway.verb(&["reload"]).status.success());
    };
    reload("a.db", "b.db");
    assert_eq!(needs(), serde_json::json!(["storage.path"]));
    reload("\"fixed\" }", "\"other\" }");
    assert_eq!(gateway.get("/fixed").text(), "other");
    assert_eq!(needs(), serde_json::json!(["storage.path"]), "the process still runs with the old one");
    reload("b.db", "a.db");
    assert_eq!(needs(), serde_json::json!([]));
}

#[test]
fn sm_03_sm_04_and_sm_06_a_body_in_an_odd_coding_is_refused_and_the_connection_closed() {
    let gateway = Setup::new(FIXED).start();
    let chunked = ("Transfer-Encoding", "chunked");
    for framing in [
        &[chunked, chunked][..],
        &[("Transfer-Encoding", "identity"), chunked],
        &[("Transfer-Encoding", "gzip, chunked")],
        &[("Transfer-Encoding", "chunked, chunked")],
    ] {
        let mut connection = Connection::open(gateway.public);
        connection.send(compose("POST /fixed", framing, b"0\r\n\r\n")).expect("the gateway reads");
        let answer = connection.read().expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{framing:?}");
        assert!(connection.closes());
    }
    assert_eq!(gateway.send("POST /fixed", &[("Transfer-Encoding", "Chunked")], b"0\r\n\r\n").status, 200);
}

#[test]
fn lg_08_a_request_whose_client_is_gone_at_once_has_its_line_too() {
    let mut gateway = Setup::new(FIXED).start();
    for n in 0..20 {
        let mut connection = Connection::open(gateway.public);
        let id = format!("gone-{n}.");
        connection.send(compose("GET /fixed", &[("X-Request-ID", &id)], b"")).expect("the kernel takes it");
        drop(connection);
        gateway.wait_for_log(|l| l.contains(&id));
    }
}

#[test]
fn rt_10_an_absolute_target_names_this_host_over_what_the_client_came_over() {
    let gateway =
        Setup::new(&FIXED.replace("[server]", "[server]\ntrusted_proxies = [\"127.0.0.1\"]")).start();
    let plain = ("X-Forwarded-Proto", "http");
    let https = ("X-Forwarded-Proto", "https");
    for (target, came, status) in [
        ("http://localhost/fixed", plain, 200),
        ("https://localhost/fixed", https, 200),
        ("https://localhost/fixed", plain, 400),
        ("ftp://localhost/fixed", plain, 400),
        ("http://other/fixed", plain, 400),
        ("http://me@localhost/fixed", plain, 400),
    ] {
        assert_eq!(gateway.send(&format!("GET {target}"), &[came], b"").status, status, "{target} {came:?}");
    }
}
