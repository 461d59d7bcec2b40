//! The usage log: what a row and its trace hold of a request.

use std::path::Path;

use pluginmind::store::{Reader, Trace, UsageListed};

use crate::harness::{Gateway, Setup, Upstream};

/// The requests of an id, once they are written.
fn of_id(gateway: &Gateway, id: &str) -> Vec<(UsageListed, Trace)> {
    let path = gateway.at("data/pluginmind.db");
    let mut found = Vec::new();
    gateway.until("the row", |_| {
        found = reader(&path).request(id).expect("a database that can be read");
        !found.is_empty()
    });
    found.into_iter().map(|(row, trace)| (row, trace.expect("every row has its trace"))).collect()
}

fn reader(path: &Path) -> Reader {
    Reader::open(path).expect("a database")
}

fn stages(trace: &Trace) -> Vec<&str> {
    trace.stages.iter().map(|stage| stage.stage.as_str()).collect()
}

#[test]
fn a_proxied_request_leaves_its_whole_way_behind() {
    let upstream = Upstream::hello();
    let rule = "fn on_request(req) {\n    tag(\"seen\");\n    score(7, \"mine.points\");\n}\nfn on_auth(req) {\n    allow(\"mine.ok\");\n}\n";
    let gateway = Setup::new(&upstream.config()).plugin("mine", rule).start();
    let headers = [("X-Request-ID", "way-1"), ("TE", "trailers"), ("X-Ann-Example", "1")];
    assert_eq!(gateway.send("GET /up/x", &headers, b"").status, 200);
    let (row, trace) = of_id(&gateway, "way-1").remove(0);
    assert_eq!((row.service.as_deref(), row.status), (Some("up"), 200));
    assert!(row.policy.is_some_and(|policy| policy != [0; 8]));

    let all = stages(&trace);
    assert_eq!((all[0], all[all.len() - 1]), ("connection", "answer"));
    assert_eq!(all.len(), 18, "{all:?}");
    let total: u64 = trace.stages.iter().map(|stage| u64::from(stage.us)).sum();
    let whole = u64::try_from(row.duration_us).unwrap();
    assert!(total <= whole && whole - total < 1_000, "{total} of {whole}");

    let asked: Vec<_> = trace
        .rules
        .iter()
        .map(|r| (r.hook.as_str(), r.rule.as_str(), r.outcome.as_str(), r.code.as_str(), r.mode.as_str()))
        .collect();
    assert_eq!(asked[0], ("on_request", "mine/main.rhai:3", "score", "mine.points", "enforce"));
    assert!(asked.contains(&("on_auth", "mine/main.rhai:6", "allow", "mine.ok", "enforce")), "{asked:?}");
    assert_eq!(
        (trace.score, trace.tags.as_slice(), trace.auth.as_str()),
        (7, ["seen".to_owned()].as_slice(), "none")
    );
    assert_eq!(trace.buckets.len(), 1, "no user is known");
    assert_eq!((trace.buckets[0].bucket.as_str(), trace.buckets[0].limit), ("ip", 600));
    assert!(trace.upstream_ms.is_some());
    assert!(trace.set.iter().any(|name| name == "x-forwarded-for"), "{:?}", trace.set);
    assert_eq!(trace.removed, ["te"], "{:?}", trace.removed);
}

#[test]
fn a_refused_request_leaves_the_stages_that_it_came_to_and_both_buckets() {
    let config = "[rate_limit]\nuser_per_minute = 1\nuser_burst = 1\n[[routes]]\npath = \"/private\"\nrespond = { text = \"ok\" }\n";
    let gateway = Setup::new(config).user("ann", "a long password", &[]).start();
    let cookie = gateway.sign_in("ann", "a long password");
    let ask = |id: &str| {
        let headers = [("Cookie", cookie.as_str()), ("X-Request-ID", id)];
        gateway.send("GET /private", &headers, b"").status
    };
    assert_eq!((ask("two-1"), ask("two-2")), (200, 429));
    let (_, paid) = of_id(&gateway, "two-1").remove(0);
    let names: Vec<_> = paid.buckets.iter().map(|b| (b.bucket.as_str(), b.remaining)).collect();
    assert!(matches!(names.as_slice(), [("ip", _), ("user", 0)]), "{names:?}");
    assert_eq!(paid.auth, "session");
    let (row, refused) = of_id(&gateway, "two-2").remove(0);
    assert_eq!((row.stage.as_deref(), row.service), (Some("rate_limit"), None));
    assert_eq!(
        (stages(&refused)[8], stages(&refused)[9], stages(&refused).len()),
        ("rate_limit", "answer", 10)
    );
    assert_eq!((refused.buckets.len(), refused.buckets[0].bucket.as_str()), (1, "user"));
    assert!(refused.set.is_empty() && refused.removed.is_empty());
}
