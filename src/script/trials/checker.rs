//! What `check` finds, in the words that it finds for it.

use super::*;
use crate::config::{Mode, RouteFilter, SettingValue};

fn check(main: &str, wanted: &str) {
    assert_eq!(Ground::with(main).problems(), wanted);
}

fn hook(body: &str) -> String {
    format!("fn on_request(req) {{\n    {body}\n}}\n")
}

#[test]
fn a_broken_plugin_is_shown_with_every_problem_at_once() {
    let main = "const LIMIT = 3;\n\nfn on_requst(req) { }\n\nfn on_auth(req, res) { }\n\nfn len(x) { x }\n\nfn on_request(req) {\n    if req.geo.contry == \"CN\" {\n        deny(200, \"Geo.No\", \"No.\");\n    }\n    let n = text::lowr(req.path);\n    if settings::limt > LIMIT { score(1, `a.${n}`); }\n    helper(n);\n}\n\nfn on_log(req, res) { tag(\"late\"); }\n";
    let manifest = "mode = \"enforced\"\npriority = 5000\nstate = { max_key = 3 }\n[settings]\nlimit = { type = \"int\", default = \"x\" }\ndefault = { type = \"bool\", default = true }\n";
    let (_, problems) = Ground::new()
        .plugin("rule", &format!("on_error = \"deny\"\n{manifest}"), main)
        .load(&BTreeMap::new());
    insta::assert_snapshot!(only(&problems, Severity::Error).render(), @r##"
    error: `priority`: 5000 is not between 0 and 999
     --> plugins/rule/plugin.toml:6:12
      |
    6 | priority = 5000
      |            ^^^^

    error: `mode`: `enforced` is not one of `shadow`, `enforce`, `off` (did you mean `enforce`?)
     --> plugins/rule/plugin.toml:5:8
      |
    5 | mode = "enforced"
      |        ^^^^^^^^^^

    error[PM032]: `default` cannot be the name of a setting
      --> plugins/rule/plugin.toml:10:1
       |
    10 | default = { type = "bool", default = true }
       | ^^^^^^^

    error[PM031]: `settings.limit.default` must be a whole number
     --> plugins/rule/plugin.toml:9:35
      |
    9 | limit = { type = "int", default = "x" }
      |                                   ^^^

    error: unknown key `max_key` in `[state]`
     --> plugins/rule/plugin.toml:7:11
      |
    7 | state = { max_key = 3 }
      |           ^^^^^^^
      = help: did you mean `max_keys`?

    error[PM011]: there is no hook `on_requst`
     --> plugins/rule/main.rhai:3:4
      |
    3 | fn on_requst(req) { }
      |    ^^^^^^^^^
      = help: did you mean `on_request`?

    error[PM010]: `on_auth` takes (req), not 2 parameters
     --> plugins/rule/main.rhai:5:4
      |
    5 | fn on_auth(req, res) { }
      |    ^^^^^^^
      = help: write `fn on_auth(req) { … }`

    error[PM012]: the function `len` hides a built-in
     --> plugins/rule/main.rhai:7:4
      |
    7 | fn len(x) { x }
      |    ^^^
      = help: choose another name

    error[PM022]: unknown property `contry`
      --> plugins/rule/main.rhai:10:16
       |
    10 |     if req.geo.contry == "CN" {
       |                ^^^^^^
       = help: did you mean `country`?

    error[PM050]: 200 is not the status of a refusal: 400 to 599
      --> plugins/rule/main.rhai:11:14
       |
    11 |         deny(200, "Geo.No", "No.");
       |              ^^^

    error[PM041]: `Geo.No` is not a code
      --> plugins/rule/main.rhai:11:19
       |
    11 |         deny(200, "Geo.No", "No.");
       |                   ^
       = help: a code is `[a-z0-9_.]+`, at most 64 characters

    error[PM020]: unknown function `text::lowr`
      --> plugins/rule/main.rhai:13:19
       |
    13 |     let n = text::lowr(req.path);
       |                   ^^^^
       = help: did you mean `lower`?

    error[PM030]: there is no setting `limt`
      --> plugins/rule/main.rhai:14:18
       |
    14 |     if settings::limt > LIMIT { score(1, `a.${n}`); }
       |                  ^^^^
       = help: did you mean `limit`?

    error[PM041]: the code of `score` must be a text in quotes
      --> plugins/rule/main.rhai:14:42
       |
    14 |     if settings::limt > LIMIT { score(1, `a.${n}`); }
       |                                          ^
       = help: every code must be known before a request comes: metrics and tests are made of them

    error[PM020]: unknown function `helper`
      --> plugins/rule/main.rhai:15:5
       |
    15 |     helper(n);
       |     ^^^^^^

    error[PM040]: `tag` is not allowed in `on_log`: nothing can be decided any more
      --> plugins/rule/main.rhai:18:23
       |
    18 | fn on_log(req, res) { tag("late"); }
       |                       ^^^
    "##);
}

#[test]
fn a_missing_brace_is_shown_where_it_was_opened() {
    let problems = Ground::with(
        "fn on_request(req) {\n    if req.path == \"/x\" {\n        deny(403, \"a.b\", \"\");\n}\n",
    )
    .problems();
    assert!(problems.contains("[the brace opened at 2:25 is not closed]"), "{problems}");
}

#[test]
fn pm002_only_constants_and_functions_stand_at_the_top() {
    check(
        "let x = 1;\nfn on_request(req) { }\n",
        "PM002 plugins/rule/main.rhai:1:1: only `const` and `fn` stand at the top of a file [move it into a hook such as `fn on_request(req) { … }`]",
    );
}

#[test]
fn pm010_and_pm011_hooks_are_named_and_shaped_as_the_contract_says() {
    check(
        "fn on_response(res) { }",
        "PM010 plugins/rule/main.rhai:1:4: `on_response` takes (req, res), not 1 parameters [write `fn on_response(req, res) { … }`]",
    );
    check(
        "fn on_requst(req) { }",
        "PM011 plugins/rule/main.rhai:1:4: there is no hook `on_requst` [did you mean `on_request`?]",
    );
    check(
        "fn on_start() { }",
        "PM010 plugins/rule/main.rhai:1:4: `on_start` takes (info), not 0 parameters [write `fn on_start(info) { … }`]",
    );
}

#[test]
fn pm012_nothing_of_the_language_can_be_hidden() {
    for (function, name) in [("deny(a, b, c)", "deny"), ("tag(x, y)", "tag"), ("len(x)", "len")] {
        let problems = Ground::with(&format!("{}fn {function} {{ }}\n", hook(""))).problems();
        assert_eq!(
            problems,
            format!(
                "PM012 plugins/rule/main.rhai:4:4: the function `{name}` hides a built-in [choose another name]"
            )
        );
    }
}

#[test]
fn pm020_to_pm022_names_that_nobody_knows_are_found_with_the_nearest_known_one() {
    for (body, wanted) in [
        (
            "dney(403, \"a.b\", \"\");",
            "PM020 plugins/rule/main.rhai:2:5: unknown function `dney` [did you mean `deny`?]",
        ),
        (
            "txt::lower(\"a\");",
            "PM020 plugins/rule/main.rhai:2:5: unknown namespace `txt` [did you mean `text`?]",
        ),
        (
            "text::lwer(\"a\");",
            "PM020 plugins/rule/main.rhai:2:11: unknown function `text::lwer` [did you mean `lower`?]",
        ),
        ("let x = rq.path;", "PM020 plugins/rule/main.rhai:2:13: unknown variable `rq`"),
        ("deny(403, \"a.b\");", "PM021 plugins/rule/main.rhai:2:5: `deny` takes 3 arguments, not 2"),
        ("req.header();", "PM021 plugins/rule/main.rhai:2:9: `header` takes 1 argument, not 0"),
        (
            "let x = req.pth;",
            "PM022 plugins/rule/main.rhai:2:17: unknown property `pth` [did you mean `path`?]",
        ),
        (
            "let x = req.user.nam;",
            "PM022 plugins/rule/main.rhai:2:22: unknown property `nam` [did you mean `name`?]",
        ),
        (
            "let x = settings::n;",
            "PM030 plugins/rule/main.rhai:2:23: there is no setting `n` [declare it below `[settings]` in plugin.toml]",
        ),
    ] {
        let problems = Ground::with(&hook(body)).problems();
        assert_eq!(problems, wanted, "{body}");
    }
}

#[test]
fn pm040_verbs_stand_only_where_they_have_an_effect() {
    check(
        "fn on_response(req, res) { add(); }\nfn add() { score(1, \"a.b\"); }",
        "PM040 plugins/rule/main.rhai:2:12: `score` is not allowed in `on_response`: the thresholds have been applied by then",
    );
    check(
        "fn on_log(req, res) { deny(403, \"a.b\", \"\"); }",
        "PM040 plugins/rule/main.rhai:1:23: `deny` is not allowed in `on_log`: nothing can be decided any more",
    );
    check("fn on_request(req) { add(); }\nfn add() { score(1, \"a.b\"); }", "");
}

#[test]
fn pm041_codes_are_literal() {
    for (code, wanted) in [
        ("\"A.b\"", "`A.b` is not a code"),
        ("req.path", "must be a text in quotes"),
        ("`a.${1}`", "must be a text in quotes"),
    ] {
        let problems = Ground::with(&hook(&format!("deny(403, {code}, \"\");"))).problems();
        assert!(problems.starts_with("PM041") && problems.contains(wanted), "{problems}");
    }
    let closure = Ground::with(&hook("[1].map(|x| deny(403, req.path, \"\"));")).problems();
    assert!(closure.starts_with("PM041"), "{closure}");
}

#[test]
fn pm05x_literals_are_judged_before_a_request_comes() {
    for (body, code) in [
        ("deny(302, \"a.b\", \"\");", "PM050"),
        ("throttle(\"soon\", \"a.b\", \"\");", "PM050"),
        ("redirect(\"//evil\", \"a.b\");", "PM050"),
        ("time::in_zone(\"Mars/Base\");", "PM050"),
        ("text::glob(req.path, \"[\");", "PM051"),
        ("req.path_is(\"[\");", "PM051"),
        ("text::matches(req.path, \"(\");", "PM052"),
    ] {
        let problems = Ground::with(&hook(body)).problems();
        assert!(problems.starts_with(code) && problems.lines().count() == 1, "{body}: {problems}");
    }
}

#[test]
fn a_manifest_says_what_it_lacks() {
    let text = "name = \"other\"\non_eror = \"deny\"\n";
    let (_, problems) = Ground::new()
        .file("plugins/rule/plugin.toml", text)
        .file("plugins/rule/main.rhai", "")
        .load(&BTreeMap::new());
    insta::assert_snapshot!(short(&problems), @r##"
    - plugins/rule/plugin.toml:1:8: the name `other` is not the folder's name [write `name = "rule"`]
    - plugins/rule/plugin.toml:1:1: `version` is required
    - plugins/rule/plugin.toml:1:1: `api` is required [write `api = 1`]
    - plugins/rule/plugin.toml:1:1: `on_error` is required [write `on_error = "deny"` (503 when the plugin fails) or `"allow"` (skip it)]
    - plugins/rule/plugin.toml:2:1: unknown key `on_eror` at the top [did you mean `on_error`?]
    "##);
}

#[test]
fn what_a_later_version_has_is_named_as_such() {
    let later = "permissions = { http = [], bypass = [] }\n";
    let problems =
        Ground::new().plugin("rule", &format!("on_error = \"deny\"\n{later}"), &hook("")).problems();
    for key in ["permissions.http", "permissions.bypass"] {
        assert!(problems.contains(&format!("`{key}` is not supported by this version")), "{key}: {problems}");
    }
}

#[test]
fn limits_are_capped_by_the_gateway() {
    for (limit, wanted) in [
        ("time = \"1s\"", "at most 10ms"),
        ("ops = 9_000_000", "not between"),
        ("memory = \"1 GiB\"", "between 64 KiB and 64 MiB"),
    ] {
        let problems = Ground::new()
            .plugin("rule", &format!("on_error = \"deny\"\n[limits]\n{limit}\n"), &hook(""))
            .problems();
        assert!(problems.contains(wanted), "{problems}");
    }
}

#[test]
fn every_type_of_setting_takes_its_own_values_and_no_others() {
    for (kind, good, bad) in [
        ("bool", "true", "1"),
        ("int", "3", "3.5"),
        ("float", "3.5", "\"x\""),
        ("string", "\"x\"", "3"),
        ("duration", "\"10m\"", "\"soon\""),
        ("size", "\"1 MiB\"", "\"much\""),
        ("ip", "\"10.0.0.1\"", "\"10.0.0\""),
        ("cidr", "\"10.0.0.0/8\"", "\"10.0.0.0/99\""),
        ("country", "\"CH\"", "\"ch\""),
        ("glob", "\"/a/**\"", "\"[\""),
        ("regex", "\"a+\"", "\"(\""),
        ("pointer", "\"user.0.zip\"", "7"),
        ("time", "\"08:30\"", "\"8:30\""),
        ("date", "2026-12-25", "\"2026-13-01\""),
        ("timezone", "\"Europe/Zurich\"", "\"Mars/Base\""),
        ("map", "{ a = 1 }", "[1]"),
        ("list<int>", "[1, 2]", "[1, \"x\"]"),
        ("list<map>", "[{ a = 1 }]", "[1]"),
    ] {
        let problems = |value: &str| {
            let manifest =
                format!("on_error = \"deny\"\n[settings.n]\ntype = \"{kind}\"\ndefault = {value}\n");
            Ground::new().plugin("rule", &manifest, &hook("let x = settings::n;")).problems()
        };
        assert_eq!(problems(good), "", "{kind}");
        assert!(
            problems(bad).starts_with("PM031 plugins/rule/plugin.toml:7:11"),
            "{kind}: {}",
            problems(bad)
        );
    }
}

#[test]
fn bounds_and_choices_hold_for_defaults_and_for_the_operators_word() {
    let manifest = "on_error = \"deny\"\n[settings]\nwait = { type = \"duration\", default = \"5m\", min = \"1m\", max = \"1h\" }\nword = { type = \"string\", default = \"a\", choices = [\"a\", \"b\"] }\n";
    let ground = Ground::new().plugin("rule", manifest, &hook(""));
    let with = |name: &str, value: serde_json::Value| {
        let setting = SettingValue { value, origin: "config.toml:9".to_owned() };
        let word =
            PluginOverride { settings: [(name.to_owned(), setting)].into(), ..PluginOverride::default() };
        errors(&ground.load(&[("rule".to_owned(), word)].into()).1)
    };
    assert_eq!(with("wait", "10m".into()), "");
    assert_eq!(with("wait", "2h".into()), "PM031 config.toml:9: `wait` must be at most 1h");
    assert_eq!(with("wait", "10s".into()), "PM031 config.toml:9: `wait` must be at least 1m");
    assert_eq!(with("word", "c".into()), "PM031 config.toml:9: `word` must be one of \"a\", \"b\"");
    assert_eq!(
        with("wiat", "10m".into()),
        "PM030 config.toml:9: there is no setting `wiat` [did you mean `wait`?]"
    );
}

#[test]
fn the_operators_word_wins_over_the_manifests() {
    let ground = Ground::with("fn on_request(req) { deny(403, \"a.b\", \"\"); }");
    let routes = RouteFilter { include: vec!["shop".to_owned()], exclude: Vec::new() };
    let word = PluginOverride {
        mode: Some(Mode::Shadow),
        priority: Some(7),
        routes: Some(routes),
        ..PluginOverride::default()
    };
    let (book, problems) = ground.load(&[("rule".to_owned(), word)].into());
    assert!(problems.is_empty(), "{}", problems.render());
    let info = &book.plugins()[0];
    assert_eq!((info.mode, info.priority, info.on_error), ("shadow", 7, "deny"));
    let notes = on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).1.notes().len());
    assert_eq!(notes, 0, "the request is on no route named shop");
}

#[test]
fn a_word_about_a_plugin_that_is_not_there_is_an_error() {
    let word = PluginOverride { origin: "config.toml:3".to_owned(), ..PluginOverride::default() };
    let problems = errors(&Ground::with(&hook("")).load(&[("rul".to_owned(), word)].into()).1);
    assert_eq!(problems, "- config.toml:3: there is no plugin `rul` [did you mean `rule`?]");
}

#[test]
fn what_is_no_plugin_is_ignored_and_missing_folders_are_empty() {
    let (book, problems) = Ground::new().load(&BTreeMap::new());
    assert!(problems.is_empty() && book.plugins().is_empty() && !book.interested(Hook::Request));
    let ground = Ground::with(&hook(""))
        .file("plugins/README.md", "x")
        .file("plugins/.hidden/plugin.toml", "x")
        .file("plugins/notes/todo.txt", "x")
        .file("plugins/rule/main.rhai~", "x")
        .file("plugins/rule/.main.rhai.swp", "x")
        .file("plugins/rule/lib/.a.rhai", "(")
        .file("plugins/rule/data.csv", "x");
    assert_eq!(ground.problems(), "");
    assert_eq!(ground.book().plugins().len(), 1);
}

#[cfg(unix)]
#[test]
fn hr_a_pipe_in_place_of_a_script_does_not_block_the_reload() {
    let ground = Ground::new().plugin("rule", "on_error = \"deny\"\n", "");
    let script = ground.0.path().join("plugins/rule/main.rhai");
    fs::remove_file(&script).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&script).status().unwrap().success());
    assert_eq!(ground.problems(), "- plugins/rule/main.rhai: this is not a plain file");
}

#[test]
fn files_are_utf_8_and_may_begin_with_a_byte_order_mark() {
    assert_eq!(Ground::with(&format!("\u{feff}{}", hook(""))).problems(), "");
    let ground = Ground::with("");
    fs::write(ground.0.path().join("plugins/rule/main.rhai"), b"// \xff\n").unwrap();
    assert_eq!(ground.problems(), "- plugins/rule/main.rhai: the file is not UTF-8 text");
}

#[test]
fn the_hash_of_a_plugin_and_the_inputs_of_a_book_follow_the_content() {
    let book = |body: &str| Ground::with(&hook(body)).file("scripts/s.rhai", "fn f() { 1 }").book();
    let (one, same, other) = (book(""), book(""), book("tag(\"x\");"));
    let hash = |b: &RuleBook| b.plugins()[0].hash.clone();
    assert_eq!(hash(&one), hash(&same));
    assert_ne!(hash(&one), hash(&other));
    assert_eq!(one.inputs().len(), 3);
}

#[test]
fn tests_that_do_not_compile_are_found_without_running_them() {
    let ground =
        Ground::with(&hook("")).file("plugins/rule/tests/t.rhai", "fn test_a() {\n    assert(tru);\n}\n");
    let root = ground.0.path();
    let problems =
        check_tests(Folders { plugins: &root.join("plugins"), scripts: &root.join("scripts"), root });
    assert_eq!(short(&problems), "PM020 plugins/rule/tests/t.rhai:2:12: unknown variable `tru`");
}

#[test]
fn problems_of_every_plugin_come_at_once() {
    let ground = Ground::new()
        .plugin("a", "on_error = \"deny\"\n", "fn on_request(req) { x(); }")
        .plugin("b", "on_error = \"deny\"\n", "fn on_request(req) { y(); }")
        .file("scripts/s.rhai", "fn f() { z(); }");
    let problems = ground.problems();
    for name in ["`x`", "`y`", "`z`"] {
        assert!(problems.contains(name), "{problems}");
    }
}

#[test]
fn namespaces_in_a_circle_and_constants_at_odds_are_said() {
    let circle = Ground::with(&hook(""))
        .file("plugins/rule/lib/a.rhai", "fn f() { b::f() }")
        .file("plugins/rule/lib/b.rhai", "fn f() { a::f() }");
    assert!(circle.problems().contains("use each other in a circle"), "{}", circle.problems());
    let odds = Ground::with(&format!("const X = 1;\n{}", hook("")))
        .file("plugins/rule/lib/a.rhai", "const X = 2;\nfn f() { X }");
    assert!(odds.problems().contains("the constant `X` has another value in"), "{}", odds.problems());
    let taken = Ground::with(&hook("")).file("plugins/rule/lib/text.rhai", "fn f() { 1 }");
    assert!(taken.problems().contains("the namespace `text` is taken"), "{}", taken.problems());
}
