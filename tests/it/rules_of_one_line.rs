//! `[[rules]]` in the running gateway, and what `check` says of them.

use crate::harness::{Setup, gateway::verb};

const CONFIG: &str = r#"
[[routes]]
name = "open"
path = "/open/*"
auth = "none"
respond = { status = 200, text = "ok" }

[[rules]]
code = "shop.closed"
when = 'req.path.starts_with("/open/checkout")'
then = { deny = 451, message = "Closed." }
mode = "enforce"
"#;

#[test]
fn a_rule_of_one_line_refuses_and_changes_while_the_gateway_runs() {
    let gateway = Setup::new(CONFIG).start();
    let refused = gateway.get("/open/checkout");
    assert_eq!((refused.status, refused.code().as_str()), (451, "shop.closed"));
    assert_eq!(refused.json()["error"]["message"], "Closed.");
    assert_eq!(gateway.get("/open/cart").status, 200);

    let before = gateway.generation();
    gateway.save("config.toml", &gateway.config().replace("/open/checkout", "/open/cart"));
    gateway.until("the new rule is live", |gateway| gateway.generation() > before);
    assert_eq!(gateway.get("/open/checkout").status, 200);
    assert_eq!(gateway.get("/open/cart").status, 451);

    // What cannot mean anything never goes live.
    let failed = "pluginmind_config_reloads_total{outcome=\"rejected\"}";
    gateway.save("config.toml", &gateway.config().replace("req.path", "req.pth"));
    gateway.until("the typo is told", |gateway| gateway.metric(failed) > 0.0);
    assert_eq!(gateway.get("/open/cart").status, 451);
}

#[test]
fn check_shows_a_typo_in_a_rule_under_a_caret_in_the_configuration() {
    let setup = Setup::new(&CONFIG.replace("req.path", "req.pth"));
    let folder = setup.folder();
    let out = verb(folder.path(), &["check"], &[], None);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("error[PM022]: unknown property `pth`"), "{text}");
    assert!(text.contains("when = 'req.pth.starts_with(\"/open/checkout\")'\n"), "{text}");
    let caret = text.lines().find(|line| line.trim_start().starts_with("| ") && line.contains('^')).unwrap();
    let line = text.lines().find(|line| line.contains("when = 'req.pth")).unwrap();
    assert_eq!(caret.find('^'), line.find("pth"), "{text}");
    assert!(text.contains("did you mean `path`?"), "{text}");
}

#[test]
fn check_has_a_form_for_one_plugin_one_for_machines_and_one_for_github() {
    let bad = "fn on_request(req) { if req.pth == \"/\" { deny(403, \"mine.no\", \"\"); } }\n";
    let folder =
        Setup::new("").plugin("mine", bad).plugin("other", &bad.replace("mine.no", "other.no")).folder();
    let run = |arguments: &[&str]| {
        let out = verb(folder.path(), arguments, &[], None);
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let (code, text) = run(&["check", "mine", "--format", "github"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        text,
        "::error file=plugins/mine/main.rhai,line=1,col=29,title=PM022::unknown property `pth` (did you mean `path`?)\n"
    );
    let (code, text) = run(&["check", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let first = &found[0];
    assert_eq!(
        (code, &first["file"], &first["line"]),
        (Some(1), &"plugins/mine/main.rhai".into(), &1.into())
    );
    assert_eq!(
        (&first["column"], &first["code"], &first["severity"]),
        (&29.into(), &"PM022".into(), &"error".into())
    );
    assert_eq!(first["hint"], "did you mean `path`?");
    assert_eq!(found.as_array().unwrap().iter().filter(|f| f["code"] == "PM022").count(), 2);
    assert_eq!(run(&["check", "nobody"]).0, Some(2));
}
