//! Section 7 of the contract: numbers that are right, under names and labels that no client chooses.

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose, request};

const CONFIG: &str = r#"
[rate_limit]
ip_per_minute = 1_000_000
ip_burst = 1_000_000

[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
name = "items"
path = "/items/*"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "ok" }

[[routes]]
name = "tight"
path = "/tight"
auth = "none"
rate_limit = { ip_per_minute = 1, ip_burst = 2 }
respond = { status = 200, text = "ok" }
"#;

fn text(gateway: &Gateway) -> String {
    gateway.ask_admin("GET /metrics", &[], b"").text()
}

/// The label names of every sample of a family.
fn labels(text: &str, family: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|l| l.starts_with(family)) {
        let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(l, _)| l);
        found.extend(labels.split(',').filter_map(|l| l.split_once('=')).map(|(name, _)| name.to_owned()));
    }
    found
}

#[test]
fn every_metric_of_the_contract_is_there_with_its_labels() {
    let upstream = Upstream::hello();
    let rule = "fn on_request(req) { if req.path == \"/open/no\" { deny(403, \"mine.no\", \"No.\"); } }";
    let gateway = Setup::new(&format!("{CONFIG}\n{}", upstream.config())).plugin("mine", rule).start();
    for path in ["/open", "/up/x", "/private", "/open/no", "/nothing"] {
        gateway.get(path);
    }
    let answer = gateway.ask_admin("GET /metrics", &[], b"");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    gateway.until("the requests are counted", |g| text(g).contains("code=\"NOT_FOUND\""));
    gateway.change("/admin/api/reload", "");
    let text = text(&gateway);
    for (name, kind, wanted) in [
        ("http_requests_total", "counter", "method route status code"),
        ("http_request_duration_seconds", "histogram", "route le"),
        ("http_requests_in_flight", "gauge", ""),
        ("stage_refusals_total", "counter", "stage code"),
        ("rate_limit_decisions_total", "counter", "bucket decision"),
        ("plugin_decisions_total", "counter", "plugin rule decision mode"),
        ("plugin_duration_seconds", "histogram", "plugin le"),
        ("sessions_active", "gauge", ""),
        ("bans_active", "gauge", "kind"),
        ("lockdown_active", "gauge", ""),
        ("config_reloads_total", "counter", "outcome"),
        ("config_generation", "gauge", ""),
        ("config_last_reload_success_timestamp_seconds", "gauge", ""),
        ("upstream_up", "gauge", "service"),
        ("upstream_duration_seconds", "histogram", "service le"),
        ("usage_rows_dropped_total", "counter", ""),
        ("build_info", "gauge", "version"),
    ] {
        let name = format!("pluginmind_{name}");
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}\n{text}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        let wanted: BTreeSet<String> = wanted.split_whitespace().map(str::to_owned).collect();
        assert_eq!(labels(&text, &name), wanted, "{name}");
    }
    assert!(text.contains("pluginmind_build_info{version=\"0.1.0\"} 1\n"), "{text}");
}

#[test]
fn counts_are_exact() {
    let rule = "fn on_request(req) { if req.path == \"/open\" && req.query(\"no\") != \"\" { deny(418, \"mine.tea\", \"No.\"); } }";
    let gateway = Setup::new(CONFIG).plugin("mine", rule).user("ann", "a long password", &[]).start();
    for _ in 0..3 {
        gateway.get("/open");
    }
    for n in 0..2 {
        gateway.get(&format!("/items/{n}"));
        gateway.get("/open?no=1");
        gateway.get("/private");
    }
    for _ in 0..4 {
        gateway.get("/tight");
    }
    let cookie = gateway.sign_in("ann", "a long password");
    gateway.send("GET /private", &[("Cookie", &cookie)], b"");
    let requests = |method: &str, route: &str, status: u16, code: &str| {
        gateway.metric(&format!(
            "pluginmind_http_requests_total{{code=\"{code}\",method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        ))
    };
    gateway.until("the last one is counted", |_| requests("GET", "private", 200, "") == 1.0);
    assert_eq!(requests("GET", "open", 200, ""), 3.0);
    assert_eq!(requests("GET", "items", 200, ""), 2.0);
    assert_eq!(requests("GET", "open", 418, "mine.tea"), 2.0);
    assert_eq!(requests("GET", "private", 401, "AUTHENTICATION_REQUIRED"), 2.0);
    assert_eq!(requests("GET", "tight", 200, ""), 2.0);
    assert_eq!(requests("GET", "tight", 429, "RATE_LIMIT_EXCEEDED"), 2.0);
    assert_eq!(requests("POST", "/auth/login", 200, ""), 1.0);
    let refusals = |stage: &str, code: &str| {
        gateway.metric(&format!("pluginmind_stage_refusals_total{{code=\"{code}\",stage=\"{stage}\"}}"))
    };
    assert_eq!(refusals("identity", "AUTHENTICATION_REQUIRED"), 2.0);
    assert_eq!(refusals("rate_limit", "RATE_LIMIT_EXCEEDED"), 2.0);
    assert_eq!(refusals("on_request", "mine.tea"), 2.0);
    let decision = |bucket: &str, decision: &str| {
        gateway.metric(&format!(
            "pluginmind_rate_limit_decisions_total{{bucket=\"{bucket}\",decision=\"{decision}\"}}"
        ))
    };
    assert_eq!(
        (decision("ip", "deny"), decision("user", "allow"), decision("user", "deny")),
        (2.0, 1.0, 0.0)
    );
    let rule = "pluginmind_plugin_decisions_total{decision=\"deny\",mode=\"enforce\",plugin=\"mine\",rule=\"mine.tea\"}";
    assert_eq!(gateway.metric(rule), 2.0);
    assert_eq!(gateway.metric("pluginmind_http_request_duration_seconds_count{route=\"open\"}"), 5.0);
    assert_eq!(gateway.metric("pluginmind_sessions_active "), 1.0);
    gateway.send("POST /auth/logout", &[("Cookie", &cookie), ("Origin", "http://localhost")], b"");
    assert_eq!(gateway.metric("pluginmind_sessions_active "), 0.0);
}

#[test]
fn a_tags_name_is_no_label_and_stands_in_one_series() {
    let rule = "fn on_request(req) { tag(req.header(\"x-who\")); }";
    let gateway = Setup::new(CONFIG).plugin("mine", rule).start();
    for who in ["ann@example.com", "bob@example.com", "tag-3"] {
        gateway.send("GET /open", &[("X-Who", who)], b"");
    }
    let tags =
        "pluginmind_plugin_decisions_total{decision=\"tag\",mode=\"enforce\",plugin=\"mine\",rule=\"\"}";
    assert_eq!(gateway.metric(tags), 3.0);
}

/// Two requests with nothing in them that came before: method, path, host, agent, id, credential, address, trace.
fn made_up(n: usize) -> [Vec<u8>; 2] {
    let known = ["GET", "BREW", "M1", "FOO", "post", "PROPFIND"][n % 6];
    let method = if n.is_multiple_of(7) { format!("X{n}") } else { known.to_owned() };
    let (word, host, agent) = (format!("canary-{n}"), format!("canary-{n}.example"), format!("canary/{n}"));
    let trace = format!("00-{:032x}-{:016x}-01", n + 1, n + 1);
    let headers = [
        ("Host", host.as_str()),
        ("User-Agent", agent.as_str()),
        ("X-Request-ID", word.as_str()),
        ("Authorization", word.as_str()),
        ("X-Forwarded-For", word.as_str()),
        ("traceparent", trace.as_str()),
    ];
    [
        compose(&format!("{method} /canary-{n}/{n}?q=canary{n}"), &headers, b""),
        compose(&format!("GET /items/canary-{n}"), &headers, b""),
    ]
}

#[test]
fn lg_04_no_client_makes_a_series() {
    const CLIENTS: usize = 4;
    const EACH: usize = 750;
    let gateway = Setup::new(CONFIG).start();
    let series = |text: &str| text.lines().filter(|l| !l.starts_with('#')).count();
    let ask = |range: std::ops::Range<usize>| {
        let mut connection = Connection::open(gateway.public);
        for request in range.flat_map(made_up) {
            // What is no method that routes take may cost the connection.
            while connection.send(&request).is_err() || connection.read().is_none() {
                connection = Connection::open(gateway.public);
            }
        }
    };
    ask(0..42);
    let items = "pluginmind_http_request_duration_seconds_count{route=\"items\"}";
    gateway.until("they are counted", |g| g.metric(items) >= 42.0);
    let before = series(&text(&gateway));
    std::thread::scope(|scope| {
        for n in 0..CLIENTS {
            let ask = &ask;
            scope.spawn(move || ask(42 + n * EACH..42 + (n + 1) * EACH));
        }
    });
    gateway.until("they are counted", |g| g.metric(items) >= 3_042.0);
    for headers in [&[][..], &[OPEN]] {
        let after = gateway.ask_admin("GET /metrics", headers, b"").text();
        assert_eq!(series(&after), before, "{after}");
        assert!(!after.contains("canary"), "{after}");
        assert!(after.contains("method=\"OTHER\""));
    }
    assert!(before < 500, "{before}");
}

#[test]
fn lg_05_metrics_are_not_on_the_public_listener_and_are_open_on_the_admin_one() {
    let gateway = Setup::new(CONFIG).start();
    let public = gateway.get("/metrics");
    assert_eq!(public.status, 404);
    assert!(!public.text().contains("pluginmind_"));
    assert_eq!(gateway.ask_admin("GET /metrics", &[("Host", "prometheus.example")], b"").status, 200);
    assert_eq!(gateway.ask_admin("HEAD /metrics", &[], b"").status, 200);
}

#[test]
fn requests_in_flight_are_counted_while_they_run_and_no_longer() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let upstream = Upstream::with(move |_, stream| {
        held.lock().unwrap().recv().ok();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let gateway = Setup::new(&upstream.config()).start();
    let in_flight = |g: &Gateway| g.metric("pluginmind_http_requests_in_flight ");
    let mut connections: Vec<Connection> = (0..3)
        .map(|_| {
            let mut connection = Connection::open(gateway.public);
            connection.send(compose("GET /up/x", &[], b"")).unwrap();
            connection
        })
        .collect();
    gateway.until("three run", |g| in_flight(g) == 3.0);
    // One client goes away without its answer.
    drop(connections.pop());
    gateway.until("two run", |g| in_flight(g) == 2.0);
    (0..3).for_each(|_| release.send(()).unwrap());
    for mut connection in connections {
        assert_eq!(connection.read().unwrap().status, 200);
    }
    gateway.until("none runs", |g| in_flight(g) == 0.0);
    assert_eq!(gateway.metric("pluginmind_http_request_duration_seconds_count{route=\"up\"}"), 3.0);
}

#[test]
fn an_upstream_that_is_not_there_is_down() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "[[services]]\nname = \"gone\"\nurls = [\"http://{free}\"]\nhealth = \"/health\"\nhealth_interval = \"1s\"\n\
         [[routes]]\nname = \"gone\"\npath = \"/gone\"\nservice = \"gone\"\nauth = \"none\"\n"
    );
    let gateway = Setup::new(&config).start();
    assert_eq!(gateway.get("/gone").status, 502);
    gateway.until("it is down", |g| text(g).contains("pluginmind_upstream_up{service=\"gone\"} 0"));
}

/// A gateway that the shape of `/metrics` is read from: everything in it has been used once.
const TWO: &str = r#"
[[services]]
name = "goes"
urls = ["http://127.0.0.1:9"]

[[routes]]
name = "stays"
path = "/stays"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
name = "goes"
path = "/goes"
auth = "none"
service = "goes"
"#;

#[test]
fn what_is_taken_out_of_the_configuration_has_no_series_left() {
    let rule = "fn on_request(req) { metric::inc(\"seen\"); if req.path == \"/goes\" && req.method == \"POST\" { deny(403, \"gone.no\", \"No.\"); } }";
    let gateway = Setup::new(TWO)
        .file("plugins/gone/plugin.toml", &crate::harness::gateway::manifest("gone", "enforce"))
        .file("plugins/gone/main.rhai", rule)
        .start();
    for line in ["GET /stays", "GET /goes", "POST /goes", "GET /live"] {
        gateway.send(line, &[], b"");
    }
    let named = |text: &str| -> Vec<String> {
        let words = ["\"goes\"", "\"gone\"", "rule_gone_"];
        let lines = text.lines().filter(|l| words.iter().any(|w| l.contains(w)));
        lines.map(|l| l.split(['{', ' ']).next().unwrap_or_default().to_owned()).collect()
    };
    gateway.until("all is counted", |g| text(g).contains("pluginmind_rule_gone_seen_total 4"));
    let before: BTreeSet<String> = named(&text(&gateway)).into_iter().collect();
    for name in [
        "http_requests_total",
        "http_request_duration_seconds_count",
        "plugin_decisions_total",
        "plugin_state",
        "upstream_duration_seconds_count",
    ] {
        assert!(before.contains(&format!("pluginmind_{name}")), "{name} in {before:?}");
    }
    std::fs::remove_dir_all(gateway.at("plugins/gone")).unwrap();
    let config = gateway.config();
    let (head, rest) = config.split_once("[[services]]").unwrap();
    let (_, stays) = rest.split_once("[[routes]]").unwrap();
    let (stays, rest) = stays.split_once("[[routes]]").unwrap();
    let listeners = rest.split_once("[server]").map_or("", |(_, l)| l);
    gateway.save("config.toml", &format!("{head}[[routes]]{stays}\n[server]{listeners}"));
    gateway.until("nothing is left of them", |g| named(&text(g)).is_empty());
    gateway.get("/goes");
    let after = text(&gateway);
    assert!(
        after.contains("route=\"stays\"") && after.contains("route=\"/live\"") && named(&after).is_empty(),
        "{after}"
    );
}

const OPEN: (&str, &str) =
    ("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1");

#[test]
fn who_asks_for_openmetrics_gets_it_with_exemplars_that_lead_to_the_access_line() {
    let mut gateway = Setup::new(CONFIG).start();
    let answer = gateway.get("/open");
    let trace = answer.header("x-request-id").unwrap().replace('-', "");
    let wanted = format!("\"trace.id\":\"{trace}\"");
    gateway.wait_for_log(|l| l.contains(&wanted));
    let answer = gateway.ask_admin("GET /metrics", &[OPEN], b"");
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert_eq!(answer.header("vary"), Some("Accept"));
    let open = answer.text();
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    assert!(open.contains("# TYPE pluginmind_http_requests counter\n"), "{open}");
    let first = "pluginmind_http_request_duration_seconds_bucket{route=\"open\",le=\"";
    let with =
        open.lines().filter(|l| l.starts_with(first) && l.contains(&format!(" # {{trace_id=\"{trace}\"}} ")));
    assert_eq!(with.count(), 1, "one bucket has it\n{open}");
    assert!(
        !gateway.ask_admin("GET /metrics", &[], b"").text().contains("trace_id"),
        "text has no exemplars"
    );
}

/// What is wrong with the shape of an exposition: families in two places, samples outside of theirs, series twice.
fn misshapen(text: &str) -> Vec<String> {
    let (mut families, mut series, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut family = "";
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# TYPE ") {
            family = described.split(' ').next().unwrap_or_default();
            if !families.insert(family) {
                wrong.push(format!("{family} is described twice"));
            }
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            if !name.starts_with(family) {
                wrong.push(format!("{name} stands below {family}"));
            }
            // Up to the value; what follows a ` # ` is an exemplar.
            let sample = line.split(" # ").next().unwrap_or_default();
            let (labels, value) = sample.rsplit_once(' ').unwrap_or_default();
            if !series.insert(labels.to_owned()) {
                wrong.push(format!("{labels} stands twice"));
            }
            if value.parse::<f64>().is_err() {
                wrong.push(format!("{value} is no number"));
            }
        }
    }
    wrong
}

#[test]
fn lg_05_a_hundred_scrapers_during_reloads_each_get_a_whole_page() {
    let gateway = Setup::new(CONFIG).start();
    gateway.get("/open");
    let (config, admin) = (gateway.config(), gateway.admin);
    std::thread::scope(|scope| {
        for n in 0..100 {
            scope.spawn(move || {
                let headers: &[(&str, &str)] = if n % 2 == 0 { &[OPEN] } else { &[] };
                let answer = request(admin, "GET /metrics", headers, b"");
                assert_eq!(answer.status, 200);
                let text = answer.text();
                assert!(misshapen(&text).is_empty(), "{:?}", misshapen(&text));
                assert!(text.contains("pluginmind_build_info{version=\"0.1.0\"} 1\n"));
                assert_eq!(n % 2 == 0, text.ends_with("# EOF\n"));
            });
        }
        for n in 0..5 {
            gateway.save("config.toml", &format!("{config}\n# {n}\n[thresholds]\ndeny = {}\n", 200 + n));
            gateway.get("/open");
        }
    });
    assert_eq!(gateway.get("/live").status, 200);
}

#[test]
fn lg_07_hostile_words_of_an_operator_and_of_a_script_stay_in_their_label() {
    let rule = r#"fn on_request(req) { metric::inc("odd", #{ path: "a\"b\\c\nd} 1\nfake_total 1" }); }"#;
    let routes =
        "[[routes]]\nname = 'a\"b\\c'\npath = \"/odd\"\nauth = \"none\"\nrespond = { status = 200 }\n";
    let gateway = Setup::new(routes).plugin("odd", rule).start();
    gateway.get("/odd");
    gateway.until("it is counted", |g| text(g).contains("pluginmind_rule_odd_odd_total"));
    for headers in [&[][..], &[OPEN]] {
        let text = gateway.ask_admin("GET /metrics", headers, b"").text();
        assert!(misshapen(&text).is_empty(), "{:?}", misshapen(&text));
        assert!(text.contains(r#"route="a\"b\\c""#), "{text}");
        assert!(!text.lines().any(|l| l.starts_with("fake_total")), "{text}");
    }
}
