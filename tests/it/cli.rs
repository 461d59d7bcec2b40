//! Sections 1, 2 and 10 of the contract: every verb by its exit code and what it says.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{Setup, gateway::BINARY, gateway::manifest, gateway::verb};

const PASSWORD: &str = "a long password";
const SECRET: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

const CONFIG: &str = r#"
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

/// Runs the binary without `-c` in a folder.
fn bare(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command.env_clear().envs(environment.iter().copied()).current_dir(folder).args(arguments);
    command.stdin(std::process::Stdio::null()).output().expect("the binary starts")
}

fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], input: Option<&str>) -> Output {
    let environment: Vec<_> = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    verb(folder, arguments, &environment, input)
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("not one document ({e}): {}", said(output)))
}

#[test]
fn check_tells_every_problem_at_once_with_its_place_a_caret_and_a_hint() {
    let config = format!(
        "[rate_limit]\nip_brust = 5\nuser_per_minute = \"many\"\n[cors]\norigins = [\"https://a.example/path\"]\n{CONFIG}\n\
         [[routes]]\npath = \"/x\"\nservice = \"nowhere\"\n"
    );
    let folder =
        Setup::new(&config).plugin("mine", "fn on_request(req) { den(403, \"mine.x\", \"X\"); }").folder();
    let check = run(folder.path(), &["check"], &[], None);
    let text = said(&check);
    assert_eq!(code(&check), 1, "{text}");
    for wanted in [
        "config.toml:2:1",
        "ip_brust = 5",
        "^^^^^^^^",
        "did you mean `ip_burst`?",
        "config.toml:3:",
        "config.toml:5:",
        "nowhere",
        "plugins/mine/main.rhai:1:",
        "`deny`",
    ] {
        assert!(text.contains(wanted), "`{wanted}` in\n{text}");
    }
    let list = json(&run(folder.path(), &["check", "--format", "json"], &[], None));
    let list = list.as_array().expect("a list");
    assert!(list.len() >= 5, "{list:?}");
    let first = list.iter().find(|p| p["line"] == 2).expect("the unknown key");
    assert_eq!((first["column"].as_u64(), first["severity"].as_str()), (Some(1), Some("error")));
    assert!(first["file"].as_str().is_some_and(|f| f.ends_with("config.toml")));
}

#[test]
fn check_runs_the_cases_and_writes_nothing() {
    let rule = "fn on_request(req) { if req.path == \"/x\" { deny(403, \"mine.x\", \"X\"); } }";
    let setup =
        |case: &str| Setup::new(CONFIG).plugin("mine", rule).file("plugins/mine/tests/a.rhai", case).folder();
    let good = setup("fn test_x() { assert_denied(run(request(\"GET\", \"/x\")), \"mine.x\"); }");
    let check = run(good.path(), &["check"], &[], None);
    assert_eq!((code(&check), said(&check).trim()), (0, "no problems"));
    assert!(!good.path().join("data").exists());
    let bad = setup("fn test_x() {\n    assert_passed(run(request(\"GET\", \"/x\")));\n}");
    let check = run(bad.path(), &["check"], &[], None);
    assert_eq!(code(&check), 1);
    assert!(
        said(&check).contains("plugins/mine/tests/a.rhai:2:") && said(&check).contains("test_x"),
        "{}",
        said(&check)
    );
}

#[test]
fn what_this_repository_ships_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = bare(root, &["check"], &[]);
    assert_eq!((code(&check), said(&check).trim()), (0, "no problems"));
    let test = bare(root, &["test", "--format", "json"], &[]);
    assert_eq!(code(&test), 0, "{}", said(&test));
    let report = json(&test);
    let cases = report.as_array().expect("a list");
    for plugin in ["admin-hours", "honeypot", "response-scrub"] {
        assert!(cases.iter().any(|case| case["plugin"] == plugin), "{plugin}");
    }
    assert!(cases.iter().all(|case| case["ok"] == true), "{report}");
}

#[test]
fn test_fails_on_a_broken_case_and_runs_only_what_is_named() {
    let rule = "fn on_request(req) { }";
    let folder = Setup::new(CONFIG)
        .plugin("good", rule)
        .file("plugins/good/tests/a.rhai", "fn test_fine() { assert_passed(run(request(\"GET\", \"/\"))); }")
        .plugin("bad", rule)
        .file("plugins/bad/tests/a.rhai", "fn test_broken() {\n    assert_eq(1, 2);\n}")
        .folder();
    let all = run(folder.path(), &["test"], &[], None);
    assert_eq!(code(&all), 1);
    let text = said(&all);
    assert!(
        text.contains("test_broken") && text.contains("FAILED") && text.contains("1 passed, 1 failed"),
        "{text}"
    );
    assert!(text.contains("plugins/bad/tests/a.rhai:2"), "{text}");
    assert_eq!(code(&run(folder.path(), &["test", "good"], &[], None)), 0);
    assert_eq!(code(&run(folder.path(), &["test", "bad"], &[], None)), 1);
    assert_eq!(code(&run(folder.path(), &["test", "nobody"], &[], None)), 1, "a name that is nobody's");
}

#[test]
fn a_wrong_command_line_ends_64_and_help_ends_0() {
    let folder = Setup::new(CONFIG).folder();
    for wrong in [
        &["bogus"][..],
        &["check", "--nonsense"],
        &["users"],
        &["users", "add"],
        &["sessions", "revoke"],
        &["sessions", "revoke", "--all", "--user", "x"],
        &["--format", "yaml", "check"],
        &["serve", "extra"],
    ] {
        let output = run(folder.path(), wrong, &[], None);
        assert_eq!((code(&output), output.stdout.len()), (64, 0), "{wrong:?}: {}", said(&output));
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
    for fine in [&["--help"][..], &["--version"], &["users", "--help"]] {
        let output = run(folder.path(), fine, &[], None);
        assert_eq!((code(&output), output.stderr.len()), (0, 0), "{fine:?}");
    }
    assert!(said(&run(folder.path(), &["--version"], &[], None)).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_config_file_is_the_named_one_the_variables_the_one_here_or_the_embedded_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let embedded = bare(path, &["check"], &[]);
    assert_eq!(code(&embedded), 0, "{}", said(&embedded));
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    let missing = bare(path, &["-c", "nowhere.toml", "check"], &[]);
    assert_eq!(code(&missing), 2);
    assert!(
        said(&missing).contains("nowhere.toml") && said(&missing).lines().count() == 1,
        "{}",
        said(&missing)
    );
    assert_eq!(code(&bare(path, &["check"], &[("PLUGINMIND_CONFIG", "nowhere.toml")])), 2);
    assert_eq!(code(&bare(path, &["-c", "nowhere.toml", "serve"], &[])), 2);

    fs::write(path.join("config.toml"), "here = 1\n").unwrap();
    fs::write(path.join("variable.toml"), "variable = 1\n").unwrap();
    fs::write(path.join("named.toml"), "named = 1\n").unwrap();
    let variable = [("PLUGINMIND_CONFIG", "variable.toml")];
    assert!(said(&bare(path, &["check"], &[])).contains("`here`"));
    assert!(said(&bare(path, &["check"], &variable)).contains("`variable`"));
    for arguments in [&["-c", "named.toml", "check"][..], &["check", "--config", "named.toml"]] {
        assert!(
            said(&bare(path, arguments, &variable)).contains("`named`"),
            "the flag outranks the variable"
        );
    }
}

#[test]
fn json_is_one_document_before_or_after_the_verb() {
    let gateway = Setup::new(CONFIG).user("ann", PASSWORD, &[]).start();
    for line in
        ["check", "test", "users list", "sessions list", "status", "reload", "healthcheck", "secret generate"]
    {
        let words: Vec<&str> = line.split(' ').collect();
        for arguments in
            [[&["--format", "json"], &words[..]].concat(), [&words[..], &["--format", "json"]].concat()]
        {
            let output = gateway.verb(&arguments);
            assert_eq!(code(&output), 0, "{arguments:?}: {}", said(&output));
            let document = json(&output);
            let list = ["check", "test", "users list", "sessions list"].contains(&line);
            assert_eq!((document.is_array(), document.is_object()), (list, !list), "{line}");
        }
    }
}

#[test]
fn users_are_added_listed_and_disabled_without_a_gateway() {
    let folder = Setup::new(CONFIG).folder();
    let users = |arguments: &[&str], input: &str| {
        run(folder.path(), &[&["users"], arguments].concat(), &[], Some(input))
    };
    assert_eq!(json(&users(&["list", "--format", "json"], "")), serde_json::json!([]));
    let added = users(&["add", "Ann@Example.org", "--role", "staff", "--role", "ops"], PASSWORD);
    assert_eq!(code(&added), 0, "{}", said(&added));
    assert!(!said(&added).contains(PASSWORD));
    for (arguments, input, words) in [
        (&["add", "ann@example.org"][..], PASSWORD, "already"),
        (&["add", "ANN@example.org"], PASSWORD, "already"),
        (&["add", "bob"], "short", "12"),
        (&["add", "bob"], "", "no password"),
        (&["add", "two words"], PASSWORD, "name"),
        (&["add", "bob", "--role", "a,b"], PASSWORD, "role"),
        (&["passwd", "nobody"], PASSWORD, "no such account"),
        (&["disable", "nobody"], "", "no such account"),
    ] {
        let refused = users(arguments, input);
        assert_eq!(code(&refused), 1, "{arguments:?}: {}", said(&refused));
        assert!(said(&refused).contains(words), "{arguments:?}: {}", said(&refused));
        assert_eq!(refused.stdout.len(), 0, "{arguments:?}");
    }
    let list = json(&users(&["list", "--format", "json"], ""));
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list[0]["name"], "ann@example.org");
    assert_eq!(list[0]["roles"], serde_json::json!(["staff", "ops"]));
    assert!(list.to_string().find("argon2").is_none());
    assert_eq!(code(&users(&["disable", "ann@example.org"], "")), 0);
    assert_eq!(json(&users(&["list", "--format", "json"], ""))[0]["disabled"], true);
}

#[test]
fn users_and_sessions_change_in_the_running_gateway_at_once() {
    let gateway = Setup::new(CONFIG).user("ann", PASSWORD, &[]).start();
    let private = |cookie: &str| gateway.send("GET /private", &[("Cookie", cookie)], b"").status;
    let input = |arguments: &[&str], input: &str| verb(gateway.path(), arguments, &[], Some(input));
    assert_eq!(code(&input(&["users", "add", "bob", "--role", "staff"], PASSWORD)), 0);
    assert_eq!(code(&input(&["users", "add", "bob"], PASSWORD)), 1, "taken");
    let (ann, bob) = (gateway.sign_in("ann", PASSWORD), gateway.sign_in("bob", PASSWORD));
    let list = json(&gateway.verb(&["sessions", "list", "--format", "json"]));
    assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");
    let of_bob = json(&gateway.verb(&["sessions", "list", "--user", "bob", "--format", "json"]));
    assert_eq!(of_bob.as_array().map(Vec::len), Some(1), "{of_bob}");

    assert_eq!(code(&gateway.verb(&["sessions", "revoke", "--id", of_bob[0]["id"].as_str().unwrap()])), 0);
    assert_eq!((private(&ann), private(&bob)), (200, 401));
    assert_eq!(code(&gateway.verb(&["sessions", "revoke", "--id", &"0".repeat(32)])), 1, "an unknown id");
    assert_eq!(code(&gateway.verb(&["sessions", "revoke", "--user", "nobody"])), 1);

    assert_eq!(code(&input(&["users", "passwd", "ann"], "another long one")), 0);
    assert_eq!(private(&ann), 401);
    let ann = gateway.sign_in("ann", "another long one");
    assert_eq!(code(&gateway.verb(&["users", "disable", "ann"])), 0);
    assert_eq!(private(&ann), 401);
    let bob = gateway.sign_in("bob", PASSWORD);
    let all = gateway.verb(&["sessions", "revoke", "--all"]);
    assert_eq!((code(&all), said(&all).contains('1')), (0, true), "{}", said(&all));
    assert_eq!(private(&bob), 401);
}

#[test]
fn sessions_are_revoked_in_the_database_where_no_gateway_runs() {
    let mut gateway = Setup::new(CONFIG).user("ann", PASSWORD, &[]).start();
    let cookie = gateway.sign_in("ann", PASSWORD);
    gateway.signal("KILL");
    assert_eq!(gateway.wait(), None);
    let list = json(&gateway.verb(&["sessions", "list", "--format", "json"]));
    assert_eq!(list[0]["user"], "ann");
    let revoke = gateway.verb(&["sessions", "revoke", "--user", "ann"]);
    assert_eq!(code(&revoke), 0, "{}", said(&revoke));
    let gateway = gateway.kill_and_restart();
    assert_eq!(gateway.send("GET /private", &[("Cookie", &cookie)], b"").status, 401);
}

#[test]
fn without_a_gateway_its_verbs_say_so() {
    let folder = Setup::new(CONFIG).folder();
    for (arguments, wanted) in [(&["status"][..], 2), (&["reload"], 2), (&["healthcheck"], 1)] {
        let output = run(folder.path(), arguments, &[], None);
        assert_eq!(code(&output), wanted, "{arguments:?}");
        assert!(said(&output).contains("no gateway answers at 127.0.0.1:"), "{}", said(&output));
    }
    assert!(!folder.path().join("data").exists(), "asking makes nothing");
}

#[test]
fn healthcheck_ends_0_when_ready_and_1_when_not() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Setup::new(CONFIG).start();
    assert_eq!(code(&gateway.verb(&["healthcheck"])), 0);
    let service = format!(
        "{CONFIG}\n[[services]]\nname = \"db\"\nurls = [\"http://{free}\"]\nrequired = true\nhealth = \"/\"\nhealth_interval = \"1s\"\n"
    );
    let gateway = Setup::new(&service).start();
    gateway.until("the service is down", |g| g.get("/ready").status == 503);
    let unready = gateway.verb(&["healthcheck"]);
    assert_eq!((code(&unready), said(&unready).contains("service db")), (1, true), "{}", said(&unready));
}

#[test]
fn status_speaks_even_when_the_config_on_disk_is_broken() {
    let gateway = Setup::new(CONFIG).start();
    gateway.save("config.toml", &gateway.config().replace("auth = \"none\"", "auth = \"nobody\""));
    gateway.until("stale", |g| g.get("/ready").text().contains("stale"));
    let status = gateway.verb(&["status"]);
    assert_eq!(code(&status), 0, "{}", said(&status));
    assert!(said(&status).contains("STALE") && said(&status).contains("`nobody`"), "{}", said(&status));
}

#[test]
fn secret_generate_makes_another_good_secret_each_time() {
    let folder = Setup::new(CONFIG).folder();
    let one = said(&run(folder.path(), &["secret", "generate"], &[], None)).trim().to_owned();
    let two = said(&run(folder.path(), &["secret", "generate"], &[], None)).trim().to_owned();
    assert_ne!(one, two);
    assert!(one.len() == 64 && one.bytes().all(|b| b.is_ascii_hexdigit()), "{one}");
    let production = [("ENVIRONMENT", "production"), ("BACKEND_SESSION_SECRET", one.as_str())];
    assert_eq!(code(&run(folder.path(), &["check"], &production, None)), 0);
}

#[test]
fn production_refuses_each_weakness_by_environment_and_by_file() {
    let refused: [(&str, &str, &str, &str); 8] = [
        ("BACKEND_SESSION_SECRET", "", "", "no session secret"),
        ("BACKEND_SESSION_SECRET", "x7#Kq9!z", "[session]\nsecret = \"x7#Kq9!z\"\n", "shorter than 32 bytes"),
        (
            "BACKEND_SESSION_SECRET",
            "your-64-char-secret",
            "[session]\nsecret = \"your-64-char-secret\"\n",
            "placeholder",
        ),
        (
            "BACKEND_SESSION_SECRET",
            "changeme-changeme-changeme-changeme",
            "[session]\nsecret = \"changeme-changeme-changeme-changeme\"\n",
            "placeholder",
        ),
        (
            "BACKEND_SESSION_SECRET",
            "abababababababababababababababababababab",
            "[session]\nsecret = \"abababababababababababababababababababab\"\n",
            "bits a character",
        ),
        ("CORS_ORIGINS", "*", "[cors]\norigins = [\"*\"]\n", "`*`"),
        ("CORS_ORIGINS", "http://app.example", "[cors]\norigins = [\"http://app.example\"]\n", "plain http"),
        ("PLUGINMIND_ADMIN__LISTEN", "0.0.0.0:9", "[admin]\nlisten = \"0.0.0.0:9\"\n", "there is no token"),
    ];
    let about_secret = |name: &str| name == "BACKEND_SESSION_SECRET";
    for (name, value, table, words) in refused {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        let mut environment = vec![("ENVIRONMENT", "production")];
        if !about_secret(name) {
            environment.push(("BACKEND_SESSION_SECRET", SECRET));
        }
        let look = |text: &str, extra: Option<(&'static str, &str)>| {
            fs::write(&config, text).unwrap();
            let mut environment: Vec<(&str, &str)> = environment.clone();
            environment.extend(extra);
            for arguments in [["check"], ["serve"]] {
                let output = bare(folder.path(), &arguments, &environment);
                let text = said(&output);
                assert_eq!(code(&output), 1, "{arguments:?} {name}: {text}");
                assert!(text.contains(words), "`{words}` in {text}");
                assert!(
                    value.len() < 20 || !about_secret(name) || !text.contains(value),
                    "the secret is shown: {text}"
                );
            }
        };
        look("", Some((name, value)).filter(|(_, value)| !value.is_empty()));
        look(table, None);
        environment[0].0 = "PLUGINMIND_ENVIRONMENT";
        fs::write(&config, format!("environment = \"production\"\n{table}")).unwrap();
        let by_file = bare(folder.path(), &["check"], &environment[1..]);
        assert_eq!(code(&by_file), 1, "{}", said(&by_file));
        let development = bare(folder.path(), &["check"], &[("ENVIRONMENT", "development")]);
        assert_eq!(
            code(&development),
            i32::from(value == "*"),
            "development is lenient: {}",
            said(&development)
        );
    }
}

#[test]
fn the_environment_outranks_the_file() {
    let config = "[session]\ncookie_name = \"from_file\"\n[rate_limit]\nip_per_minute = 10\nip_burst = 10\n[cors]\norigins = [\"https://file.example\"]\n";
    let gateway = Setup::new(&format!("{config}{CONFIG}"))
        .env("RATE_LIMIT_IP_BURST", "77")
        .env("CORS_ORIGINS", "https://one.example, https://two.example")
        .env("SESSION_COOKIE_DOMAIN", ".example.org")
        .env("BACKEND_SESSION_SECRET", SECRET)
        .env("PLUGINMIND_SESSION__COOKIE_NAME", "from_env")
        .env("LOG_LEVEL", "WARN")
        .user("ann", PASSWORD, &[])
        .start();
    assert_eq!(gateway.get("/open").header("x-ratelimit-limit"), Some("77"));
    let preflight = |origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        gateway.send("OPTIONS /open", &headers, b"").status
    };
    assert_eq!(preflight("https://one.example"), 204);
    assert_eq!(preflight("https://two.example"), 204);
    assert_eq!(preflight("https://file.example"), 403);
    let body = format!("{{\"username\":\"ann\",\"password\":\"{PASSWORD}\"}}");
    let login = gateway.send("POST /auth/login", &[("Content-Type", "application/json")], body.as_bytes());
    let cookie = login.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("from_env=") && cookie.contains("Domain=example.org"), "{cookie}");
    assert!(!gateway.at("data/session.secret").exists(), "there is a secret, so none is made");
    assert!(gateway.log().is_empty(), "{:?}", gateway.log());
}

#[test]
fn names_in_the_environment_that_nothing_reads_are_told() {
    let folder = Setup::new(CONFIG).folder();
    let check = |environment: &[(&str, &str)]| {
        let output = run(folder.path(), &["check"], environment, None);
        (code(&output), said(&output))
    };
    let (exit, text) = check(&[("PLUGINMIND_SESSION__TTX", "1h")]);
    assert!(exit == 1 && text.contains("session.ttl") && text.contains("PLUGINMIND_SESSION__TTX"), "{text}");
    let (exit, text) = check(&[("PLUGINMIND_FOO", "1")]);
    assert!(exit == 0 && text.contains("warning") && text.contains("PLUGINMIND_FOO"), "{text}");
    let (exit, text) = check(&[("RATE_LIMIT_PER_MIN", "canary-value")]);
    assert!(exit == 1 && text.contains("RATE_LIMIT_PER_MIN"), "{text}");
    let both = [("BACKEND_SESSION_SECRET", SECRET), ("BACKEND_SESSION_SECRET_FILE", "secret")];
    let (exit, text) = check(&both);
    assert!(exit == 1 && text.contains("both set") && !text.contains(SECRET), "{text}");
}

#[test]
fn a_plugins_own_manifest_problems_have_a_place() {
    let broken = manifest("mine", "enforce").replace("on_error = \"deny\"\n", "on_eror = \"deny\"\n");
    let folder = Setup::new(CONFIG)
        .file("plugins/mine/plugin.toml", &broken)
        .file("plugins/mine/main.rhai", "fn on_request(req) { }")
        .file("plugins/half/main.rhai", "fn on_request(req) { }")
        .file("plugins/notes/readme.txt", "")
        .folder();
    let check = run(folder.path(), &["check"], &[], None);
    let text = said(&check);
    assert_eq!(code(&check), 1);
    assert!(text.contains("plugins/mine/plugin.toml:6:1") && text.contains("`on_error`"), "{text}");
    assert!(
        text.contains("plugins/half/plugin.toml"),
        "rules without a manifest are not passed over: {text}"
    );
    assert!(!text.contains("plugins/notes"), "what is no plugin is not ours: {text}");
}

#[test]
fn the_config_reference_is_made_from_the_code() {
    let folder = Setup::new(CONFIG).folder();
    let docs = run(folder.path(), &["docs", "config"], &[], None);
    assert_eq!(code(&docs), 0);
    for key in ["trusted_proxies", "ip_per_minute", "cookie_domain", "body_schema", "retention"] {
        assert!(said(&docs).contains(key), "{key}");
    }
}

#[test]
fn everything_serve_writes_off_a_terminal_is_json_lines() {
    let gateway = Setup::new(CONFIG).env("PLUGINMIND_FOO", "1").start();
    gateway.get("/open");
    gateway.until("the request's line", |g| g.log().iter().any(|l| l.contains("\"request\"")));
    for line in gateway.log() {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(
            line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
}
