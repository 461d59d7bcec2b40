//! A hook that is run from its statements does what Rhai's own call of it would do.

use rhai::{CallFnOptions, Dynamic, EvalAltResult, Scope};

use super::*;
use crate::script::budget::{self, Limits};

/// Scripts that end in every way there is, each with `on_request(req)`; a number takes the place of `req`.
const SCRIPTS: [&str; 15] = [
    "fn on_request(req) { }",
    "fn on_request(req) { let n = 0; for i in 0..req { n += i; } n }",
    "fn on_request(req) { return req + 1; }",
    "fn on_request(req) { const K = 3; if req > K { return K; } let l = [1, 2, 3]; l.filter(|x| x > 1).len() }",
    "fn on_request(req) { throw \"no\"; }",
    "fn on_request(req) { req.nothing(1); }",
    "fn on_request(req) { let x = #{ a: 1 }; x.a + \"b\" }",
    "fn on_request(req) { loop { } }",
    "fn on_request(req) { down(req) } fn down(n) { if n == 0 { return 0; } down(n - 1) }",
    "fn on_request(req) { down(100) } fn down(n) { if n == 0 { return 0; } down(n - 1) }",
    "fn on_request(req) { try { throw 1; } catch (e) { return e; } }",
    "fn on_request(req) { let s = \"x\"; while s.len() < 100_000 { s += s; } }",
    "fn on_request(req) { let f = |x| x + req; f.call(1) }",
    "fn on_request(req) { f(1) + f(2) } fn f(n) { g(n) + g(n) } fn g(n) { n * 2 }",
    "fn on_request(req) { let l = []; for i in 0..9 { l.push(i); } l[9] }",
];

/// How a call ended, and where.
fn ended(ran: Result<(), Box<EvalAltResult>>) -> String {
    ran.map_or_else(
        |e| format!("{} at {:?}", e.unwrap_inner(), e.unwrap_inner().position()),
        |()| "well".to_owned(),
    )
}

#[test]
fn a_hook_ends_the_same_way_as_by_rhais_own_call_under_every_limit_of_operations() {
    on_worker(|| {
        for script in SCRIPTS {
            let book = Ground::with(script).load(&BTreeMap::new()).0;
            let Some(plugin) = book.nth(0) else { panic!("{script}") };
            for ops in (1..60).chain([500, 5_000]) {
                let limits = Limits { ops, ..Limits::default() };
                budget::start(limits, &still());
                let options = CallFnOptions::new().eval_ast(false).with_tag(1_i64);
                let args = vec![Dynamic::from(3_i64)];
                let (mut scope, engine) = (Scope::new(), &plugin.engine);
                let by_name = engine
                    .call_fn_with_options::<Dynamic>(options, &mut scope, &plugin.ast, "on_request", args)
                    .map(drop);
                let by_name = ended(by_name);
                let stop = budget::finish().stop;
                // The first time nothing is resolved, the second time some of it, then all.
                for time in 0..3 {
                    budget::start(limits, &still());
                    let args = [Dynamic::from(3_i64)];
                    let tag = Dynamic::from(1_i64);
                    let ran = plugin.entries.run(engine, &plugin.ast, Hook::Request, tag, args).unwrap();
                    assert_eq!(budget::finish().stop, stop, "{script} {ops} {time}");
                    assert_eq!(ended(ran), by_name, "{script} {ops} {time}");
                }
            }
        }
    });
}

#[test]
fn names_that_a_script_makes_up_do_not_fill_the_cache() {
    let book = Ground::with(
        "fn on_request(req) { for i in 0..400 { let f = Fn(`f${req}_${i}`); for n in 0..2 { try { f.call(); } catch { } } } }",
    )
    .load(&BTreeMap::new())
    .0;
    on_worker(move || {
        let plugin = book.nth(0).unwrap();
        for round in 0..10_i64 {
            budget::start(Limits::default(), &still());
            let args = [Dynamic::from(round)];
            let ran = plugin.entries.run(&plugin.engine, &plugin.ast, Hook::Request, Dynamic::UNIT, args);
            assert_eq!((ended(ran.unwrap()), budget::finish().stop), ("well".to_owned(), None));
            assert!(plugin.entries.resolved() <= 1_024, "{}", plugin.entries.resolved());
        }
    });
}

#[test]
fn one_name_in_two_files_leads_each_file_to_its_own_function() {
    let main = "fn who() { 1 } fn on_request(req) { for i in 0..3 { score(who() * 100 + tools::ask(), \"a.who\"); } }";
    let book = Ground::with(main).file("plugins/rule/lib/tools.rhai", "fn who() { 2 } fn ask() { 2 }").book();
    let score = on_worker(move || {
        let mut scores = Vec::new();
        for _ in 0..3 {
            scores.push(decide(&book, Hook::Request, plain_facts("GET", "/")).1.score());
        }
        (scores, book.nth(0).unwrap().entries.resolved())
    });
    assert_eq!(score, (vec![306; 3], 0), "nothing is kept where functions of another file may run");
}
