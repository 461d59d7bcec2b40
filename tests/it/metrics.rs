//! Section 7 of the contract: numbers that are right, under names and labels that no client chooses.

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose};

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
fn lg_04_no_client_makes_a_series() {
    let gateway = Setup::new(CONFIG).start();
    let series = |g: &Gateway| text(g).lines().filter(|l| !l.starts_with('#')).count();
    let send = |n: usize| {
        let method = ["GET", "BREW", "M1", "FOO", "post", "PROPFIND"][n % 6];
        let method = if n.is_multiple_of(7) { format!("X{n}") } else { method.to_owned() };
        let line = format!("{method} /canary-{n}/{n}?q=canary{n}");
        let (host, agent, key) =
            (format!("canary-{n}.example"), format!("canary/{n}"), format!("canary-{n}"));
        let headers = [
            ("Host", host.as_str()),
            ("User-Agent", agent.as_str()),
            ("X-Request-ID", key.as_str()),
            ("Authorization", key.as_str()),
            ("X-Forwarded-For", key.as_str()),
        ];
        gateway.send(&line, &headers, b"");
        gateway.send(&format!("GET /items/canary-{n}"), &headers, b"");
    };
    (0..42).for_each(send);
    gateway.until("they are counted", |g| g.metric("pluginmind_http_requests_in_flight ") == 0.0);
    let before = series(&gateway);
    (42..300).for_each(send);
    gateway.until("they are counted", |g| {
        g.metric("pluginmind_http_request_duration_seconds_count{route=\"items\"}") == 300.0
    });
    let after = text(&gateway);
    assert_eq!(series(&gateway), before, "{after}");
    assert!(before < 500, "{before}");
    assert!(!after.contains("canary"), "{after}");
    assert!(after.contains("method=\"OTHER\""));
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
