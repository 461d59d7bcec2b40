//! From shadow to enforce: what would have been refused is shown, and the running gateway switches.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::Value;

use crate::harness::{Gateway, Setup, gateway::manifest, gateway::verb};

const CONFIG: &str = r#"# The operator's own words.
[[routes]]
name = "open"      # tea
path = "/open/*"
auth = "none"
respond = { status = 200, text = "ok" }

[plugins.guard]    # on trial
priority = 7
"#;

const GUARD: &str = r#"fn on_request(req) {
    if req.query("x") == "bad" { deny(403, "guard.bad", "Bad."); }
    if req.query("x") == "worse" { deny(403, "guard.worse", "Worse."); }
}"#;

fn setup() -> Setup {
    Setup::new(CONFIG)
        .file("plugins/guard/plugin.toml", &manifest("guard", "shadow"))
        .file("plugins/guard/main.rhai", GUARD)
}

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn written(gateway: &Gateway, wanted: u64) -> Value {
    let mut last = Value::Null;
    gateway.until("the decisions are written", |gateway| {
        last = json(&gateway.verb(&["promote", "guard", "--to", "shadow", "--format", "json"]));
        last["impact"]["requests"] == wanted
    });
    last
}

#[test]
fn a_plugin_goes_from_shadow_to_enforce_while_the_gateway_runs() {
    let gateway = setup().start();
    let before = gateway.config();
    for query in ["bad", "bad", "worse", "good"] {
        assert_eq!(gateway.get(&format!("/open/a?x={query}")).status, 200);
    }
    let shown = written(&gateway, 3);
    assert_eq!(shown["impact"]["by_code"], serde_json::json!([["guard.bad", 2], ["guard.worse", 1]]));
    assert_eq!(shown["impact"]["by_route"], serde_json::json!([["open", 3]]));
    assert_eq!((&shown["impact"]["addresses"], &shown["impact"]["people"]), (&1.into(), &0.into()));
    assert_eq!((&shown["calls"], &shown["changed"]), (&4.into(), &false.into()));
    assert_eq!(gateway.config(), before);

    let refused = gateway.verb(&["promote", "guard"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("would have refused 3 of 4 requests (75.0 %)") && said.contains("--yes"), "{said}");
    assert_eq!(gateway.config(), before);

    let done = gateway.verb(&["promote", "guard", "--yes"]);
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains("`guard` is now enforce (it was shadow)"), "{said}");
    assert!(said.contains("has taken it over"), "{said}");
    let after = before.replace("# on trial\n", "# on trial\nmode = \"enforce\"\n");
    assert_eq!(gateway.config(), after);
    let answer = gateway.get("/open/a?x=bad");
    assert_eq!((answer.status, answer.code().as_str()), (403, "guard.bad"));

    assert!(gateway.verb(&["promote", "guard", "--to", "off", "--yes"]).status.success());
    assert_eq!(gateway.config(), before.replace("# on trial\n", "# on trial\nmode = \"off\"\n"));
    assert_eq!(gateway.get("/open/a?x=bad").status, 200);
}

#[test]
fn without_a_gateway_the_file_is_switched_and_keeps_its_permissions() {
    let folder = setup().folder();
    let file = folder.path().join("config.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let output = verb(folder.path(), &["promote", "guard", "--yes"], &[], None);
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read_to_string(&file).unwrap().contains("# on trial\nmode = \"enforce\"\n"));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
}

#[test]
fn what_cannot_be_promoted_is_told_and_nothing_is_changed() {
    let folder = setup().folder();
    let before = fs::read_to_string(folder.path().join("config.toml")).unwrap();
    let refused = |arguments: &[&str], environment: &[(String, String)]| {
        let output = verb(folder.path(), arguments, environment, None);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(fs::read_to_string(folder.path().join("config.toml")).unwrap(), before);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused(&["promote", "gaurd", "--yes"], &[]);
    assert!(said.contains("there is no plugin `gaurd` (did you mean `guard`?)"), "{said}");
    let variable = [("PLUGINMIND_PLUGINS__GUARD__MODE".to_owned(), "shadow".to_owned())];
    let said = refused(&["promote", "guard", "--yes"], &variable);
    assert!(said.contains("environment variable PLUGINMIND_PLUGINS__GUARD__MODE"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(crate::harness::gateway::BINARY)
        .current_dir(empty.path())
        .env_clear()
        .args(["promote", "guard", "--yes"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("the one in the binary"), "{output:?}");
    fs::write(folder.path().join("plugins/guard/main.rhai"), "fn on_request(req) {").unwrap();
    let said = refused(&["promote", "guard", "--yes"], &[]);
    assert!(said.contains("plugins/guard/main.rhai"), "{said}");
}

#[test]
fn each_value_is_shown_with_where_it_comes_from() {
    let folder = setup()
        .file(
            "plugins/guard/plugin.toml",
            &format!(
                "{}\n[settings]\nword = {{ type = \"string\", default = \"a\" }}\n\
                 pass = {{ type = \"string\", default = \"hush\", secret = true }}\n",
                manifest("guard", "shadow")
            ),
        )
        .folder();
    let show = |name: &str, environment: &[(String, String)]| {
        let output = verb(folder.path(), &["config", "show", name, "--format", "json"], environment, None);
        assert!(output.status.success(), "{output:?}");
        json(&output)
    };
    let variable = [("PLUGINMIND_PLUGINS__GUARD__MODE".to_owned(), "off".to_owned())];
    let values = show("guard", &variable);
    let of = |key: &str| {
        let found = values.as_array().unwrap().iter().find(|row| row["key"] == key).unwrap();
        (found["value"].to_string(), found["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("mode").1, "environment variable PLUGINMIND_PLUGINS__GUARD__MODE");
    let (priority, origin) = of("priority");
    assert!(priority == "7" && origin.ends_with("config.toml:9"), "{priority} {origin}");
    assert_eq!(of("version"), ("\"1.0.0\"".to_owned(), "plugins/guard/plugin.toml:2".to_owned()));
    assert_eq!(of("enforce_share"), ("1.0".to_owned(), "default".to_owned()));
    assert_eq!(of("settings.word"), ("\"a\"".to_owned(), "plugins/guard/plugin.toml:9".to_owned()));
    assert_eq!(of("settings.pass").0, "\"(secret)\"");
    assert!(!values.to_string().contains("hush"));

    let burst = [("RATE_LIMIT_BURST".to_owned(), "9".to_owned())];
    let limits = show("rate_limit", &burst);
    let burst = limits.as_array().unwrap().iter().find(|row| row["key"] == "rate_limit.user_burst").unwrap();
    assert_eq!(
        (burst["value"].as_str(), burst["origin"].as_str()),
        (Some("9"), Some("environment variable RATE_LIMIT_BURST"))
    );
    let output = verb(folder.path(), &["config", "show", "rate_limit.user_brust"], &[], None);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("did you mean `rate_limit.user_burst`?"),
        "{output:?}"
    );
}
