//! The admin side as a client sees it, without sockets.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::*;
use crate::base::clock::Clock;
use crate::base::problems::Problems;
use crate::base::problems::Source;
use crate::base::secret::Secret;
use crate::config::Inputs;
use crate::live::reloader::Built;
use crate::live::snapshot;
use crate::live::watch::Watcher;
use crate::pipeline::identity::lifetimes;
use crate::server::start;
use crate::telemetry::logs::{Form, Logs};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::sink::{Memory, Sink};

pub(in crate::server) const TOKEN: &str = "the-right-token-of-this-test";

/// An admin side over a gateway in a folder of its own.
pub(in crate::server) struct House {
    pub(in crate::server) admin: Admin,
    logs: Logs,
    memory: Memory,
    _guard: tracing::subscriber::DefaultGuard,
    _watcher: Watcher<Report>,
    _folder: tempfile::TempDir,
}

/// What an answer was.
pub(in crate::server) struct Seen {
    pub(in crate::server) status: u16,
    pub(in crate::server) headers: HeaderMap,
    pub(in crate::server) text: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn code(&self) -> String {
        self.json().pointer("/error/code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

pub(in crate::server) fn house(config: &str) -> House {
    let folder = tempfile::tempdir().unwrap();
    let inputs = Inputs {
        source: Source::new("config.toml", config),
        folder: folder.path().to_owned(),
        environment: [(
            "PLUGINMIND_SESSION__SECRET".to_owned(),
            crate::config::new_secret().unwrap().expose().clone(),
        )]
        .into(),
        writable_by_all: false,
    };
    let built = snapshot::build(&inputs, 1);
    let snapshot = built.snapshot.unwrap_or_else(|| panic!("{}", built.problems.render()));
    let clock = Clock::manual(1_700_000_000_000);
    let (sink, memory) = Sink::memory(1_000).unwrap();
    let (logs, subscriber) = Logs::to(sink, Form::Json, &snapshot.config.log, clock.clone());
    let guard = tracing::subscriber::set_default(subscriber);
    let metrics = Arc::new(Metrics::new("test"));
    let gateway = start::gateway(snapshot, Problems::default(), logs.clone(), &metrics, clock).unwrap();
    let watcher = Watcher::start(Vec::new(), None, 0, metrics, |_| {
        let problems = Arc::new(Problems::default());
        Built {
            report: Report { applied: true, generation: 7, problems, needs_restart: Vec::new() },
            roots: Vec::new(),
        }
    })
    .unwrap();
    let reloader = Arc::new(std::sync::OnceLock::from(watcher.reloader()));
    let token = Token::new(Secret::new(TOKEN.to_owned()));
    let (started, address) = (gateway.clock.now(), gateway.live.current().config.admin.listen.ip());
    let admin = Admin::new(gateway, reloader, token, address, started, console::Sessions::default());
    House { admin, logs, memory, _guard: guard, _watcher: watcher, _folder: folder }
}

impl House {
    /// One request; a Host is added where none is given.
    pub(in crate::server) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Seen {
        let (parts, body) = self.answer(method, path, headers, body).await.into_parts();
        let text = String::from_utf8(body.whole().to_vec()).unwrap();
        Seen { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// The same, as the answer is before it is read.
    pub(in crate::server) async fn answer(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:8081");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        handle(&self.admin, request, "127.0.0.1:50000".parse().unwrap(), &Shutdown::default()).await
    }

    async fn get(&self, path: &str) -> Seen {
        self.ask(Method::GET, path, &[], "").await
    }

    pub(in crate::server) async fn post(&self, path: &str, body: &Value) -> Seen {
        let token = format!("Bearer {TOKEN}");
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        self.ask(Method::POST, path, &headers, &body.to_string()).await
    }

    async fn add(&self, name: &str) -> Seen {
        self.post(
            "/admin/api/users",
            &json!({ "name": name, "password": "correct horse battery", "roles": ["staff"] }),
        )
        .await
    }

    pub(in crate::server) fn log(&self) -> String {
        self.logs.close(std::time::Duration::from_secs(10));
        self.memory.text()
    }
}

const PROBES: [&str; 7] =
    ["/live", "/ready", "/health", "/version", "/services", "/services/health", "/metrics"];

const WRITES: [&str; 5] = [
    "/admin/api/reload",
    "/admin/api/sessions/revoke",
    "/admin/api/users",
    "/admin/api/users/passwd",
    "/admin/api/users/disable",
];

#[tokio::test]
async fn reads_are_open_on_loopback_and_every_answer_wears_the_same_clothes() {
    let house = house("");
    for path in
        PROBES.iter().chain(&["/admin/api/status", "/admin/api/sessions", "/admin/api/users", "/none"])
    {
        let seen = house.ask(Method::GET, path, &[("x-request-id", "id-1")], "").await;
        assert_eq!(seen.status, if *path == "/none" { 404 } else { 200 }, "{path}");
        assert_eq!(seen.headers["x-request-id"], "id-1", "{path}");
        assert_eq!(seen.headers["cache-control"], "no-store", "{path}");
        assert_eq!(seen.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(seen.headers.contains_key("content-security-policy"), "{path}");
    }
}

#[tokio::test]
async fn ad_01_nothing_is_changed_without_the_token_in_its_header() {
    let house = house("");
    let query = format!("/admin/api/reload?token={TOKEN}");
    let basic = format!("Basic {TOKEN}");
    for path in WRITES.iter().chain(&[query.as_str()]) {
        for headers in [
            &[][..],
            &[("authorization", "Bearer ")],
            &[("authorization", basic.as_str())],
            &[("cookie", TOKEN)],
        ] {
            let seen = house.ask(Method::POST, path, headers, "{}").await;
            assert_eq!((seen.status, seen.code().as_str()), (401, "AUTHENTICATION_REQUIRED"), "{path}");
            assert_eq!(seen.headers["www-authenticate"], "Bearer realm=\"pluginmind-admin\"");
        }
    }
    assert_eq!(house.post("/admin/api/reload", &json!({})).await.json()["generation"], 7);
}

#[tokio::test]
async fn ad_01_ten_wrong_tokens_shut_the_writes_and_leave_the_reads() {
    let house = house("");
    for _ in 0..lockout::WRONG_MAX {
        let seen =
            house.ask(Method::POST, "/admin/api/reload", &[("authorization", "Bearer wrong")], "").await;
        assert_eq!(seen.status, 401);
    }
    let seen = house.post("/admin/api/reload", &json!({})).await;
    assert_eq!((seen.status, seen.code().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(seen.headers["retry-after"], "60");
    assert_eq!(house.get("/admin/api/status").await.status, 200);
    house.admin.gateway.clock.advance(lockout::WINDOW);
    assert_eq!(house.post("/admin/api/reload", &json!({})).await.status, 200);
}

#[tokio::test]
async fn ad_02_a_name_that_was_pointed_here_is_misdirected_but_for_probes_and_metrics() {
    let house = house("[admin]\nhosts = [\"admin.example\"]\n");
    let status =
        async |path: &str, host: &str| house.ask(Method::GET, path, &[("host", host)], "").await.status;
    for good in
        ["localhost", "LOCALHOST:8081", "127.0.0.1:1", "[::1]:8081", "admin.example", "Admin.Example:443"]
    {
        assert_eq!(status("/admin/api/status", good).await, 200, "{good}");
    }
    for bad in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "[::2]",
        "a b",
        "0.0.0.0",
    ] {
        assert_eq!(status("/admin/api/status", bad).await, 421, "{bad}");
        assert_eq!(status("/metrics", bad).await, 200, "{bad}");
        assert_eq!(status("/ready", bad).await, 200, "{bad}");
    }
    let twice = [("host", "localhost"), ("host", "localhost")];
    assert_ne!(house.ask(Method::GET, "/admin/api/status", &twice, "").await.status, 200);
    let elsewhere =
        house.ask(Method::GET, "http://evil.example/admin/api/status", &[("host", "localhost")], "").await;
    assert_eq!(elsewhere.status, 400);
}

#[tokio::test]
async fn ad_02_another_sites_page_is_refused_whatever_it_sends() {
    let house = house("");
    let token = format!("Bearer {TOKEN}");
    let auth = ("authorization", token.as_str());
    let ask = async |extra: (&str, &str)| {
        let headers = [auth, ("content-type", "application/json"), extra];
        house.ask(Method::POST, "/admin/api/sessions/revoke", &headers, r#"{"all":true}"#).await
    };
    for foreign in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "http://localhost:8081",
        "",
        "https://evil.example",
    ] {
        let seen = ask(("origin", foreign)).await;
        assert_eq!((seen.status, seen.code().as_str()), (403, "ORIGIN_NOT_ALLOWED"), "{foreign}");
    }
    assert_eq!(ask(("sec-fetch-site", "cross-site")).await.status, 403);
    assert_eq!(ask(("origin", "http://127.0.0.1:8081")).await.status, 200);
    assert_eq!(ask(("sec-fetch-site", "same-origin")).await.status, 200);
    for simple in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let headers = [auth, ("content-type", simple)];
        let seen = house.ask(Method::POST, "/admin/api/sessions/revoke", &headers, r#"{"all":true}"#).await;
        assert_eq!(seen.status, 415, "{simple}");
    }
}

#[tokio::test]
async fn reads_need_the_token_where_others_can_reach_the_listener() {
    let house = house("[admin]\nlisten = \"0.0.0.0:8081\"\n");
    let token = format!("Bearer {TOKEN}");
    for path in ["/admin/api/status", "/admin/api/users", "/admin/api/sessions"] {
        assert_eq!(house.get(path).await.status, 401, "{path}");
        let seen = house.ask(Method::GET, path, &[("authorization", &token)], "").await;
        assert_eq!(seen.status, 200, "{path}");
    }
    for path in PROBES {
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn ad_06_no_answer_holds_a_secret_an_address_or_a_password() {
    let house = house("[[services]]\nname = \"app\"\nurls = [\"http://127.0.0.1:34567\"]\n");
    assert_eq!(house.add("alice").await.status, 200);
    let secret = house.admin.gateway.live.current().config.session.keys[0].expose().clone();
    let secret = String::from_utf8(secret).unwrap();
    for path in PROBES.iter().chain(&["/admin/api/status", "/admin/api/sessions", "/admin/api/users"]) {
        let text = house.get(path).await.text;
        for hidden in [TOKEN, &secret, "34567", "argon2", "correct horse"] {
            assert!(!text.contains(hidden), "{path} shows {hidden}");
        }
    }
}

#[tokio::test]
async fn accounts_are_added_listed_and_refused_with_every_reason_at_once() {
    let house = house("");
    let seen = house.add("Alice@Example.org").await;
    assert_eq!(seen.json()["name"], "alice@example.org");
    let again = house.add("alice@example.org").await;
    assert_eq!((again.status, again.code().as_str()), (422, "INVALID_INPUT"));
    assert_eq!(again.json().pointer("/error/details/0/message").unwrap(), users::TAKEN);
    let wrong = house
        .post("/admin/api/users", &json!({ "name": "a b", "password": "short", "roles": ["x,y"] }))
        .await;
    let details = wrong.json().pointer("/error/details").unwrap().as_array().unwrap().len();
    assert_eq!((wrong.status, details), (422, 3));
    for path in ["/admin/api/users/passwd", "/admin/api/users/disable", "/admin/api/sessions/revoke"] {
        let body = if path.ends_with("passwd") {
            json!({ "user": "nobody", "password": "correct horse battery" })
        } else {
            json!({ "user": "nobody" })
        };
        assert_eq!(house.post(path, &body).await.status, 404, "{path}");
    }
    let listed = house.get("/admin/api/users").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["roles"], json!(["staff"]));
}

#[tokio::test]
async fn ad_07_a_revocation_ends_every_session_of_the_user_and_their_cached_tokens() {
    let house = house("");
    house.add("alice").await;
    house.add("bob").await;
    let gateway = &house.admin.gateway;
    let snapshot = gateway.live.current();
    let session = &snapshot.config.session;
    let lifetimes = lifetimes(session);
    let limits = crate::auth::session::Limits { lifetimes, per_user_max: 9, sessions_max: 99 };
    let now = Moment::of(&gateway.clock);
    let door = crate::auth::sign_in::Door {
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        lockout: crate::auth::lockout::Terms::of(&snapshot.config.auth),
    };
    let mut tokens = Vec::new();
    for name in ["alice", "alice", "bob"] {
        let password = Secret::new("correct horse battery".to_owned());
        let ring = &snapshot.keyring;
        let signed = gateway.auth.sign_in(ring, name, password, door, limits, now).await.unwrap();
        tokens.push(signed.token.expose().clone());
    }
    let alive = || {
        let is_alive = |token: &String| {
            gateway.auth.authenticate(&snapshot.keyring, Some(token), lifetimes, now).is_ok()
        };
        tokens.iter().map(is_alive).collect::<Vec<_>>()
    };
    assert_eq!(alive(), [true, true, true]);
    assert_eq!(house.get("/admin/api/sessions?user=alice").await.json().as_array().unwrap().len(), 2);
    let seen = house.post("/admin/api/sessions/revoke", &json!({ "user": "alice" })).await;
    assert_eq!(seen.json(), json!({ "revoked": 2 }));
    assert_eq!(alive(), [false, false, true]);
    let id = house.get("/admin/api/sessions").await.json()[0]["id"].clone();
    assert_eq!(
        house.post("/admin/api/sessions/revoke", &json!({ "id": id })).await.json(),
        json!({ "revoked": 1 })
    );
    assert_eq!(house.post("/admin/api/sessions/revoke", &json!({ "id": id })).await.status, 404);
    assert_eq!(alive(), [false, false, false]);
}

#[tokio::test]
async fn ad_08_every_change_that_is_asked_for_is_one_log_line_without_a_person_in_it() {
    let house = house("");
    house.add("alice@example.org").await;
    house.post("/admin/api/users/disable", &json!({ "user": "alice@example.org" })).await;
    house.ask(Method::POST, "/admin/api/reload", &[("authorization", "Bearer wrong")], "").await;
    house.ask(Method::POST, "/admin/api/reload", &[("host", "evil.example")], "").await;
    house.get("/admin/api/users").await;
    let log = house.log();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("admin action"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> =
        lines.iter().map(|l| (l["action"].as_str().unwrap(), l["outcome"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("users.add", "ok"),
            ("users.disable", "ok"),
            ("reload", "AUTHENTICATION_REQUIRED"),
            ("reload", "MISDIRECTED_REQUEST")
        ]
    );
    assert_eq!(lines[0]["user.hash"].as_str().unwrap().len(), 32);
    assert_eq!(lines[0]["user.hash"], lines[1]["user.hash"]);
    assert!(!log.contains("alice") && !log.contains("correct horse") && !log.contains("wrong"), "{log}");
}

#[tokio::test]
async fn a_body_is_bounded_and_of_the_right_shape() {
    let house = house("");
    let long = json!({ "user": "x".repeat(BODY_BYTES_MAX) });
    assert_eq!(house.post("/admin/api/sessions/revoke", &long).await.status, 413);
    for (body, status) in [
        (json!([]), 422),
        (json!({}), 422),
        (json!({ "all": 1 }), 422),
        (json!({ "all": true, "x": 1 }), 422),
    ] {
        assert_eq!(house.post("/admin/api/sessions/revoke", &body).await.status, status, "{body}");
    }
    let seen = house.ask(Method::PUT, "/admin/api/users", &[], "").await;
    assert_eq!(StatusCode::from_u16(seen.status).unwrap(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(seen.headers["allow"], "GET, HEAD, POST");
}

#[tokio::test]
async fn the_status_tells_a_stale_policy_with_its_place() {
    let house = house("");
    let gateway = &house.admin.gateway;
    let mut problems = Problems::default();
    let source = Source::new("config.toml", "a = 1\nbrust = 2\n");
    problems.push(crate::base::problems::Problem::at(source.place(6..11), "unknown key `brust`"));
    let before = gateway.policy.read();
    gateway.policy.write(crate::live::policy::Policy { problems: Arc::new(problems), ..(*before).clone() });
    let status = house.get("/admin/api/status").await.json();
    assert_eq!(status["policy"], "stale");
    let problem = &status["problems"][0];
    assert_eq!(
        (&problem["file"], &problem["line"], &problem["column"]),
        (&json!("config.toml"), &json!(2), &json!(1))
    );
    let ready = house.get("/ready").await;
    assert_eq!((ready.status, &ready.json()["policy"]), (200, &json!("stale")));
    gateway.draining.begin();
    assert_eq!(house.get("/ready").await.status, 503);
}
