//! Stages 4 and 10: both buckets, or neither.

use crate::harness::http2::{ask, connect, get, run};
use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose};

/// Rates so low that nothing flows in during a test.
const CONFIG: &str = r#"
[server]
trusted_proxies = ["127.0.0.1"]
h2c = true

[cors]
origins = ["https://listed.example"]

[rate_limit]
user_per_minute = 1
user_burst = 3
ip_per_minute = 1
ip_burst = 6

[[routes]]
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
path = "/private"
respond = { status = 200, text = "ok" }

[[routes]]
path = "/own"
auth = "none"
rate_limit = { ip_per_minute = 1, ip_burst = 2 }
respond = { status = 200, text = "ok" }
"#;

fn from(gateway: &Gateway, line: &str, address: &str, cookie: Option<&str>) -> crate::harness::Answer {
    let mut headers = vec![("X-Forwarded-For", address)];
    headers.extend(cookie.map(|c| ("Cookie", c)));
    gateway.send(line, &headers, b"")
}

#[test]
fn rl_03_and_rl_04_a_bucket_gives_exactly_its_burst_and_then_says_when() {
    let gateway = Setup::new(CONFIG).start();
    for left in (0..6).rev() {
        let answer = from(&gateway, "GET /open", "192.0.2.1", None);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
        assert_eq!(answer.header("x-ratelimit-limit"), Some("6"));
    }
    let refused = from(&gateway, "GET /open", "192.0.2.1", None);
    assert_eq!((refused.status, refused.code().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    let wait: u64 = refused.header("retry-after").and_then(|w| w.parse().ok()).expect("Retry-After");
    assert!((50..=60).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").is_some_and(|r| r.starts_with("\"ip\";r=0")));
    assert!(refused.header("ratelimit-policy").is_some_and(|r| r.starts_with("\"ip\";q=6")));
    assert_eq!(
        from(&gateway, "GET /open", "192.0.2.2", None).status,
        200,
        "another address has its own bucket"
    );
}

#[test]
fn rl_01_a_user_who_is_out_does_not_burn_the_addresss_tokens() {
    let gateway = Setup::new(CONFIG).user("alice", "a long password", &[]).start();
    let cookie = gateway.sign_in("alice", "a long password");
    for _ in 0..3 {
        assert_eq!(from(&gateway, "GET /private", "192.0.2.1", Some(&cookie)).status, 200);
    }
    for _ in 0..5 {
        let refused = from(&gateway, "GET /private", "192.0.2.1", Some(&cookie));
        assert_eq!(refused.status, 429);
        assert!(refused.header("ratelimit").is_some_and(|r| r.starts_with("\"user\";r=0")));
    }
    for _ in 0..3 {
        assert_eq!(from(&gateway, "GET /open", "192.0.2.1", None).status, 200, "three of six are left");
    }
    assert_eq!(from(&gateway, "GET /open", "192.0.2.1", None).status, 429);
}

#[test]
fn rl_02_a_request_refused_early_is_charged_to_its_address_and_an_empty_one_runs_nothing() {
    let gateway = Setup::new(CONFIG).start();
    for _ in 0..6 {
        assert_eq!(from(&gateway, "GET /private", "192.0.2.9", Some("pm_session=garbage")).status, 401);
    }
    assert_eq!(from(&gateway, "GET /private", "192.0.2.9", Some("pm_session=garbage")).status, 429);
    assert_eq!(
        gateway.metric("pluginmind_stage_refusals_total{code=\"RATE_LIMIT_EXCEEDED\",stage=\"bans\"}"),
        1.0
    );
}

#[test]
fn ip_07_and_rl_09_one_64_is_one_bucket() {
    let gateway = Setup::new(CONFIG).start();
    for i in 0..6 {
        assert_eq!(from(&gateway, "GET /open", &format!("2001:db8::{i:x}:1"), None).status, 200);
    }
    assert_eq!(from(&gateway, "GET /open", "2001:db8::ffff:1", None).status, 429);
    assert_eq!(from(&gateway, "GET /open", "2001:db8:0:1::1", None).status, 200);
}

#[test]
fn rl_07_probes_are_free() {
    let gateway = Setup::new(CONFIG).start();
    for _ in 0..6 {
        from(&gateway, "GET /open", "192.0.2.1", None);
    }
    for path in ["/live", "/ready", "/health", "/version"] {
        assert_eq!(from(&gateway, &format!("GET {path}"), "192.0.2.1", None).status, 200, "{path}");
    }
}

#[test]
fn a_route_with_limits_has_buckets_of_its_own() {
    let gateway = Setup::new(CONFIG).start();
    let statuses: Vec<u16> = (0..3).map(|_| from(&gateway, "GET /own", "192.0.2.1", None).status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(from(&gateway, "GET /open", "192.0.2.1", None).status, 200);
}

#[test]
fn rl_06_a_reload_does_not_fill_a_bucket() {
    let gateway = Setup::new(CONFIG).start();
    for _ in 0..6 {
        from(&gateway, "GET /open", "192.0.2.1", None);
    }
    let config = gateway.config().replace("ip_burst = 6", "ip_burst = 60");
    gateway.save("config.toml", &config);
    gateway.until("the new generation", |g| g.generation() == 2);
    assert_eq!(from(&gateway, "GET /open", "192.0.2.1", None).status, 429);
}

#[test]
fn rl_08_a_stranger_cannot_mint_buckets() {
    let upstream = Upstream::hello();
    let config = CONFIG.replace("trusted_proxies = [\"127.0.0.1\"]", "");
    let gateway = Setup::new(&format!("{config}{}", upstream.config())).start();
    let statuses: Vec<u16> =
        (0..7).map(|i| from(&gateway, "GET /open", &format!("192.0.2.{i}"), None).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 429]);
}

#[test]
fn rl_03_ten_clients_at_once_get_exactly_what_the_bucket_holds() {
    let config = CONFIG.replace("ip_burst = 6", "ip_burst = 40");
    let gateway = Setup::new(&config).start();
    let passed: usize = std::thread::scope(|scope| {
        let clients = (0..10).map(|_| {
            scope.spawn(|| {
                let mut connection = Connection::open(gateway.public);
                let asked = |_: &u32| {
                    connection.send(compose("GET /open", &[("X-Forwarded-For", "192.0.2.3")], b"")).unwrap();
                    connection.read().unwrap().status == 200
                };
                (0..10).filter(asked).count()
            })
        });
        clients.collect::<Vec<_>>().into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(passed, 40, "of a hundred");
}

#[test]
fn rl_04_a_refused_request_reaches_no_upstream_and_runs_no_script() {
    let upstream = Upstream::hello();
    let rule = "fn on_request(req) { metric::inc(\"asked\"); }";
    let gateway = Setup::new(&format!("{CONFIG}{}", upstream.config())).plugin("asks", rule).start();
    let statuses: Vec<u16> = (0..9).map(|_| from(&gateway, "GET /up/x", "192.0.2.4", None).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 429, 429, 429]);
    gateway.until("all are counted", |g| {
        let refused = "pluginmind_http_requests_total{code=\"RATE_LIMIT_EXCEEDED\",method=\"GET\",route=\"\",status=\"429\"}";
        g.metric(refused) == 3.0
    });
    assert_eq!(upstream.seen().len(), 6);
    assert_eq!(gateway.metric("pluginmind_rule_asks_asked_total"), 6.0);
}

#[test]
fn rl_07_a_preflight_is_charged_nothing_and_a_path_without_a_route_is() {
    let gateway = Setup::new(CONFIG).start();
    let preflight = [
        ("X-Forwarded-For", "192.0.2.5"),
        ("Origin", "https://listed.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    for _ in 0..20 {
        assert_eq!(gateway.send("OPTIONS /open", &preflight, b"").status, 204);
    }
    for _ in 0..3 {
        assert_eq!(from(&gateway, "GET /nowhere", "192.0.2.5", None).status, 404);
    }
    let statuses: Vec<u16> = (0..4).map(|_| from(&gateway, "GET /open", "192.0.2.5", None).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
}

#[test]
fn rl_07_each_stream_of_an_http_2_connection_is_charged() {
    let gateway = Setup::new(CONFIG).start();
    let statuses: Vec<u16> = run(async {
        let client = connect(gateway.public).await;
        let mut statuses = Vec::new();
        for _ in 0..8 {
            statuses.push(ask(&client, get("/open"), b"").await.unwrap().status);
        }
        statuses
    });
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 429, 429]);
}

#[test]
fn rl_10_a_restart_fills_the_buckets_as_operating_md_says() {
    let gateway = Setup::new(CONFIG).start();
    let ask = |gateway: &Gateway| from(gateway, "GET /open", "192.0.2.6", None).status;
    while ask(&gateway) == 200 {}
    let gateway = gateway.kill_and_restart();
    assert_eq!(ask(&gateway), 200);
    let operating = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATING.md");
    assert!(
        std::fs::read_to_string(operating)
            .unwrap()
            .contains("buckets live in memory and are full after a restart")
    );
}
