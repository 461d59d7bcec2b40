//! The sandbox against scripts that would kill the process: THREATS section RH.

use super::*;

const OPERATIONS: Outcome = Outcome::Fault(FaultKind::Operations);
const MEMORY: Outcome = Outcome::Fault(FaultKind::Memory);
const SCRIPT: Outcome = Outcome::Fault(FaultKind::Script);

/// The hook `on_request` with that body, and helpers after it.
fn hook(body: &str) -> String {
    format!("fn on_request(req) {{\n{body}\n}}\n")
}

fn refused_at_check(main: &str, wanted: &str) {
    let problems = Ground::with(main).problems();
    assert!(problems.contains(wanted), "{problems}");
}

#[test]
fn rh_01_no_loop_runs_forever_and_no_catch_swallows_the_end() {
    for body in [
        "loop {}",
        "while true {}",
        "for i in 0..9_223_372_036_854_775_807 {}",
        "loop { try { loop {} } catch {} }",
        "let a = []; for i in 0..500 { a.push(i); } a.filter(|x| { for j in 0..2000 { let y = j; } true });",
    ] {
        assert_eq!(ending(&hook(body)), OPERATIONS, "{body}");
    }
}

#[test]
fn rh_01_a_loop_that_has_operations_left_is_ended_by_the_clock() {
    let manifest = "mode = \"enforce\"\non_error = \"deny\"\n[limits]\ntime = \"1ms\"\nops = 1_000_000\n";
    let book = Ground::new().plugin("rule", manifest, &hook("loop {}")).book();
    // A million operations take tens of milliseconds on any machine: a nanosecond is no time for an interpreter.
    let ended = on_worker(move || {
        let mut ledger = Ledger::new();
        book.run(Hook::Request, &Arc::new(plain_facts("GET", "/")), None, &mut ledger, &Clock::System);
        ledger.notes().last().unwrap().outcome
    });
    assert_eq!(ended, Outcome::Fault(FaultKind::Time));
}

#[test]
fn rh_02_eval_is_no_word() {
    refused_at_check(&hook("let s = \"eval(s)\"; eval(s);"), "PM001");
    assert_eq!(ending(&hook("let s = \"1\"; Fn(\"eval\").call(s);")), SCRIPT);
}

#[test]
fn rh_03_replace_is_measured_before_it_is_made() {
    let grow = "let s = \"a\"; while s.len() < 32_000 { s += s; } let b = s + \"\"; ";
    for end in ["s.replace(\"a\", b);", "s.replace('a', b);", "let t = text::replace(s, \"a\", b);"] {
        assert_eq!(ending(&hook(&format!("{grow}{end}"))), SCRIPT, "{end}");
    }
    assert_eq!(
        request(&hook(
            "let s = \"a.b\"; s.replace(\".\", \"-\"); if s == \"a-b\" { deny(403, \"x.y\", \"\"); }"
        )),
        "403 x.y rule/main.rhai:2"
    );
}

#[test]
fn rh_04_nothing_sleeps_and_nothing_reads_a_clock() {
    for body in
        ["sleep(10);", "sleep(1e18);", "Fn(\"sleep\").call(2);", "timestamp();", "parse_json(\"[]\");"]
    {
        let main = hook(body);
        if body.starts_with("Fn") {
            assert_eq!(ending(&main), SCRIPT, "{body}");
        } else {
            refused_at_check(&main, "PM020");
        }
    }
    // Hidden from the checker, refused by the engine.
    assert_eq!(ending(&hook("let f = \"sle\" + \"ep\"; Fn(f).call(10);")), SCRIPT);
}

#[test]
fn rh_05_memory_of_many_values_together_is_bounded() {
    let long =
        "let s = \"0123456789abcdef\"; while s.len() < 60_000 { s += s; if s.len() > 30_000 { break; } } ";
    let many = format!("{long} let a = []; for i in 0..900 {{ a.push(i); }} a.map(|x| s + x);");
    assert_eq!(ending(&hook(&many)), MEMORY, "one long text for each item");
    for body in [
        "let s = \"x\"; loop { s += s; }",
        "let a = []; a.pad(1_000_000_000, 0);",
        "let s = \"\"; s.pad(1_000_000_000, 'x');",
        "let a = [1]; loop { a += a; }",
        "let a = []; loop { a = [a]; }",
    ] {
        let ended = ending(&hook(body));
        assert!(matches!(ended, MEMORY | OPERATIONS), "{body}: {ended:?}");
    }
}

#[test]
fn rh_05_values_nested_as_deep_as_they_go_can_be_printed_compared_and_dropped() {
    let deep = "let a = []; for i in 0..990 { a = [a]; } ";
    for end in ["let t = a.to_string();", "let t = a == a;", "let t = a.to_debug();", "let b = a; b = 1;"] {
        // That the process is still there is the point; how the script ends is not.
        let ended = ending(&hook(&format!("{deep}{end}")));
        assert!(matches!(ended, Outcome::Pass | Outcome::Fault(_)), "{ended:?}");
    }
}

#[test]
fn rh_06_a_map_cannot_grow_without_an_end() {
    let ended = ending(&hook(
        "let m = #{}; for i in 0..1_000_000 { m[`k${i}`] = \"0123456789012345678901234567890123456789\"; }",
    ));
    assert!(matches!(ended, MEMORY | OPERATIONS), "{ended:?}");
}

#[test]
fn rh_07_a_list_that_is_pushed_to_is_bounded() {
    let ended = ending(&hook("let a = []; for i in 0..100_000 { a.push(i); }"));
    assert!(matches!(ended, MEMORY | OPERATIONS), "{ended:?}");
}

#[test]
fn rh_08_recursion_ends_in_an_error() {
    let own = "fn f(x) { f(x + 1) }\n";
    let mutual = "fn f(x) { g(x) }\nfn g(x) { f(x) }\n";
    let closure = "fn f(x) { [x].map(|y| f(y)) }\n";
    for helpers in [own, mutual, closure] {
        assert_eq!(ending(&format!("{}{helpers}", hook("f(0);"))), SCRIPT, "{helpers}");
    }
}

#[test]
fn rh_08_deep_source_is_refused_and_not_parsed_to_death() {
    let deep = [
        format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("{}{}", "{".repeat(5_000), "}".repeat(5_000)),
        format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)),
        format!("{}1", "-".repeat(5_000)),
        format!("req{}", ".b".repeat(5_000)),
        format!("{}true", "!".repeat(5_000)),
    ];
    for body in deep {
        let main = hook(&format!("let x = {body};"));
        let problems = on_worker(move || Ground::with(&main).problems());
        assert!(problems.contains("PM001"), "{problems}");
    }
}

#[test]
fn rh_09_nothing_is_imported() {
    for path in ["/etc/passwd", "../x", "lib", "rule"] {
        refused_at_check(&hook(&format!("import \"{path}\" as x;")), "PM001");
        refused_at_check(&format!("import \"{path}\" as x;\n{}", hook("")), "PM001");
    }
}

#[test]
fn rh_10_odd_arguments_raise_and_do_not_panic() {
    for body in [
        "[3, 1, 2].sort(|a, b| 7);",
        "let x = 5; x.get_bits(70, 900);",
        "let x = -9_223_372_036_854_775_807 - 1; -x;",
        "let x = 1 << 900;",
        "let x = 9_223_372_036_854_775_807 + 1;",
        "let x = 1 / 0;",
        "\"é\".sub_string(1, -5);",
        "\"é\".crop(-9, 99);",
        "const M = #{ limit: 5 }; M.limit = 9;",
        "text::mask(\"\"); text::similar(\"\", \"\"); text::entropy(\"\"); text::find(\"\", \"\");",
        "net::prefix(req.ip, -1, 900);",
        "net::ip(\"::ffff:1.2.3.4\").to_string();",
        "time::now().between(\"\", \"99:99\");",
        "time::in_zone(req.path);",
        "req.header(\"\\x00\"); req.cookie(\"\"); req.query(\"\"); req.header_values(\"é\");",
        "text::glob(req.path, `[${req.path}`);",
        "throttle(-1, \"a.b\", \"\");",
        "deny(req.content_length, \"a.b\", \"\");",
    ] {
        let ended = ending(&hook(body));
        assert!(!matches!(ended, Outcome::Fault(FaultKind::Panic)), "{body}: {ended:?}");
    }
}

#[test]
fn rh_10_a_panic_is_a_fault_of_that_call_alone() {
    use super::super::engine::guarded;
    let panicking = || -> u8 { std::panic::resume_unwind(Box::new("as if a host function panicked")) };
    assert_eq!(guarded(panicking), None);
    assert_eq!(guarded(|| 7), Some(7));
}

#[test]
fn rh_11_one_request_leaves_nothing_for_the_next() {
    let main =
        hook("let seen = req.vars.has(\"x\"); req.vars.x = 1; if seen { deny(403, \"leak.found\", \"\"); }");
    let book = Ground::with(&main).book();
    on_worker(move || {
        for _ in 0..3 {
            assert_eq!(decide(&book, Hook::Request, plain_facts("GET", "/")).0, "pass");
        }
    });
}

#[test]
fn rh_11_facts_and_settings_cannot_be_changed() {
    for body in ["req.path = \"/x\";", "req.user.name = \"x\";", "req.ip = 1;"] {
        assert_eq!(ending(&hook(body)), SCRIPT, "{body}");
    }
    let manifest =
        "mode = \"enforce\"\non_error = \"deny\"\n[settings]\nn = { type = \"list<int>\", default = [1] }\n";
    for body in ["settings::n = 2;", "settings::n.push(2);", "settings::n[0] = 2;"] {
        let ground = Ground::new().plugin("rule", manifest, &hook(body));
        let (book, problems) = ground.load(&BTreeMap::new());
        let ended = if problems.has_errors() {
            SCRIPT
        } else {
            decide(&book, Hook::Request, plain_facts("GET", "/")).1.notes()[0].outcome
        };
        assert_eq!(ended, SCRIPT, "{body}");
    }
}

#[test]
fn rh_12_credentials_are_not_there_to_read() {
    let mut facts = plain_facts("GET", "/");
    for (name, value) in [
        ("authorization", "Bearer s3cret"),
        ("cookie", "a=1; pm_session=s3cret; b=2"),
        ("x-api-key", "s3cret"),
    ] {
        facts.headers.append(name, value.parse().unwrap());
    }
    let main = hook(
        "let all = req.header(\"authorization\") + req.header(\"Cookie\") + req.header(\"x-api-key\") + req.cookie(\"pm_session\");
         for name in [\"authorization\", \"cookie\", \"x-api-key\"] { for v in req.header_values(name) { all += v; } }
         if all != \"\" { deny(403, \"secret.seen\", all); }
         if req.has_header(\"authorization\") && req.cookie(\"a\") == \"1\" && req.cookie(\"b\") == \"2\" { deny(401, \"all.well\", \"\"); }",
    );
    let book = Ground::with(&main).book();
    assert_eq!(on_worker(move || decide(&book, Hook::Request, facts).0), "401 all.well rule/main.rhai:5");
}

#[test]
fn rh_12_headers_of_the_gateway_cannot_be_touched() {
    let names = [
        "Connection",
        "Content-Length",
        "Transfer-Encoding",
        "X-Request-ID",
        "Access-Control-Allow-Origin",
        "Host",
        "Upgrade",
    ];
    for name in names {
        for change in
            [format!("res.set_header(\"{name}\", \"x\");"), format!("res.remove_header(\"{name}\");")]
        {
            refused_at_check(&format!("fn on_response(req, res) {{ {change} }}"), "PM043");
        }
    }
    refused_at_check("fn on_response(req, res) { res.remove_header(\"X-Content-Type-Options\"); }", "PM043");
    for change in [
        "let n = \"Connec\" + \"tion\"; res.set_header(n, \"x\");",
        "let n = \"X-Content-Type-\" + \"Options\"; res.remove_header(n);",
        "let v = \"a\\r\\nb: c\"; res.set_header(\"x-a\", v);",
        "res.set_header(\"set-cookie\", \"pm_session=mine\");",
        "res.set_status(101);",
        "res.set_status(99);",
        "res.set_status(1000);",
        "let v = \"x\"; while v.len() < 9000 { v += v; } res.set_header(\"x-a\", v);",
    ] {
        let main = format!("fn on_response(req, res) {{ {change} }}");
        let (decision, _) = respond(&main, &[]);
        assert_eq!(decision, "fault rule", "{change}");
    }
}

#[test]
fn rh_12_the_sessions_cookie_survives_a_script_that_removes_cookies() {
    let lines = [("set-cookie", "pm_session=a"), ("set-cookie", "tracker=b")];
    let (decision, head) = respond("fn on_response(req, res) { res.remove_header(\"set-cookie\"); }", &lines);
    let left: Vec<_> = head.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect();
    assert_eq!((decision.as_str(), left), ("pass", vec!["pm_session=a"]));
}

#[test]
fn rh_13_a_plugin_that_fails_fails_as_its_manifest_says() {
    for (mode, on_error, wanted) in [
        ("enforce", "deny", "fault rule"),
        ("enforce", "allow", "pass"),
        ("shadow", "deny", "pass"),
        ("off", "deny", "pass"),
    ] {
        let manifest = format!("mode = \"{mode}\"\non_error = \"{on_error}\"\n");
        let book = Ground::new().plugin("rule", &manifest, &hook("throw \"x\";")).book();
        assert_eq!(
            on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).0),
            wanted,
            "{mode} {on_error}"
        );
    }
}

#[test]
fn rh_15_output_is_capped_and_goes_nowhere_but_to_the_log() {
    refused_at_check(&hook("print(\"x\");"), "PM001");
    refused_at_check(&hook("debug(\"x\");"), "PM020");
    let test = "fn test_lines() {
        run(request(\"GET\", \"/\"));
        assert_eq!(logs().len(), 16);
        for line in logs() { assert(line.len() <= 2000, line); assert(!line.contains(\"\\n\")); }
    }"
    .replace("assert_eq!", "assert_eq");
    let main =
        hook("let s = \"é\\n\"; while s.len() < 30_000 { s += s; } for i in 0..1000 { log::info(s); }");
    let (report, problems) = Ground::with(&main).file("plugins/rule/tests/t.rhai", &test).tests(&[]);
    assert!(problems.is_empty() && report.is_ok(), "{}{report:?}", problems.render());
}

#[test]
fn rh_15_addresses_and_e_mails_do_not_reach_the_log() {
    let main = hook(
        "log::warn(`from ${req.ip} to 10.1.2.3 and 2001:db8::7 by eve@example.com at 10:30`, #{ who: \"a.b@c.de\" });",
    );
    let test = "fn test_line() {
        run(request(\"GET\", \"/\"));
        let line = logs()[0];
        for personal in [\"198.51.100.7\", \"10.1.2.3\", \"2001:db8\", \"example.com\", \"c.de\"] {
            assert(!line.contains(personal), line);
        }
        let hash = \"[0-9a-f]+\";
        let whole = `^from ip-${hash} to ip-${hash} and ip-${hash} by mail-${hash} at 10:30 who=mail-${hash}$`;
        assert(text::matches(line, whole), line);
    }";
    let (report, problems) = Ground::with(&main).file("plugins/rule/tests/t.rhai", test).tests(&[]);
    assert!(problems.is_empty() && report.is_ok(), "{}{report:?}", problems.render());
}

#[test]
fn rh_16_a_script_is_at_most_64_kib_long() {
    let filler = format!("// {}\n", "x".repeat(64 << 10));
    refused_at_check(&format!("{filler}{}", hook("")), "larger than 64 KiB");
    let names: Vec<String> = (0..5_000).map(|i| format!("a{i}")).collect();
    refused_at_check(&format!("fn f({}) {{}}\n{}", names.join(","), hook("")), "at most 16 parameters");
}

#[test]
fn a_verdict_cannot_be_taken_back() {
    for body in [
        "try { deny(403, \"a.b\", \"\"); } catch {} allow(\"c.d\");",
        "try { deny(403, \"a.b\", \"\"); } catch { loop {} }",
        "[1].map(|x| deny(403, \"a.b\", \"\")); throw \"x\";",
        "helper(); score(5, \"c.d\");",
    ] {
        let main = format!("{}fn helper() {{ deny(403, \"a.b\", \"\"); }}\n", hook(body));
        let book = Ground::with(&main).book();
        let (decision, score) = on_worker(move || {
            let (decision, ledger) = decide(&book, Hook::Request, plain_facts("GET", "/"));
            (decision, ledger.score())
        });
        assert!(decision.starts_with("403 a.b") && score == 0, "{body}: {decision}");
    }
}

#[test]
fn unlike_types_are_not_compared() {
    for body in [
        "\"5\" > 3",
        "1 == \"1\"",
        "req.ip == 3",
        "\"x\" in [1, 2]",
        "req.path == true",
        "[1] == 1",
        "() > 3",
    ] {
        assert_eq!(ending(&hook(&format!("let x = {body};"))), SCRIPT, "{body}");
    }
    for body in [
        "1 == 1.0",
        "\"a\" == 'a'",
        "req.ip == \"198.51.100.7\"",
        "\"198.51.100.7\" == req.ip",
        "req.ip != \"::1\"",
        "req.ip in \"198.51.100.0/24\"",
        "#{ a: 1 }.b == ()",
        "[1, [2]] == [1, [2]]",
        "2 in [1, 2]",
        "\"a\" < \"b\"",
    ] {
        let main = hook(&format!("if {body} {{ deny(403, \"a.b\", \"\"); }}"));
        assert_eq!(request(&main), "403 a.b rule/main.rhai:2", "{body}");
    }
}

#[test]
fn a_code_that_stands_in_no_verb_is_refused_however_the_verb_is_called() {
    for body in [
        "let f = Fn(\"de\" + \"ny\"); f.call(403, \"made.up\" + req.content_length, \"\");",
        "Fn(\"score\").call(1, \"made.up\");",
    ] {
        assert_eq!(ending(&hook(body)), SCRIPT, "{body}");
    }
    let known = hook(
        "let f = Fn(\"de\" + \"ny\"); f.call(403, \"a.known\", \"\"); if false { deny(403, \"a.known\", \"\"); }",
    );
    assert_eq!(request(&known), "403 a.known rule/main.rhai:2");
}

#[test]
fn rh_17_a_build_without_checks_would_not_pass_here() {
    // `rhai/unchecked` also takes the limit setters away, so such a build does not even compile.
    for body in ["let x = 9_223_372_036_854_775_807; x += 1;", "let x = 1 / 0;", "let x = [1]; x[5];"] {
        assert_eq!(ending(&hook(body)), SCRIPT, "{body}");
    }
}

#[test]
fn the_word_debug_is_the_logs_and_nobody_elses() {
    assert_eq!(request("fn on_request(req) { log::debug(\"x\"); }"), "pass");
    let bare = Ground::with("fn on_request(req) { debug(\"x\"); }");
    let (book, problems) = bare.load(&BTreeMap::new());
    let outcome = on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).0);
    assert!(problems.has_errors() || outcome == "fault rule", "{outcome}");
}
