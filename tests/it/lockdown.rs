//! Lockdown: only what is listed passes, at once, also after a kill, until its time is over.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::websocket::{Socket, echo};
use crate::harness::{Answer, Gateway, Setup};

const ROUTES: &str = r#"
[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "open" }

[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "secret" }

[[routes]]
name = "status"
path = "/status"
auth = "none"
respond = { status = 200, text = "we are on it" }
"#;

fn gateway(lists: &str) -> Gateway {
    let config = format!("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n{lists}{ROUTES}");
    Setup::new(&config).user("ada", "password one", &["admin"]).user("bob", "password two", &[]).start()
}

fn lockdown(gateway: &Gateway, arguments: &[&str]) -> Value {
    let output = gateway.verb(&[&["lockdown"], arguments, &["--format", "json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one document")
}

fn with(gateway: &Gateway, path: &str, cookie: &str) -> Answer {
    gateway.send(&format!("GET {path}"), &[("Cookie", cookie)], b"")
}

#[test]
fn in_lockdown_nothing_passes_but_probes_and_signing_in_and_out() {
    let gateway = gateway("");
    let cookie = gateway.sign_in("bob", "password two");
    assert_eq!(lockdown(&gateway, &["status"])["on"], false);
    let on = lockdown(&gateway, &["on", "--ttl", "30m", "--reason", "leak"]);
    assert_eq!((on["on"].as_bool(), on["made_by"].as_str()), (Some(true), Some("cli")));
    let answer = with(&gateway, "/open", "a=b");
    assert_eq!((answer.status, answer.code().as_str()), (403, "LOCKDOWN"));
    let wait: u64 = answer.header("retry-after").and_then(|w| w.parse().ok()).expect("Retry-After");
    assert!((1..=1_800).contains(&wait), "{wait}");
    assert!(!answer.text().contains("leak"), "the reason is the operator's");
    for path in ["/private", "/status", "/auth/me", "/auth/session", "/services"] {
        assert_eq!(with(&gateway, path, &cookie).code(), "LOCKDOWN", "{path}");
    }
    assert_eq!(gateway.get("/private").status, 401, "who is unknown is asked to sign in first");
    for path in ["/live", "/ready", "/health", "/version", "/auth/login"] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
    assert_eq!(gateway.get("/ready").json()["lockdown"], true);
    assert_eq!(gateway.ask_admin("GET /ready", &[], b"").json()["lockdown"], true);
    assert_eq!(gateway.metric("pluginmind_lockdown_active "), 1.0);
    let status = String::from_utf8(gateway.verb(&["status"]).stdout).unwrap();
    assert!(status.contains("LOCKDOWN") && status.contains("on, until 2"), "{status}");
    gateway.sign_in("ada", "password one");
    let same = ("Origin", "http://localhost");
    assert_eq!(gateway.send("POST /auth/logout", &[("Cookie", &cookie), same], b"").status, 204);
    assert_eq!(lockdown(&gateway, &["off"])["was_on"], true);
    assert_eq!(
        (gateway.get("/open").status, gateway.get("/ready").json()["lockdown"].as_bool()),
        (200, Some(false))
    );
    assert_eq!(lockdown(&gateway, &["off"])["was_on"], false, "once more is no error");
    assert_eq!(gateway.metric("pluginmind_lockdown_active "), 0.0);
}

#[test]
fn a_listed_route_role_account_or_network_passes() {
    let gateway = gateway(
        "[lockdown]\nroutes = [\"status\"]\nroles = [\"admin\"]\nusers = [\"bob\"]\nnetworks = [\"203.0.113.0/24\"]\n",
    );
    let (ada, bob) = (gateway.sign_in("ada", "password one"), gateway.sign_in("bob", "password two"));
    lockdown(&gateway, &["on"]);
    assert_eq!(gateway.get("/status").status, 200, "the route");
    assert_eq!(gateway.get("/open").code(), "LOCKDOWN");
    assert_eq!(gateway.get("/open").header("retry-after"), None, "nobody knows when it ends");
    assert_eq!(
        (with(&gateway, "/private", &ada).status, with(&gateway, "/auth/me", &ada).status),
        (200, 200)
    );
    assert_eq!(with(&gateway, "/private", &bob).status, 200, "the account");
    let from = |address: &str| gateway.send("GET /open", &[("X-Forwarded-For", address)], b"").status;
    assert_eq!((from("203.0.113.9"), from("::ffff:203.0.113.9"), from("203.0.114.9")), (200, 200, 403));
    // What an edit takes away is gone at once.
    let config = gateway.config().replace("roles = [\"admin\"]\nusers = [\"bob\"]", "");
    gateway.save("config.toml", &config);
    assert_eq!(gateway.change("/admin/api/reload", "").status, 200);
    assert_eq!([&ada, &bob].map(|cookie| with(&gateway, "/private", cookie).status), [403, 403]);
}

#[test]
fn db_05_lockdown_outlives_a_kill_right_after_the_answer_and_so_does_its_end() {
    let gateway = gateway("");
    lockdown(&gateway, &["on", "--reason", "leak"]);
    let gateway = gateway.kill_and_restart();
    assert_eq!(gateway.get("/open").code(), "LOCKDOWN");
    let view = lockdown(&gateway, &["status"]);
    assert_eq!(
        (view["on"].as_bool(), view["reason"].as_str(), view["expires"].is_null()),
        (Some(true), Some("leak"), true)
    );
    lockdown(&gateway, &["off"]);
    let gateway = gateway.kill_and_restart();
    assert_eq!(gateway.get("/open").status, 200);
}

#[test]
fn lockdown_ends_by_itself_and_not_before_its_time() {
    let gateway = gateway("");
    let began = Instant::now();
    lockdown(&gateway, &["on", "--ttl", "2s"]);
    let mut passed = None;
    gateway.until("it ends", |g| {
        passed = (g.get("/open").status == 200).then(|| began.elapsed());
        passed.is_some()
    });
    assert!(passed.unwrap() >= Duration::from_secs(2), "{passed:?}");
    assert_eq!(lockdown(&gateway, &["status"])["on"], false);
    assert_eq!(gateway.ask_admin("GET /admin/api/lockdown", &[], b"").json()["on"], false);
}

#[test]
fn without_a_gateway_lockdown_goes_into_the_database_and_holds_from_the_start() {
    let mut gateway = gateway("");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    lockdown(&gateway, &["on", "--ttl", "1h"]);
    assert_eq!(lockdown(&gateway, &["status"])["on"], true);
    let gateway = gateway.kill_and_restart();
    assert_eq!(gateway.get("/open").code(), "LOCKDOWN");
}

#[test]
fn a_proxy_that_asks_is_told_of_lockdown() {
    let gateway = gateway("[lockdown]\nroutes = [\"status\"]\n");
    let ask = |uri: &str| {
        let headers = [
            ("X-Forwarded-For", "203.0.113.5"),
            ("X-Forwarded-Uri", uri),
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Host", "app.example"),
            ("X-Forwarded-Proto", "http"),
        ];
        gateway.send("GET /auth/verify", &headers, b"").status
    };
    assert_eq!((ask("/open"), ask("/status")), (204, 204));
    lockdown(&gateway, &["on"]);
    assert_eq!((ask("/open"), ask("/status")), (403, 204));
}

#[test]
fn ws_04_an_open_socket_ends_within_a_second_when_lockdown_begins() {
    let (upstream, _seen) = echo();
    let gateway = Setup::new(&upstream.config()).start();
    let mut socket = Socket::open(gateway.public, "/up/a", &[]).map_err(|a| a.text()).expect("a socket").0;
    socket.echo("hello");
    assert_eq!(gateway.change("/admin/api/lockdown", r#"{"on":true}"#).status, 200);
    let began = Instant::now();
    assert_eq!(socket.next().expect("a close frame").code(), 1008);
    assert_eq!(socket.next(), None);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn ad_08_beginning_and_ending_have_a_line_each() {
    let mut gateway = gateway("");
    let token = gateway.token();
    let refused = gateway.ask_admin(
        "POST /admin/api/lockdown",
        &[("Content-Type", "application/json")],
        br#"{"on":true}"#,
    );
    assert_eq!(refused.status, 401, "not without the token");
    assert!(!token.is_empty());
    assert_eq!(gateway.get("/open").status, 200);
    assert_eq!(gateway.change("/admin/api/lockdown", r#"{"on":true,"ttl":"never"}"#).status, 422);
    assert_eq!(gateway.change("/admin/api/lockdown", r#"{"on":true,"reason":"see ticket"}"#).status, 200);
    gateway.wait_for_log(|l| l.contains("\"action\":\"lockdown\"") && l.contains("\"outcome\":\"ok\""));
    assert!(gateway.log().iter().any(|l| l.contains("lockdown") && l.contains("AUTHENTICATION_REQUIRED")));
    assert!(!gateway.log().iter().any(|l| l.contains("see ticket")));
}
