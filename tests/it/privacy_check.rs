//! `privacy-check`: clean with the rules that we ship, and it finds what a rule lets slip.

use serde_json::Value;

use crate::harness::gateway::{manifest, verb};
use crate::harness::{Setup, Upstream};

const ROUTES: &str = r#"
[[routes]]
name = "open"
path = "/open/*"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
name = "private"
path = "/private"
roles = ["staff"]
respond = { status = 200, text = "ok" }
"#;

fn check(setup: &Setup) -> (Option<i32>, Value, String) {
    let folder = setup.folder();
    let output = verb(folder.path(), &["privacy-check", "--format", "json"], &[], None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name == "data"), "nothing of the operator's is written: {left:?}");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

/// Where it came from, what it is, and where it stands.
fn leaks(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outputs = report["outputs"].as_array().expect("a list");
    let of = |output: &Value| -> Vec<_> {
        let leaks = output["leaks"].as_array().expect("a list");
        leaks.iter().map(|leak| (text(&leak["place"]), text(&leak["kind"]), text(&output["name"]))).collect()
    };
    outputs.iter().flat_map(of).collect()
}

#[test]
fn lg_02_nothing_of_any_place_of_a_request_is_written_and_no_app_is_asked() {
    let app = Upstream::hello();
    let config = format!("{ROUTES}{}", app.config());
    // What it keeps and says of people is made pseudonyms, whatever it says.
    let plugin = "fn on_request(req) {\n    counter::hit(\"seen\", `${req.ip}`, \"1h\");\n    log::info(`asked ${req.ip}`);\n}\n";
    let (code, report, said) = check(&Setup::new(&config).plugin("counts", plugin));
    assert_eq!(code, Some(0), "{said} {report}");
    assert_eq!((&report["clean"], leaks(&report)), (&true.into(), vec![]));
    assert!(report["requests"].as_u64().unwrap() > 100 && report["canaries"].as_u64().unwrap() > 300);
    assert_eq!(report["remarks"], serde_json::json!([]), "somebody was signed in, and all was sent");
    assert!(app.seen().is_empty(), "the operator's app heard of it");
    let bytes = |name: &str| {
        let all = report["outputs"].as_array().unwrap();
        all.iter()
            .filter(|o| o["name"].as_str().unwrap().contains(name))
            .map(|o| o["bytes"].as_u64().unwrap())
            .sum::<u64>()
    };
    for read in [
        "log",
        "table query_logs",
        "table kv",
        "file pluginmind.db",
        "/metrics",
        "refusals",
        "/admin/api/users",
    ] {
        assert!(bytes(read) > 0, "{read} was not looked through");
    }
}

#[test]
fn lg_02_a_rule_that_keeps_what_it_should_not_is_found_out() {
    let leaky = r#"
fn on_request(req) {
    if req.header("x-customer") != "" { kv::set("last", req.header("x-customer"), "1h"); }
    if req.query("value") != "" { deny(403, "leaky.echo", "Not for " + req.query("value")); }
}
"#;
    let (code, report, said) = check(&Setup::new(ROUTES).plugin("leaky", leaky));
    assert_eq!(code, Some(1), "{said} {report}");
    let leaks = leaks(&report);
    let has = |place: &str, kind: &str, output: &str| {
        leaks.iter().any(|(p, k, o)| p == place && k == kind && o.contains(output))
    };
    assert!(has("header, value", "token", "table kv"), "{leaks:?}");
    assert!(has("header, value", "token", "file pluginmind.db"), "{leaks:?}");
    assert!(has("query, value", "email", "refusals"), "{leaks:?}");
    assert!(!report.to_string().contains("tkCanary"), "the report is no leak itself");
}

#[test]
fn a_run_that_cannot_be_is_no_clean_one() {
    for config in ["[server]\nlisten = 1\n", "nonsense"] {
        assert_eq!(check(&Setup::new(config)).0, Some(2), "{config}");
    }
    let broken = Setup::new(ROUTES)
        .file("plugins/broken/plugin.toml", &manifest("broken", "enforce"))
        .file("plugins/broken/main.rhai", "fn on_request(req) { nonsense( }");
    let (code, _, said) = check(&broken);
    assert_eq!(code, Some(2), "{said}");
}
