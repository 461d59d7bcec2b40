//! Plugins together: order, modes, ledger, answers, budgets shared by a request.

use std::sync::OnceLock;
use std::time::Duration;

use super::*;

const ENFORCE: &str = "mode = \"enforce\"\non_error = \"deny\"\n";

fn denying(code: &str) -> String {
    format!("fn on_request(req) {{ deny(403, \"{code}\", \"No.\"); }}")
}

/// `[outcome code mode]` of each note.
fn notes(ledger: &Ledger) -> Vec<String> {
    let mode = |m| super::super::plugin::mode_word(m);
    ledger
        .notes()
        .iter()
        .map(|n| format!("{} {} {} {}", n.rule, n.outcome.word(), n.code, mode(n.mode)))
        .collect()
}

#[test]
fn plugins_are_asked_by_priority_and_then_by_name() {
    let first = format!("{ENFORCE}priority = 10\n");
    let book = Ground::new()
        .plugin("b", ENFORCE, &denying("b.no"))
        .plugin("a", ENFORCE, &denying("a.no"))
        .plugin("z", &first, "fn on_request(req) { score(7, \"z.odd\"); tag(\"seen\"); }")
        .book();
    let (decision, ledger) = on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")));
    assert_eq!(decision, "403 a.no a/main.rhai:1");
    assert_eq!(
        notes(&ledger),
        [
            "z/main.rhai:1 score z.odd enforce",
            "z/main.rhai:1 tag seen enforce",
            "z pass  enforce",
            "a/main.rhai:1 deny a.no enforce",
        ]
    );
    assert_eq!((ledger.score(), ledger.tags().collect::<Vec<_>>()), (7, vec!["seen"]));
}

#[test]
fn a_tag_with_a_person_in_it_is_read_by_rules_and_told_as_a_pseudonym() {
    let main = "fn on_request(req) { tag(\"ann@example.com\"); tag(\"192.0.2.7\"); tag(\"plain\"); }";
    let reads = "fn on_request(req) { if req.has_tag(\"ann@example.com\") && req.has_tag(\"192.0.2.7\") { deny(403, \"b.read\", \"\"); } }";
    let book = Ground::new().plugin("a", ENFORCE, main).plugin("b", ENFORCE, reads).book();
    let (decision, ledger) = on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")));
    assert_eq!(decision, "403 b.read b/main.rhai:1");
    let told = format!("{:?} {:?}", ledger.tags().collect::<Vec<_>>(), notes(&ledger));
    assert!(!told.contains("example.com") && !told.contains("192.0.2.7"), "{told}");
    assert!(told.contains("\"mail-") && told.contains("tag ip-") && told.contains("\"plain\""), "{told}");
}

#[test]
fn a_shadow_plugin_is_noted_and_decides_nothing() {
    let main = "fn on_request(req) { score(50, \"s.s\"); tag(\"t\"); deny(403, \"s.no\", \"\"); }";
    let book = Ground::new().plugin("s", "on_error = \"deny\"\n", main).book();
    let (decision, ledger) = on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")));
    assert_eq!((decision.as_str(), ledger.score(), ledger.tags().count()), ("pass", 0, 0));
    assert_eq!(notes(&ledger).last().unwrap(), "s/main.rhai:1 deny s.no shadow");
}

#[test]
fn allow_ends_its_own_plugin_and_no_other() {
    let book = Ground::new()
        .plugin("a", ENFORCE, "fn on_request(req) { allow(\"a.fine\"); deny(403, \"a.no\", \"\"); }")
        .plugin("b", ENFORCE, &denying("b.no"))
        .book();
    let (decision, ledger) = on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")));
    assert_eq!(decision, "403 b.no b/main.rhai:1");
    assert_eq!(notes(&ledger)[0], "a/main.rhai:1 allow a.fine enforce");
}

#[test]
fn each_verb_becomes_the_refusal_that_it_names() {
    let refusal = |verb: &str| {
        let book = Ground::with(&format!("fn on_request(req) {{ {verb} }}")).book();
        on_worker(move || {
            match book.run(
                Hook::Request,
                &Arc::new(plain_facts("GET", "/")),
                None,
                &mut Ledger::new(),
                &still(),
            ) {
                Decision::Refuse { refusal, .. } => (*refusal).clone(),
                other => panic!("{other:?}"),
            }
        })
    };
    let deny = refusal("deny(451, \"a.law\", \"Not\\r\\nhere.\");");
    assert_eq!((deny.status, &*deny.code, deny.message.as_str()), (451, "a.law", "Not  here."));
    for after in ["\"90s\"", "90"] {
        let throttle = refusal(&format!("throttle({after}, \"a.slow\", \"Slow down.\");"));
        assert_eq!((throttle.status, throttle.retry_after), (429, Some(Duration::from_secs(90))));
    }
    let redirect = refusal("redirect(\"/help?x=1\", \"a.away\");");
    assert_eq!((redirect.status, redirect.location.as_deref()), (302, Some("/help?x=1")));
    assert!(refusal("drop(\"a.gone\");").silent);
}

#[test]
fn or_01_a_redirect_off_this_site_is_a_fault() {
    for target in ["//evil.example", "/\\\\evil.example", "https://evil.example", "/.//evil.example"] {
        let main = format!("fn on_request(req) {{ let to = `{target}`; redirect(to, \"a.away\"); }}");
        assert_eq!(ending(&main), Outcome::Fault(FaultKind::Script), "{target}");
    }
}

#[test]
fn routes_methods_and_paths_are_looked_at_before_the_script() {
    let manifest = format!(
        "{ENFORCE}routes = {{ include = [\"api*\", \"slow\"], exclude = [\"api-public\"] }}\n[match]\nmethods = [\"POST\"]\npaths = [\"/v1/**\"]\n"
    );
    let book = Arc::new(Ground::new().plugin("rule", &manifest, &denying("a.no")).book());
    let asked = |method: &str, path: &str, route: &str, tags: &[&str]| {
        let mut facts = plain_facts(method, path);
        let tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
        facts.route = RouteFacts::new(route.into(), "".into(), tags.into());
        let book = Arc::clone(&book);
        on_worker(move || decide(&book, Hook::Request, facts).0) != "pass"
    };
    assert!(asked("POST", "/v1/a", "api-orders", &[]));
    assert!(asked("POST", "/v1/a", "other", &["slow"]));
    assert!(!asked("POST", "/v1/a", "other", &[]));
    assert!(!asked("POST", "/v1/a", "api-public", &[]));
    assert!(!asked("POST", "/v1/a", "api-orders", &["api-public"]));
    assert!(!asked("GET", "/v1/a", "api-orders", &[]));
    assert!(!asked("POST", "/v2/a", "api-orders", &[]));
}

#[test]
fn a_star_takes_every_route_also_one_named_like_a_path_and_none_at_all() {
    let manifest = format!("{ENFORCE}routes = {{ include = [\"*\"] }}\n");
    let book = Arc::new(Ground::new().plugin("rule", &manifest, &denying("a.no")).book());
    for route in ["", "/api/*", "/a/b/c"] {
        let mut facts = plain_facts("GET", "/");
        facts.route = RouteFacts { name: route.into(), ..RouteFacts::default() };
        let book = Arc::clone(&book);
        assert_eq!(
            on_worker(move || decide(&book, Hook::Request, facts).0),
            "403 a.no rule/main.rhai:1",
            "{route}"
        );
    }
}

#[test]
fn what_a_plugin_keeps_is_there_in_its_later_hooks_and_in_no_other_plugin() {
    let keeps = "fn on_request(req) { req.vars.n = [1, #{ a: 2 }]; }
                 fn on_auth(req) { if req.vars.n[1].a == 2 { score(1, \"k.kept\"); } }";
    let peeks = "fn on_auth(req) { if req.vars.has(\"n\") { deny(403, \"p.saw\", \"\"); } }";
    let book = Ground::new().plugin("keeps", ENFORCE, keeps).plugin("peeks", ENFORCE, peeks).book();
    let score = on_worker(move || {
        let (facts, mut ledger) = (Arc::new(plain_facts("GET", "/")), Ledger::new());
        for hook in [Hook::Request, Hook::Auth] {
            assert_eq!(words(&book.run(hook, &facts, None, &mut ledger, &still())), "pass");
        }
        ledger.score()
    });
    assert_eq!(score, 1);
}

#[test]
fn only_plain_and_small_data_can_be_kept() {
    let long = "let s = \"x\"; while s.len() < 9000 { s += s; } req.vars.a = s;";
    for body in
        ["req.vars.a = req;", "req.vars.a = || 1;", "req.vars.a = req.ip;", long, "let x = req.vars.missing;"]
    {
        assert_eq!(
            ending(&format!("fn on_request(req) {{ {body} }}")),
            Outcome::Fault(FaultKind::Script),
            "{body}"
        );
    }
}

#[test]
fn the_user_is_known_from_on_auth_on_and_never_changes() {
    let main = "fn on_request(req) { if req.user.authenticated || req.session.present { deny(500, \"too.early\", \"\"); } }
                fn on_auth(req) { if req.user.has_role(\"staff\") && req.user.name == \"eve\" { deny(403, \"staff.no\", \"\"); } }";
    let book = Ground::with(main).book();
    let said = on_worker(move || {
        let facts = Arc::new(RequestFacts { identity: OnceLock::new(), ..plain_facts("GET", "/") });
        let mut ledger = Ledger::new();
        let before = words(&book.run(Hook::Request, &facts, None, &mut ledger, &still()));
        let user =
            |role: &str| UserFacts { name: "eve".into(), roles: vec![role.into()], ..UserFacts::default() };
        facts.identify(IdentityFacts { user: Some(user("staff")), ..IdentityFacts::default() });
        facts.identify(IdentityFacts { user: Some(user("nobody")), ..IdentityFacts::default() });
        (before, words(&book.run(Hook::Auth, &facts, None, &mut ledger, &still())))
    });
    assert_eq!(said, ("pass".to_owned(), "403 staff.no rule/main.rhai:2".to_owned()));
}

#[test]
fn an_answer_is_changed_by_plugins_that_enforce_and_end_well() {
    let sets = |name: &str, then: &str| {
        format!("fn on_response(req, res) {{ res.set_header(\"x-{name}\", \"1\"); {then} }}")
    };
    let allow = "mode = \"enforce\"\non_error = \"allow\"\n";
    let book = Ground::new()
        .plugin("a-good", allow, &sets("good", "res.set_status(203);"))
        .plugin("b-shadow", "on_error = \"allow\"\n", &sets("shadow", ""))
        .plugin("c-fails", allow, &sets("fails", "throw 1;"))
        .plugin("d-reads", allow, "fn on_response(req, res) { if res.header(\"x-good\") == \"1\" && res.status == 203 { res.remove_header(\"server\"); } }")
        .book();
    let head = on_worker(move || {
        let mut head = ResponseFacts {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            size: 3,
            latency_ms: 4,
            body: None,
        };
        head.headers.insert("server", "x".parse().unwrap());
        book.run(
            Hook::Response,
            &Arc::new(plain_facts("GET", "/")),
            Some(&mut head),
            &mut Ledger::new(),
            &still(),
        );
        head
    });
    let names: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!((head.status.as_u16(), names, head.size), (203, vec!["x-good"], 3));
}

#[test]
fn a_denial_wins_over_the_changes_that_came_before_it() {
    let (decision, head) = respond(
        "fn on_response(req, res) { res.set_header(\"x-a\", \"1\"); deny(502, \"a.no\", \"\"); }",
        &[],
    );
    assert_eq!((decision.as_str(), head.headers.len()), ("502 a.no rule/main.rhai:1", 0));
}

#[test]
fn after_the_answer_nothing_is_refused_not_even_by_a_fault() {
    let book = Ground::with("fn on_log(req, res) { throw res.status; }").book();
    let (decision, notes) = on_worker(move || {
        let (decision, ledger) = decide(&book, Hook::Log, plain_facts("GET", "/"));
        (decision, notes(&ledger))
    });
    assert_eq!((decision.as_str(), notes), ("pass", vec!["rule/main.rhai:1 fault  enforce".to_owned()]));
}

#[test]
fn all_hooks_of_a_request_share_its_time() {
    let book = Ground::with("fn on_request(req) { }").book();
    let (decision, outcome) = on_worker(move || {
        let mut ledger = Ledger::new();
        ledger.spend(true, REQUEST_TIME_MAX);
        let decision =
            book.run(Hook::Request, &Arc::new(plain_facts("GET", "/")), None, &mut ledger, &still());
        (words(&decision), ledger.notes()[0].outcome)
    });
    assert_eq!((decision.as_str(), outcome), ("fault rule", Outcome::Fault(FaultKind::Time)));
}

#[test]
fn what_plugins_in_shadow_spend_is_not_missing_to_those_that_decide() {
    let book = Ground::with("fn on_request(req) { }").book();
    let decision = on_worker(move || {
        let mut ledger = Ledger::new();
        ledger.spend(false, REQUEST_TIME_MAX);
        words(&book.run(Hook::Request, &Arc::new(plain_facts("GET", "/")), None, &mut ledger, &still()))
    });
    assert_eq!(decision, "pass");
}

#[test]
fn notes_have_an_end_and_what_falls_off_is_counted() {
    let book =
        Ground::with("fn on_request(req) { for i in 0..30 { score(1, \"a.b\"); tag(`t${i}`); } }").book();
    let (kept, dropped) = on_worker(move || {
        let mut ledger = Ledger::new();
        for _ in 0..2 {
            book.run(Hook::Request, &Arc::new(plain_facts("GET", "/")), None, &mut ledger, &still());
        }
        (ledger.notes().len(), ledger.notes_dropped())
    });
    assert_eq!((kept, dropped), (NOTES_MAX, 2 * 61 - NOTES_MAX));
}

#[test]
fn constants_libraries_and_shared_scripts_are_there_without_import() {
    let main = "const LIMIT = 2 + lib_one::base();
                fn on_request(req) { if LIMIT == 5 && lib_two::twice(LIMIT) == 10 && common::half(10) == 5 { deny(403, \"a.b\", \"\"); } }";
    let book = Ground::with(main)
        .file("plugins/rule/lib/lib_one.rhai", "const BASE = 3;\nfn base() { BASE }")
        .file("plugins/rule/lib/lib_two.rhai", "fn twice(x) { lib_zero::id(x) * 2 }")
        .file("plugins/rule/lib/lib_zero.rhai", "fn id(x) { x + ZERO }\nconst ZERO = 0;")
        .file("scripts/common.rhai", "const PARTS = 2;\nfn half(x) { x / PARTS }")
        .load(&BTreeMap::new());
    assert!(book.1.is_empty(), "{}", book.1.render());
    let book = book.0;
    assert_eq!(
        on_worker(move || decide(&book, Hook::Request, plain_facts("GET", "/")).0),
        "403 a.b rule/main.rhai:2"
    );
}

#[test]
fn a_book_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let book = Arc::new(
        Ground::with("fn on_request(req) { if req.path == \"/no\" { deny(403, \"a.b\", \"\"); } }").book(),
    );
    shared(&*book);
    let asked: Vec<_> = (0..4)
        .map(|i| {
            let book = Arc::clone(&book);
            on_worker(move || {
                decide(&book, Hook::Request, plain_facts("GET", if i % 2 == 0 { "/no" } else { "/yes" })).0
            })
        })
        .collect();
    assert_eq!(asked, ["403 a.b rule/main.rhai:1", "pass", "403 a.b rule/main.rhai:1", "pass"]);
}

#[test]
fn a_failing_case_says_where_and_shows_the_trace() {
    let test = "fn test_fine() { assert_denied(run(request(\"GET\", \"/\")), \"a.no\"); }\n\nfn test_wrong() {\n    let out = run(request(\"GET\", \"/\"));\n    assert_eq(out.status, 200);\n}\n";
    let ground = Ground::with(&denying("a.no")).file("plugins/rule/tests/t.rhai", test);
    let (report, problems) = ground.tests(&["rule".to_owned()]);
    assert!(problems.is_empty(), "{}", problems.render());
    let shown: Vec<_> = report.cases.iter().map(|c| (c.test.as_str(), c.ok, c.message.as_deref())).collect();
    let message = "plugins/rule/tests/t.rhai:5: assert_eq failed: got 403, expected 200\n  \
                   trace of GET /\n    on_request   rule/main.rhai:1                 deny a.no";
    assert_eq!(shown, [("test_fine", true, None), ("test_wrong", false, Some(message))]);
    assert!(!report.is_ok());
}

#[test]
fn a_setting_changed_by_one_case_is_back_in_the_next() {
    let manifest = "on_error = \"deny\"\n[settings]\nn = { type = \"int\", default = 1, max = 9 }\n";
    let main = "fn on_request(req) { if settings::n == 2 { deny(403, \"a.two\", \"\"); } }";
    let test =
        "fn test_a() { set_setting(\"n\", 2); assert_denied(run(request(\"GET\", \"/\")), \"a.two\"); }
                fn test_b() { assert_passed(run(request(\"GET\", \"/\"))); }
                fn test_c() { set_setting(\"n\", 10); }";
    let (report, _) =
        Ground::new().plugin("rule", manifest, main).file("plugins/rule/tests/t.rhai", test).tests(&[]);
    assert_eq!(report.cases.iter().map(|c| c.ok).collect::<Vec<_>>(), [true, true, false]);
    assert!(report.cases[2].message.as_ref().unwrap().contains("must be at most 9"), "{report:?}");
}

#[test]
fn a_case_can_say_what_tls_says() {
    let main = "fn on_request(req) {
        if req.client_cert.subject == \"CN=robot\" && req.client_cert.present && req.client_cert.fingerprint != \"\" { tag(\"robot\"); }
        if req.tls.present && req.tls.version == \"1.3\" && req.tls.server_name == req.host && req.client.tls_version == \"1.3\" { tag(\"tls\"); }
    }";
    let test = "fn tags(r) { let out = run(r); [out.has_tag(\"robot\"), out.has_tag(\"tls\")] }
        fn test_cert() { assert_eq(tags(request(\"GET\", \"/\").client_cert(\"CN=robot\")), [true, true]); }
        fn test_tls() { assert_eq(tags(request(\"GET\", \"/\").tls()), [false, true]); }
        fn test_none() { assert_eq(tags(request(\"GET\", \"/\")), [false, false]); }";
    let (report, problems) = Ground::with(main).file("plugins/rule/tests/t.rhai", test).tests(&[]);
    assert!(report.is_ok() && report.cases.len() == 3, "{report:?}{}", problems.render());
}

#[test]
fn a_case_can_say_which_country_and_which_key() {
    let main = "fn on_auth(req) { if req.geo.country == \"CH\" && req.api_key.tier == \"gold\" && req.query(\"a\") == \"b c\" { deny(403, \"a.b\", \"\"); } }";
    let test = "fn test_it() { assert_denied(run(request(\"GET\", \"/\").country(\"CH\").api_key(\"k1\", \"gold\").query(\"a\", \"b c\")), \"a.b\"); }";
    let (report, problems) = Ground::with(main).file("plugins/rule/tests/t.rhai", test).tests(&[]);
    assert!(report.is_ok() && report.cases.len() == 1, "{report:?}{}", problems.render());
}
