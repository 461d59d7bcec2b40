//! `users forget`: nothing of a person is left, and what was written about them is nobody's.

use serde_json::Value;

use crate::harness::gateway::verb;
use crate::harness::{Gateway, Setup};

const CONFIG: &str = r#"
[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }
"#;

const NAME: &str = "canary-person@example.org";
const PASSWORD: &str = "correct horse battery";

fn private(gateway: &Gateway, cookie: &str) -> u16 {
    gateway.send("GET /private", &[("Cookie", cookie)], b"").status
}

fn users(output: &std::process::Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

fn bytes_hold(folder: &std::path::Path, mark: &[u8]) -> bool {
    let files = std::fs::read_dir(folder.join("data")).unwrap();
    let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    bytes.windows(mark.len()).any(|window| window == mark)
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn a_person_is_forgotten_in_the_running_gateway_and_on_disk() {
    let gateway = Setup::new(CONFIG).user(NAME, PASSWORD, &["staff"]).user("bob", PASSWORD, &[]).start();
    let (cookie, other) = (gateway.sign_in(NAME, PASSWORD), gateway.sign_in("bob", PASSWORD));
    assert_eq!((private(&gateway, &cookie), private(&gateway, &other)), (200, 200));
    let listed = users(&gateway.verb(&["users", "list", "--format", "json"]));
    let old_id = listed.iter().find(|user| user["name"] == NAME).unwrap()["id"].as_str().unwrap().to_owned();
    let mark = unhex(&old_id.replace('-', ""));
    assert!(bytes_hold(gateway.path(), &mark));

    let made = gateway.verb(&["keys", "create", "canary-key", "--owner", NAME, "--format", "json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let key = made["key"].as_str().unwrap();
    let by_key = |gateway: &Gateway| gateway.send("GET /private", &[("X-Api-Key", key)], b"").status;
    assert_eq!(by_key(&gateway), 200);
    assert!(bytes_hold(gateway.path(), old_id.as_bytes()), "the key's owner");

    let output = gateway.verb(&["users", "forget", NAME, "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&done["forgotten"], &done["sessions_ended"]), (&true.into(), &1.into()));
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains(&old_id),
        "whoever keeps the id keeps the link"
    );

    assert_eq!((private(&gateway, &cookie), private(&gateway, &other)), (401, 200));
    assert_eq!(users(&gateway.verb(&["users", "list", "--format", "json"])).len(), 1);
    let sessions = users(&gateway.verb(&["sessions", "list", "--format", "json"]));
    assert_eq!(sessions.len(), 1, "only bob's");
    assert_eq!(by_key(&gateway), 401);
    assert!(users(&gateway.verb(&["keys", "list", "--format", "json"])).is_empty());
    for mark in [&mark[..], NAME.as_bytes(), old_id.as_bytes(), b"canary-key"] {
        assert!(!bytes_hold(gateway.path(), mark), "no byte of the name or the id is left in the files");
    }
    assert_eq!(gateway.verb(&["users", "forget", NAME]).status.code(), Some(1), "there is no such account");
    assert!(!gateway.log().join("\n").contains("canary-person"));

    let gateway = gateway.kill_and_restart();
    assert_eq!(private(&gateway, &cookie), 401);
    assert!(gateway.verb_with(&["users", "add", NAME], PASSWORD).status.success());
    let listed = users(&gateway.verb(&["users", "list", "--format", "json"]));
    let new = listed.iter().find(|user| user["name"] == NAME).unwrap();
    assert_ne!(new["id"], old_id.as_str(), "a new person");
    assert_eq!(new["roles"], serde_json::json!([]));
    assert_eq!(private(&gateway, &cookie), 401, "and the old cookie is not theirs");
    assert_eq!(private(&gateway, &gateway.sign_in(NAME, PASSWORD)), 200);
}

#[test]
fn a_person_is_forgotten_without_a_gateway() {
    let folder = Setup::new(CONFIG).folder();
    let run = |arguments: &[&str]| verb(folder.path(), arguments, &[], Some(PASSWORD));
    assert!(run(&["users", "add", NAME]).status.success());
    assert_eq!(run(&["users", "forget", "nobody"]).status.code(), Some(1));
    assert!(bytes_hold(folder.path(), NAME.as_bytes()));
    assert!(run(&["users", "forget", NAME]).status.success());
    assert!(users(&run(&["users", "list", "--format", "json"])).is_empty());
    assert!(!bytes_hold(folder.path(), NAME.as_bytes()));
}

#[test]
fn the_audit_line_of_a_forgotten_person_holds_no_pseudonym() {
    let mut gateway = Setup::new(CONFIG).user(NAME, PASSWORD, &[]).start();
    gateway.sign_in(NAME, PASSWORD);
    assert!(gateway.verb(&["users", "forget", NAME]).status.success());
    let line = gateway.wait_for_log(|line| line.contains("users.forget"));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert!(line["outcome"] == "ok" || line["fields"]["outcome"] == "ok", "{line}");
    assert!(line.get("user.hash").is_none_or(|hash| hash == ""), "{line}");
}
