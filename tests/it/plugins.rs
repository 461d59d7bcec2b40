//! How plugins stand: counted, tripped, and which files are in force.

use serde_json::Value;

use crate::harness::{Gateway, Setup, gateway::manifest};

const CONFIG: &str = r#"
[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }
"#;

const RULE: &str = r#"fn on_request(req) {
    if req.query("x") == "fail" { throw "no"; }
    if req.query("x") == "deny" { deny(403, "rule.no", "No."); }
}"#;

fn rule(gateway: &Gateway) -> Value {
    gateway.ask_admin("GET /admin/api/plugins", &[], b"").json()[0].clone()
}

fn budget(more: &str) -> String {
    format!("{}\n[budget]\nerrors = \"3/1m\"\n{more}", manifest("rule", "enforce"))
}

fn setup(manifest: &str) -> Setup {
    Setup::new(CONFIG).file("plugins/rule/plugin.toml", manifest).file("plugins/rule/main.rhai", RULE)
}

#[test]
fn what_a_plugin_does_is_counted_by_code_and_kind() {
    let gateway = setup(&manifest("rule", "enforce")).start();
    for query in ["deny", "deny", "fail", "fine"] {
        gateway.get(&format!("/open?x={query}"));
    }
    let rule = rule(&gateway);
    assert_eq!((&rule["calls"], &rule["refused"], &rule["would_refuse"]), (&4.into(), &2.into(), &0.into()));
    assert_eq!((&rule["verdicts"]["rule.no"], &rule["faults"]["script"]), (&2.into(), &1.into()));
    assert!(rule["p50_us"].as_f64().unwrap() > 0.0 && rule["p99_us"].as_f64() >= rule["p50_us"].as_f64());
    assert_eq!((&rule["state"], &rule["current"]), (&"enforce".into(), &true.into()));
    assert_eq!(rule["hash"], rule["file_hash"]);
    let words = gateway.verb(&["plugins"]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(words.contains("rule: counted: rule.no 2"), "{words}");
}

#[test]
fn a_plugin_that_fails_too_often_trips_to_shadow_and_stays_so_over_an_unrelated_reload() {
    let mut gateway = setup(&budget("")).start();
    for _ in 0..3 {
        assert_eq!(gateway.get("/open?x=fail").code(), "PLUGIN_FAULT");
    }
    assert_eq!(gateway.get("/open?x=fail").status, 200);
    assert_eq!(gateway.get("/open?x=deny").status, 200);
    gateway.wait_for_log(|line| line.contains("failed or was slow too often"));
    gateway.wait_for_log(|line| line.contains("\"plugin tripped\""));
    assert_eq!(gateway.metric("pluginmind_plugin_state{plugin=\"rule\"}"), 3.0);
    let generation = gateway.generation();
    gateway.save("config.toml", &format!("# another word\n{}", gateway.config()));
    gateway.until("it is taken over", |gateway| gateway.generation() > generation);
    assert_eq!(gateway.get("/open?x=deny").status, 200);
    assert_eq!(
        (&rule(&gateway)["state"], &rule(&gateway)["tripped_to"]),
        (&"tripped".into(), &"shadow".into())
    );
    let generation = gateway.generation();
    gateway.save("plugins/rule/main.rhai", &format!("// mended\n{RULE}"));
    gateway.until("it is taken over", |gateway| gateway.generation() > generation);
    assert_eq!(gateway.get("/open?x=deny").code(), "rule.no");
    assert_eq!(gateway.metric("pluginmind_plugin_state{plugin=\"rule\"}"), 2.0);
}

#[test]
fn a_guard_that_trips_to_off_answers_503_unless_its_fallback_lets_requests_pass() {
    for (more, status) in [("fallback = \"deny\"\n", 503), ("fallback = \"allow\"\n", 200)] {
        let gateway = setup(&budget(&format!("action = \"off\"\n{more}"))).start();
        for _ in 0..3 {
            gateway.get("/open?x=fail");
        }
        assert_eq!(gateway.get("/open").status, status, "{more}");
    }
}

#[test]
fn a_bad_edit_shows_as_another_hash_on_disk_with_its_reason() {
    let gateway = setup(&manifest("rule", "enforce")).start();
    gateway.save("plugins/rule/main.rhai", "fn on_request(req) { dney(403); }");
    gateway.until("it is refused", |gateway| rule(gateway)["current"] == false);
    let rule = rule(&gateway);
    assert_ne!(rule["hash"], rule["file_hash"]);
    assert!(rule["reason"].as_str().unwrap().contains("plugins/rule/main.rhai:1"), "{rule}");
    assert_eq!(gateway.get("/open?x=deny").code(), "rule.no", "the last good one is in force");
}

#[test]
fn without_a_gateway_the_files_are_shown() {
    let folder = setup(&manifest("rule", "shadow")).folder();
    let output = crate::harness::gateway::verb(folder.path(), &["plugins"], &[], None);
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        words.contains("rule") && words.contains("shadow") && words.contains("no gateway runs"),
        "{words}"
    );
}
