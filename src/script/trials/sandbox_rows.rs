//! What the sandbox must withstand, row by row: pitfalls of the interpreter that `sandbox` does not try yet.

use super::*;

const OPERATIONS: Outcome = Outcome::Fault(FaultKind::Operations);
const MEMORY: Outcome = Outcome::Fault(FaultKind::Memory);
const SCRIPT: Outcome = Outcome::Fault(FaultKind::Script);

/// The hook `on_request` with that body.
fn hook(body: &str) -> String {
    format!("fn on_request(req) {{\n{body}\n}}\n")
}

#[test]
fn row_03_operations_count_inside_closures_of_native_functions() {
    for call in ["filter", "map", "some", "all"] {
        let body = format!(
            "let a = []; for i in 0..100 {{ a.push(i); }} a.{call}(|x| {{ for j in 0..100_000 {{ let y = j; }} true }});"
        );
        assert_eq!(ending(&hook(&body)), OPERATIONS, "{call}");
    }
}

#[test]
fn row_08_variables_that_are_each_small_are_counted_together() {
    let grow = "let s = \"0123456789abcdef\"; while s.len() < 30_000 { s += s; } ";
    let names: Vec<_> =
        (0..100).map(|i| format!("let v{i} = []; for j in 0..30 {{ v{i}.push(s + j); }}")).collect();
    let names = names.join(" ");
    let ended = ending(&hook(&format!("{grow}{names}")));
    assert!(matches!(ended, MEMORY | OPERATIONS), "{ended:?}");
}

#[test]
fn rh_05_closures_and_maps_that_wrap_each_other_are_bounded() {
    let bodies = [
        "let f = |x| x; for i in 0..20_000 { f = f.curry(i); } f.call();",
        "let f = || 1; for i in 0..20_000 { let g = f; f = || g.call(); } f.call();",
        "let m = #{}; for i in 0..20_000 { m = #{ m: m }; }",
    ];
    let ended: Vec<_> = bodies.iter().map(|body| ending(&hook(body))).collect();
    assert_eq!(ended, [OPERATIONS, OPERATIONS, MEMORY]);
}

#[test]
fn row_07_a_blob_is_no_way_around_the_size_of_a_value() {
    let problems = Ground::with(&hook("let b = blob(1_000_000_000);")).problems();
    assert!(problems.contains("PM020"), "{problems}");
}

#[test]
fn row_17_and_18_a_closure_that_holds_its_own_object_does_not_get_out_of_its_request() {
    for body in ["let a = #{ n: 1 }; a.me = || a; req.vars.a = a;", "let x = #{ n: 1 }; x.f = || x.n; x.f();"]
    {
        let main = hook(body);
        let all = Ground::with(&main).problems() + &Ground::with(&main).warnings();
        assert!(all.contains("PM061"), "{body}: {all}");
    }
}

#[test]
fn row_20_a_function_cannot_take_the_place_of_a_word_of_the_host() {
    for own in ["fn deny(a, b, c) { 1 }", "fn len(x) { 1 }", "fn score(a, b) { 1 }"] {
        let problems = Ground::with(&format!("{}{own}\n", hook("let x = req.path;"))).problems();
        assert!(problems.contains("PM012"), "{own}: {problems}");
    }
}

#[test]
fn row_25_the_result_of_a_word_that_works_in_place_is_told() {
    for body in ["let t = req.path; let u = t.trim();", "let t = req.path; let u = t.make_lower();"] {
        let main = hook(&format!("{body} if u == t {{ score(1, \"a.b\"); }}"));
        let all = Ground::with(&main).problems() + &Ground::with(&main).warnings();
        assert!(all.contains("PM062"), "{body}: {all}");
    }
}

#[test]
fn row_26_what_a_map_does_not_have_is_an_error_further_down_and_not_without_a_word() {
    assert_eq!(ending(&hook("let m = #{}; let x = m.foo.bar;")), SCRIPT);
    assert_eq!(
        request(&hook("let m = #{}; if (m?.foo?.bar ?? 7) == 7 { deny(403, \"a.b\", \"\"); }")),
        "403 a.b rule/main.rhai:2"
    );
}

#[test]
fn row_27_arithmetic_that_overflows_is_an_error() {
    for body in [
        "let x = 9_223_372_036_854_775_807; x += 1;",
        "let x = 9_223_372_036_854_775_807; x *= 2;",
        "let x = 10 ** 30;",
        "let x = 7 % 0;",
        "let x = 7 / 0;",
    ] {
        assert_eq!(ending(&hook(body)), SCRIPT, "{body}");
    }
}

#[test]
fn row_28_a_missing_brace_is_told_where_it_was_opened() {
    let problems =
        Ground::with("fn on_request(req) {\n    if req.path == \"/\" {\n        tag(\"x\");\n}\n").problems();
    assert!(problems.contains("opened"), "{problems}");
}

#[test]
fn row_30_a_verb_in_a_helper_is_placed_where_it_stands() {
    let main = "fn on_request(req) { one(); }\n\nfn one() { two(); }\nfn two() {\n    deny(403, \"a.b\", \"\");\n}\n";
    assert_eq!(request(main), "403 a.b rule/main.rhai:5");
}

#[test]
fn row_31_functions_called_by_name_get_no_further_than_the_sandbox() {
    for body in ["Fn(\"eval\").call(\"1\");", "Fn(\"sleep\").curry(9).call();", "Fn(\"no_such\").call();"] {
        assert_eq!(ending(&hook(body)), SCRIPT, "{body}");
    }
}

#[test]
fn rh_06_every_way_to_write_into_a_map_is_bounded() {
    for body in [
        "let m = #{}; for i in 0..1_000_000 { m.fill_with(#{}); m += #{}; m[`key number ${i}`] = i; }",
        "let m = #{}; let i = 0; loop { m += #{}; m[`key number ${i}`] = [1, 2, 3]; i += 1; }",
    ] {
        let ended = ending(&hook(body));
        assert!(matches!(ended, MEMORY | OPERATIONS), "{body}: {ended:?}");
    }
}

#[test]
fn rh_11_two_workers_on_one_book_see_nothing_of_each_other() {
    let main = hook(
        "if req.vars.has(\"who\") { deny(403, \"leak.found\", \"\"); }
         req.vars.who = req.path; for i in 0..50 { if req.vars.who != req.path { deny(403, \"leak.other\", \"\"); } }",
    );
    let book = Arc::new(Ground::with(&main).book());
    let work = |path: &'static str| {
        let book = book.clone();
        let run = move || {
            (0..50).map(|_| decide(&book, Hook::Request, plain_facts("GET", path)).0).find(|d| d != "pass")
        };
        thread::Builder::new().stack_size(8 << 20).spawn(run).unwrap()
    };
    let running = [work("/a"), work("/b")];
    for worker in running {
        assert_eq!(worker.join().unwrap(), None);
    }
}

#[test]
fn rh_13_what_a_hook_returns_decides_nothing() {
    for value in ["403", "\"deny\"", "false", "()", "#{ action: \"deny\" }", "0.0 / 0.0"] {
        assert_eq!(request(&hook(&format!("return {value};"))), "pass", "{value}");
    }
}

#[test]
fn rh_14_patterns_take_time_that_grows_with_the_text_and_no_more() {
    let grow = "let s = \"a\"; while s.len() < 16_000 { s += s; } s += \"!\"; ";
    assert_eq!(
        request(&hook(&format!("{grow} if !text::matches(s, \"^(a+)+$\") {{ deny(403, \"a.b\", \"\"); }}"))),
        "403 a.b rule/main.rhai:2"
    );
}

#[test]
fn rh_14_a_pattern_that_is_too_large_is_an_error() {
    for body in [
        "let p = \"(a{1000}){\" + 1000 + \"}\"; text::matches(req.path, p);",
        "let p = \"a\"; while p.len() < 30_000 { p += p; } p = `(${p}){900}`; text::matches(req.path, p);",
    ] {
        assert_eq!(ending(&hook(body)), SCRIPT, "{body}");
    }
}

#[test]
fn rh_16_odd_sources_are_refused_or_compiled_without_harm() {
    let sources = [
        format!("{}{}\n{}", "/*".repeat(10_000), "*/".repeat(10_000), hook("tag(\"x\");")),
        format!("{}let {} = 1;\n", hook("tag(\"x\");"), "a".repeat(60_000)),
        hook(&format!("let x = {};", (0..5_000).map(|_| "1").collect::<Vec<_>>().join(" + "))),
    ];
    let found: Vec<bool> = sources
        .into_iter()
        .map(|main| on_worker(move || Ground::with(&main).problems().is_empty()))
        .collect();
    assert_eq!(found, [true, false, false]);
}

#[test]
fn rh_17_no_feature_lifts_the_limits_of_the_interpreter() {
    let manifest = include_str!("../../../Cargo.toml");
    let rhai = manifest.lines().find(|line| line.starts_with("rhai ")).unwrap();
    assert!(rhai.contains("~1.27.0") && !rhai.contains("unchecked"), "{rhai}");
    // With `unchecked` the engine has no setters of limits, and this would not compile.
    rhai::Engine::new_raw().set_max_operations(1);
}
