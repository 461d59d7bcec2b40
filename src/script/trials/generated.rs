//! Scripts that nobody wrote: whatever stands in a file, the checker and the engine come back.
//!
//! The number of scripts is small by default; `PLUGINMIND_GENERATED=10000` makes it larger.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Scripts of one run, where nobody says otherwise.
const CASES_DEFAULT: u32 = 150;

fn cases() -> u32 {
    std::env::var("PLUGINMIND_GENERATED").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES_DEFAULT)
}

/// An expression that is often right, and often not.
fn expression() -> impl Strategy<Value = String> {
    let words = [
        "req",
        "req.path",
        "req.geo.country",
        "req.ip",
        "req.contry",
        "1",
        "1.5",
        "\"a\"",
        "'c'",
        "true",
        "()",
        "[]",
        "#{}",
        "#{ a: 1 }",
        "x",
        "this",
        "time::now().weekday",
        "settings::n",
        "-9223372036854775808",
        "`${x}`",
        "req.header(\"x\")",
        "kv::get(\"a\", 1)",
        "Fn(\"f\")",
        "a",
        "b.c",
        "0..9",
        "\"10.0.0.0/99\"",
        "1 << 70",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned).prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            (
                inner.clone(),
                proptest::sample::select(vec![
                    "+", "-", "*", "/", "%", "==", "!=", "<", "&&", "||", "in", "??", "**", "<<", "=", "+=",
                    ".", "?.", "::"
                ]),
                inner.clone()
            )
                .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("|x| {a}")),
            inner.clone().prop_map(|a| format!("{a}.map(|x| x)")),
            inner.clone().prop_map(|a| format!("!{a}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("if {a} {{ {b} }} else {{ {a} }}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("switch {a} {{ 1 => {b}, _ => {a} }}")),
            (
                proptest::sample::select(vec![
                    "deny",
                    "score",
                    "tag",
                    "len",
                    "f",
                    "text::lower",
                    "text::matches",
                    "net::ip",
                    "on_request",
                    "throttle",
                    "type_of",
                    "call",
                    "curry",
                    "counter::hit",
                    "list::has"
                ]),
                proptest::collection::vec(inner, 0..4)
            )
                .prop_map(|(f, args)| format!("{f}({})", args.join(", "))),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => expression().prop_map(|e| format!("{e};")),
        2 => expression().prop_map(|e| format!("let x = {e};")),
        1 => expression().prop_map(|e| format!("a.me = {e};")),
        1 => expression().prop_map(|e| format!("while {e} {{ break; }}")),
        1 => expression().prop_map(|e| format!("loop {{ {e}; }}")),
        1 => expression().prop_map(|e| format!("for i in {e} {{ i; }}")),
        1 => expression().prop_map(|e| format!("try {{ throw {e}; }} catch (x) {{ x; }}")),
        1 => expression().prop_map(|e| format!("return {e};")),
        1 => "\\PC{0,40}".prop_map(|noise| noise),
    ]
}

fn script() -> impl Strategy<Value = String> {
    let function = (
        proptest::sample::select(vec![
            "on_request(req)",
            "on_log(req, res)",
            "on_deny(req, verdict)",
            "f(x)",
            "f()",
            "len(a)",
            "on_requst(req)",
            "on_start(info)",
        ]),
        proptest::collection::vec(statement(), 0..6),
    )
        .prop_map(|(head, body)| format!("fn {head} {{ let a = #{{}}; let x = 1; {} }}\n", body.join("\n")));
    prop_oneof![
        8 => proptest::collection::vec(function, 1..4).prop_map(|f| f.concat()),
        1 => "\\PC{0,200}",
        1 => proptest::collection::vec(proptest::sample::select(vec!["fn ", "on_request", "(", ")", "{", "}", "|", "\"", "'", "`", "${", "/*", "//", "\n", "let", " ", "const X = ", "#{", "[", ";", "::"]), 0..60).prop_map(|p| p.concat()),
    ]
}

#[test]
fn whatever_stands_in_a_script_the_checker_and_the_engine_come_back() {
    let worker = thread::Builder::new().stack_size(8 << 20).spawn(|| {
        let mut runner =
            TestRunner::new(Config { cases: cases(), failure_persistence: None, ..Config::default() });
        let all = runner.run(&script(), |text| {
            let (book, problems) = Ground::with(&text).load(&BTreeMap::new());
            let _ = problems.render();
            // What has errors never goes live; the engine must hold all the same.
            for hook in [Hook::Request, Hook::Log] {
                decide(&book, hook, plain_facts("GET", "/a"));
            }
            Ok(())
        });
        all.map(|()| cases())
    });
    let ran = worker.unwrap().join().unwrap().unwrap();
    assert!(ran > 0);
}
