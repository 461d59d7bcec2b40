//! Stage 5: which pages may read answers.

use crate::harness::{Gateway, Setup, Upstream};

const CONFIG: &str = r#"
[cors]
origins = ["https://app.example", "http://localhost:3000"]

[[routes]]
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }
"#;

const LISTED: (&str, &str) = ("Origin", "https://app.example");

fn gateway() -> Gateway {
    Setup::new(CONFIG).start()
}

fn allowed(answer: &crate::harness::Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn co_01_to_co_03_only_listed_origins_get_headers_and_none_is_reflected() {
    let gateway = gateway();
    for other in ["null", "https://app.example.evil", "https://evilapp.example", "http://app.example", "*"] {
        let answer = gateway.send("GET /open", &[("Origin", other)], b"");
        assert_eq!((answer.status, allowed(&answer)), (200, None), "{other}");
    }
    let answer = gateway.send("GET /open", &[LISTED], b"");
    assert_eq!(allowed(&answer), Some("https://app.example"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
    assert!(
        exposed.contains("X-Request-ID") && exposed.contains("Retry-After") && exposed.contains("RateLimit")
    );
}

#[test]
fn co_04_every_answer_varies_by_origin() {
    let gateway = gateway();
    for (line, headers) in [
        ("GET /open", vec![]),
        ("GET /open", vec![LISTED]),
        ("GET /nothing", vec![]),
        ("GET /private", vec![]),
    ] {
        let answer = gateway.send(line, &headers, b"");
        assert!(answer.all("vary").iter().any(|v| v.contains("Origin")), "{line}");
    }
}

#[test]
fn co_05_a_preflight_is_answered_here_and_costs_nothing() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&format!("{CONFIG}{}", upstream.config())).start();
    let asks = [
        LISTED,
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "x-evil, content-type"),
    ];
    for path in ["/open", "/private", "/up/x", "/nothing"] {
        let answer = gateway.send(&format!("OPTIONS {path}"), &asks, b"");
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(allowed(&answer), Some("https://app.example"));
        assert!(answer.header("access-control-allow-methods").is_some_and(|m| m.contains("PUT")));
        assert!(answer.header("access-control-allow-headers").is_some_and(|h| !h.contains("evil")));
        assert!(answer.header("access-control-max-age").is_some());
        assert_eq!(answer.header("x-ratelimit-remaining"), None);
    }
    assert!(upstream.seen().is_empty());
    let refused = gateway.send(
        "OPTIONS /open",
        &[("Origin", "https://evil.example"), ("Access-Control-Request-Method", "PUT")],
        b"",
    );
    assert_eq!(
        (refused.status, refused.code().as_str(), allowed(&refused)),
        (403, "ORIGIN_NOT_ALLOWED", None)
    );
}

#[test]
fn co_06_a_listed_page_can_read_its_refusals() {
    let gateway = gateway();
    for (line, status) in
        [("GET /private", 401), ("GET /nothing", 404), ("DELETE /auth/me", 405), ("GET /a//b", 400)]
    {
        let answer = gateway.send(line, &[LISTED], b"");
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(allowed(&answer), Some("https://app.example"), "{line}");
        assert_eq!(allowed(&gateway.send(line, &[("Origin", "https://evil.example")], b"")), None);
    }
}

#[test]
fn co_07_an_upstreams_cors_headers_are_replaced() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nContent-Length: 0\r\n\r\n",
    );
    let gateway = Setup::new(&format!("{CONFIG}{}", upstream.config())).start();
    assert_eq!(gateway.get("/up/x").header("access-control-allow-origin"), None);
    assert_eq!(
        gateway.send("GET /up/x", &[LISTED], b"").all("access-control-allow-origin"),
        ["https://app.example"]
    );
}

#[test]
fn co_08_two_origins_are_refused() {
    let gateway = gateway();
    assert_eq!(gateway.send("GET /open", &[LISTED, LISTED], b"").status, 400);
    assert_eq!(
        allowed(&gateway.send("GET /open", &[("Origin", "https://app.example, https://app.example")], b"")),
        None
    );
}
