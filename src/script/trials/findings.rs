//! Each of the checker's codes, and scripts that look odd and are right.

use super::*;

fn hook(body: &str) -> String {
    format!("fn on_request(req) {{\n    {body}\n}}\n")
}

/// One error and no other.
fn finds(main: &str, wanted: &str) {
    let problems = Ground::with(main).problems();
    assert!(problems.starts_with(wanted) && problems.lines().count() == 1, "{main}: {problems}");
}

/// A warning among those of a script without an error.
fn warns(main: &str, wanted: &str) {
    let ground = Ground::with(main);
    assert_eq!(ground.problems(), "", "{main}");
    let warnings = ground.warnings();
    assert!(warnings.lines().any(|line| line.starts_with(wanted)), "{main}: {warnings}");
}

fn says_nothing_of(main: &str, code: &str) {
    let ground = Ground::with(main);
    assert_eq!(ground.problems(), "", "{main}");
    assert!(!ground.warnings().contains(code), "{main}: {}", ground.warnings());
}

#[test]
fn pm013_a_schedule_calls_a_function_that_is_there() {
    let manifest = "on_error = \"deny\"\n[[schedule]]\nevery = \"60s\"\ncall = \"refesh\"\n";
    let main = "fn refresh() { log::info(\"x\"); }\n";
    let problems = Ground::new().plugin("rule", manifest, main).problems();
    assert!(problems.starts_with("PM013 plugins/rule/plugin.toml:7:8"), "{problems}");
    assert!(problems.contains("did you mean `refresh`?"), "{problems}");
}

#[test]
fn pm022_follows_chains_through_locals_closures_and_return_types() {
    for (body, at, near) in [
        ("if req.geo.contry == \"CH\" { tag(\"x\"); }", "2:16", "country"),
        ("if req.user.nmae == \"x\" { tag(\"x\"); }", "2:17", "name"),
        ("if req.header(\"x\").lenn > 3 { tag(\"x\"); }", "2:24", "len"),
        ("let geo = req.geo; if geo.contry == \"CH\" { tag(\"x\"); }", "2:31", "country"),
        ("if time::now().weekdy == 1 { tag(\"x\"); }", "2:20", "weekday"),
        ("[1].map(|x| if req.geo.contry == \"CH\" { tag(\"x\"); });", "2:28", "country"),
    ] {
        let problems = Ground::with(&hook(body)).problems();
        let wanted = format!("plugins/rule/main.rhai:{at}: unknown property");
        assert!(problems.starts_with("PM022") && problems.contains(&wanted), "{body}: {problems}");
        assert!(problems.contains(&format!("did you mean `{near}`?")), "{body}: {problems}");
    }
}

#[test]
fn pm023_arguments_have_the_types_that_a_function_takes() {
    for body in [
        "deny(\"403\", \"a.b\", \"\");",
        "req.header(5);",
        "let n = 5; text::lower(n);",
        "text::lower(req.geo.asn);",
        "req.user.has_role(true);",
    ] {
        finds(&hook(body), "PM023");
    }
}

#[test]
fn pm040_holds_in_closures_and_in_namespaces_that_a_hook_reaches() {
    finds("fn on_log(req, res) { [1].for_each(|| tag(\"x\")); }\n", "PM040");
    finds(
        "fn on_log(req, res) { later(Fn(\"mark\")); }\nfn later(f) { f.call(); }\nfn mark() { tag(\"x\"); }\n",
        "PM040",
    );
    let lib = Ground::with("fn on_log(req, res) { marks::mark(); }\n")
        .file("plugins/rule/lib/marks.rhai", "fn mark() { tag(\"x\"); }\n");
    assert!(lib.problems().starts_with("PM040 plugins/rule/lib/marks.rhai:1:13"), "{}", lib.problems());
    let shared = Ground::with("fn on_log(req, res) { marks::mark(); }\n")
        .file("scripts/marks.rhai", "fn mark() { tag(\"x\"); }\n");
    assert!(shared.problems().starts_with("PM040 scripts/marks.rhai:1:13"), "{}", shared.problems());
}

#[test]
fn pm042_a_code_belongs_to_one_plugin() {
    let say = hook("deny(403, \"a.b\", \"\");");
    let ground =
        Ground::new().plugin("a", "on_error = \"deny\"\n", &say).plugin("b", "on_error = \"deny\"\n", &say);
    let problems = ground.problems();
    assert!(problems.starts_with("PM042 plugins/b/main.rhai:2:15: the code `a.b`"), "{problems}");
}

#[test]
fn pm043_facts_are_written_by_who_may() {
    let of = |facts: &str| {
        let manifest = format!("on_error = \"deny\"\n[permissions]\nfacts = [{facts}]\n");
        Ground::new().plugin("rule", &manifest, &hook("req.facts.set(\"risk.level\", 1);")).problems()
    };
    assert_eq!(of("\"risk.*\""), "");
    assert!(of("").starts_with("PM043 plugins/rule/main.rhai:2:19"), "{}", of(""));
}

#[test]
fn pm071_a_fact_that_is_read_before_it_is_written_is_told() {
    let writer = "on_error = \"deny\"\n[permissions]\nfacts = [\"risk.*\"]\n";
    let reads = "if req.facts.has(\"risk.level\") { tag(\"x\"); }";
    let of = |reader: &str| {
        Ground::new()
            .plugin("b-writes", writer, &hook("req.facts.set(\"risk.level\", 1);"))
            .plugin(reader, "on_error = \"deny\"\n", &hook(reads))
            .warnings()
    };
    assert!(of("a-reads").starts_with("PM071 plugins/a-reads/main.rhai:2:22"), "{}", of("a-reads"));
    assert_eq!(of("c-reads"), "");
}

#[test]
fn pm044_lists_are_declared() {
    let manifest = "on_error = \"deny\"\n[lists.trapped]\ntype = \"ip\"\n";
    let of = |name: &str| {
        let main = hook(&format!("if list::has(\"{name}\", req.ip) {{ tag(\"x\"); }}"));
        Ground::new().plugin("rule", manifest, &main).problems()
    };
    assert_eq!(of("trapped"), "");
    let problems = of("traped");
    assert!(problems.starts_with("PM044") && problems.contains("did you mean `trapped`?"), "{problems}");
}

#[test]
fn pm050_and_pm053_durations_and_networks_are_judged() {
    finds(&hook("kv::set(\"a\", 1, \"soon\");"), "PM050");
    finds(&hook("if req.ip in \"10.0.0.0/99\" { tag(\"x\"); }"), "PM053");
    finds(&hook("if net::in_any(req.ip, [\"10.0.0.0/8\", \"10.0.0\"]) { tag(\"x\"); }"), "PM053");
    finds(&hook("if req.ip in [\"10.0.0.0/8\"] { tag(\"x\"); }"), "PM053");
}

#[test]
fn pm060_a_comparison_of_unlike_types_is_told() {
    for body in [
        "if req.path == 5 { tag(\"x\"); }",
        "if req.geo.asn == \"13335\" { tag(\"x\"); }",
        "if req.header(\"x\") == () { tag(\"x\"); }",
        "let n = req.score; if n > \"5\" { tag(\"x\"); }",
    ] {
        warns(&hook(body), "PM060");
    }
}

#[test]
fn pm061_a_closure_that_captures_its_own_place_is_told() {
    warns(&hook("let a = #{}; a.me = || a; tag(\"x\");"), "PM061");
}

#[test]
fn pm062_the_result_of_a_function_that_works_in_place_is_told() {
    warns(&hook("let s = req.path; let t = s.trim(); if t == s { tag(\"x\"); }"), "PM062");
    warns(&hook("let s = req.path; if s.make_lower() == \"x\" { tag(\"x\"); }"), "PM062");
}

#[test]
fn pm063_what_stands_after_a_final_verb_is_told() {
    warns(
        &hook("if req.path == \"/x\" { deny(403, \"a.b\", \"\"); tag(\"x\"); }"),
        "PM063 plugins/rule/main.rhai:2:49",
    );
    warns(
        "fn on_request(req) {\n    allow(\"a.b\");\n    tag(\"x\");\n}\n",
        "PM063 plugins/rule/main.rhai:3:5",
    );
}

#[test]
fn pm064_a_loop_without_an_end_is_told() {
    warns(&hook("loop { tag(\"x\"); }"), "PM064");
    warns(&hook("while true { tag(\"x\"); }"), "PM064");
}

#[test]
fn pm065_what_nobody_uses_is_told() {
    warns("fn on_request(req) { tag(\"x\"); }\nfn alone() { 1 }\n", "PM065 plugins/rule/main.rhai:2:4");
    warns(&hook("let n = 1; tag(\"x\");"), "PM065 plugins/rule/main.rhai:2:9");
}

#[test]
fn pm066_a_hook_without_an_effect_is_told() {
    warns(&hook("let n = req.path.len(); n + 1"), "PM066");
}

#[test]
fn pm070_two_plugins_that_set_one_header_are_told() {
    let sets = |v: &str| format!("fn on_response(req, res) {{ res.set_header(\"x-a\", \"{v}\"); }}\n");
    let ground = Ground::new().plugin("a", "on_error = \"allow\"\n", &sets("1")).plugin(
        "b",
        "on_error = \"allow\"\n",
        &sets("2"),
    );
    assert!(ground.warnings().starts_with("PM070 plugins/b/main.rhai:1:"), "{}", ground.warnings());
}

#[test]
fn pm072_two_plugins_that_decide_at_one_place_are_told() {
    let two = |b: &str| {
        Ground::new()
            .plugin("a", "mode = \"enforce\"\non_error = \"deny\"\n", &hook("deny(403, \"a.a\", \"\");"))
            .plugin(
                "b",
                &format!("mode = \"enforce\"\non_error = \"deny\"\n{b}"),
                &hook("deny(403, \"b.b\", \"\");"),
            )
            .warnings()
    };
    assert!(two("").starts_with("PM072 plugins/b/main.rhai:2:5"), "{}", two(""));
    assert_eq!(two("priority = 7\n"), "");
}

#[test]
fn debug_and_print_are_unknown_functions() {
    finds(&hook("debug(req.path);"), "PM020");
}

#[test]
fn what_looks_odd_and_is_right_is_left_alone() {
    for body in [
        "let m = #{ a: 1 }; if m.b == () { tag(\"x\"); }",
        "let m = #{ a: #{ b: 2 } }; if m.a.b.c == () { tag(\"x\"); }",
        "let a = [1, 2]; a.push(3); if a.len > 2 { tag(\"x\"); }",
        "let a = [#{ c: 1 }]; if a[0].c == 1 { tag(\"x\"); }",
        "if req.ip == \"10.0.0.1\" || req.ip in \"10.0.0.0/8\" { tag(\"x\"); }",
        "if req.geo.country in [\"CH\", \"DE\"] { tag(\"x\"); }",
        "let s = req.path; s.trim(); if s == \"/\" { tag(\"x\"); }",
        "let n = 1; n += 1.5; if n > 2 { tag(\"x\"); }",
        "let x = req.path; x = 5; if x == 5 { tag(\"x\"); }",
        "loop { if req.score > 1 { break; } tag(\"x\"); }",
        "loop { deny(403, \"a.b\", \"\"); }",
        "if req.path == \"/\" { deny(403, \"a.b\", \"\"); } tag(\"x\");",
        "switch req.method { \"GET\" => allow(\"a.b\"), _ => tag(\"x\") }",
        "let f = |n| n + 1; if f.call(1) == 2 { tag(\"x\"); }",
        "for i in 0..3 { if i == 1 { tag(\"x\"); } }",
        "for (c, i) in req.path { if c == '/' && i > 0 { tag(\"x\"); } }",
        "try { let n = 1 / req.score; if n > 0 { tag(\"x\"); } } catch (e) { if `${e}` == \"\" { tag(\"y\"); } }",
        "req.vars.seen = 1; if req.vars.seen == 1 { tag(\"x\"); }",
        "if `${req.score}` == \"3\" { tag(\"x\"); }",
        "let a = [1, 2].map(|x| x * 2).filter(|x| x > 2); if a.len() > 0 { tag(\"x\"); }",
        "let req2 = req; if req2.path.starts_with(\"/a\") { tag(\"x\"); }",
        "if type_of(req.path) == \"string\" { tag(\"x\"); }",
        "let x = if req.score > 1 { 1 } else { \"b\" }; if x == 1 { tag(\"x\"); }",
        "if req.path[0] == '/' { tag(\"x\"); }",
        "if req.path.sub_string(1).len() > 2 { tag(\"x\"); }",
        "if req.path.split(\"/\").len() > 2 { tag(\"x\"); }",
    ] {
        let main = hook(body);
        let ground = Ground::with(&main);
        assert_eq!(ground.problems(), "", "{body}");
        assert_eq!(ground.warnings(), "", "{body}");
    }
    says_nothing_of("fn on_request(req) { req.path.mark(); }\nfn mark() { tag(this); }\n", "PM0");
}
