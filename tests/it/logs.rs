//! `logs`: the usage log, searched by what a person knows, and followed without a gap.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{Gateway, Setup, gateway::BINARY};

const PASSWORD: &str = "a long password";

const CONFIG: &str = r#"
[rate_limit]
ip_per_minute = 1_000_000
ip_burst = 1_000_000

[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "ok" }
"#;

const RULES: &str =
    "fn on_request(req) { if req.query(\"no\") == \"1\" { deny(418, \"mine.no\", \"No.\"); } }\n";

fn start() -> Gateway {
    Setup::new(CONFIG).plugin("mine", RULES).user("ada@example.org", PASSWORD, &[]).start()
}

fn send(gateway: &Gateway, path: &str, id: &str) -> u16 {
    gateway.send(&format!("GET {path}"), &[("X-Request-ID", id)], b"").status
}

fn logs(gateway: &Gateway, arguments: &[&str]) -> Output {
    gateway.verb(&[&["logs", "--format", "json"], arguments].concat())
}

fn ids(gateway: &Gateway, arguments: &[&str]) -> Vec<String> {
    let output = logs(gateway, arguments);
    assert!(output.status.success(), "{output:?}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("an array");
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn until_written(gateway: &Gateway, id: &str) {
    gateway.until("the row is written", |gateway| {
        !ids(gateway, &[]).is_empty() && logs(gateway, &["--id", id]).status.success()
    });
}

#[test]
fn each_filter_finds_its_requests_newest_first() {
    let gateway = start();
    let cookie = gateway.sign_in("ada@example.org", PASSWORD);
    let hers = [("X-Request-ID", "hers"), ("Cookie", cookie.as_str())];
    assert_eq!(gateway.send("GET /private", &hers, b"").status, 200);
    let sent = [("/open", "a"), ("/private", "b"), ("/open?no=1", "c"), ("/nowhere", "d")]
        .map(|(path, id)| send(&gateway, path, id));
    assert_eq!(sent, [200, 401, 418, 404]);
    until_written(&gateway, "d");
    assert_eq!(ids(&gateway, &["--status", "4xx"]), ["d", "c", "b"]);
    assert_eq!(ids(&gateway, &["--status", "404"]), ["d"]);
    assert_eq!(ids(&gateway, &["--status", "401-404"]), ["d", "b"]);
    assert_eq!(ids(&gateway, &["--code", "mine.no"]), ["c"]);
    assert_eq!(ids(&gateway, &["--plugin", "mine"]), ["c"]);
    assert_eq!(ids(&gateway, &["--route", "private"]), ["b", "hers"]);
    assert_eq!(ids(&gateway, &["--user", "ada@example.org"]).first().map(String::as_str), Some("hers"));
    assert_eq!(ids(&gateway, &["--ip", "127.0.0.1", "--limit", "2"]), ["d", "c"]);
    assert_eq!(
        ids(&gateway, &["--ip", "::ffff:127.0.0.1", "--limit", "1"]),
        ["d"],
        "one machine has one address"
    );
    assert!(ids(&gateway, &["--ip", "192.0.2.1"]).is_empty());
    assert_eq!(ids(&gateway, &["--since", "1h", "--status", "418"]), ["c"]);
    assert!(ids(&gateway, &["--since", "0s"]).is_empty());
    let users: Vec<Value> =
        serde_json::from_slice(&gateway.verb(&["users", "list", "--format", "json"]).stdout).unwrap();
    let by_id = ids(&gateway, &["--user", users[0]["id"].as_str().unwrap(), "--route", "private"]);
    assert_eq!(by_id, ["hers"]);
}

#[test]
fn what_is_not_there_ends_1_an_empty_search_0_and_a_wrong_filter_64() {
    let gateway = start();
    send(&gateway, "/open", "a");
    until_written(&gateway, "a");
    let code = |arguments: &[&str]| logs(&gateway, arguments).status.code();
    assert_eq!(code(&["--id", "nobody"]), Some(1));
    assert_eq!(code(&["--user", "nobody@example.org"]), Some(1));
    assert_eq!(code(&["--code", "no.such"]), Some(0));
    for bad in [
        ["--status", "9xx"],
        ["--ip", "localhost"],
        ["--since", "yesterday"],
        ["--limit", "0"],
        ["--id", "a b"],
    ] {
        assert_eq!(code(&bad), Some(64), "{bad:?}");
    }
    let human = gateway.verb(&["logs", "--code", "no.such"]);
    assert_eq!(String::from_utf8_lossy(&human.stdout).trim(), "no requests");
}

#[test]
fn a_person_reads_a_table_with_the_newest_at_the_end() {
    let gateway = start();
    send(&gateway, "/open", "first");
    send(&gateway, "/open?no=1", "second");
    until_written(&gateway, "second");
    let text = String::from_utf8(gateway.verb(&["logs"]).stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("TIME") && lines[1].ends_with("first") && lines[2].ends_with("second"),
        "{text}"
    );
    assert!(lines[2].contains("mine/main.rhai:1") && lines[2].contains("mine.no"), "{text}");
    assert!(!text.contains("127.0.0.1"), "{text}");
}

#[test]
fn without_a_gateway_and_without_a_database_it_works_too() {
    let mut gateway = start();
    send(&gateway, "/open", "a");
    until_written(&gateway, "a");
    gateway.signal("TERM");
    gateway.wait();
    assert_eq!(ids(&gateway, &["--status", "200"]), ["a"]);
    std::fs::remove_dir_all(gateway.at("data")).unwrap();
    assert!(ids(&gateway, &[]).is_empty());
    assert_eq!(logs(&gateway, &["--id", "a"]).status.code(), Some(1));
}

fn follow(gateway: &Gateway, arguments: &[&str]) -> Child {
    let mut command = Command::new(BINARY);
    command.current_dir(gateway.path()).arg("-c").arg(gateway.at("config.toml"));
    command.args(["logs", "--follow", "--format", "json"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the binary starts")
}

#[test]
fn following_gives_each_row_once_and_ends_when_it_is_told_to() {
    let gateway = start();
    send(&gateway, "/open", "before");
    until_written(&gateway, "before");
    // Fewer a look than come between two looks.
    let mut child = follow(&gateway, &["--limit", "7", "--route", "open"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> String {
        let row: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).expect("one object a line");
        row["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(), "before");
    let wanted: BTreeSet<String> = (0..100).map(|n| format!("n-{n}")).collect();
    for id in &wanted {
        send(&gateway, "/open", id);
        send(&gateway, "/nowhere", id);
    }
    send(&gateway, "/open", "last");
    let mut seen = Vec::new();
    loop {
        match next() {
            id if id == "last" => break,
            id => seen.push(id),
        }
    }
    assert_eq!(seen.len(), wanted.len(), "none twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), wanted, "none lost");
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn following_ends_quietly_when_nobody_reads_any_more() {
    let gateway = start();
    send(&gateway, "/open", "a");
    until_written(&gateway, "a");
    let mut child = follow(&gateway, &[]);
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("\"id\":\"a\""), "{first}");
    // The reader is dropped here, and no request comes that could not be written.
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_api_takes_the_same_filters() {
    let gateway = start();
    send(&gateway, "/open", "a");
    send(&gateway, "/nowhere", "b");
    until_written(&gateway, "b");
    let ask = |query: &str| gateway.ask_admin(&format!("GET /admin/api/requests{query}"), &[], b"");
    let found: Vec<Value> = serde_json::from_str(&ask("?status=4xx&limit=1&code=&user=").text()).unwrap();
    assert_eq!((found.len(), &found[0]["id"]), (1, &"b".into()));
    let statuses = ["?status=x", "?user=nobody", "?colour=red", "?ip=127.0.0.1", "?since=1h"]
        .map(|query| ask(query).status);
    assert_eq!(statuses, [422, 404, 400, 200, 200]);
}
