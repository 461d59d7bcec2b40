//! How sessions end: by their owner, by the operator, at once, everywhere, and for good.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use crate::harness::{Answer, Connection, Gateway, Setup, client::compose};

const CONFIG: &str = r#"
[rate_limit]
user_per_minute = 100000
user_burst = 100000
ip_per_minute = 100000
ip_burst = 100000

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }

[[routes]]
path = "/staff"
roles = ["staff"]
respond = { status = 200, text = "staff" }
"#;

const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

fn gateway() -> Gateway {
    Setup::new(CONFIG).user("ada", "password one", &["staff"]).user("bob", "password two", &[]).start()
}

fn with(gateway: &Gateway, line: &str, cookie: &str) -> Answer {
    gateway.send(line, &[("Cookie", cookie), SAME], b"")
}

fn private(gateway: &Gateway, cookie: &str) -> u16 {
    with(gateway, "GET /private", cookie).status
}

#[test]
fn cs_05_a_session_is_dead_when_the_answer_to_signing_out_is_there() {
    let gateway = gateway();
    let cookie = gateway.sign_in("bob", "password two");
    let mut second = Connection::open(gateway.public);
    let ask = compose("GET /private", &[("Cookie", &cookie)], b"");
    second.send(&ask).unwrap();
    assert_eq!(second.read().unwrap().status, 200);
    let out = with(&gateway, "POST /auth/logout", &cookie);
    assert_eq!((out.status, out.body.len()), (204, 0));
    assert_eq!(out.header("cache-control"), Some("no-store"), "cs_15");
    let cleared: Vec<&str> = out.header("set-cookie").unwrap().split("; ").collect();
    assert_eq!(cleared, ["pm_session=", "Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=0"], "cs_15");
    second.send(&ask).unwrap();
    assert_eq!(second.read().unwrap().status, 401, "on a connection that was open before");
    assert_eq!(private(&gateway, &cookie), 401);
    assert_eq!(with(&gateway, "GET /auth/session", &cookie).json()["hasToken"], false);
    assert_eq!(with(&gateway, "POST /auth/logout", &cookie).status, 204, "once more is no error");
    assert_eq!(gateway.send("POST /auth/logout", &[], b"").status, 204, "nor is it without a session");
}

#[test]
fn cs_05_a_kill_brings_no_session_back_and_loses_none() {
    let gateway = gateway();
    let (dead, alive) = (gateway.sign_in("bob", "password two"), gateway.sign_in("bob", "password two"));
    assert_eq!(with(&gateway, "POST /auth/logout", &dead).status, 204);
    let gateway = gateway.kill_and_restart();
    assert_eq!((private(&gateway, &dead), private(&gateway, &alive)), (401, 200));
}

#[test]
fn all_sessions_of_a_person_end_together_and_nobody_elses() {
    let gateway = gateway();
    let own: Vec<String> = (0..3).map(|_| gateway.sign_in("bob", "password two")).collect();
    let other = gateway.sign_in("ada", "password one");
    assert_eq!(gateway.send("POST /auth/logout-all", &[], b"").status, 401);
    assert_eq!(with(&gateway, "POST /auth/logout-all", &own[1]).status, 204);
    let gateway = gateway.kill_and_restart();
    for cookie in &own {
        assert_eq!(private(&gateway, cookie), 401);
    }
    assert_eq!(private(&gateway, &other), 200);
}

#[test]
fn cs_04_nothing_but_a_post_signs_out() {
    let gateway = gateway();
    let cookie = gateway.sign_in("bob", "password two");
    for line in ["GET /auth/logout", "HEAD /auth/logout", "PUT /auth/logout", "GET /auth/logout-all"] {
        let answer = gateway.send(line, &[("Cookie", &cookie), SAME], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{line}");
    }
    assert_eq!(private(&gateway, &cookie), 200);
}

#[test]
fn cs_06_no_request_that_starts_after_the_end_passes() {
    let gateway = gateway();
    for _ in 0..5 {
        let cookie = gateway.sign_in("bob", "password two");
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut connection = Connection::open(gateway.public);
                    let ask = compose("GET /private", &[("Cookie", &cookie)], b"");
                    loop {
                        let was_ended = ended.load(Ordering::SeqCst);
                        connection.send(&ask).unwrap();
                        let status = connection.read().unwrap().status;
                        assert!(!was_ended || status == 401, "{status} for a request after the end");
                        if was_ended {
                            break;
                        }
                    }
                });
            }
            assert_eq!(private(&gateway, &cookie), 200);
            assert_eq!(with(&gateway, "POST /auth/logout", &cookie).status, 204);
            ended.store(true, Ordering::SeqCst);
        });
    }
}

/// A hundred threads use a session while `end` ends it. No request that was sent after the
/// end had been answered may pass.
fn a_hundred_threads(gateway: &Gateway, cookie: &str, end: impl FnOnce()) {
    let public = gateway.public;
    let (ended, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut connection = Connection::open(public);
                let ask = compose("GET /private", &[("Cookie", cookie)], b"");
                loop {
                    let was_ended = ended.load(Ordering::SeqCst);
                    connection.send(&ask).unwrap();
                    let status = connection.read().unwrap().status;
                    assert!(!was_ended || status == 401, "{status} for a request after the end");
                    assert!(matches!(status, 200 | 401), "{status}");
                    passed.fetch_add(usize::from(status == 200), Ordering::SeqCst);
                    if was_ended {
                        break;
                    }
                }
            });
        }
        // Not before the load is there.
        while passed.load(Ordering::SeqCst) < 500 {
            std::thread::yield_now();
        }
        end();
        ended.store(true, Ordering::SeqCst);
    });
}

#[test]
fn cs_06_a_hundred_threads_find_no_session_after_the_answer_to_signing_out() {
    let gateway = gateway();
    let cookie = gateway.sign_in("bob", "password two");
    a_hundred_threads(&gateway, &cookie, || {
        assert_eq!(with(&gateway, "POST /auth/logout", &cookie).status, 204);
    });
    let gateway = gateway.kill_and_restart();
    assert_eq!(private(&gateway, &cookie), 401, "nor after a kill right after the answer");
}

#[test]
fn cs_06_a_hundred_threads_find_no_session_after_a_revocation() {
    let gateway = gateway();
    for body in [r#"{"user":"bob"}"#, r#"{"all":true}"#] {
        let cookie = gateway.sign_in("bob", "password two");
        a_hundred_threads(&gateway, &cookie, || {
            assert_eq!(gateway.change("/admin/api/sessions/revoke", body).status, 200);
        });
    }
    let cookie = gateway.sign_in("bob", "password two");
    assert_eq!(gateway.change("/admin/api/sessions/revoke", r#"{"user":"bob"}"#).status, 200);
    let gateway = gateway.kill_and_restart();
    assert_eq!(private(&gateway, &cookie), 401, "nor after a kill right after the answer");
}

fn listed(gateway: &Gateway) -> Vec<Value> {
    let output = gateway.verb(&["sessions", "list", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one array")
}

#[test]
fn the_operator_sees_and_ends_sessions_in_the_running_gateway() {
    let gateway = gateway();
    let first = gateway.sign_in("bob", "password two");
    let id = listed(&gateway)[0]["id"].as_str().unwrap().to_owned();
    let second = gateway.sign_in("bob", "password two");
    let third = gateway.sign_in("ada", "password one");
    assert_eq!(listed(&gateway).len(), 3);
    assert!(!first.contains(&listed(&gateway)[0].to_string()), "a list holds no token");
    let revoke = |arguments: &[&str]| {
        let output = gateway.verb(&[&["sessions", "revoke"], arguments].concat());
        output.status.code()
    };
    assert_eq!(revoke(&["--id", &id]), Some(0));
    assert_eq!([&first, &second, &third].map(|c| private(&gateway, c)), [401, 200, 200]);
    assert_eq!(revoke(&["--user", "bob"]), Some(0));
    assert_eq!([&second, &third].map(|c| private(&gateway, c)), [401, 200]);
    assert_eq!(revoke(&["--all"]), Some(0));
    assert_eq!(private(&gateway, &third), 401);
    assert!(listed(&gateway).is_empty());
    assert_eq!(revoke(&["--id", &id]), Some(1), "there is no such session any more");
    let gateway = gateway.kill_and_restart();
    assert_eq!([&first, &second, &third].map(|c| private(&gateway, c)), [401, 401, 401]);
}

#[test]
fn a_disabled_account_is_out_at_once_and_cannot_come_back() {
    let gateway = gateway();
    let cookie = gateway.sign_in("bob", "password two");
    let output = gateway.verb(&["users", "disable", "bob"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(private(&gateway, &cookie), 401);
    let again = gateway.send(
        "POST /auth/login",
        &[("Content-Type", "application/json")],
        br#"{"username":"bob","password":"password two"}"#,
    );
    assert_eq!(again.status, 401);
    assert_eq!(gateway.verb(&["users", "disable", "nobody"]).status.code(), Some(1));
    let gateway = gateway.kill_and_restart();
    assert_eq!(private(&gateway, &cookie), 401);
}

#[test]
fn a_new_password_ends_every_session_of_the_account() {
    let gateway = gateway();
    let cookie = gateway.sign_in("bob", "password two");
    let output = gateway.verb_with(&["users", "passwd", "bob"], "password three");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(private(&gateway, &cookie), 401);
    let old = gateway.send(
        "POST /auth/login",
        &[("Content-Type", "application/json")],
        br#"{"username":"bob","password":"password two"}"#,
    );
    assert_eq!(old.status, 401);
    let new = gateway.sign_in("bob", "password three");
    assert_eq!(private(&gateway, &new), 200);
}

#[test]
fn a_new_account_can_sign_in_to_the_running_gateway() {
    let gateway = gateway();
    let output =
        gateway.verb_with(&["users", "add", "eve", "--role", "staff", "--role", "night"], "password four");
    assert!(output.status.success(), "{output:?}");
    let cookie = gateway.sign_in("eve", "password four");
    assert_eq!(with(&gateway, "GET /staff", &cookie).status, 200);
    let me = with(&gateway, "GET /auth/me", &cookie).json();
    assert_eq!(me["user"]["roles"], serde_json::json!(["staff", "night"]));
}
