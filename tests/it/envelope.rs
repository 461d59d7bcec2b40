//! Stage 16: every refusal wears the envelope, the security headers and an id.

use crate::harness::{Answer, Connection, Gateway, Setup, Upstream, client::compose};

const CONFIG: &str = r#"
[server]
body_max = "1 KB"
target_max = "1 KiB"
header_max = "4 KiB"

[[services]]
name = "dead"
urls = ["http://127.0.0.1:9"]

[[routes]]
name = "open"
path = "/open"
auth = "none"
methods = ["GET", "POST"]
respond = { status = 200, json = { id = "{request.id}", route = "{route}", generation = "{generation}" } }

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }

[[routes]]
path = "/dead"
auth = "none"
service = "dead"

[[routes]]
path = "/typed"
auth = "none"
content_types = ["text/*"]
respond = { status = 200, text = "ok" }
"#;

fn check(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code);
    assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()));
    assert_eq!(error["correlation_id"].as_str(), answer.header("x-request-id"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    check_hardened(answer);
}

fn check_hardened(answer: &Answer) {
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert!(answer.header("referrer-policy").is_some() && answer.header("permissions-policy").is_some());
    assert!(answer.header("content-security-policy").is_some());
    assert_eq!(answer.header("strict-transport-security"), None);
    assert!(answer.all("vary").iter().any(|v| v.contains("Origin")));
    assert_eq!(answer.header("server"), None);
}

fn gateway() -> Gateway {
    Setup::new(CONFIG).start()
}

#[test]
fn every_refusal_of_a_stage_has_its_status_code_and_envelope() {
    let gateway = gateway();
    check(&gateway.get("/nothing"), 404, "NOT_FOUND");
    check(&gateway.get("/private"), 401, "AUTHENTICATION_REQUIRED");
    check(&gateway.get("/dead"), 502, "UPSTREAM_UNREACHABLE");
    check(&gateway.get("/a//b"), 400, "BAD_REQUEST");
    let not_allowed = gateway.send("DELETE /open", &[], b"");
    check(&not_allowed, 405, "METHOD_NOT_ALLOWED");
    assert_eq!(not_allowed.header("allow"), Some("GET, HEAD, POST"));
    check(&gateway.send("POST /open", &[], &[b'x'; 2_000]), 413, "REQUEST_TOO_LARGE");
    check(
        &gateway.send("POST /typed", &[("Content-Type", "image/png")], b"x"),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    );
    check(&gateway.send("POST /open", &[("Expect", "the unexpected")], b"x"), 417, "EXPECTATION_FAILED");
    check(&gateway.get(&format!("/{}", "a".repeat(2_000))), 414, "URI_TOO_LONG");
    check(&gateway.send("GET /open", &[("X-Long", &"a".repeat(4_090))], b""), 431, "HEADERS_TOO_LARGE");
    check(&gateway.send("TRACE /open", &[], b""), 405, "METHOD_NOT_ALLOWED");
}

#[test]
fn a_good_answer_is_hardened_too_and_shows_what_the_gateway_saw() {
    let gateway = gateway();
    let answer = gateway.send("GET /open", &[("X-Request-ID", "my-id.1")], b"");
    assert_eq!(answer.status, 200);
    check_hardened(&answer);
    assert_eq!(answer.header("x-request-id"), Some("my-id.1"));
    assert_eq!(answer.json()["id"], "my-id.1");
    assert_eq!(answer.json()["route"], "open");
    assert_eq!(answer.json()["generation"], 1);
}

#[test]
fn hb_11_an_id_that_is_not_one_is_replaced() {
    let gateway = gateway();
    for bad in ["<script>", "a b", &"x".repeat(65)] {
        let id = gateway.send("GET /open", &[("X-Request-ID", bad)], b"");
        assert_eq!(id.header("x-request-id").map(str::len), Some(36), "{bad}");
    }
    let twice = gateway.send("GET /open", &[("X-Request-ID", "a"), ("X-Request-ID", "b")], b"");
    assert_eq!(twice.all("x-request-id").len(), 1);
    assert_eq!(twice.header("x-request-id").map(str::len), Some(36));
}

#[test]
fn half_a_head_is_told_in_time_and_silence_is_closed_silently() {
    let config = CONFIG.replace("[server]", "[server]\nheader_timeout = \"1s\"");
    let gateway = Setup::new(&config).start();
    let mut half = Connection::open(gateway.public);
    half.send("GET /open HTTP/1.1\r\nHos").unwrap();
    check(&half.read().expect("an answer"), 408, "REQUEST_TIMEOUT");
    assert!(half.closes());
    let mut silent = Connection::open(gateway.public);
    assert!(silent.read().is_none());
}

#[test]
fn sm_24_a_body_that_nobody_read_is_never_a_second_request() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&format!("{CONFIG}{}", upstream.config())).start();
    let mut connection = Connection::open(gateway.public);
    let smuggled = b"GET /up/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connection.send(compose("POST /private", &[], smuggled)).unwrap();
    assert_eq!(connection.read().expect("an answer").status, 401);
    assert!(connection.read().is_none(), "there is no second answer");
    assert!(upstream.seen().is_empty());
}

#[test]
fn sm_27_pipelined_requests_are_answered_in_order() {
    let gateway = gateway();
    let mut connection = Connection::open(gateway.public);
    let all: Vec<u8> =
        (0..50).flat_map(|i| compose("GET /open", &[("X-Request-ID", &format!("n-{i}"))], b"")).collect();
    connection.send(all).unwrap();
    for i in 0..50 {
        assert_eq!(
            connection.read().expect("an answer").header("x-request-id"),
            Some(format!("n-{i}").as_str())
        );
    }
}

#[test]
fn probes_answer_without_naming_an_address() {
    let gateway = gateway();
    for (path, status) in
        [("/live", 200), ("/ready", 200), ("/health", 200), ("/version", 200), ("/services", 200)]
    {
        let answer = gateway.get(path);
        assert_eq!(answer.status, status, "{path}");
        assert!(!answer.text().contains("127.0.0.1"), "{path}");
    }
    assert_eq!(gateway.get("/ready").json()["policy"], "current");
    assert_eq!(gateway.get("/services/health").json()["services"][0]["name"], "dead");
    assert_eq!(gateway.send("HEAD /live", &[], b"").status, 200);
    assert_eq!(gateway.send("POST /live", &[], b"").status, 405);
}
