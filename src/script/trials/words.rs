//! The services that look at no request, and what plugins tell each other and everybody else.

use super::*;
use crate::script::{Change, Effect};

/// Whether an expression is true; `fault` where it fails.
fn says(expression: &str) -> String {
    let main = format!("fn on_request(req) {{ if {expression} {{ deny(403, \"a.yes\", \"\"); }} }}");
    match request(&main).as_str() {
        "pass" => "no".to_owned(),
        "403 a.yes rule/main.rhai:1" => "yes".to_owned(),
        other => other.to_owned(),
    }
}

/// What `on_request` of one plugin asked for.
fn effects(mode: &str, main: &str) -> Vec<Effect> {
    let manifest = format!("mode = \"{mode}\"\non_error = \"deny\"\n");
    let book = Ground::new().plugin("rule", &manifest, main).book();
    on_worker(move || {
        let mut ledger = Ledger::new();
        book.run(Hook::Request, &Arc::new(plain_facts("GET", "/")), None, &mut ledger, &still());
        ledger.take_effects()
    })
}

#[test]
fn digests_are_those_of_the_standards() {
    // FIPS 180-4 and RFC 4231, test case 2.
    let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    for (expression, wanted) in [
        (format!("hash::sha256(\"abc\") == \"{sha}\""), "yes"),
        (format!("hash::hmac(\"Jefe\", \"what do ya want for nothing?\") == \"{mac}\""), "yes"),
        ("hash::equal(\"a\", \"a\")".to_owned(), "yes"),
        ("hash::equal(\"a\", \"b\") || hash::equal(\"a\", \"aa\")".to_owned(), "no"),
    ] {
        assert_eq!(says(&expression), wanted, "{expression}");
    }
}

#[test]
fn json_becomes_values_and_back_and_a_mistake_is_a_fault() {
    for (expression, wanted) in [
        (r#"json::parse("{\"a\":[1,null,true]}").a == [1, "", true]"#, "yes"),
        (r#"json::text(#{ a: [1, "x"] }) == "{\"a\":[1,\"x\"]}""#, "yes"),
        (r#"json::parse("{") == 1"#, "fault rule"),
        (r#"json::parse("[[[[[[[[[1]]]]]]]]]") == 1"#, "fault rule"),
        (r#"json::text(|| 1) == """#, "fault rule"),
    ] {
        assert_eq!(says(expression), wanted, "{expression}");
    }
}

#[test]
fn a_plugin_knows_its_name_its_version_and_its_mode() {
    let expression = r#"plugin::name == "rule" && plugin::version == "1.0.0" && plugin::mode == "enforce""#;
    assert_eq!(says(expression), "yes");
}

#[test]
fn numbers_and_alerts_are_asked_for_without_addresses_or_e_mails() {
    let main = r#"fn on_request(req) {
        metric::inc("seen", #{ who: "a@b.example", from: req.ip.to_string() });
        metric::gauge("level", 2.5);
        metric::observe("size", 7);
        alert::send("high", "Hit by a@b.example", #{ ip: req.ip.to_string(), n: 3 });
    }"#;
    let effects = effects("enforce", main);
    let [Effect::Metric(seen), Effect::Metric(level), Effect::Metric(size), Effect::Alert(alert)] =
        &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!((seen.name.as_str(), seen.change), ("seen", Change::Add(1)));
    assert_eq!(level.change, Change::Set(2.5));
    assert_eq!(size.change, Change::Observe(7.0));
    let all = format!("{:?} {:?} {}{}", seen.labels, alert.severity, alert.title, alert.fields);
    for personal in ["b.example", "198.51.100.7"] {
        assert!(!all.contains(personal), "{all}");
    }
    assert!(alert.fields.contains("n=3") && alert.fields.contains("ip=ip-"), "{all}");
}

#[test]
fn a_plugin_in_shadow_alerts_nobody() {
    let main = "fn on_request(req) { metric::inc(\"seen\"); alert::send(\"low\", \"x\"); }";
    assert!(matches!(effects("shadow", main)[..], [Effect::Metric(_)]));
}

#[test]
fn names_of_numbers_and_severities_are_checked_and_a_loop_of_them_ends() {
    for (call, wanted) in [
        ("metric::inc(\"Bad Name\")", "fault rule"),
        ("metric::inc(\"a\", #{ le: 1 })", "fault rule"),
        ("metric::inc(\"a\", #{ a: 1, b: 1, c: 1, d: 1, e: 1 })", "fault rule"),
        ("metric::gauge(\"a\", \"x\")", "fault rule"),
        ("alert::send(\"dire\", \"x\")", "fault rule"),
        ("for i in 0..500 { metric::inc(\"a\"); }", "pass"),
    ] {
        assert_eq!(request(&format!("fn on_request(req) {{ {call}; }}")), wanted, "{call}");
    }
    assert_eq!(
        effects("enforce", "fn on_request(req) { for i in 0..500 { metric::inc(\"a\"); } }").len(),
        64
    );
}

#[test]
fn a_fact_is_written_once_by_a_plugin_that_may_and_read_by_all() {
    let writer = "fn on_request(req) { req.facts.set(\"risk.level\", 7); }";
    let reader =
        "fn on_request(req) { if req.facts.get(\"risk.level\", 0) == 7 { deny(403, \"a.risk\", \"\"); } }";
    let may = "mode = \"enforce\"\non_error = \"deny\"\npermissions = { facts = [\"risk.*\"] }\n";
    let enforce = "mode = \"enforce\"\non_error = \"deny\"\npriority = 600\n";
    let book = Ground::new().plugin("a", may, writer).plugin("b", enforce, reader).book();
    let decided = on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).0);
    assert_eq!(decided, "403 a.risk b/main.rhai:1");

    let book = Ground::new()
        .plugin("a", &may.replace("enforce", "shadow"), writer)
        .plugin("b", enforce, reader)
        .book();
    assert_eq!(on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).0), "pass");

    let twice = "fn on_request(req) { req.facts.set(\"risk.level\", 7); req.facts.set(\"risk.level\", 8); }";
    let book = Ground::new().plugin("a", may, twice).book();
    assert_eq!(on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).0), "fault a");
}

#[test]
fn a_fact_that_the_manifest_does_not_allow_is_refused_while_it_runs() {
    let main = "fn on_request(req) { let key = \"other\" + \".level\"; req.facts.set(key, 7); }";
    let may = "mode = \"enforce\"\non_error = \"deny\"\npermissions = { facts = [\"risk.*\"] }\n";
    let book = Ground::new().plugin("a", may, main).book();
    assert_eq!(on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).0), "fault a");
}
