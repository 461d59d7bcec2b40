//! The history of edits: what each changed, shown without a secret, and why one was refused.

use serde_json::Value;

use crate::harness::{Gateway, Setup};

const CONFIG: &str = r#"
[session]
secret = "CANARY-9f8e7d6c5b4a39281706f5e4d3c2b1a0"

[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }
"#;

const RULES: &str =
    "fn on_request(req) {\n    if req.path == \"/a\" { deny(403, \"mine.a\", \"No.\"); }\n}\n";

fn start() -> Gateway {
    Setup::new(CONFIG).plugin("mine", RULES).start()
}

fn history(gateway: &Gateway) -> Vec<Value> {
    let answer = gateway.ask_admin("GET /admin/api/reloads?limit=10", &[], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).expect("an array")
}

fn after(gateway: &Gateway, edits: usize) -> Value {
    gateway.until("the edit is in the history", |gateway| history(gateway).len() == edits);
    history(gateway)[0].clone()
}

#[test]
fn an_edit_that_was_applied_shows_its_files_and_its_lines() {
    let gateway = start();
    gateway.save("plugins/mine/main.rhai", &RULES.replace("/a\"", "/b\""));
    let edit = after(&gateway, 1);
    assert_eq!((&edit["outcome"], &edit["generation"]), (&"applied".into(), &2.into()));
    assert_eq!(
        edit["changes"],
        serde_json::json!([{"file": "plugins/mine/main.rhai", "added": 1, "removed": 1}])
    );
    let diff = edit["diff"].as_str().unwrap();
    for line in [
        "--- plugins/mine/main.rhai",
        "@@ -1,3 +1,3 @@",
        "-    if req.path == \"/a\"",
        "+    if req.path == \"/b\"",
    ] {
        assert!(diff.contains(line), "{line} is not in\n{diff}");
    }
    assert_eq!(edit["problems"], Value::Null);
    // The next edit is compared with this one.
    gateway.save("plugins/mine/lists/bad.txt", "a\n");
    gateway.save("plugins/mine/main.rhai", &RULES.replace("/a\"", "/c\""));
    let edit = after(&gateway, 2);
    assert!(edit["diff"].as_str().unwrap().contains("-    if req.path == \"/b\""), "{edit}");
}

#[test]
fn an_edit_that_was_refused_shows_what_was_wrong_with_a_caret_and_its_lines() {
    let gateway = start();
    gateway.save("plugins/mine/main.rhai", "fn on_request(req) {\n    denny(403, \"mine.a\", \"No.\");\n}\n");
    let edit = after(&gateway, 1);
    assert_eq!(
        (&edit["outcome"], &edit["generation"], &edit["hash"]),
        (&"rejected".into(), &1.into(), &"".into())
    );
    let problems = edit["problems"].as_str().unwrap();
    assert!(problems.contains("main.rhai:2:5") && problems.contains("^^^^^"), "{problems}");
    assert!(edit["reason"].as_str().unwrap().contains("main.rhai:2:5"), "{edit}");
    assert!(edit["diff"].as_str().unwrap().contains("+    denny(403"), "{edit}");
    // What was refused is not what the next one is compared with.
    gateway.save("plugins/mine/main.rhai", &RULES.replace("/a\"", "/b\""));
    let edit = after(&gateway, 2);
    assert_eq!(edit["outcome"], "applied");
    assert!(edit["diff"].as_str().unwrap().contains("-    if req.path == \"/a\""), "{edit}");
}

#[test]
fn no_secret_is_in_the_history_and_of_secret_files_nothing_is() {
    let gateway = start();
    let config = gateway.config();
    gateway.save("config.toml", &config.replace("CANARY-9f8e", "CANARY-0000"));
    let edit = after(&gateway, 1);
    assert_eq!(edit["changes"][0]["file"], "config.toml");
    assert!(edit["diff"].as_str().unwrap().contains("+secret = …"), "{edit}");
    std::fs::write(gateway.at("secret.txt"), "CANARY-11119e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b\n").unwrap();
    let with_file = config
        .lines()
        .map(|line| if line.starts_with("secret =") { "secret_file = \"secret.txt\"" } else { line });
    let with_file = with_file.collect::<Vec<_>>().join("\n");
    gateway.save("config.toml", &with_file);
    after(&gateway, 2);
    gateway.save("secret.txt", "CANARY-22228d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a\n");
    let edit = after(&gateway, 3);
    assert_eq!((&edit["outcome"], &edit["changes"]), (&"applied".into(), &serde_json::json!([])));
    let all = gateway.ask_admin("GET /admin/api/reloads", &[], b"").text();
    assert!(!all.contains("CANARY"), "{all}");
    let database = std::fs::read(gateway.at("data/pluginmind.db")).unwrap();
    let wal = std::fs::read(gateway.at("data/pluginmind.db-wal")).unwrap_or_default();
    for bytes in [database, wal] {
        assert!(!bytes.windows(6).any(|part| part == b"CANARY"));
        assert!(!bytes.windows(9).any(|part| part == b"secret = "), "no line of a file is kept on disk");
    }
}

#[test]
fn after_a_restart_the_names_and_numbers_are_still_there_and_the_lines_are_not() {
    let gateway = start();
    gateway.save("plugins/mine/main.rhai", &RULES.replace("/a\"", "/b\""));
    after(&gateway, 1);
    let gateway = gateway.kill_and_restart();
    let edit = history(&gateway)[0].clone();
    assert_eq!(edit["changes"][0]["added"], 1);
    assert_eq!((&edit["diff"], &edit["problems"]), (&Value::Null, &Value::Null));
}

#[test]
fn the_listing_has_its_limits() {
    let gateway = start();
    let status = |query: &str| gateway.ask_admin(&format!("GET /admin/api/reloads{query}"), &[], b"").status;
    assert_eq!(
        [status(""), status("?limit=1"), status("?limit=0"), status("?limit=x"), status("?x=1")],
        [200, 200, 422, 422, 400]
    );
}
