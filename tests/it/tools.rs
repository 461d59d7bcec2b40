//! `pluginmind test` and `pluginmind new plugin`: what they find, what they write, and how they end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Setup, gateway::BINARY, gateway::manifest, gateway::verb};

/// Longest wait for a line.
const PATIENCE: Duration = Duration::from_secs(30);

const RULE: &str = r#"fn on_request(req) {
    if req.path == "/shut" {
        deny(403, "mine.shut", "Shut.");
    }
    let words = ["a"].filter(|w| req.path == `/${settings::n}${w}`);
    if rank::of(req) > 5 { score(1, "mine.high"); }
    switch req.method {
        "PUT" => deny(405, "mine.put", "No."),
        _ => ()
    }
}
"#;

const RANK: &str = r#"fn of(req) {
    if req.path == "/high" {
        return high();
    }
    0
}
fn high() {
    9
}
"#;

fn mine(tests: &str) -> tempfile::TempDir {
    Setup::new("")
        .plugin("mine", RULE)
        .file(
            "plugins/mine/plugin.toml",
            &(manifest("mine", "enforce") + "[settings.n]\ntype = \"int\"\ndefault = 1\n"),
        )
        .file("plugins/mine/lib/rank.rhai", RANK)
        .file("plugins/mine/tests/a.rhai", tests)
        .folder()
}

fn run(folder: &Path, line: &str) -> Output {
    verb(folder, &line.split(' ').collect::<Vec<_>>(), &[], None)
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

const SOME: &str = r#"fn test_shut() { assert_denied(run(request("GET", "/shut")), "mine.shut"); }
fn test_open() { assert_passed(run(request("GET", "/a"))); }
"#;

const REST: &str = r#"fn test_high() { assert_eq(run(request("GET", "/high")).score, 1); }
fn test_put() { assert_denied(run(request("PUT", "/a")), "mine.put"); }
"#;

#[test]
fn coverage_names_every_line_and_every_code_that_no_case_reaches() {
    let folder = mine(SOME);
    let some = run(folder.path(), "test mine --coverage");
    let text = said(&some);
    assert_eq!(code(&some), 0, "{text}");
    for wanted in [
        "7/11 (63 %)",
        "1/3",
        "plugins/mine/main.rhai:6  if rank::of(req) > 5",
        "plugins/mine/main.rhai:8  \"PUT\" => deny",
        "plugins/mine/lib/rank.rhai:3  return high();",
        "`mine.high` is never produced by a test (plugins/mine/main.rhai:6)",
        "`mine.put` is never produced by a test (plugins/mine/main.rhai:8)",
    ] {
        assert!(text.contains(wanted), "`{wanted}` in\n{text}");
    }
    assert!(!text.contains("main.rhai:3 ") && !text.contains("`mine.shut`"), "{text}");
}

#[test]
fn coverage_min_ends_1_below_the_mark_and_0_at_it() {
    let folder = mine(SOME);
    let low = run(folder.path(), "test --coverage-min 64");
    assert_eq!(code(&low), 1);
    assert!(said(&low).contains("the tests of `mine` reach 7/11 (63 %) of its lines, less than 64 %"));
    assert_eq!(code(&run(folder.path(), "test --coverage-min 63")), 0);
    assert_eq!(code(&run(folder.path(), "test --coverage-min 101")), 64);
    fs::write(folder.path().join("plugins/mine/tests/b.rhai"), REST).unwrap();
    let all = run(folder.path(), "test --coverage-min 100 --format json");
    assert_eq!(code(&all), 0, "{}", said(&all));
    let report = json(&all);
    assert_eq!(report["cases"].as_array().map(Vec::len), Some(4));
    assert_eq!(report["coverage"][0]["lines"], serde_json::json!({ "covered": 11, "total": 11 }));
    assert_eq!(report["coverage"][0]["codes"], serde_json::json!({ "covered": 3, "total": 3 }));
    assert_eq!(report["coverage"][0]["missed_lines"], serde_json::json!([]));
}

/// The names of the elements that begin, in their order; panics where the document is not well-formed.
fn elements(xml: &str) -> Vec<String> {
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("a declaration");
    let (mut open, mut seen) = (Vec::<String>::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        references(&rest[..at]);
        let end = at + rest[at..].find('>').expect("each tag ends");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "tags close in their order");
            continue;
        }
        let (inner, empty) = tag.strip_suffix('/').map_or((tag, false), |inner| (inner, true));
        references(inner);
        let name = inner.split(' ').next().unwrap().to_owned();
        assert_eq!(inner.matches('"').count() % 2, 0, "quotes come in pairs: {inner}");
        seen.push(name.clone());
        if !empty {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "open: {open:?}, left: {rest}");
    seen
}

fn references(text: &str) {
    for part in text.split('&').skip(1) {
        let name = part.split_once(';').expect("a reference ends").0;
        let known = ["amp", "lt", "gt", "quot", "apos"].contains(&name) || name.starts_with('#');
        assert!(known, "&{name};");
    }
    assert!(!text.contains(|c: char| c < ' ' && c != '\n'), "a character that XML cannot hold");
}

#[test]
fn junit_is_well_formed_whatever_a_case_says_and_has_one_suite_a_plugin() {
    let folder = Setup::new("")
        .plugin("good", "fn on_request(req) { }")
        .file("plugins/good/tests/a.rhai", "fn test_fine() { assert(true); }")
        .plugin("bad", "fn on_request(req) { }")
        .file("plugins/bad/tests/a.rhai", "fn test_odd() { assert_eq(\"<a & 'b'>\", \"]]>\\x01\\n\\\"\"); }")
        .folder();
    let test = run(folder.path(), "test --coverage --format junit");
    assert_eq!(code(&test), 1);
    let xml = String::from_utf8(test.stdout).unwrap();
    let names = elements(&xml);
    let count = |name: &str| names.iter().filter(|n| *n == name).count();
    assert_eq!((count("testsuites"), count("testsuite"), count("testcase"), count("failure")), (1, 2, 2, 1));
    for wanted in [
        "<testsuites name=\"pluginmind\" tests=\"2\" failures=\"1\" errors=\"0\"",
        "<testsuite name=\"bad\" tests=\"1\" failures=\"1\"",
        "classname=\"good\" name=\"test_fine\" file=\"plugins/good/tests/a.rhai\"",
        "&lt;a &amp; ",
    ] {
        assert!(xml.contains(wanted), "{wanted} in\n{xml}");
    }
    fs::write(folder.path().join("plugins/bad/tests/a.rhai"), "fn test_odd() { <oh> }").unwrap();
    let broken = run(folder.path(), "test --format junit");
    assert_eq!(code(&broken), 1);
    let names = elements(&String::from_utf8(broken.stdout).unwrap());
    assert!(names.contains(&"error".to_owned()), "{names:?}");
    assert_eq!(code(&run(folder.path(), "check --format junit")), 64);
}

#[test]
fn a_case_can_be_named_and_one_that_is_not_there_is_told() {
    let folder = mine(SOME);
    let one = run(folder.path(), "test test_open --format json");
    assert_eq!((code(&one), json(&one).as_array().map(Vec::len)), (0, Some(1)));
    let none = run(folder.path(), "test mine test_opne");
    assert_eq!(code(&none), 1);
    assert!(
        said(&none).contains("there is no case `test_opne`")
            && said(&none).contains("did you mean `test_open`?"),
        "{}",
        said(&none)
    );
    let nobody = run(folder.path(), "test mien");
    assert_eq!(code(&nobody), 1);
    assert!(said(&nobody).contains("there is no plugin `mien`"), "{}", said(&nobody));
}

#[test]
fn a_plugin_without_tests_is_told_with_the_reason() {
    let folder = Setup::new("").plugin("bare", "fn on_request(req) { }").folder();
    let root = folder.path();
    let all = run(root, "test");
    assert_eq!(code(&all), 0);
    assert!(said(&all).contains("`bare` has no tests: no `.rhai` file stands in plugins/bare/tests"));
    // Whoever names it wants it tested.
    assert_eq!(code(&run(root, "test bare")), 1);
    fs::create_dir_all(root.join("plugins/bare/tests")).unwrap();
    assert!(said(&run(root, "test")).contains("no `.rhai` file stands in"));
    fs::write(root.join("plugins/bare/tests/a.rhai"), "fn tset_x() { }\nfn test_y(x) { }").unwrap();
    let text = said(&run(root, "test"));
    assert!(text.contains("no function `test_…()` stands in the files of plugins/bare/tests"), "{text}");
    assert!(text.contains("a.rhai:2:1") && text.contains("`test_y` has parameters"), "{text}");
    let covered = run(root, "test --coverage-min 1");
    assert_eq!(code(&covered), 0, "an empty rule has no line to reach: {}", said(&covered));
}

#[test]
fn a_case_that_asserts_nothing_is_a_warning_and_one_that_fails_is_not() {
    let tests = "fn test_idle() { run(request(\"GET\", \"/\")); }\n\
                 fn test_loop() { for x in [] { assert(x); } }\n\
                 fn test_fails() { throw \"no\"; }\nfn test_true() { assert(true); }";
    let folder = mine(tests);
    let test = run(folder.path(), "test");
    let text = said(&test);
    assert_eq!(code(&test), 1, "{text}");
    assert_eq!(text.matches("asserts nothing").count(), 2, "{text}");
    assert!(text.contains("a.rhai:1:1") && text.contains("a.rhai:2:1"), "{text}");
}

#[test]
fn every_case_starts_with_an_empty_memory_the_manifests_settings_and_the_same_clock() {
    let folder = Setup::new("")
        .plugin("mine", "fn on_request(req) { score(kv::incr(\"n\", 1), \"mine.n\"); score(time::now().hour, \"mine.h\"); }")
        .file(
            "plugins/mine/tests/a.rhai",
            "fn test_one() { assert_eq(run(request(\"GET\", \"/\")).score, 13); clock_advance(\"3h\"); }\n\
             fn test_two() { assert_eq(run(request(\"GET\", \"/\")).score, 13); clock_advance(\"3h\"); }",
        )
        .folder();
    let test = run(folder.path(), "test");
    assert_eq!(code(&test), 0, "{}", said(&test));
}

#[test]
fn a_broken_plugin_keeps_its_own_cases_from_running_and_nobody_elses_that_are_named() {
    let folder = Setup::new("")
        .plugin("good", "fn on_request(req) { }")
        .file("plugins/good/tests/a.rhai", "fn test_fine() { assert(true); }")
        .plugin("bad", "fn on_request(req) { oh!! }")
        .folder();
    let good = run(folder.path(), "test good");
    assert_eq!(code(&good), 0, "{}", said(&good));
    for line in ["test", "test bad", "test good bad"] {
        let bad = run(folder.path(), line);
        assert_eq!(code(&bad), 1, "{line}");
        assert!(said(&bad).contains("plugins/bad/main.rhai:1:"), "{}", said(&bad));
    }
}

#[test]
fn check_compiles_the_tests_too() {
    let folder = mine("fn test_x() {\n    asert(true);\n    assert(nothing);\n}");
    let check = run(folder.path(), "check");
    assert_eq!(code(&check), 1);
    assert!(said(&check).contains("plugins/mine/tests/a.rhai:"), "{}", said(&check));
}

/// A process that ends with the test.
struct Watching(Child, Receiver<String>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Watching {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(BINARY);
        command.current_dir(folder).env_clear().args(["test", "--watch"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (tell, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        for stream in [Box::new(stdout) as Box<dyn std::io::Read + Send>, Box::new(stderr)] {
            let tell = tell.clone();
            std::thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).all(|line| tell.send(line).is_ok())
            });
        }
        Self(child, lines)
    }

    fn wait_for(&self, wanted: &str) {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(wanted)) {
            match self.1.recv_timeout(PATIENCE) {
                Ok(line) => seen.push(line),
                Err(why) => panic!("`{wanted}` did not come ({why}) after\n{}", seen.join("\n")),
            }
        }
    }
}

#[test]
fn watch_runs_the_cases_again_after_an_edit_and_ends_0_on_ctrl_c() {
    let folder = mine(SOME);
    let mut watching = Watching::start(folder.path());
    watching.wait_for("2 passed, 0 failed");
    let tests = folder.path().join("plugins/mine/tests/a.rhai");
    fs::write(&tests, SOME.replace("mine.shut", "mine.shout")).unwrap();
    watching.wait_for("1 passed, 1 failed");
    fs::write(&tests, "fn test_broken( {").unwrap();
    watching.wait_for("no case was run");
    fs::write(&tests, SOME).unwrap();
    watching.wait_for("2 passed, 0 failed");
    let status = Command::new("kill").args(["-INT", &watching.0.id().to_string()]).status();
    assert!(status.unwrap().success());
    assert_eq!(watching.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_new_plugin_passes_check_and_test_with_every_line_and_code_reached() {
    let folder = Setup::new("[plugins]\npath = \"rules\"\n").folder();
    let root = folder.path();
    let new = run(root, "new plugin my-rule --format json");
    assert_eq!(code(&new), 0, "{}", said(&new));
    assert_eq!(json(&new)["plugin"], "my-rule");
    for file in ["plugin.toml", "main.rhai", "tests/basic.rhai", "README.md"] {
        assert!(root.join("rules/my-rule").join(file).is_file(), "{file}");
    }
    assert!(!root.join("plugins").exists());
    let check = run(root, "check");
    assert_eq!((code(&check), said(&check).trim()), (0, "no problems"));
    let test = run(root, "test my-rule --coverage-min 100 --format json");
    assert_eq!(code(&test), 0, "{}", said(&test));
    let codes = &json(&test)["coverage"][0]["codes"];
    assert_eq!(codes["covered"], codes["total"]);

    let copy = run(root, "new plugin another --from my-rule");
    assert_eq!(code(&copy), 0, "{}", said(&copy));
    let check = run(root, "check");
    assert_eq!((code(&check), said(&check).trim()), (0, "no problems"));
    assert_eq!(code(&run(root, "test another --coverage-min 100")), 0);
}

#[test]
fn a_new_plugin_never_overwrites_and_has_a_good_name() {
    let folder = Setup::new("").file("plugins/mine/notes.txt", "mine").folder();
    let root = folder.path();
    let taken = run(root, "new plugin mine");
    assert_eq!(code(&taken), 1);
    assert!(said(&taken).contains("is there already"), "{}", said(&taken));
    assert_eq!(fs::read_to_string(root.join("plugins/mine/notes.txt")).unwrap(), "mine");
    for name in ["Mine", "my_rule", "../up", "scripts", "7up"] {
        let bad = run(root, &format!("new plugin {name}"));
        assert_eq!(code(&bad), 1, "{name}");
        assert!(said(&bad).contains("is not the name of a plugin"), "{}", said(&bad));
    }
    assert!(!root.join("up").exists());
    let unknown = run(root, "new plugin copy --from nobody");
    assert_eq!(code(&unknown), 1);
    assert!(said(&unknown).contains("there is no plugin `nobody` to copy"), "{}", said(&unknown));
    assert_eq!(fs::read_dir(root.join("plugins")).unwrap().count(), 1, "nothing else was written");
    assert_eq!(code(&run(root, "new plugin")), 64);
}
