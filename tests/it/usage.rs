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

const ROUTE: &str = "[[routes]]\npath = \"/open\"\nauth = \"none\"\nrespond = { text = \"ok\" }\n";

fn count(gateway: &Gateway) -> usize {
    reader(&gateway.at("data/pluginmind.db")).usage(100_000).expect("rows").len()
}

fn open_rows(gateway: &Gateway) -> usize {
    let filter = UsageFilter { route: Some("/open".to_owned()), ..UsageFilter::default() };
    reader(&gateway.at("data/pluginmind.db")).requests(&filter, 100_000).expect("rows").len()
}

fn dropped(gateway: &Gateway) -> usize {
    let dropped = gateway.metric("pluginmind_usage_rows_dropped_total");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of a few rows")]
    let dropped = dropped as usize;
    dropped
}

/// A gateway that keeps no more than 20 rows in memory.
fn short_of_room() -> Gateway {
    let limits = "[rate_limit]\nip_per_minute = 1_000_000\nip_burst = 1_000_000\n";
    Setup::new(&format!("[storage]\nusage_queue_max = 20\n{limits}{ROUTE}")).start()
}

/// Sends requests for as long as rows are lost, then lets `mend` do its work: every request has an answer, and every row is
/// written or counted as lost.
fn loses_and_recovers(gateway: &Gateway, mend: impl FnOnce()) {
    let mut sent = 0;
    gateway.until("rows are lost", |g| {
        for _ in 0..20 {
            assert_eq!(g.get("/open").status, 200);
        }
        sent += 20;
        dropped(g) > 0
    });
    let lost = dropped(gateway);
    mend();
    gateway.until("what waited is written", |g| count(g) > 0);
    gateway.until("it is ready again", |g| g.get("/ready").status == 200);
    gateway.until("each is written or counted", |g| open_rows(g) + dropped(g) == sent);
    assert!(lost < sent, "those that fitted were kept");
    let last = [("X-Request-ID", "after-all")];
    assert_eq!(gateway.send("GET /open", &last, b"").status, 200);
    assert_eq!(of_id(gateway, "after-all").len(), 1);
}

#[test]
fn db_03_a_database_that_another_process_holds_for_long_costs_rows_and_no_request() {
    let gateway = short_of_room();
    let other = rusqlite::Connection::open(gateway.at("data/pluginmind.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    loses_and_recovers(&gateway, || other.execute_batch("COMMIT").unwrap());
}

#[test]
fn db_01_a_full_disk_costs_rows_and_no_request() {
    let gateway = short_of_room();
    let limit = |bytes: &str| {
        let limit = format!("--fsize={bytes}:unlimited");
        let pid = gateway.pid().to_string();
        assert!(
            std::process::Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success()
        );
    };
    limit("1");
    loses_and_recovers(&gateway, || limit("unlimited"));
}

#[test]
fn what_is_not_sampled_has_its_line_but_no_row_and_what_is_refused_has_both() {
    let mut gateway = Setup::new(&format!("[storage]\nusage_sample = 0.0\n{ROUTE}")).start();
    for n in 0..5 {
        let id = format!("fine-{n}");
        assert_eq!(gateway.send("GET /open", &[("X-Request-ID", &id)], b"").status, 200);
        gateway.wait_for_log(|line| line.contains(&id));
    }
    assert_eq!(gateway.send("GET /nothing", &[("X-Request-ID", "refused")], b"").status, 404);
    of_id(&gateway, "refused");
    assert_eq!(count(&gateway), 1, "the refused one alone");

    let before = gateway.generation();
    gateway.save("config.toml", &gateway.config().replace("usage_sample = 0.0", "usage_sample = 1.0"));
    gateway.until("the reload", |g| g.generation() > before);
    assert_eq!(gateway.send("GET /open", &[("X-Request-ID", "sampled")], b"").status, 200);
    of_id(&gateway, "sampled");
}

#[test]
fn lg_08_whatever_becomes_of_a_request_it_has_one_row() {
    use crate::harness::Connection;
    let (upstream, hear) = Upstream::silent();
    let gateway = Setup::new(&format!("{ROUTE}{}", upstream.config())).start();
    let mut ids = Vec::new();
    for n in 0..5 {
        let id = format!("plain-{n}");
        gateway.send("GET /open", &[("X-Request-ID", &id)], b"");
        ids.push(id);
    }
    let two_lengths = "Content-Length: 1\r\nContent-Length: 2\r\n";
    for (n, head) in
        [("length", two_lengths), ("coding", "Transfer-Encoding: gzip\r\n"), ("name", "A B: c\r\n")]
    {
        let id = format!("malformed-{n}");
        let mut connection = Connection::open(gateway.public);
        let request = format!("POST /open HTTP/1.1\r\nHost: a\r\nX-Request-ID: {id}\r\n{head}\r\n");
        connection.send(request).unwrap();
        assert_eq!(connection.read().unwrap().status, 400);
        ids.push(id);
    }
    let mut gone = Connection::open(gateway.public);
    gone.send("GET /up/x HTTP/1.1\r\nHost: a\r\nX-Request-ID: gone\r\n\r\n").unwrap();
    gateway.until("it is under way", |g| g.metric("pluginmind_http_requests_in_flight") > 0.0);
    drop(gone);
    let _ = hear.recv();
    ids.push("gone".to_owned());

    for id in &ids {
        assert_eq!(of_id(&gateway, id).len(), 1, "{id}");
    }
    let (row, trace) = of_id(&gateway, "gone").remove(0);
    assert_eq!((row.status, row.code.as_deref()), (0, Some("CLIENT_CLOSED_REQUEST")));
    assert_eq!(stages(&trace).last(), Some(&"upstream"), "no answer was on its way");
    assert_eq!(count(&gateway), ids.len());
}
