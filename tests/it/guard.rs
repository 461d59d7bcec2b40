//! The framing guard: bytes that could mean two things end at the door, in the clothes of every other refusal.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Answer, Connection, Gateway, Setup, Upstream, client::compose};

const OPEN: &str = "[[routes]]\nname = \"open\"\npath = \"/open\"\nauth = \"none\"\nrespond = { status = 200, text = \"ok\" }\n";

fn site(server: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::hello();
    let config = format!("[server]\n{server}\n{OPEN}{}", upstream.config());
    (Setup::new(&config).start(), upstream)
}

/// A refusal as every other one, after which the connection closes.
fn check_last(connection: &mut Connection, status: u16, code: &str) -> Answer {
    let answer = connection.read().expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["correlation_id"].as_str(), answer.header("x-request-id"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("content-security-policy").is_some());
    assert!(connection.closes());
    answer
}

fn line_of(gateway: &mut Gateway, id: &str) -> Value {
    let line = gateway.wait_for_log(|l| l.contains("\"message\":\"request\"") && l.contains(id));
    serde_json::from_str(&line).expect("JSON")
}

#[test]
fn a_head_that_could_mean_two_things_is_a_400_and_the_connection_closes() {
    let (gateway, upstream) = site("");
    let host = "Host: localhost\r\n";
    for bad in [
        format!(
            "POST /up/x HTTP/1.1\r\n{host}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
        ),
        format!(
            "POST /up/x HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        format!("POST /up/x HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        format!("POST /up/x HTTP/1.1\r\n{host}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
        format!("POST /up/x HTTP/1.1\r\n{host}Content-Length: 003\r\n\r\nabc"),
        format!("POST /up/x HTTP/1.1\r\n{host}Content-Length: 18446744073709551615\r\n\r\n"),
        format!("GET /up/x HTTP/1.1\n{host}\r\n"),
        "GET /up/x HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n".to_owned(),
        "GET /up/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(),
        "GET /up/x HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /up/x#y HTTP/1.1\r\n{host}\r\n"),
        format!("GET up/x HTTP/1.1\r\n{host}\r\n"),
        format!("G|T /up/x HTTP/1.1\r\n{host}\r\n"),
        format!("GET /up/x HTTP/1.2\r\n{host}\r\n"),
        "GET /up/x\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}".to_owned(),
        format!("{}GET /up/x HTTP/1.1\r\n{host}\r\n", "\r\n".repeat(10_000)),
        format!("GET /up/x HTTP/1.1\r\n{host}X: y\r\n z\r\n\r\n"),
        format!("GET /up/x HTTP/1.1\r\n{host}X : y\r\n\r\n"),
    ] {
        let mut connection = Connection::open(gateway.public);
        connection.send(&bad).ok();
        check_last(&mut connection, 400, "BAD_REQUEST");
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(gateway.get("/up/x").status, 200);
}

#[test]
fn what_is_too_long_is_told_before_its_end_has_come() {
    let (gateway, _upstream) = site("target_max = \"1 KiB\"\nheader_max = \"4 KiB\"\nheaders_max = 8");
    for (bad, status, code) in [
        (format!("GET /{}", "a".repeat(2_000)), 414, "URI_TOO_LONG"),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(1_024)), 414, "URI_TOO_LONG"),
        (format!("GET /open HTTP/1.1\r\nX: {}", "a".repeat(5_000)), 431, "HEADERS_TOO_LARGE"),
        (format!("GET /open HTTP/1.1\r\n{}", "a: b\r\n".repeat(9)), 431, "HEADERS_TOO_LARGE"),
    ] {
        let mut connection = Connection::open(gateway.public);
        connection.send(&bad).unwrap();
        check_last(&mut connection, status, code);
    }
}

#[test]
fn the_log_and_the_counters_say_only_what_could_be_read() {
    let (mut gateway, _upstream) = site("");
    let mut connection = Connection::open(gateway.public);
    let head = "PUT /open HTTP/1.1\r\nX-Request-ID: mine-1\r\nHost: a\r\nHost: b\r\nX-Secret: canary\r\n\r\n";
    connection.send(head).unwrap();
    assert_eq!(check_last(&mut connection, 400, "BAD_REQUEST").header("x-request-id"), Some("mine-1"));
    let line = line_of(&mut gateway, "mine-1");
    assert_eq!((&line["http.request.method"], &line["http.route"]), (&"PUT".into(), &"".into()), "{line}");
    assert_eq!((&line["code"], &line["http.response.status_code"]), (&"BAD_REQUEST".into(), &400.into()));
    assert!(line["client.hash"].is_string());
    let mut connection = Connection::open(gateway.public);
    connection.send("\u{16}\u{3}\u{1}\u{2}").unwrap();
    let id = check_last(&mut connection, 400, "BAD_REQUEST").header("x-request-id").unwrap().to_owned();
    assert_eq!(line_of(&mut gateway, &id)["http.request.method"], "OTHER");
    assert!(gateway.log().iter().all(|l| !l.contains("canary")));
    let refused = "pluginmind_stage_refusals_total{code=\"BAD_REQUEST\",stage=\"connection\"}";
    gateway.until("both are counted", |g| g.metric(refused) >= 2.0);
}

#[test]
fn sm_27_what_came_before_a_bad_head_is_answered_before_it() {
    let (gateway, upstream) = site("");
    let mut connection = Connection::open(gateway.public);
    let good = compose("GET /up/a", &[("X-Request-ID", "a")], b"");
    let bytes =
        [&good[..], &good, b"GET /up/smuggled HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &good].concat();
    connection.send(bytes).unwrap();
    for _ in 0..2 {
        assert_eq!(connection.read().expect("an answer").text(), "hello");
    }
    check_last(&mut connection, 400, "BAD_REQUEST");
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn a_head_may_come_in_pieces_and_behind_a_few_empty_lines() {
    let (gateway, _upstream) = site("");
    let mut connection = Connection::open(gateway.public);
    for byte in b"\r\n\r\nPOST /up/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" {
        connection.send([*byte]).unwrap();
    }
    assert_eq!(connection.read().expect("an answer").text(), "hello");
    connection.send(compose("GET /open", &[], b"")).unwrap();
    assert_eq!(connection.read().expect("an answer").text(), "ok");
}

#[test]
fn a_refused_head_request_has_no_body_to_be_taken_for_an_answer() {
    let (gateway, _upstream) = site("");
    let mut connection = Connection::open(gateway.public);
    connection.send("HEAD /open HTTP/1.1\r\n\r\n").unwrap();
    let answer = connection.read_rest();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn sl_03_between_requests_there_is_time_and_then_the_connection_closes_silently() {
    let (gateway, _upstream) = site("header_timeout = \"300ms\"\nidle_timeout = \"1s\"");
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("GET /open", &[], b"")).unwrap();
    assert_eq!(connection.read().expect("an answer").status, 200);
    let since = Instant::now();
    assert_eq!(connection.read_rest(), "");
    let waited = since.elapsed();
    assert!(waited >= Duration::from_millis(900), "closed after {waited:?}: the time of a head is another");
}

#[test]
fn sl_01_the_time_of_a_later_head_begins_with_its_first_byte() {
    let (gateway, _upstream) = site("header_timeout = \"300ms\"\nidle_timeout = \"30s\"");
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("GET /open", &[], b"")).unwrap();
    assert_eq!(connection.read().expect("an answer").status, 200);
    connection.send("\r\nGET /open HTTP/1.1\r\nX-Request-ID: late-1\r\nHost:").unwrap();
    let answer = check_last(&mut connection, 408, "REQUEST_TIMEOUT");
    assert_eq!(answer.header("x-request-id"), Some("late-1"));
}

#[test]
fn sl_04_a_trickle_of_a_body_is_a_408_though_it_is_never_silent() {
    let (gateway, _upstream) = site("body_timeout = \"400ms\"\nbody_rate_min = \"1 KB\"");
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("POST /up/a", &[("Transfer-Encoding", "chunked")], b"")).unwrap();
    let mut trickle = connection.stream().try_clone().expect("a second handle");
    let (_keep, pause) = std::sync::mpsc::channel::<()>();
    let trickling = std::thread::spawn(move || {
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(20) {
            // Nobody sends: this is the pause between two bytes.
            pause.recv_timeout(Duration::from_millis(50)).ok();
            if std::io::Write::write_all(&mut trickle, b"1\r\nx\r\n").is_err() {
                return true;
            }
        }
        false
    });
    let answer = connection.read().expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (408, "REQUEST_TIMEOUT"));
    assert!(trickling.join().unwrap(), "the connection closes");
}

#[test]
fn the_admin_listener_refuses_in_the_same_way() {
    let (gateway, _upstream) = site("header_timeout = \"300ms\"");
    let mut connection = Connection::open(gateway.admin);
    connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n").unwrap();
    check_last(&mut connection, 400, "BAD_REQUEST");
    let mut half = Connection::open(gateway.admin);
    half.send("GET /metrics HTTP/1.1\r\nHo").unwrap();
    check_last(&mut half, 408, "REQUEST_TIMEOUT");
}

#[test]
fn sm_14_an_old_request_has_no_body_that_it_does_not_announce() {
    let (gateway, upstream) = site("");
    let mut connection = Connection::open(gateway.public);
    connection.send("POST /up/a HTTP/1.0\r\nHost: localhost\r\n\r\nGET /up/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(connection.read_rest().starts_with("HTTP/1.0 200"));
    assert!(!upstream.only().contains("smuggled"));
}
