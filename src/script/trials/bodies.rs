//! What rules read of bodies, and how they change what goes out.

use bytes::Bytes;

use super::*;
use crate::script::{BodyFacts, BodyWish, DenialFacts};

const ASKS: &str = "mode = \"enforce\"\non_error = \"deny\"\n[body]\nrequest = \"json\"\n";
const ANSWERS: &str = "mode = \"enforce\"\non_error = \"deny\"\n[body]\nresponse = \"text\"\n";

fn with_body(kind: &str, text: &str) -> RequestFacts {
    let facts = plain_facts("POST", "/");
    facts.give_body(BodyFacts::new(kind, Bytes::from(text.to_owned())));
    facts
}

/// Whether an expression over `req` is true for that body; `fault` where it fails.
fn says(kind: &'static str, text: &str, expression: &str) -> String {
    let main = format!("fn on_body(req) {{ if {expression} {{ deny(403, \"a.yes\", \"\"); }} }}");
    let book = Ground::new().plugin("rule", ASKS, &main).book();
    let facts = with_body(kind, text);
    on_worker(move || match decide(&book, Hook::Body, facts).0.as_str() {
        "pass" => "no".to_owned(),
        "403 a.yes rule/main.rhai:1" => "yes".to_owned(),
        other => other.to_owned(),
    })
}

#[test]
fn json_is_read_through_pointers_and_another_kind_is_a_fault() {
    let json = r#"{"a":{"b":[10,{"c":true}]},"n":1.5,"z":null,"long":"grüße"}"#;
    for (expression, wanted) in [
        ("req.body.is_json && req.json.valid && req.json.depth == 4", "yes"),
        ("req.json.number(\"a.b.0\", 0) == 10", "yes"),
        ("req.json.flag(\"a.b.1.c\", false)", "yes"),
        ("req.json.text(\"long\", \"\") == \"grüße\"", "yes"),
        ("req.json.has(\"z\") && req.json.kind(\"z\") == \"null\"", "yes"),
        ("req.json.kind(\"a\") == \"object\" && req.json.kind(\"a.b\") == \"list\"", "yes"),
        ("req.json.len(\"a.b\") == 2 && req.json.keys(\"a\") == [\"b\"]", "yes"),
        ("req.json.has(\"a.b.2\") || req.json.has(\"a.x\") || req.json.kind(\"x\") != \"\"", "no"),
        ("req.json.text(\"x\", \"default\") == \"default\"", "yes"),
        ("req.json.number(\"x.y.z\", 7) == 7", "yes"),
        ("req.json.text(\"n\", \"\") == \"\"", "fault rule"),
        ("req.json.number(\"long\", 0) == 0", "fault rule"),
        ("req.json.flag(\"z\", false)", "fault rule"),
        ("req.form(\"a\") != \"\"", "no"),
    ] {
        assert_eq!(says("application/json", json, expression), wanted, "{expression}");
    }
    assert_eq!(says("application/json", "{", "!req.json.valid && req.body.is_json"), "yes");
}

#[test]
fn a_form_is_read_decoded_and_its_first_value_counts() {
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    let form = "user=a%2Bb+c&user=second&empty=";
    for expression in [
        "req.body.is_form && !req.body.is_json",
        "req.form(\"user\") == \"a+b c\"",
        "req.form(\"empty\") == \"\" && req.form(\"absent\") == \"\"",
        "req.body.contains(\"second\") && req.body.matches(\"user=.*&\")",
        "req.body.size == 31 && req.body.text.starts_with(\"user=\")",
    ] {
        assert_eq!(says(kind, form, expression), "yes", "{expression}");
    }
}

#[test]
fn rh_05_a_large_body_costs_the_budget_and_not_the_worker() {
    let main = "fn on_body(req) { let n = 0; while n < 100000 { req.body.matches(\"y+z\"); n += 1; } }";
    let book = Ground::new().plugin("rule", ASKS, main).book();
    let facts = with_body("text/plain", &"x".repeat(60 << 10));
    assert_eq!(on_worker(move || decide(&book, Hook::Body, facts).0), "fault rule");
}

#[test]
fn pm066_a_hook_whose_body_nobody_asks_for_is_an_error() {
    for (hook, key) in [("on_body(req)", "request"), ("on_response_body(req, res)", "response")] {
        let problems = Ground::with(&format!("fn {hook} {{ log::info(\"x\"); }}")).problems();
        assert!(problems.starts_with("PM066 plugins/rule/plugin.toml"), "{problems}");
        assert!(problems.contains(&format!("`{key} = \"json\"`")), "{problems}");
    }
}

#[test]
fn what_plugins_ask_of_a_body_is_decided_before_any_script_runs() {
    let main = "fn on_body(req) { log::info(\"x\"); }";
    let body = |mode: &str, more: &str| format!("mode = \"{mode}\"\non_error = \"deny\"\n{more}");
    let json =
        body("enforce", "match = { methods = [\"POST\"] }\n[body]\nrequest = \"json\"\nmax = \"1 KiB\"\n");
    let text = body("enforce", "[body]\nrequest = \"text\"\nmax = \"4 KiB\"\ntoo_large = \"skip\"\n");
    let shadow = body("shadow", "[body]\nrequest = \"json\"\nmax = \"9 KiB\"\n");
    let wish = |manifests: &[&str], method| {
        let mut ground = Ground::new();
        for (n, manifest) in manifests.iter().enumerate() {
            ground = ground.plugin(&format!("p{n}"), manifest, main);
        }
        ground.book().body_wish(&plain_facts(method, "/"))
    };
    let asked =
        BodyWish { read_max: 1_024, refuse_over: Some(1_024), enforced: true, json: true, other: false };
    assert_eq!(wish(&[&json], "POST"), Some(asked));
    assert_eq!(wish(&[&json], "GET"), None);
    assert_eq!(wish(&[&shadow], "POST"), Some(BodyWish { read_max: 9_216, ..BodyWish::default() }));
    let both = BodyWish { read_max: 9_216, other: true, ..asked };
    assert_eq!(wish(&[&json, &text, &shadow], "POST"), Some(both));
    let streams = BodyWish { read_max: 4_096, enforced: true, other: true, ..BodyWish::default() };
    assert_eq!(wish(&[&text], "POST"), Some(streams));
}

/// What `on_response_body` of one plugin makes of a body.
fn answered(script: &str, text: &str) -> (String, String) {
    let main = format!("fn on_response_body(req, res) {{ {script} }}");
    let book = Ground::new().plugin("rule", ANSWERS, &main).book();
    let mut head = ResponseFacts {
        status: http::StatusCode::OK,
        headers: http::HeaderMap::new(),
        size: 0,
        latency_ms: 0,
        body: Some(Bytes::from(text.to_owned())),
    };
    head.headers.insert("content-type", "text/html".parse().unwrap());
    on_worker(move || {
        let facts = Arc::new(plain_facts("GET", "/"));
        let decision = book.run(Hook::ResponseBody, &facts, Some(&mut head), &mut Ledger::new(), &still());
        (words(&decision), String::from_utf8(head.body.unwrap().to_vec()).unwrap())
    })
}

#[test]
fn a_changed_body_counts_only_when_the_script_ended_well() {
    let mask = "let n = res.body.redact(\"[0-9]+\", \"#\"); ";
    let pass = |script: String, text: &str| answered(&script, text);
    assert_eq!(pass(mask.to_owned(), "a1b22"), ("pass".into(), "a#b#".into()));
    assert_eq!(pass(format!("{mask} if n != 2 {{ throw 1; }}"), "a1b22").1, "a#b#");
    assert_eq!(pass(format!("{mask} throw 1;"), "a1"), ("fault rule".into(), "a1".into()));
    assert_eq!(pass(format!("{mask} deny(500, \"a.no\", \"\");"), "a1").1, "a1");
    assert_eq!(pass("res.body.replace(\"b\" + res.body.size);".into(), "aaa").1, "b3");
    assert_eq!(pass(format!("{mask} res.body.redact(\"#\", \"+\");"), "a1").1, "a+");
}

#[test]
fn rh_07_a_body_cannot_be_blown_up() {
    let grow = "let n = 0; while n < 200 { res.body.redact(\".\", \"xxxxxxxxxxxxxxxx\"); n += 1; }";
    let (decision, body) = answered(grow, "a");
    assert_eq!((decision.as_str(), body.as_str()), ("fault rule", "a"));
}

#[test]
fn on_deny_cannot_undo_a_verdict_and_knows_whose_it_is() {
    let main = r#"fn on_deny(req, verdict) {
        verdict.set_message(`${verdict.plugin} ${verdict.code} ${verdict.status}`);
        verdict.set_retry_after("90s");
        verdict.set_header("X-Help", "/help");
    }"#;
    let book = Ground::with(main).book();
    let words = on_worker(move || {
        let mut ledger = Ledger::new();
        ledger.refuse(DenialFacts { code: "a.b".into(), status: 403, ..DenialFacts::default() });
        book.run(Hook::Deny, &Arc::new(plain_facts("GET", "/")), None, &mut ledger, &still());
        ledger.take_words()
    });
    assert_eq!(words.message.as_deref(), Some(" a.b 403"));
    assert_eq!(words.retry_after, Some(std::time::Duration::from_secs(90)));
    assert_eq!(words.headers.len(), 1);
    for verb in ["deny(500, \"a.b\", \"\")", "allow(\"a.b\")"] {
        let problems = Ground::with(&format!("fn on_deny(req, verdict) {{ {verb}; }}")).problems();
        assert!(problems.contains("PM040"), "{problems}");
    }
}
