use std::fs;

use super::*;
use crate::config::check::{STRONG, config, dev, finds, inputs, production, report_in};

const PRODUCTION: (&str, &str) = ("ENVIRONMENT", "production");

fn nowhere(text: &str, environment: &[(&str, &str)]) -> String {
    report_in(Path::new("/nonexistent"), text, environment)
}

fn rendered(text: &str) -> String {
    load(&inputs(Path::new("/nonexistent"), text, &[])).problems.render()
}

fn keys(text: &str, environment: &[(&str, &str)], folder: &Path) -> Vec<String> {
    let loaded = load(&inputs(folder, text, environment));
    let session = loaded.config.unwrap_or_else(|| panic!("{}", loaded.problems.render())).session;
    session.keys.iter().map(|k| String::from_utf8(k.expose().clone()).unwrap()).collect()
}

#[test]
fn the_shipped_file_is_fine_and_says_what_it_promises() {
    let loaded = load(&Inputs::embedded(Path::new("/nonexistent"), BTreeMap::new()));
    assert_eq!(loaded.problems.render(), "");
    let config = loaded.config.unwrap();
    assert_eq!(config.environment, Environment::Development);
    let names: Vec<_> = config.routes.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["hello", "private", "admin", "echo", "app"]);
    assert!(config.routes[3].body_schema.is_some());
}

/// Each commented line `# key = value` must be what the key is without it.
#[test]
fn every_default_in_the_shipped_files_comments_is_the_default() {
    let page = crate::config::reference();
    let mut table = String::new();
    let mut seen = 0;
    for line in EMBEDDED.lines() {
        let text = line.trim_start_matches("# ");
        if text.starts_with('[') {
            let header = text.split(']').next().unwrap_or_default();
            header.trim_start_matches('[').clone_into(&mut table);
            if table.starts_with("auth.providers.") {
                "auth.providers.*".clone_into(&mut table);
            }
        }
        let example = [
            "token_file",
            "secret_file",
            "cookie_domain",
            "health ",
            "ca ",
            "host ",
            "body_max        = \"10",
            "rate_limit ",
            "set_headers",
            "mode ",
            "settings ",
            "issuer ",
            "client_",
            "allowed_domains ",
            "public_url ",
            "country ",
            "asn ",
            "memory_max ",
            "certificate",
            "key ",
            "redirect_listen ",
            "otlp ",
        ];
        if !line.starts_with("# ") || !text.contains(" = ") || example.iter().any(|e| text.starts_with(e)) {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap();
        if key.trim().contains([' ', '`', '"', ':']) {
            continue;
        }
        let value = value.split("  ").next().unwrap().trim().replace('_', "");
        let list = if matches!(table.as_str(), "services" | "routes") { "[]" } else { "" };
        let row = format!("| `{table}{list}.{}` |", key.trim());
        let documented = page.lines().find(|l| l.starts_with(&row)).unwrap_or_else(|| panic!("no row {row}"));
        assert!(documented.replace('_', "").contains(&format!("| `{value}` |")), "{documented}\n{line}");
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = config("");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.body_max, 1_000_000);
    assert_eq!(config.session.cookie_name, "pm_session");
    assert_eq!((config.rate_limit.user_burst, config.rate_limit.ip_burst), (120, 600));
    assert_eq!(config.storage.path, Path::new("/nonexistent/data/pluginmind.db"));
    assert_eq!(config.plugins.path, Path::new("/nonexistent/plugins"));
    assert!(config.cors.origins.is_empty() && config.routes.is_empty() && config.session.keys.is_empty());
    assert!(config.auth.local_enabled);
}

const MANY_PROBLEMS: &str = "\
environment = \"develpment\"

[server]
listen = \"localhost:8080\"
body_max = 1.5

[rate_limit]
brust = 5

[[services]]
name = \"app\"
urls = [\"http://127.0.0.1:3000/x\"]

[[routes]]
path = \"/api/*\"
service = \"ap\"
methods = [\"GET\", \"get\"]

[sesion]
";

#[test]
fn every_problem_is_shown_at_once_with_its_line_a_caret_and_a_hint() {
    insta::assert_snapshot!(rendered(MANY_PROBLEMS), @r#"
    error: `environment`: `develpment` is not one of `development`, `production` (did you mean `development`?)
     --> config.toml:1:15
      |
    1 | environment = "develpment"
      |               ^^^^^^^^^^^^

    error: `server.listen`: `localhost:8080` is not an address with a port such as "127.0.0.1:8080"
     --> config.toml:4:10
      |
    4 | listen = "localhost:8080"
      |          ^^^^^^^^^^^^^^^^

    error: `server.body_max` must be a size, not a number with a point
     --> config.toml:5:12
      |
    5 | body_max = 1.5
      |            ^^^

    error: unknown key `brust` in `[rate_limit]`
     --> config.toml:8:1
      |
    8 | brust = 5
      | ^^^^^
      = help: did you mean `ip_burst` or `user_burst`?

    error: `services[].urls`: `http://127.0.0.1:3000/x` has a path: an upstream is a host and a port (see `strip_prefix` of routes)
      --> config.toml:12:9
       |
    12 | urls = ["http://127.0.0.1:3000/x"]
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^

    error: there is no service `ap`
      --> config.toml:16:11
       |
    16 | service = "ap"
       |           ^^^^
       = help: did you mean `app`?

    error: `routes[].methods`: methods stand in upper case: write "GET"
      --> config.toml:17:19
       |
    17 | methods = ["GET", "get"]
       |                   ^^^^^

    error: unknown key `sesion` at the top
      --> config.toml:19:2
       |
    19 | [sesion]
       |  ^^^^^^
       = help: did you mean `session`?
"#);
}

#[test]
fn a_wrong_table_a_wrong_kind_and_a_missing_key_are_found_in_every_spelling() {
    finds(
        &dev("server.listn = \"x\"\n"),
        "config.toml:1:8: unknown key `listn` in `[server]` [did you mean `listen`?]",
    );
    finds(
        &dev("server = { body_max = true }\n"),
        "config.toml:1:23: `server.body_max` must be a size, not true or false",
    );
    finds(&dev("server = 5\n"), "config.toml:1:10: `server` must be a table, not a whole number");
    finds(&dev("routes = 5\n"), "`routes` must be a list of tables");
    finds(&dev("[routes]\npath = \"/a\"\n"), "`routes` must be a list of tables");
    finds(
        &dev("routes = [{ path = \"/a\" }]\n"),
        "config.toml:1:11: a route needs `service`, `respond` or `redirect`",
    );
    finds(
        &dev("auth.local.enabled = \"yes\"\n"),
        "config.toml:1:22: `auth.local.enabled` must be true or false, not a text",
    );
    finds(&dev("cors.origins = \"http://a\"\n"), "`cors.origins` must be a list, not a text");
    finds(
        &dev("cors.origins = [5]\n"),
        "config.toml:1:17: `cors.origins` must be a text in quotes, not a whole number",
    );
    finds(&dev("[alert]\n"), "config.toml:1:2: unknown key `alert` at the top");
}

#[test]
fn hr_06_a_file_that_does_not_parse_is_refused_with_every_place() {
    let report = dev("[session]\nttl = 24h\nttl = \"1h\"\n[server\nlisten = 5\n");
    for place in ["config.toml:2:7:", "config.toml:3:1: duplicate key", "config.toml:4:8:"] {
        finds(&report, place);
    }
    finds(&dev("a = 1\0\n"), "config.toml:1:5:");
    assert_eq!(dev("[session]\r\nttl = \"1h\"\r\n"), "");
}

#[test]
fn hr_06_a_bomb_of_brackets_or_keys_is_refused_and_reported_in_short() {
    for bomb in [
        format!("a = {}", "[".repeat(200_000)),
        format!("{}=1", vec!["a"; 50_000].join(".")),
        "[\n".repeat(50_000),
    ] {
        let loaded = load(&inputs(Path::new("/nonexistent"), &bomb, &[]));
        assert!(loaded.config.is_none());
        assert!(loaded.problems.len() <= 210 && loaded.problems.render().len() < 100_000);
    }
    let unknown = (0..500).map(|n| format!("key{n} = 1")).collect::<Vec<_>>().join("\n");
    let report = dev(&unknown);
    assert_eq!(report.lines().count(), 101);
    finds(&report, "there are more problems; these are the first");
}

#[test]
fn no_report_shows_a_secret_or_the_line_where_one_stands() {
    for text in [
        "[session]\nsecret = \"hunter2hunter2\"\n",
        "[session]\nsecret = hunter2hunter2\n",
        "[session]\nsecret \"hunter2hunter2\"\n",
        "[session]\nsecret = \"hunter2hunter2\n",
        "[session]\nsecret = \"hunter2\\qhunter2\"\n",
        "[session]\nsecret = \"\"\"\nhunter2hunter2\\q\n\"\"\"\n",
        "[session]\nsecret = [\"hunter2hunter2\"]\n",
        "[session]\nsecert = \"hunter2hunter2\"\n",
        "session = { secret = \"hunter2hunter2\", ttl = 5 }\n",
        "session.secret = \"hunter2hunter2\"\nsession = 5\n",
        "[sesion]\nsecret = \"hunter2hunter2\"\nsecret = \"hunter2hunter2\"\n",
        "[[services]]\nname = \"a\"\nurls = [\"http://u:hunter2hunter2@a\"]\n",
        "[[routes]]\npath = \"/a\"\nrespond = {}\nset_headers = { Authorization = \"hunter2hunter2\\r\" }\n",
        "[session]\nsecret = \"hunter2\nhunter2\"\n",
    ] {
        let loaded = load(&inputs(Path::new("/nonexistent"), text, &[PRODUCTION]));
        assert!(loaded.problems.has_errors(), "{text}");
        let report = loaded.problems.render() + &serde_json::to_string(&loaded.problems).unwrap();
        assert!(!report.contains("hunter2"), "{text}\n{report}");
    }
}

#[test]
fn a_problem_with_the_environment_names_the_variable_and_no_secret() {
    let report =
        nowhere("", &[("RATE_LIMIT_BURST", "many"), ("CORS_ORIGINS", "http://a,*"), ("LOG_LEVEL", "loud")]);
    finds(
        &report,
        "environment variable RATE_LIMIT_BURST: `rate_limit.user_burst`: `many` is not a whole number",
    );
    finds(&report, "environment variable CORS_ORIGINS: `cors.origins`: `*` never goes with cookies");
    finds(&report, "environment variable LOG_LEVEL: `log.level`: `loud` is not one of");
    let report = nowhere("", &[PRODUCTION, ("BACKEND_SESSION_SECRET", "hunter2")]);
    finds(&report, "environment variable BACKEND_SESSION_SECRET: `session.secret` is shorter than 32 bytes");
    assert!(!report.contains("hunter2"));
}

#[test]
fn the_environment_wins_over_the_file_and_must_name_keys_that_exist() {
    let environment = [
        ("RATE_LIMIT_PER_MIN", "7"),
        ("PLUGINMIND_RATE_LIMIT__IP_BURST", "9"),
        ("CORS_ORIGINS", "http://a, https://b"),
    ];
    let loaded = load(&inputs(Path::new("/x"), "[rate_limit]\nuser_per_minute = 5\n", &environment));
    let config = loaded.config.unwrap();
    assert_eq!((config.rate_limit.user_per_minute, config.rate_limit.ip_burst), (7, 9));
    assert_eq!(config.cors.origins, ["http://a", "https://b"]);
    let report = nowhere("", &[("PLUGINMIND_RATE_LIMIT__USER_BRUST", "1"), ("PLUGINMIND_SESION__TTL", "1h")]);
    finds(
        &report,
        "PLUGINMIND_RATE_LIMIT__USER_BRUST: there is no key `rate_limit.user_brust` [did you mean `rate_limit.user_burst`?]",
    );
    finds(&report, "PLUGINMIND_SESION__TTL: there is no key `sesion.ttl` [did you mean `session.ttl`?]");
}

#[test]
fn cs_12_production_refuses_a_missing_short_placeholder_or_repetitive_secret() {
    finds(&nowhere("", &[PRODUCTION]), "config.toml:1:1: there is no session secret, which production needs");
    finds(&nowhere("", &[PRODUCTION, ("BACKEND_SESSION_SECRET", "")]), "there is no session secret");
    for (secret, why) in [
        ("x7#Kq9!z", "is shorter than 32 bytes"),
        ("your-64-char-secret", "is a placeholder"),
        ("changeme", "is a placeholder"),
        ("abababababababababababababababababababab", "repeats itself"),
    ] {
        let report = nowhere("", &[PRODUCTION, ("BACKEND_SESSION_SECRET", secret)]);
        finds(&report, why);
        assert!(!report.contains("warning"), "{report}");
        let report = nowhere("", &[("BACKEND_SESSION_SECRET", secret)]);
        finds(&report, "warning environment variable BACKEND_SESSION_SECRET: `session.secret`");
    }
    assert_eq!(nowhere("", &[PRODUCTION, ("BACKEND_SESSION_SECRET", STRONG)]), "");
    finds(&dev("[session]\nsecret = \"\"\n"), "config.toml:2:10: `session.secret` is empty");
}

#[test]
fn production_refuses_a_public_admin_listener_without_a_token() {
    let text = "[admin]\nlisten = \"0.0.0.0:8081\"\n";
    finds(
        &production(text),
        "config.toml:2:10: `admin.listen`: 0.0.0.0:8081 can be reached from other machines",
    );
    finds(&dev(text), "warning config.toml:2:10");
    assert_eq!(production(&format!("{text}token_file = \"/run/x\"\n")), "");
}

#[test]
fn the_key_is_the_secret_without_its_closing_newline() {
    let here = Path::new("/nonexistent");
    for (secret, key) in [("a b \n", "a b "), ("x\r\n", "x"), ("x\n\n", "x\n")] {
        assert_eq!(keys("", &[("BACKEND_SESSION_SECRET", secret)], here), [key]);
    }
}

#[test]
fn a_secret_file_has_one_secret_a_line_the_signing_one_first() {
    let folder = tempfile::tempdir().unwrap();
    let old = STRONG.replace('9', "a");
    fs::write(folder.path().join("secrets"), format!("{STRONG}\n{old}\r\n\n")).unwrap();
    let text = "[session]\nsecret_file = \"secrets\"\n";
    assert_eq!(keys(text, &[PRODUCTION], folder.path()), [STRONG, old.as_str()]);
    // The environment's secret outranks the file's `secret_file`, and its file the file's `secret`.
    let other = STRONG.replace('8', "b");
    assert_eq!(keys(text, &[("BACKEND_SESSION_SECRET", &other)], folder.path()), [other.as_str()]);
    let text = format!("[session]\nsecret = \"{other}\"\n");
    let file = [("BACKEND_SESSION_SECRET_FILE", "secrets")];
    assert_eq!(keys(&text, &file, folder.path()), [STRONG, old.as_str()]);
}

#[test]
fn what_is_wrong_with_a_secret_file_is_said_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[session]\nsecret_file = \"secrets\"\n";
    let report = |environment: &[(&str, &str)]| report_in(folder.path(), text, environment);
    finds(&report(&[]), "there is no such file");
    fs::write(folder.path().join("secrets"), "\n").unwrap();
    finds(&report(&[]), "holds 0 secrets, not 1 to 16");
    fs::write(folder.path().join("secrets"), format!("{STRONG}\nhunter2\n")).unwrap();
    let weak = report(&[PRODUCTION]);
    finds(&weak, "secrets:2: the secret is shorter than 32 bytes");
    assert!(!weak.contains("hunter2"));
    fs::write(folder.path().join("secrets"), b"\xff\xfe").unwrap();
    finds(&report(&[]), "line 1 is not UTF-8");
    finds(
        &dev(&format!("{text}secret = \"{STRONG}\"\n")),
        "config.toml:2:15: `session.secret` and `session.secret_file` are both set",
    );
}

#[test]
fn a_development_secret_is_made_once_for_its_owner_only_and_found_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    assert!(keys("", &[], folder.path()).is_empty());
    let data = folder.path().join("data");
    let made = crate::config::make_development_secret(&data).unwrap();
    assert_eq!(keys("", &[], folder.path()), [String::from_utf8(made.expose().clone()).unwrap()]);
    assert_eq!(fs::metadata(data.join("session.secret")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(made.expose().len(), 64);
    assert!(crate::config::make_development_secret(&data).is_err());
    assert_eq!(crate::config::weakness(made.expose()), None);
    // Production never takes it.
    finds(&report_in(folder.path(), "", &[PRODUCTION]), "there is no session secret");
}

#[test]
fn hr_05_a_config_that_everybody_may_change_is_refused_in_production() {
    let open = |environment: &[(&str, &str)]| {
        let mut inputs = inputs(Path::new("/x"), "", environment);
        inputs.writable_by_all = true;
        load(&inputs)
    };
    assert!(open(&[]).config.is_some());
    finds(&open(&[]).problems.render(), "warning: everybody may change the file");
    assert!(open(&[PRODUCTION, ("BACKEND_SESSION_SECRET", STRONG)]).config.is_none());
}

#[test]
fn other_files_that_were_looked_at_are_named_for_the_watcher() {
    let text =
        "[session]\nsecret_file = \"s\"\n[[routes]]\npath = \"/a\"\nrespond = {}\nbody_schema = \"x.json\"\n";
    let loaded = load(&inputs(Path::new("/x"), text, &[]));
    assert_eq!(loaded.files, [Path::new("/x/s"), Path::new("/x/x.json")]);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in ".{0,200}") {
        dev(&text);
    }

    #[test]
    fn any_text_that_looks_like_a_config_is_read_or_refused_without_a_panic(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", "\"", "\"\"\"", "'", "#", "é", "5", "-1", "true", "nan",
                "99999999999999999999", "\"30s\"", "\"/a/*\"", "\"*\"", "server", "listen", "session", "secret", "secret_file",
                "cors", "origins", "routes", "path", "service", "services", "urls", "respond", "json", "body_schema",
                "set_headers", "plugins", "settings", "mode", "rate_limit", "1979-05-27", "\0", "\r\n", "\u{feff}",
            ]),
            0..60,
        )
    ) {
        dev(&words.concat());
    }
}
