//! `explain ID`: what became of a request of the past, why, and whether it would happen again.

use rusqlite::Connection as Database;
use serde_json::Value;

use crate::harness::{Gateway, Setup, Upstream, gateway::verb};

const PASSWORD: &str = "a long password";

const RULES: &str = r#"
fn on_request(req) {
    if req.path == "/api/denied" {
        deny(403, "mine.denied", "No.");
    }
    counter::hit("all", req.ip, "1h");
}

fn on_auth(req) {
    if req.path == "/api/tagged" { tag("odd"); }
}
"#;

fn config(upstream: &Upstream) -> String {
    format!(
        r#"
[[services]]
name = "app"
urls = ["http://{}"]

[[routes]]
name = "api"
path = "/api/*"
service = "app"
auth = "optional"

[[routes]]
name = "private"
path = "/private"
service = "app"
"#,
        upstream.address
    )
}

fn start(upstream: &Upstream) -> Gateway {
    Setup::new(&config(upstream)).plugin("mine", RULES).user("ada@example.org", PASSWORD, &[]).start()
}

fn send(gateway: &Gateway, path: &str, id: &str) -> u16 {
    gateway.send(&format!("GET {path}"), &[("X-Request-ID", id)], b"").status
}

fn told(gateway: &Gateway, id: &str) -> Value {
    let output = gateway.verb(&["explain", id, "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one document")
}

/// What is told once the request is in the database.
fn written(gateway: &Gateway, id: &str) -> Value {
    gateway.until("the row is written", |gateway| told(gateway, id)["requests"][0]["trace"].is_object());
    told(gateway, id)["requests"][0].clone()
}

fn human(gateway: &Gateway, id: &str) -> String {
    let output = gateway.verb(&["explain", id]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_refusal_is_explained_with_its_stages_its_rule_and_its_line() {
    let upstream = Upstream::hello();
    let gateway = start(&upstream);
    assert_eq!(send(&gateway, "/api/denied?token=CANARY-QUERY", "denied-1"), 403);
    let past = written(&gateway, "denied-1");
    let request = &past["request"];
    assert_eq!(request["status"], 403);
    assert_eq!(request["code"], "mine.denied");
    assert_eq!(request["route"], "api");
    assert_eq!(past["decided_by"]["rule"], "mine/main.rhai:4");
    assert_eq!(past["decided_by"]["stage"], "on_request");
    let stages: Vec<_> = past["trace"]["stages"].as_array().unwrap().iter().map(|s| &s["stage"]).collect();
    assert!(
        stages.iter().any(|stage| *stage == "route") && stages.iter().all(|s| *s != "upstream"),
        "{stages:?}"
    );
    let rule = &past["trace"]["rules"][0];
    assert_eq!(
        (&rule["rule"], &rule["outcome"], &rule["mode"]),
        (&"mine/main.rhai:4".into(), &"deny".into(), &"enforce".into())
    );
    let text = human(&gateway, "denied-1");
    for part in
        ["refused 403 mine.denied at on_request by mine/main.rhai:4", "today (", "the same, refused 403"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("CANARY") && !past.to_string().contains("CANARY") && !text.contains("127.0.0.1"));
}

#[test]
fn what_passed_is_explained_with_its_service_its_buckets_and_the_headers_that_were_set() {
    let upstream = Upstream::hello();
    let gateway = start(&upstream);
    assert_eq!(send(&gateway, "/api/tagged", "tagged-1"), 200);
    let past = written(&gateway, "tagged-1");
    assert_eq!((&past["request"]["service"], &past["decided_by"]), (&"app".into(), &Value::Null));
    let trace = &past["trace"];
    assert_eq!(trace["tags"][0], "odd");
    let asked = trace["rules"].as_array().unwrap().iter().find(|rule| rule["outcome"] == "pass");
    assert_eq!(
        asked.unwrap()["rule"],
        "mine/main.rhai:2",
        "a rule that said nothing has the line of its function"
    );
    assert_eq!(trace["buckets"][0]["bucket"], "ip");
    assert!(trace["set"].as_array().unwrap().iter().any(|name| name == "x-forwarded-for"), "{trace}");
    assert_eq!(past["today"]["verdict"], "same");
    assert_eq!(past["today"]["decision"]["verdict"], "passes");
    let text = human(&gateway, "tagged-1");
    assert!(
        text.contains("service: app") && text.contains("bucket ip:") && text.contains("x-forwarded-for"),
        "{text}"
    );
}

#[test]
fn after_an_edit_it_is_said_what_would_be_decided_now_and_nothing_is_remembered_of_the_asking() {
    let upstream = Upstream::hello();
    let gateway = start(&upstream);
    assert_eq!((send(&gateway, "/api/denied", "one"), send(&gateway, "/api/x", "two")), (403, 200));
    written(&gateway, "two");
    let before = gateway.generation();
    let lax = RULES.replace("/api/denied", "/api/x");
    gateway.save("plugins/mine/main.rhai", &lax);
    gateway.until("the edit is in force", |gateway| gateway.generation() > before);
    let today = told(&gateway, "one")["requests"][0]["today"].clone();
    assert_eq!(
        (&today["verdict"], &today["decision"]["verdict"]),
        (&"differs".into(), &"passes".into()),
        "{today}"
    );
    assert_eq!(today["changed_plugins"][0], "mine");
    let today = told(&gateway, "two")["requests"][0]["today"].clone();
    assert_eq!(today["verdict"], "differs", "{today}");
    assert_eq!(
        (&today["decision"]["status"], &today["decision"]["code"]),
        (&403.into(), &"mine.denied".into())
    );
    assert_eq!(today["decision"]["rule"], "mine/main.rhai:4");
    let text = human(&gateway, "two");
    assert!(text.contains("another decision: refused 403 mine.denied by mine/main.rhai:4"), "{text}");
    // The upstream was asked once, and nothing was counted for a request that was only judged again.
    assert_eq!(upstream.seen().len(), 1);
    let decisions = gateway.metric("pluginmind_plugin_decisions_total{code=\"mine.denied\"");
    let all = gateway.ask_admin("GET /metrics", &[], b"").text();
    assert!(decisions <= 1.0, "{all}");
}

#[test]
fn a_route_that_asks_for_a_sign_in_now_would_refuse_what_passed() {
    let upstream = Upstream::hello();
    let gateway = start(&upstream);
    assert_eq!(send(&gateway, "/api/x", "anybody"), 200);
    let before = gateway.generation();
    gateway.save("config.toml", &gateway.config().replace("auth = \"optional\"", "auth = \"required\""));
    gateway.until("the edit is in force", |gateway| gateway.generation() > before);
    let today = told(&gateway, "anybody")["requests"][0]["today"].clone();
    assert_eq!(today["verdict"], "differs", "{today}");
    assert_eq!(
        (&today["decision"]["status"], &today["decision"]["stage"]),
        (&401.into(), &"identity".into())
    );
}

#[test]
fn an_id_that_came_twice_is_told_twice_with_the_newest_first() {
    let upstream = Upstream::hello();
    let gateway = start(&upstream);
    assert_eq!((send(&gateway, "/api/denied", "twice"), send(&gateway, "/nowhere", "twice")), (403, 404));
    let found = told(&gateway, "twice");
    let statuses: Vec<_> =
        found["requests"].as_array().unwrap().iter().map(|p| &p["request"]["status"]).collect();
    assert_eq!(statuses, [404, 403]);
    assert!(human(&gateway, "twice").starts_with("2 requests came with the id twice"));
}

#[test]
fn an_unknown_id_ends_1_and_says_why_that_may_be_and_what_is_no_id_is_refused() {
    let upstream = Upstream::hello();
    let gateway = start(&upstream);
    let output = gateway.verb(&["explain", "never-came"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("never-came") && said.contains("retention") && said.contains("sample"), "{said}");
    for bad in ["a b", "<script>", "../../etc/passwd", "a\nb", &"x".repeat(65)] {
        let output = gateway.verb(&["explain", bad]);
        assert_eq!(output.status.code(), Some(1), "{bad}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("letters, digits"), "{output:?}");
    }
}

#[test]
fn without_a_gateway_the_database_is_read_and_the_policies_are_compared() {
    let upstream = Upstream::hello();
    let mut gateway = start(&upstream);
    send(&gateway, "/api/denied", "kept-1");
    written(&gateway, "kept-1");
    gateway.signal("TERM");
    gateway.wait();
    let past = told(&gateway, "kept-1")["requests"][0].clone();
    assert_eq!(past["today"]["verdict"], "same_policy", "{past}");
    assert_eq!(past["decided_by"]["rule"], "mine/main.rhai:4");
    gateway.save("plugins/mine/main.rhai", &format!("{RULES}\n// other\n"));
    assert_eq!(told(&gateway, "kept-1")["requests"][0]["today"]["verdict"], "unknown");
    gateway.save("plugins/mine/main.rhai", "fn on_request(req) {");
    let past = told(&gateway, "kept-1")["requests"][0].clone();
    assert!(past["today"]["why"].as_str().unwrap().contains("problems"), "{past}");
}

#[test]
fn rows_without_a_trace_say_so() {
    let upstream = Upstream::hello();
    let mut gateway = start(&upstream);
    for id in ["old-1", "torn-1"] {
        send(&gateway, "/api/denied", id);
        written(&gateway, id);
    }
    gateway.signal("TERM");
    gateway.wait();
    let database = Database::open(gateway.at("data/pluginmind.db")).expect("a database");
    database
        .execute("UPDATE query_logs SET trace = NULL, policy = NULL WHERE correlation_id = 'old-1'", [])
        .unwrap();
    database.execute("UPDATE query_logs SET trace = x'ff00ff' WHERE correlation_id = 'torn-1'", []).unwrap();
    drop(database);
    let why = |id: &str| told(&gateway, id)["requests"][0]["without_trace"].as_str().unwrap().to_owned();
    assert!(why("old-1").contains("version that kept no traces"));
    assert!(why("torn-1").contains("cannot be read"));
    let output = verb(gateway.path(), &["explain", "old-1"], &[], None);
    assert!(String::from_utf8_lossy(&output.stdout).contains("there is no trace:"), "{output:?}");
}

#[test]
fn a_person_who_is_forgotten_leaves_nothing_to_judge_again() {
    let upstream = Upstream::hello();
    let gateway = start(&upstream);
    let cookie = gateway.sign_in("ada@example.org", PASSWORD);
    let headers = [("X-Request-ID", "hers"), ("Cookie", cookie.as_str())];
    assert_eq!(gateway.send("GET /private", &headers, b"").status, 200);
    let today = told(&gateway, "hers")["requests"][0]["today"].clone();
    assert_eq!((&today["verdict"], &today["decision"]["verdict"]), (&"same".into(), &"passes".into()));
    assert!(gateway.verb(&["users", "forget", "ada@example.org"]).status.success());
    let today = told(&gateway, "hers")["requests"][0]["today"].clone();
    assert_eq!((&today["verdict"], &today["decision"]), (&"same_policy".into(), &Value::Null));
}

#[test]
fn the_api_answers_what_the_command_line_says() {
    let upstream = Upstream::hello();
    let gateway = start(&upstream);
    send(&gateway, "/api/denied", "api-1");
    written(&gateway, "api-1");
    let answer = gateway.ask_admin("GET /admin/api/explain?id=api-1", &[], b"");
    let value: Value = serde_json::from_str(&answer.text()).expect("JSON");
    assert_eq!((answer.status, &value["requests"][0]["decided_by"]["code"]), (200, &"mine.denied".into()));
    let status = |query: &str| gateway.ask_admin(&format!("GET /admin/api/explain{query}"), &[], b"").status;
    assert_eq!([status("?id=none"), status("?id=%3Cx%3E"), status(""), status("?x=1")], [404, 422, 422, 400]);
}
