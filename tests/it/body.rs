//! Stage 12: the body, judged by declaration, by count, by type and by schema, and forwarded as it came.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::harness::{Answer, Connection, Gateway, Setup, Upstream, client::compose};

const PATIENCE: Duration = Duration::from_secs(20);
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn routes(address: std::net::SocketAddr) -> String {
    format!(
        r#"
[server]
body_max = "1 KB"
json_depth_max = 8

[[services]]
name = "up"
urls = ["http://{address}"]

[[routes]]
path = "/up/*"
service = "up"
auth = "none"

[[routes]]
path = "/large"
service = "up"
auth = "none"
body_max = "1 MB"

[[routes]]
path = "/schema"
service = "up"
auth = "none"
body_max = "100 KB"
body_schema = {{ type = "object", required = ["name"], additionalProperties = false, properties = {{ name = {{ type = "string", maxLength = 8 }}, n = {{ type = "number" }}, list = {{ type = "array" }} }} }}

[[routes]]
path = "/text"
service = "up"
auth = "none"
content_types = ["text/*", "application/xml"]
"#
    )
}

struct Site {
    gateway: Gateway,
    upstream: Upstream,
}

fn site() -> Site {
    let upstream = Upstream::hello();
    Site { gateway: Setup::new(&routes(upstream.address)).start(), upstream }
}

/// A gateway before an upstream that never answers and tells what it was sent when its connection ends.
fn listening(more: &str) -> (Gateway, Receiver<String>) {
    let (upstream, hear) = Upstream::silent();
    let config = routes(upstream.address).replace("[server]", &format!("[server]\n{more}"));
    (Setup::new(&config).start(), hear)
}

impl Site {
    fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.gateway.send(&format!("POST {path}"), &[JSON], body)
    }

    fn forwarded(&self) -> usize {
        self.upstream.seen().len()
    }
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

#[test]
fn sl_07_a_body_declared_too_long_is_refused_before_it_comes() {
    let site = site();
    for (path, length) in
        [("/up/a", 1_001_u64), ("/large", 1_000_001), ("/schema", 100_001), ("/up/a", 1 << 50)]
    {
        let mut connection = Connection::open(site.gateway.public);
        let length = length.to_string();
        connection.send(compose(&format!("POST {path}"), &[("Content-Length", &length), JSON], b"")).unwrap();
        let answer = connection.read().expect("an answer before a byte of the body");
        assert_eq!(code(&answer), (413, "REQUEST_TOO_LARGE".into()), "{path}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert_eq!(site.forwarded(), 0);
    assert_eq!(site.post("/up/a", &[b'x'; 1_000]).status, 200);
    assert_eq!(site.post("/large", &[b'x'; 1_001]).status, 200, "the route's own limit");
}

#[test]
fn sl_07_a_streamed_body_that_crosses_the_limit_is_cut_on_both_sides() {
    let (gateway, hear) = listening("");
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("POST /up/a", &[("Transfer-Encoding", "chunked")], b"")).unwrap();
    for _ in 0..2 {
        connection.send(format!("258\r\n{}\r\n", "x".repeat(600))).unwrap();
    }
    let answer = connection.read().expect("no answer had begun");
    assert_eq!(code(&answer), (413, "REQUEST_TOO_LARGE".into()));
    let seen = hear.recv_timeout(PATIENCE).expect("the upstream's connection ends");
    assert!(
        seen.starts_with("POST /up/a HTTP/1.1") && !seen.contains("0\r\n\r\n"),
        "never a complete request: {seen}"
    );
}

#[test]
fn sl_07_a_body_with_a_schema_is_cut_at_the_limit_too() {
    let site = site();
    let mut connection = Connection::open(site.gateway.public);
    connection.send(compose("POST /schema", &[("Transfer-Encoding", "chunked"), JSON], b"")).unwrap();
    for _ in 0..11 {
        if connection.send(format!("2710\r\n{}\r\n", " ".repeat(10_000))).is_err() {
            break;
        }
    }
    assert_eq!(connection.read().expect("an answer").status, 413);
    assert_eq!(site.forwarded(), 0);
}

#[test]
fn sl_04_a_body_that_stops_coming_is_a_408_and_ends_the_upstream_request() {
    for framing in [("Content-Length", "100"), ("Transfer-Encoding", "chunked")] {
        let (gateway, hear) = listening("body_timeout = \"200ms\"");
        let mut connection = Connection::open(gateway.public);
        connection.send(compose("POST /up/a", &[framing], b"")).unwrap();
        connection.send(if framing.1 == "100" { "half" } else { "4\r\nhalf\r\n" }).unwrap();
        let answer = connection.read().expect("an answer");
        assert_eq!(code(&answer), (408, "REQUEST_TIMEOUT".into()), "{framing:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(connection.closes());
        let seen = hear.recv_timeout(PATIENCE).expect("the upstream's connection ends");
        assert!(seen.ends_with("half") || seen.ends_with("half\r\n"), "{seen}");
    }
}

#[test]
fn js_09_a_buffered_body_that_stops_coming_is_a_408_and_nothing_is_forwarded() {
    let upstream = Upstream::hello();
    let config = routes(upstream.address).replace("[server]", "[server]\nbody_timeout = \"200ms\"");
    let gateway = Setup::new(&config).start();
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("POST /schema", &[("Content-Length", "100"), JSON], b"")).unwrap();
    connection.send("{\"name\":").unwrap();
    assert_eq!(code(&connection.read().expect("an answer")), (408, "REQUEST_TIMEOUT".into()));
    let mut over = Connection::open(gateway.public);
    over.send(compose("POST /schema", &[("Content-Length", "14"), JSON], b"{\"name\":\"a\"}xx")).unwrap();
    assert_eq!(over.read().expect("an answer").status, 400, "a byte more than the document");
    assert!(upstream.seen().is_empty());
}

#[test]
fn sm_19_and_sm_21_a_malformed_chunk_is_a_400_and_never_a_whole_request() {
    let site = site();
    for bad in [
        "0x1\r\nx\r\n",
        "+1\r\nx\r\n",
        "-0x0\r\n",
        "1_0\r\n",
        "\r\nx\r\n",
        "g\r\nx\r\n",
        "11111111111111111\r\n",
        "1\r\nxXX0\r\n\r\n",
        "1;a=\n\r\nx\r\n",
    ] {
        let mut connection = Connection::open(site.gateway.public);
        connection.send(compose("POST /up/a", &[("Transfer-Encoding", "chunked")], b"")).unwrap();
        connection.send(format!("2\r\nok\r\n{bad}0\r\n\r\n")).unwrap();
        let answer = connection.read().unwrap_or_else(|| panic!("no answer to {bad:?}"));
        assert_eq!(
            (answer.status, answer.header("connection")),
            (400, Some("close")),
            "{bad:?}: {}",
            answer.text()
        );
        assert!(connection.closes(), "{bad:?}");
    }
    let mut connection = Connection::open(site.gateway.public);
    connection.send(compose("POST /up/a", &[("Transfer-Encoding", "chunked")], b"")).unwrap();
    connection.send(format!("fffffffffffffffe\r\n{}", "x".repeat(2_000))).unwrap();
    assert_eq!(connection.read().expect("an answer").status, 400, "nobody counts that far");
    let mut connection = Connection::open(site.gateway.public);
    connection.send(compose("POST /up/a", &[("Transfer-Encoding", "chunked")], b"")).unwrap();
    connection.send(format!("7ffffffffffffffe\r\n{}", "x".repeat(2_000))).unwrap();
    assert_eq!(connection.read().expect("an answer").status, 413, "the largest chunk is only a long body");
    assert_eq!(site.forwarded(), 0);
}

#[test]
fn sm_19_a_malformed_chunk_after_the_first_reached_the_upstream_ends_that_request() {
    let (gateway, hear) = listening("");
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("POST /up/a", &[("Transfer-Encoding", "chunked")], b"")).unwrap();
    connection.send("2\r\nok\r\n").unwrap();
    gateway.until("the request in flight", |g| g.metric("pluginmind_http_requests_in_flight") >= 1.0);
    connection.send("zz\r\n").unwrap();
    assert_eq!(connection.read().expect("an answer").status, 400);
    let seen = hear.recv_timeout(PATIENCE).expect("the upstream's connection ends");
    assert!(!seen.contains("0\r\n\r\n"), "{seen}");
}

#[test]
fn a_body_that_breaks_the_schema_is_told_where_and_never_what() {
    let site = site();
    let answer = site.post("/schema", br#"{"n":"canary-one","canary-two":1,"name":"canary-three"}"#);
    assert_eq!(code(&answer), (422, "INVALID_INPUT".into()));
    let details = answer.json()["error"]["details"].as_array().unwrap().clone();
    let paths: Vec<&str> = details.iter().map(|d| d["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"/n") && paths.contains(&"/name"), "{details:?}");
    assert!(details.iter().all(|d| d["message"].as_str().is_some_and(|m| !m.is_empty())));
    assert!(!answer.text().contains("canary"), "{}", answer.text());
    let missing = site.post("/schema", b"{}").json()["error"]["details"].to_string();
    assert!(missing.contains("needs the property `name`"), "{missing}");
    assert_eq!(site.post("/schema", b"[]").status, 422);
    assert_eq!(site.forwarded(), 0);
}

#[test]
fn js_02_to_js_05_a_body_that_is_no_plain_json_is_a_400() {
    let site = site();
    let deep = |n: usize| format!(r#"{{"name":"a","list":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    for bad in [
        b"".as_slice(),
        b"  \n",
        b"{",
        b"{\"name\":\"a\"",
        b"{\"name\":\"a\",}",
        b"{\"name\":\"a\"}{}",
        b"{\"name\":\"a\"}x",
        b"{'name':'a'}",
        b"{name:\"a\"}",
        b"// a\n{\"name\":\"a\"}",
        b"{\"name\":\"a\",\"n\":01}",
        b"{\"name\":\"a\",\"n\":+1}",
        b"{\"name\":\"a\",\"n\":.5}",
        b"{\"name\":\"a\",\"n\":1e999}",
        b"{\"name\":\"a\",\"n\":NaN}",
        b"{\"name\":\"a\",\"n\":Infinity}",
        b"{\"name\":\"a\nb\"}",
        b"{\"name\":\"\\x\"}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":\"\xff\"}",
        b"\xef\xbb\xbf{\"name\":\"a\"}",
        b"{\x00\"name\":\"a\"}",
        b"{\"name\":\"a\",\"name\":\"a\"}",
        b"{\"name\":\"a\",\"n\\u0061me\":\"b\"}",
        b"{\"name\":\"a\",\"list\":[{\"x\":1,\"x\":1}]}",
        deep(8).as_bytes(),
        deep(45_000).as_bytes(),
    ] {
        let answer = site.post("/schema", bad);
        assert_eq!(
            code(&answer),
            (400, "BAD_REQUEST".into()),
            "{:?}",
            String::from_utf8_lossy(&bad[..bad.len().min(60)])
        );
    }
    assert_eq!(site.forwarded(), 0);
    assert_eq!(site.post("/schema", deep(7).as_bytes()).status, 200);
}

#[test]
fn js_04_what_was_judged_is_forwarded_byte_for_byte() {
    let site = site();
    let body = b" { \"n\" : -0.0e+00 ,\r\n\t\"list\":[9007199254740993, 123456789012345678901234567890, 1E300, {\"a\":[]}], \"name\":\"\\u00e9\xc3\xa9\" } \n";
    let answer = site.post("/schema", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = site.upstream.only();
    assert!(seen.ends_with(&format!("\r\n\r\n{}", String::from_utf8_lossy(body))), "{seen}");
    assert!(seen.to_ascii_lowercase().contains(&format!("content-length: {}\r\n", body.len())), "{seen}");
}

#[test]
fn js_06_no_trick_with_the_type_gets_past_the_schema() {
    let site = site();
    let body = br#"{"name":"a"}"#;
    for bad in [
        "text/json",
        "text/plain",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "application/json,text/html",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
        "",
        "*/*",
    ] {
        let answer = site.gateway.send("POST /schema", &[("Content-Type", bad)], body);
        assert_eq!(code(&answer), (415, "UNSUPPORTED_MEDIA_TYPE".into()), "{bad:?}");
    }
    assert_eq!(site.gateway.send("POST /schema", &[], body).status, 415, "no type at all");
    assert_eq!(site.gateway.send("POST /schema", &[JSON, JSON], body).status, 400, "two types");
    assert_eq!(site.forwarded(), 0);
    for good in [
        "application/json",
        "application/JSON",
        "application/json; charset=\"UTF-8\"",
        "application/problem+json",
    ] {
        assert_eq!(site.gateway.send("POST /schema", &[("Content-Type", good)], body).status, 200, "{good}");
    }
}

#[test]
fn sl_08_a_compressed_body_is_refused_where_it_would_have_to_be_read_and_passed_where_not() {
    let site = site();
    for encoding in ["gzip", "br", "deflate", "gzip, gzip", "GZIP", "identity, gzip", "x"] {
        let headers = [JSON, ("Content-Encoding", encoding)];
        let answer = site.gateway.send("POST /schema", &headers, br#"{"name":"a"}"#);
        assert_eq!(code(&answer), (415, "UNSUPPORTED_MEDIA_TYPE".into()), "{encoding}");
    }
    assert_eq!(site.forwarded(), 0);
    let identity =
        site.gateway.send("POST /schema", &[JSON, ("Content-Encoding", "identity")], br#"{"name":"a"}"#);
    assert_eq!(identity.status, 200);
    site.gateway.send("POST /up/a", &[("Content-Encoding", "gzip")], b"\x1f\x8b-not-really");
    let seen = site.upstream.seen()[1].to_ascii_lowercase();
    assert!(seen.contains("content-encoding: gzip\r\n") && seen.contains("-not-really"), "{seen}");
}

#[test]
fn types_are_judged_where_a_route_lists_them() {
    let site = site();
    let send = |kind: &str| site.gateway.send("POST /text", &[("Content-Type", kind)], b"x").status;
    assert_eq!(["text/plain", "TEXT/Html; charset=latin1", "application/xml"].map(send), [200, 200, 200]);
    assert_eq!(
        ["application/json", "application/xml+x", "image/png", "text", "", "textual/plain"].map(send),
        [415; 6]
    );
    assert_eq!(site.gateway.send("POST /text", &[], b"x").status, 415);
    assert_eq!(site.gateway.get("/text").status, 200, "no body, no type");
}

#[test]
fn js_10_a_body_is_judged_whatever_the_method_and_no_body_is_no_json() {
    let site = site();
    for method in ["GET", "DELETE", "OPTIONS", "PUT", "PATCH"] {
        let line = format!("{method} /schema");
        assert_eq!(site.gateway.send(&line, &[JSON], b"{}").status, 422, "{method}");
        assert_eq!(
            site.gateway.send(&line, &[("Content-Type", "text/plain")], b"{}").status,
            415,
            "{method}"
        );
        assert_eq!(site.gateway.send(&line, &[JSON], br#"{"name":"a"}"#).status, 200, "{method}");
    }
    assert_eq!(site.gateway.send("POST /schema", &[JSON], b"").status, 400);
    assert_eq!(site.gateway.send("GET /schema", &[], b"").status, 200);
    assert_eq!(site.gateway.send("HEAD /schema", &[], b"").status, 200);
}

#[test]
fn sm_23_the_body_of_a_get_is_a_body_and_never_a_request() {
    let site = site();
    let smuggled = b"GET /up/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for method in ["GET", "DELETE", "OPTIONS"] {
        let mut connection = Connection::open(site.gateway.public);
        connection.send(compose(&format!("{method} /up/a"), &[], smuggled)).unwrap();
        assert_eq!(connection.read().expect("an answer").status, 200, "{method}");
        connection.send(compose("GET /up/next", &[], b"")).unwrap();
        assert_eq!(connection.read().expect("an answer").status, 200, "{method}");
    }
    let seen = site.upstream.seen();
    assert_eq!(seen.len(), 6, "{seen:?}");
    for (first, second) in seen.iter().zip(&seen[1..]).step_by(2) {
        assert!(
            first.contains("/up/a HTTP/1.1\r\n") && first.ends_with("Host: localhost\r\n\r\n"),
            "{first}"
        );
        let length = format!("content-length: {}\r\n", smuggled.len());
        assert!(first.to_ascii_lowercase().contains(&length), "{first}");
        assert!(second.starts_with("GET /up/next "), "{second}");
    }
}

#[test]
fn sm_14_a_body_without_a_length_is_none_and_its_bytes_are_no_request() {
    let site = site();
    let mut connection = Connection::open(site.gateway.public);
    connection
        .send("POST /up/a HTTP/1.0\r\nHost: localhost\r\n\r\nGET /up/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert_eq!(connection.read().expect("an answer").status, 200);
    assert!(connection.read().is_none(), "one answer, and the connection closes");
    assert!(site.upstream.only().starts_with("POST /up/a HTTP/1.1\r\n"), "{}", site.upstream.only());
}

#[test]
fn sm_22_trailers_end_here() {
    let site = site();
    let mut connection = Connection::open(site.gateway.public);
    let head = compose("POST /up/a", &[("Transfer-Encoding", "chunked"), ("Trailer", "X-Auth-User")], b"");
    connection.send(head).unwrap();
    connection
        .send("2\r\nok\r\n0\r\nX-Auth-User: admin\r\nContent-Length: 5\r\nHost: evil\r\nCookie: a=b\r\n\r\n")
        .unwrap();
    assert_eq!(connection.read().expect("an answer").status, 200);
    let seen = site.upstream.only().to_ascii_lowercase();
    for word in ["admin", "evil", "a=b", "trailer", "content-length"] {
        assert!(!seen.contains(word), "{word} reached the upstream: {seen}");
    }
    connection.send(compose("GET /up/next", &[], b"")).unwrap();
    assert_eq!(connection.read().expect("an answer").status, 200);
}

#[test]
fn sm_26_a_client_that_asks_first_is_told_to_go_on_once_and_only_where_its_body_is_wanted() {
    let site = site();
    let expects = ("Expect", "100-continue");
    let mut connection = Connection::open(site.gateway.public);
    connection.send(compose("POST /schema", &[expects, JSON, ("Content-Length", "12")], b"")).unwrap();
    assert!(connection.read_until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
    connection.send(r#"{"name":"a"}"#).unwrap();
    let head = connection.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(!site.upstream.only().to_ascii_lowercase().contains("expect"), "{}", site.upstream.only());
    let mut refused = Connection::open(site.gateway.public);
    refused.send(compose("POST /schema", &[expects, JSON, ("Content-Length", "200000")], b"")).unwrap();
    let head = refused.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    for odd in ["y, 100-continue", "the unexpected", "100-continue, 100-continue"] {
        let answer = site.gateway.send("POST /up/a", &[("Expect", odd)], b"x");
        assert_eq!(code(&answer), (417, "EXPECTATION_FAILED".into()), "{odd}");
    }
    assert_eq!(site.forwarded(), 1);
}
