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

/// The hash of whoever asked, as the log has it and as the table has it.
fn hash_in_log(gateway: &Gateway, id: &str) -> String {
    let line = || gateway.log().into_iter().find(|l| l.contains("\"request\"") && l.contains(id));
    gateway.until("the line", |_| line().is_some());
    let line: Value = serde_json::from_str(&line().unwrap()).unwrap();
    line["user.hash"].as_str().expect("a hash").to_owned()
}

#[test]
fn the_hash_of_a_forgotten_person_can_be_made_again_by_nobody_who_has_the_whole_database() {
    use pluginmind::base::address::Pseudonymiser;

    let gateway = Setup::new(CONFIG).user(NAME, PASSWORD, &[]).user("bob", PASSWORD, &[]).start();
    let database = || rusqlite::Connection::open(gateway.at("data/pluginmind.db")).unwrap();
    let cookie = gateway.sign_in(NAME, PASSWORD);
    let ask = |id: &str| gateway.send("GET /private", &[("Cookie", &cookie), ("X-Request-ID", id)], b"");
    assert_eq!(ask("before-1").status, 200);
    let hash = hash_in_log(&gateway, "before-1");
    let (id, key): (Vec<u8>, Vec<u8>) = database()
        .query_row("SELECT id, pseudonym_key FROM users WHERE name = ?1", [NAME], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .unwrap();
    let meta: Vec<u8> = database()
        .query_row("SELECT value FROM meta WHERE key = 'pseudonym_key'", [], |row| row.get(0))
        .unwrap();
    let digits = pluginmind::base::text::hex(&id);
    let id_text = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-");
    assert_eq!(Pseudonymiser::new(&key).user(&id_text).to_string(), hash, "the person's key makes it");
    assert_ne!(Pseudonymiser::new(&meta).user(&id_text).to_string(), hash, "the database's does not");

    // The same in the table, and found by the name for as long as there is one.
    let by_name = || gateway.verb(&["logs", "--user", NAME, "--since", "1h", "--format", "json"]);
    gateway.until("the row is found by name", |_| {
        String::from_utf8_lossy(&by_name().stdout).contains("before-1")
    });
    // The row moves about before it is erased.
    assert!(gateway.verb_with(&["users", "passwd", NAME], "another long password").status.success());
    assert!(bytes_hold(gateway.path(), &key));

    assert!(gateway.verb(&["users", "forget", NAME]).status.success());
    assert!(!bytes_hold(gateway.path(), &key), "the key is overwritten, in the file and in its log");
    assert!(!bytes_hold(gateway.path(), &id));
    let rows: i64 = database()
        .query_row("SELECT count(*) FROM query_logs WHERE lower(hex(user_hash)) = ?1", [&hash], |row| {
            row.get(0)
        })
        .unwrap();
    assert!(rows > 0, "the rows are there, and are nobody's");
    assert_ne!(by_name().status.code(), Some(0), "the name leads nowhere");

    assert!(gateway.verb_with(&["users", "add", NAME], PASSWORD).status.success());
    let cookie = gateway.sign_in(NAME, PASSWORD);
    gateway.send("GET /private", &[("Cookie", &cookie), ("X-Request-ID", "after-1")], b"");
    assert_ne!(hash_in_log(&gateway, "after-1"), hash, "the same name is a new person");
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
