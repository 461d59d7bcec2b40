//! `explain`: one hypothetical request through the real policy, without a trace of it anywhere.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::harness::{Setup, Upstream, gateway::verb};

const PASSWORD: &str = "a long password";

fn config(upstream: &str) -> String {
    format!(
        r#"
[thresholds]
deny = 50

[[services]]
name = "app"
urls = ["{upstream}"]

[[routes]]
name = "api"
path = "/api/*"
service = "app"
auth = "optional"
strip_prefix = "/api"

[[routes]]
name = "private"
path = "/private"
service = "app"

[[routes]]
name = "staff"
path = "/staff"
service = "app"
roles = ["staff"]
accept = ["session", "api_key"]

[[routes]]
name = "fixed"
path = "/fixed"
auth = "none"
respond = {{ status = 200, text = "fixed" }}
"#
    )
}

fn url(upstream: &Upstream) -> String {
    format!("http://{}", upstream.address)
}

const RULES: &str = r#"
fn on_request(req) {
    if req.path == "/api/denied" {
        deny(403, "mine.denied", "No.");
    }
    if req.path == "/api/scored" {
        tag("odd");
        score(60, "mine.odd");
    }
    if req.geo.country == "KP" { deny(451, "mine.country", "Not there."); }
}

fn on_auth(req) {
    if req.api_key.tier == "gold" { tag("gold"); }
}
"#;

fn explain(folder: &Path, arguments: &[&str]) -> Output {
    verb(folder, &[&["explain"], arguments].concat(), &[], None)
}

fn told(folder: &Path, arguments: &[&str]) -> Value {
    let output = explain(folder, &[arguments, &["--format", "json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one document")
}

fn curl(folder: &Path, line: &str, more: &[&str]) -> Value {
    told(folder, &[&["--curl", line], more].concat())
}

fn stages(told: &Value) -> Vec<&str> {
    told["stages"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect()
}

fn stage<'a>(told: &'a Value, name: &str) -> &'a Value {
    let found = told["stages"].as_array().unwrap().iter().find(|s| s["stage"] == name);
    found.unwrap_or_else(|| panic!("no stage {name} in {told:#}"))
}

#[test]
fn a_request_is_told_stage_by_stage_and_what_would_go_upstream() {
    let upstream = Upstream::hello();
    let setup = Setup::new(&config(&url(&upstream))).plugin("mine", RULES);
    let folder = setup.folder();
    let told = curl(folder.path(), "curl -d 'a=b' -H 'X-Auth-Request-User: root' 'http://x/api/ok?q=1'", &[]);
    let expected = [
        "connection",
        "client",
        "bans",
        "cors",
        "route",
        "on_request",
        "identity",
        "origin",
        "rate_limit",
        "authorise",
        "body",
        "on_body",
        "thresholds",
        "on_upstream",
        "upstream",
        "on_response",
        "on_response_body",
    ];
    assert_eq!(stages(&told), expected, "{told:#}");
    for stage in told["stages"].as_array().unwrap() {
        assert_eq!(stage["verdict"], "passed", "{stage:#}");
        assert!(stage["duration_us"].is_u64(), "{stage:#}");
    }
    assert_eq!(told["outcome"]["verdict"], "forwarded");
    assert_eq!(told["outcome"]["status"], 200);
    assert_eq!(told["outcome"]["route"], "api");
    assert_eq!(told["outcome"]["bucket"]["bucket"], "ip");
    assert_eq!(told["policy"]["hash"].as_str().unwrap().len(), 64);
    assert_eq!(told["policy"]["generation"], 1);
    let forwarded = &told["forwarded"];
    assert_eq!(forwarded["service"], "app");
    assert_eq!((&forwarded["method"], &forwarded["target"]), (&"POST".into(), &"/ok?q=1".into()));
    assert_eq!(
        forwarded["urls"][0].as_str().unwrap().trim_end_matches('/'),
        url(&upstream).trim_end_matches('/')
    );
    assert_eq!(forwarded["body_bytes"], 3);
    let names =
        |list: &str| forwarded[list].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned());
    assert!(names("set").any(|n| n == "x-forwarded-for") && names("set").any(|n| n == "traceparent"));
    assert!(names("removed").any(|n| n == "x-auth-request-user"), "{forwarded:#}");
    assert!(upstream.seen().is_empty(), "no upstream hears of it");
}

#[test]
fn every_rule_is_told_with_its_line_and_what_it_said() {
    let folder = Setup::new(&config("http://127.0.0.1:9")).plugin("mine", RULES).folder();
    let told = curl(folder.path(), "http://x/api/denied", &[]);
    let rule = &stage(&told, "on_request")["rules"][0];
    assert_eq!(rule["rule"], "mine/main.rhai:4");
    assert_eq!(
        (&rule["verdict"], &rule["code"], &rule["mode"]),
        (&"deny".into(), &"mine.denied".into(), &"enforce".into())
    );
    assert!(rule["duration_us"].is_u64());
    assert_eq!(told["outcome"]["rule"], "mine/main.rhai:4");
    assert_eq!(told["outcome"]["verdict"], "refused");
    assert_eq!(told["answer"]["status"], 403);
    assert!(told["answer"]["body"].as_str().unwrap().contains("mine.denied"));
    assert!(told["forwarded"].is_null());
    assert_eq!(stages(&told).last(), Some(&"on_request"), "nothing ran after it");

    let told = curl(folder.path(), "http://x/api/scored", &[]);
    let rules = stage(&told, "on_request")["rules"].as_array().unwrap();
    let lines: Vec<_> =
        rules.iter().map(|r| (r["rule"].as_str().unwrap(), r["verdict"].as_str().unwrap())).collect();
    assert!(
        lines.contains(&("mine/main.rhai:7", "tag")) && lines.contains(&("mine/main.rhai:8", "score")),
        "{lines:?}"
    );
    // A call without a verb is told by the line of its function.
    assert!(lines.contains(&("mine/main.rhai:2", "pass")), "{lines:?}");
    assert_eq!(
        (&told["outcome"]["stage"], &told["outcome"]["code"]),
        (&"thresholds".into(), &"FORBIDDEN".into())
    );
    assert_eq!(told["outcome"]["score"], 60);
    assert_eq!(told["outcome"]["tags"][0], "odd");
}

#[test]
fn a_rule_in_shadow_is_told_as_one_and_decides_nothing() {
    let manifest = crate::harness::gateway::manifest("mine", "shadow");
    let folder = Setup::new(&config("http://127.0.0.1:9"))
        .file("plugins/mine/plugin.toml", &manifest)
        .file("plugins/mine/main.rhai", RULES)
        .folder();
    let told = curl(folder.path(), "http://x/api/denied", &[]);
    let rule = &stage(&told, "on_request")["rules"][0];
    assert_eq!((&rule["verdict"], &rule["mode"]), (&"deny".into(), &"shadow".into()));
    assert_eq!(told["outcome"]["verdict"], "forwarded");
    let text = explain(folder.path(), &["--curl", "http://x/api/denied"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("mine/main.rhai:4") && text.contains("deny mine.denied  (shadow)"), "{text}");
    assert!(text.contains("forwarded: GET /denied to app (http://127.0.0.1:9"), "{text}");
}

#[test]
fn somebody_may_be_assumed_by_name_role_key_country_and_address() {
    let folder = Setup::new(&config("http://127.0.0.1:9")).plugin("mine", RULES).folder();
    let at = folder.path();
    assert_eq!(curl(at, "http://x/private", &[])["outcome"]["code"], "AUTHENTICATION_REQUIRED");
    assert_eq!(curl(at, "http://x/private", &["--user", "bob"])["outcome"]["auth"], "session");
    assert_eq!(curl(at, "http://x/staff", &["--user", "bob"])["outcome"]["status"], 403);
    assert_eq!(
        curl(at, "http://x/staff", &["--user", "bob", "--role", "staff"])["outcome"]["verdict"],
        "forwarded"
    );
    let posted = curl(at, "curl -X POST http://x/private", &["--user", "bob"]);
    assert_eq!(
        posted["outcome"]["verdict"], "forwarded",
        "a page of this site sends where it is from: {posted:#}"
    );
    let foreign =
        curl(at, "curl -X POST -H 'Origin: https://evil.example' http://x/private", &["--user", "bob"]);
    assert_eq!(foreign["outcome"]["code"], "ORIGIN_NOT_ALLOWED");
    let key = curl(at, "http://x/staff", &["--api-key-tier", "gold", "--role", "staff"]);
    assert_eq!((&key["outcome"]["auth"], &key["outcome"]["tags"][0]), (&"key".into(), &"gold".into()));
    let far = curl(at, "http://x/api/ok", &["--country", "kp", "--ip", "203.0.113.9"]);
    assert_eq!(
        (&far["outcome"]["code"], &far["request"]["client"]),
        (&"mine.country".into(), &"203.0.113.9".into())
    );
    let broken = curl(at, "http://x/api/ok", &["--upstream", "503"]);
    assert_eq!(broken["outcome"]["status"], 503);
    let both = explain(at, &["--curl", "http://x/", "--user", "a", "--api-key-tier", "b"]);
    assert_eq!(both.status.code(), Some(64));
}

#[test]
fn real_sessions_and_accounts_count_and_nothing_is_written() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&config(&url(&upstream)))
        .plugin("mine", RULES)
        .user("alice", PASSWORD, &["staff"])
        .start();
    let cookie = gateway.sign_in("alice", PASSWORD);
    let line = format!("curl -b '{cookie}' http://x/staff");
    let (requests, sessions) = ("pluginmind_http_requests_total", "pluginmind_sessions_active");
    let before = (gateway.metric(requests), gateway.metric(sessions));
    let told = curl(gateway.path(), &line, &[]);
    assert_eq!(
        (&told["outcome"]["auth"], &told["outcome"]["verdict"]),
        (&"session".into(), &"forwarded".into())
    );
    let assumed = curl(gateway.path(), "http://x/staff", &["--user", "alice"]);
    assert_eq!(assumed["outcome"]["verdict"], "forwarded", "an account keeps its roles");
    let out = curl(
        gateway.path(),
        &format!("curl -X POST -H 'Origin: http://x' -b '{cookie}' http://x/auth/logout"),
        &[],
    );
    assert_eq!(out["outcome"]["status"], 204, "{out:#}");
    let body = r#"{"username":"alice","password":"a long password"}"#;
    let signed_in = curl(gateway.path(), &format!("curl --json '{body}' http://x/auth/login"), &[]);
    assert_eq!(signed_in["outcome"]["status"], 200, "{signed_in:#}");
    let text = signed_in.to_string();
    assert!(!text.contains("eyJ"), "no token is shown: {text}");

    assert_eq!((gateway.metric(requests), gateway.metric(sessions)), before);
    assert!(upstream.seen().is_empty());
    assert_eq!(gateway.send("GET /auth/me", &[("Cookie", &cookie)], b"").status, 200, "the session lives on");
}

#[test]
fn a_raw_request_comes_from_a_file_or_standard_input() {
    let folder = Setup::new(&config("http://127.0.0.1:9")).folder();
    let file = folder.path().join("request.http");
    fs::write(&file, "POST /api/x HTTP/1.1\nHost: x\nContent-Type: text/plain\n\nhello").unwrap();
    let asked = ["--request", file.to_str().unwrap()];
    assert_eq!(told(folder.path(), &asked)["forwarded"]["body_bytes"], 5);

    let output = verb(
        folder.path(),
        &["explain", "--request", "-"],
        &[],
        Some("GET /fixed HTTP/1.1\r\nHost: x\r\n\r"),
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("answered 200"), "{text}");

    for (raw, code) in [
        ("GET /a/../b HTTP/1.1\nHost: x\n", "BAD_REQUEST"),
        ("GET / HTTP/1.1\nHost: x\nHost: y\n", "BAD_REQUEST"),
        ("GET / HTTP/1.1\nHost: x\nTransfer-Encoding: xchunked\n", "BAD_REQUEST"),
        ("GET /nowhere HTTP/1.1\nHost: x\n", "NOT_FOUND"),
        ("DELETE /auth/login HTTP/1.1\nHost: x\n", "METHOD_NOT_ALLOWED"),
    ] {
        fs::write(&file, raw).unwrap();
        let told = told(folder.path(), &asked);
        assert_eq!(told["outcome"]["code"], code, "{raw}: {told:#}");
        assert!(!stages(&told).is_empty());
    }
}

#[test]
fn what_cannot_be_explained_is_said() {
    let folder = Setup::new(&config("http://127.0.0.1:9")).folder();
    let at = folder.path();
    for (arguments, code, why) in [
        (&["019f0000-0000-7000-8000-000000000000"][..], 1, "no request with the id"),
        (&["never", "--user", "ann"], 64, "--user"),
        (&["--request", "/nonexistent"], 2, "/nonexistent"),
        (&["--request", "-"], 1, "the request is empty"),
        (&["--curl", "curl -F a=b http://x/"], 1, "`-F` is not understood"),
        (&["--curl", "http://x/", "--role", "a"], 1, "`--role` needs `--user`"),
        (&[], 64, "--request"),
        (&["--curl", "http://x/", "--country", "Switzerland"], 64, "two letters"),
        (&["--curl", "http://x/", "--upstream", "99"], 64, "from 200 to 599"),
    ] {
        let output = explain(at, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    fs::write(at.join("config.toml"), "[server]\nlistn = 1\n").unwrap();
    let broken = explain(at, &["--curl", "http://x/"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("did you mean `listen`?"), "{broken:?}");
}

#[test]
fn the_hooks_around_the_body_and_the_upstream_are_told_at_their_stages() {
    let manifest = crate::harness::gateway::manifest("mine", "enforce") + "[body]\nrequest = \"json\"\n";
    let main = r#"
fn on_body(req) { if req.json.text("a", "") == "bad" { deny(400, "mine.bad", "Bad."); } }
fn on_upstream(req, up) { up.set_header("x-mine", "1"); }
fn on_deny(req, verdict) { verdict.set_message("Found in the body."); }
"#;
    let folder = Setup::new(&config("http://127.0.0.1:9"))
        .file("plugins/mine/plugin.toml", &manifest)
        .file("plugins/mine/main.rhai", main)
        .folder();
    let good = curl(folder.path(), r#"curl --json '{"a":"good"}' http://x/api/ok"#, &[]);
    assert_eq!(good["outcome"]["verdict"], "forwarded", "{good:#}");
    let set = good["forwarded"]["set"].as_array().unwrap();
    assert!(set.contains(&"x-mine".into()), "{good:#}");
    assert_eq!(stage(&good, "on_upstream")["rules"][0]["rule"], "mine/main.rhai:3");
    let bad = curl(folder.path(), r#"curl --json '{"a":"bad"}' http://x/api/ok"#, &[]);
    assert_eq!(bad["outcome"]["rule"], "mine/main.rhai:2", "{bad:#}");
    assert_eq!(stage(&bad, "on_body")["verdict"], "refused");
    assert_eq!(stage(&bad, "on_deny")["rules"][0]["hook"], "on_deny");
    assert!(bad["answer"]["body"].as_str().unwrap().contains("Found in the body."), "{bad:#}");
    assert!(bad["forwarded"].is_null());
}

#[test]
fn nothing_is_left_on_the_disk() {
    let folder = Setup::new(&config("http://127.0.0.1:9")).folder();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let environment = [("TMPDIR".to_owned(), temporary.to_str().unwrap().to_owned())];
    let output = verb(folder.path(), &["explain", "--curl", "http://x/api/"], &environment, None);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!folder.path().join("data").exists(), "no database and no secret is made");
}

#[test]
fn what_rules_remember_counts_and_stays_as_it_is() {
    let remembers = r#"
fn on_request(req) {
    if req.path == "/api/count" { deny(403, "mine.count", `${kv::incr("n", 1)}`); }
}
"#;
    let gateway = Setup::new(&config("http://127.0.0.1:9")).plugin("mine", remembers).start();
    assert_eq!(gateway.get("/api/count").json()["error"]["message"], "1");
    let played = || curl(gateway.path(), "http://x/api/count", &[])["answer"]["body"].to_string();
    // What is remembered is saved about once a second.
    gateway.until("it is saved", |_| played().contains("\\\"message\\\":\\\"2\\\""));
    assert!(played().contains("\\\"message\\\":\\\"2\\\""), "a play counts for nothing");
    assert_eq!(gateway.get("/api/count").json()["error"]["message"], "2");
}
