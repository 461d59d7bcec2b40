//! Rules that keep addresses out of the whole gateway.

use serde_json::Value;

use crate::harness::{Answer, Gateway, Setup};

const ROUTES: &str = r#"
[server]
trusted_proxies = ["127.0.0.0/8"]

[[routes]]
path = "/open"
auth = "none"
respond = { status = 200, text = "open" }
"#;

const TRAP: &str = r#"
fn on_request(req) {
    if req.path == "/trap" {
        list::add("gateway/ban", req.ip, settings::ban_for, "trap");
        deny(404, "trap.sprung", "Not found.");
    }
    if req.path == "/free" { list::remove("gateway/ban", req.query("ip")); }
}
"#;

fn manifest(mode: &str) -> String {
    format!(
        "name = \"trap\"\nversion = \"1.0.0\"\napi = 1\nmode = \"{mode}\"\non_error = \"deny\"\n\
         [permissions]\nlists_write = [\"gateway/ban\"]\n[settings]\nban_for = {{ type = \"duration\", default = \"1h\" }}\n"
    )
}

fn setup(mode: &str, more: &str) -> Setup {
    Setup::new(&format!("{ROUTES}{more}"))
        .file("plugins/trap/plugin.toml", &manifest(mode))
        .file("plugins/trap/main.rhai", TRAP)
}

fn from(gateway: &Gateway, path: &str, address: &str) -> Answer {
    gateway.send(&format!("GET {path}"), &[("X-Forwarded-For", address)], b"")
}

fn listed(gateway: &Gateway) -> Vec<Value> {
    let output = gateway.verb(&["bans", "list", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one array")
}

#[test]
fn a_ban_by_a_rule_holds_for_the_next_request_and_after_a_kill() {
    let gateway = setup("enforce", "").start();
    assert_eq!(from(&gateway, "/trap", "203.0.113.5").code(), "trap.sprung");
    assert_eq!(from(&gateway, "/open", "203.0.113.5").code(), "BANNED");
    assert_eq!(from(&gateway, "/open", "203.0.113.6").status, 200);
    let gateway = gateway.kill_and_restart();
    assert_eq!(from(&gateway, "/open", "203.0.113.5").code(), "BANNED", "on disk before the answer was out");
    let bans = listed(&gateway);
    assert_eq!(
        (bans.len(), bans[0]["made_by"].as_str(), bans[0]["reason"].as_str(), bans[0]["address"].as_str()),
        (1, Some("rule:trap"), Some("trap"), Some("203.0.113.5"))
    );
    assert!(bans[0]["expires"].is_string());
    assert!(gateway.verb(&["bans", "revoke", "203.0.113.5"]).status.success());
    assert_eq!(from(&gateway, "/open", "203.0.113.5").status, 200, "an operator has the last word");
}

#[test]
fn ip_07_a_rule_bans_the_64_of_an_ipv6_address() {
    let gateway = setup("enforce", "").start();
    from(&gateway, "/trap", "2001:db8:1:2:3::4");
    assert_eq!(from(&gateway, "/open", "2001:db8:1:2:ffff::").code(), "BANNED");
    assert_eq!(from(&gateway, "/open", "2001:db8:1:3::").status, 200);
}

#[test]
fn a_rule_in_shadow_bans_nobody() {
    let gateway = setup("shadow", "").start();
    assert_eq!(from(&gateway, "/trap", "203.0.113.5").status, 404, "nothing is there");
    assert_eq!(from(&gateway, "/open", "203.0.113.5").status, 200);
    assert!(listed(&gateway).is_empty());
}

#[test]
fn no_rule_bans_whom_nobody_can_ban_nor_ends_or_shortens_the_operators_bans() {
    let gateway = setup("enforce", "[bans]\nnever = [\"203.0.113.0/28\"]\n").start();
    assert_eq!(from(&gateway, "/trap", "203.0.113.5").code(), "trap.sprung", "the rule itself goes on");
    assert_eq!(from(&gateway, "/open", "203.0.113.5").status, 200);
    assert!(gateway.verb(&["bans", "add", "198.51.100.1", "--reason", "mine"]).status.success());
    from(&gateway, "/free?ip=198.51.100.1", "203.0.113.6");
    assert_eq!(from(&gateway, "/open", "198.51.100.1").code(), "BANNED");
    from(&gateway, "/trap", "198.51.100.2");
    from(&gateway, "/free?ip=198.51.100.2", "203.0.113.6");
    assert_eq!(from(&gateway, "/open", "198.51.100.2").status, 200, "its own it may end");
    assert_eq!(listed(&gateway).len(), 1);
}

#[test]
fn check_says_what_the_manifest_must_say() {
    let folder = Setup::new(ROUTES)
        .plugin("trap", r#"fn on_request(req) { list::add("gateway/ban", req.ip, "1h"); }"#)
        .folder();
    let output = crate::harness::gateway::verb(folder.path(), &["check"], &[], None);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("lists_write = [\"gateway/ban\"]"), "{said}");
}
