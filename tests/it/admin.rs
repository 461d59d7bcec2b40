//! The admin listener: open to read on loopback, closed to change without the token, and nowhere else to be found.

use std::fs;

use crate::harness::{Answer, Gateway, Setup};

const PASSWORD: &str = "a long password";

const CONFIG: &str = r#"
[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "ok" }
"#;

const WRITES: [&str; 8] = [
    "/admin/api/reload",
    "/admin/api/sessions/revoke",
    "/admin/api/users",
    "/admin/api/users/passwd",
    "/admin/api/users/disable",
    "/admin/api/bans",
    "/admin/api/bans/revoke",
    "/admin/api/lockdown",
];

const READS: [&str; 5] = [
    "/admin/api/status",
    "/admin/api/sessions",
    "/admin/api/users",
    "/admin/api/bans",
    "/admin/api/lockdown",
];

const PROBES: [&str; 7] =
    ["/live", "/ready", "/health", "/version", "/services", "/services/health", "/metrics"];

fn start() -> Gateway {
    Setup::new(CONFIG).user("ann@example.org", PASSWORD, &["staff"]).user("bob", PASSWORD, &[]).start()
}

fn post(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    gateway.ask_admin(&format!("POST {path}"), &all, b"{}")
}

fn private(gateway: &Gateway, cookie: &str) -> u16 {
    gateway.send("GET /private", &[("Cookie", cookie)], b"").status
}

#[test]
fn ad_01_nothing_changes_without_the_token_and_the_token_counts_only_in_its_header() {
    let gateway = start();
    let token = gateway.token();
    let bare = token.strip_prefix("Bearer ").unwrap();
    for path in WRITES {
        let refused = post(&gateway, path, &[]);
        assert_eq!((refused.status, refused.code().as_str()), (401, "AUTHENTICATION_REQUIRED"), "{path}");
        assert!(refused.header("www-authenticate").is_some_and(|w| w.starts_with("Bearer")), "{path}");
        assert_eq!(
            post(&gateway, &format!("{path}?token={bare}&access_token={bare}"), &[]).status,
            401,
            "{path}"
        );
        assert_eq!(post(&gateway, path, &[("Cookie", &format!("token={bare}"))]).status, 401, "{path}");
        assert_eq!(post(&gateway, path, &[("X-Api-Key", bare)]).status, 401, "{path}");
        let twice = [("Authorization", token.as_str()), ("Authorization", token.as_str())];
        assert_eq!(post(&gateway, path, &twice).status, 400, "{path}: two credentials are none");
    }
    for path in READS {
        assert_eq!(gateway.ask_admin(&format!("GET {path}"), &[], b"").status, 200, "{path}");
    }
    assert_eq!(post(&gateway, "/admin/api/reload", &[("Authorization", &token)]).status, 200);
}

#[test]
fn ad_01_ten_wrong_tokens_shut_the_door_even_for_the_right_one() {
    let gateway = start();
    for n in 0..10 {
        let wrong = format!("Bearer {n}");
        assert_eq!(post(&gateway, "/admin/api/reload", &[("Authorization", &wrong)]).status, 401);
    }
    let shut = post(&gateway, "/admin/api/reload", &[("Authorization", &gateway.token())]);
    assert_eq!((shut.status, shut.code().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    let wait: u64 = shut.header("retry-after").and_then(|w| w.parse().ok()).expect("Retry-After");
    assert!((1..=60).contains(&wait));
    assert_eq!(gateway.ask_admin("GET /admin/api/status", &[], b"").status, 200, "reads are not shut");
}

#[test]
fn ad_02_a_host_that_is_not_ours_is_misdirected() {
    let gateway = Setup::new(&format!("[admin]\nhosts = [\"gate.internal\"]\n{CONFIG}")).start();
    let ask =
        |path: &str, host: &str| gateway.ask_admin(&format!("GET {path}"), &[("Host", host)], b"").status;
    let port = gateway.admin.port();
    for path in READS {
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "0.0.0.0",
            "gate.internal.evil",
        ] {
            assert_eq!(ask(path, host), 421, "{path} {host}");
            assert_eq!(ask(path, &format!("{host}:{port}")), 421, "{path} {host}");
        }
        for host in ["localhost", "127.0.0.1", "[::1]", "gate.internal"] {
            assert_eq!(ask(path, host), 200, "{path} {host}");
            assert_eq!(ask(path, &format!("{host}:{port}")), 200, "{path} {host}");
        }
    }
    let token = gateway.token();
    let rebound = [("Authorization", token.as_str()), ("Host", "evil.example")];
    assert_eq!(post(&gateway, "/admin/api/reload", &rebound).status, 421, "the token does not help");
    for path in PROBES {
        assert_eq!(ask(path, "any.monitor.example"), 200, "{path}");
    }
}

#[test]
fn ad_02_a_page_of_another_site_is_refused_with_and_without_the_token() {
    let gateway = start();
    let token = gateway.token();
    for header in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost.evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let refused = post(&gateway, "/admin/api/reload", &[("Authorization", &token), header]);
        assert_eq!((refused.status, refused.code().as_str()), (403, "ORIGIN_NOT_ALLOWED"), "{header:?}");
        assert!(refused.header("access-control-allow-origin").is_none());
        assert_eq!(gateway.ask_admin("GET /admin/api/users", &[header], b"").status, 403, "{header:?}");
    }
    for header in
        [("Origin", "http://localhost"), ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "none")]
    {
        assert_eq!(
            post(&gateway, "/admin/api/reload", &[("Authorization", &token), header]).status,
            200,
            "{header:?}"
        );
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let headers = [("Authorization", token.as_str()), ("Content-Type", kind)];
        let refused = gateway.ask_admin("POST /admin/api/sessions/revoke", &headers, b"{\"all\":true}");
        assert_eq!(refused.status, 415, "{kind}");
    }
}

#[test]
fn ad_03_only_the_exact_path_and_method_lead_anywhere() {
    let gateway = start();
    let token = gateway.token();
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    for path in [
        "//admin/api/reload",
        "/admin//api/reload",
        "/admin/api/reload/",
        "/admin/api/%2e/reload",
        "/admin/api/x/../reload",
        "/ADMIN/api/reload",
        "/admin/api/reload;x",
        "/admin/api/reload%00",
        "/admin/api",
    ] {
        let status = gateway.ask_admin(&format!("POST {path}"), &headers, b"{}").status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    for (line, allow) in [
        ("GET /admin/api/reload", "POST"),
        ("DELETE /admin/api/users", "GET, HEAD, POST"),
        ("PUT /admin/api/sessions/revoke", "POST"),
        ("POST /admin/api/status", "GET, HEAD"),
        ("POST /metrics", "GET, HEAD"),
    ] {
        let refused = gateway.ask_admin(line, &headers, b"");
        assert_eq!((refused.status, refused.header("allow")), (405, Some(allow)), "{line}");
    }
    assert_eq!(gateway.generation(), 1, "none of them reloaded");
}

#[test]
fn ad_04_the_public_listener_serves_nothing_of_it() {
    let gateway = start();
    let token = gateway.token();
    let port = gateway.admin.port();
    let hosts = ["localhost".to_owned(), format!("127.0.0.1:{port}")];
    for path in READS.iter().chain(&WRITES).chain(&["/metrics", "/"]) {
        for host in &hosts {
            for method in ["GET", "POST"] {
                let headers = [("Host", host.as_str()), ("Authorization", token.as_str())];
                let answer = gateway.send(&format!("{method} {path}"), &headers, b"");
                assert_eq!(answer.status, 404, "{method} {path} {host}");
            }
        }
    }
    let absolute = format!("GET http://127.0.0.1:{port}/metrics");
    let answer = gateway.send(&absolute, &[("Host", &format!("127.0.0.1:{port}"))], b"");
    assert_eq!(answer.status, 404);
}

#[test]
fn ad_05_a_named_token_file_that_is_no_token_keeps_the_gateway_from_starting() {
    for (file, text) in [("absent", None), ("empty", Some("")), ("short", Some("short\n"))] {
        let mut setup = Setup::new(&format!("[admin]\ntoken_file = \"{file}\"\n{CONFIG}"));
        if let Some(text) = text {
            setup = setup.file(file, text);
        }
        let folder = setup.folder();
        let output = crate::harness::gateway::verb(folder.path(), &["serve"], &[], None);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{said}");
        assert!(said.contains(file), "{said}");
        assert!(!folder.path().join("data/admin.token").exists(), "no other token takes its place");
    }
    let token = "a-token-of-an-operator-1234";
    let gateway = Setup::new(&format!("[admin]\ntoken_file = \"own\"\n{CONFIG}")).file("own", token).start();
    let bearer = format!("Bearer {token}");
    assert_eq!(post(&gateway, "/admin/api/reload", &[("Authorization", &bearer)]).status, 200);
    let reload = gateway.verb(&["reload"]);
    assert_eq!(reload.status.code(), Some(0), "the command line reads it too: {reload:?}");
}

#[test]
fn ad_06_no_answer_holds_a_secret() {
    let gateway = start();
    let cookie = gateway.sign_in("ann@example.org", PASSWORD);
    let token = gateway.token();
    let secret = fs::read_to_string(gateway.at("data/session.secret")).unwrap();
    let jwt = cookie.split_once('=').unwrap().1;
    for path in READS.iter().chain(&PROBES) {
        let text = gateway.ask_admin(&format!("GET {path}"), &[], b"").text();
        for canary in [token.strip_prefix("Bearer ").unwrap(), secret.trim(), jwt, PASSWORD, "$argon2"] {
            assert!(!text.contains(canary), "{path}");
        }
    }
}

#[test]
fn ad_07_a_revoked_user_is_out_with_the_acknowledgement() {
    let gateway = start();
    let (ann, second, bob) = (
        gateway.sign_in("ann@example.org", PASSWORD),
        gateway.sign_in("ann@example.org", PASSWORD),
        gateway.sign_in("bob", PASSWORD),
    );
    let list = gateway.ask_admin("GET /admin/api/sessions?user=bob", &[], b"").json();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list[0]["user"], "bob");
    let id = list[0]["id"].as_str().unwrap();

    let done = gateway.change("/admin/api/sessions/revoke", "{\"user\":\"ann@example.org\"}");
    assert_eq!((done.status, done.json()["revoked"].as_u64()), (200, Some(2)));
    assert_eq!(
        [private(&gateway, &ann), private(&gateway, &second), private(&gateway, &bob)],
        [401, 401, 200]
    );
    assert_eq!(gateway.change("/admin/api/sessions/revoke", &format!("{{\"id\":\"{id}\"}}")).status, 200);
    assert_eq!(private(&gateway, &bob), 401);
    assert_eq!(gateway.change("/admin/api/sessions/revoke", &format!("{{\"id\":\"{id}\"}}")).status, 404);

    let ann = gateway.sign_in("ann@example.org", PASSWORD);
    assert_eq!(gateway.change("/admin/api/users/disable", "{\"user\":\"ann@example.org\"}").status, 200);
    assert_eq!(private(&gateway, &ann), 401);
    let bob = gateway.sign_in("bob", PASSWORD);
    let changed =
        gateway.change("/admin/api/users/passwd", "{\"user\":\"bob\",\"password\":\"another long one\"}");
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(private(&gateway, &bob), 401, "a new password ends the sessions");
    let bob = gateway.sign_in("bob", "another long one");
    assert_eq!(gateway.change("/admin/api/sessions/revoke", "{\"all\":true}").json()["revoked"], 1);
    assert_eq!(private(&gateway, &bob), 401);
    let gateway = gateway.kill_and_restart();
    assert_eq!(private(&gateway, &bob), 401, "on disk before it was said");
}

#[test]
fn ad_08_every_action_leaves_one_line_that_names_nobody() {
    let mut gateway = start();
    gateway.change("/admin/api/users/disable", "{\"user\":\"ann@example.org\"}");
    post(&gateway, "/admin/api/reload", &[("Authorization", "Bearer wrong")]);
    gateway.change("/admin/api/sessions/revoke", "{\"user\":\"nobody@example.org\"}");
    gateway.wait_for_log(|l| l.contains("sessions.revoke"));
    let lines: Vec<serde_json::Value> = gateway
        .log()
        .iter()
        .filter(|l| l.contains("admin action"))
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let words: Vec<_> =
        lines.iter().map(|l| (l["action"].as_str().unwrap(), l["outcome"].as_str().unwrap())).collect();
    assert_eq!(
        words,
        [("users.disable", "ok"), ("reload", "AUTHENTICATION_REQUIRED"), ("sessions.revoke", "NOT_FOUND")]
    );
    assert_eq!(lines[0]["user.hash"].as_str().map(str::len), Some(32));
    assert!(!gateway.log().join("\n").contains("example.org"));
}

#[test]
fn a_body_that_is_wrong_is_told_what_is_wrong_and_does_nothing() {
    let gateway = start();
    for (path, body, status) in [
        ("/admin/api/sessions/revoke", "", 400),
        ("/admin/api/sessions/revoke", "{", 400),
        ("/admin/api/sessions/revoke", "[]", 422),
        ("/admin/api/sessions/revoke", "{}", 422),
        ("/admin/api/sessions/revoke", "{\"user\":\"bob\",\"all\":true}", 422),
        ("/admin/api/sessions/revoke", "{\"all\":true,\"x\":1}", 422),
        ("/admin/api/sessions/revoke", "{\"all\":false,\"all\":true}", 400),
        ("/admin/api/sessions/revoke", "{\"id\":\"../../etc\"}", 422),
        ("/admin/api/users", "{\"name\":\"cat\",\"password\":\"short\"}", 422),
        ("/admin/api/users", "{\"name\":\"bob\",\"password\":\"a long password\"}", 422),
        ("/admin/api/users/passwd", "{\"user\":\"nobody\",\"password\":\"a long password\"}", 404),
        ("/admin/api/users/disable", "{\"user\":\"nobody\"}", 404),
    ] {
        let answer = gateway.change(path, body);
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
        if status == 422 {
            assert!(
                answer.json()["error"]["details"].as_array().is_some_and(|d| !d.is_empty()),
                "{path} {body}"
            );
        }
    }
    let long = format!("{{\"user\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(gateway.change("/admin/api/users/disable", &long).status, 413);
    let added = gateway.change(
        "/admin/api/users",
        "{\"name\":\"cat\",\"password\":\"a long password\",\"roles\":[\"staff\"]}",
    );
    assert_eq!((added.status, added.json()["name"].as_str()), (200, Some("cat")));
    gateway.sign_in("cat", PASSWORD);
    let users = gateway.ask_admin("GET /admin/api/users", &[], b"").json();
    let names: Vec<_> = users.as_array().unwrap().iter().map(|u| u["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ann@example.org", "bob", "cat"]);
}

#[test]
fn the_status_document_and_the_probes_tell_how_it_is() {
    let gateway = Setup::new(CONFIG).plugin("mine", "fn on_request(req) { }").start();
    let status = gateway.ask_admin("GET /admin/api/status", &[], b"");
    assert_eq!(status.header("cache-control"), Some("no-store"));
    assert_eq!(status.header("content-type"), Some("application/json"));
    assert!(status.header("x-request-id").is_some() && status.header("x-content-type-options").is_some());
    let status = status.json();
    assert_eq!((status["generation"].as_u64(), status["policy"].as_str()), (Some(1), Some("current")));
    assert_eq!((status["ready"].as_bool(), status["storage"].as_str()), (Some(true), Some("healthy")));
    assert_eq!(status["plugins"][0]["name"], "mine");
    assert_eq!(status["plugins"][0]["mode"], "enforce");
    assert_eq!(status["plugins"][0]["hooks"], serde_json::json!(["on_request"]));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    for (path, word) in [("/live", "ok"), ("/ready", "ready"), ("/health", "ok")] {
        assert_eq!(gateway.ask_admin(&format!("GET {path}"), &[], b"").json()["status"], word, "{path}");
    }
    let refused = gateway.ask_admin("GET /nothing", &[("X-Request-ID", "abc")], b"");
    assert_eq!((refused.status, refused.code().as_str()), (404, "NOT_FOUND"));
    assert_eq!(refused.json()["error"]["correlation_id"], "abc");
}

#[test]
fn ad_02_who_comes_through_a_proxy_reads_nothing_without_the_token() {
    let gateway = Setup::new("").start();
    assert_eq!(gateway.ask_admin("GET /admin/api/status", &[], b"").status, 200);
    let token = std::fs::read_to_string(gateway.path().join("data/admin.token")).expect("made at the start");
    let bearer = format!("Bearer {}", token.trim());
    for name in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"] {
        let through = (name, "203.0.113.5");
        assert_eq!(gateway.ask_admin("GET /admin/api/sessions", &[through], b"").status, 401, "{name}");
        let known = [through, ("Authorization", bearer.as_str())];
        assert_eq!(gateway.ask_admin("GET /admin/api/sessions", &known, b"").status, 200, "{name}");
    }
}

#[test]
fn ad_02_no_page_of_another_site_opens_a_stream_and_no_link_leads_elsewhere() {
    let gateway = Setup::new("").start();
    let navigates =
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    assert_eq!(gateway.ask_admin("GET /requests/events", &navigates, b"").status, 403);
    let rebound = format!("GET / HTTP/1.1\r\nHost: rebound.example:{}\r\n\r\n", gateway.admin.port());
    let mut connection = crate::harness::Connection::open(gateway.admin);
    connection.send(rebound.into_bytes()).expect("the gateway reads");
    let refused = connection.read().expect("an answer");
    assert_eq!(refused.status, 421);
    for told in ["generation", "id=\"nav\"", "id=\"banners\""] {
        assert!(!refused.text().contains(told), "{told} is shown under another name");
    }
    let page = gateway.ask_admin("GET //evil.example/x", &[("Accept", "text/html")], b"").text();
    assert!(!page.contains("\"//evil.example"), "{page}");
}
