//! Sections 6 and 7 of the contract: whatever a client sends, no person, address, secret or body is written down.

use std::collections::BTreeSet;
use std::io::Write as _;

use rusqlite::types::ValueRef;
use serde_json::Value;

use pluginmind::cli::privacy_check::canary::of_place;
use pluginmind::cli::privacy_check::own::own;
use pluginmind::cli::privacy_check::place::{Target, places};
use pluginmind::cli::privacy_check::searcher::Searcher;

use crate::harness::{Answer, Connection, Gateway, Setup, Upstream, client::compose};

const PASSWORD: &str = "canary-password-71";
const NAME: &str = "canary.person@example.org";

/// What must be found nowhere. Each is as a client would send it, and distinctive.
const CANARIES: [&str; 24] = [
    NAME,
    "canary.person",
    PASSWORD,
    "canary-wrong-password",
    "other.canary@example.net",
    "203.0.113.77",
    "2001:db8:77::7",
    "198.51.100.66",
    "eyJjYW5hcnkiOiJvbmUifQ",
    "canary-bearer",
    "canary-basic",
    "canary-key",
    "canary-cookie",
    "canary-agent",
    "canary-referer",
    "canary-host",
    "canary-query",
    "canary-segment",
    "canary-body",
    "canary-header-name",
    "canary-upstream",
    "canary-fault",
    "canary-state",
    "Y2FuYXJ5LWJhc2lj",
];

const RULE: &str = r#"
fn on_request(req) {
    if req.path == "/rule/fault" { parse_int(req.query("q") + "canary-fault"); }
    if req.path == "/rule/index" { let x = [req.query("q")]; x[7]; }
    if req.path == "/rule/throw" { throw "canary-fault " + req.query("q"); }
    if req.path == "/rule/log" {
        log::info("seen other.canary@example.net from 203.0.113.77 and 2001:db8:77::7");
        log::warn(`asked ${req.query("mail")}`, #{ mail: req.query("mail") });
        deny(403, "mine.log", "No.");
    }
    if req.path == "/rule/loop" { loop { } }
}
"#;

fn setup(upstream: &Upstream) -> Setup {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        r#"
[server]
trusted_proxies = ["127.0.0.1"]
body_max = "1 KiB"

[log]
level = "trace"

[rate_limit]
ip_per_minute = 1_000_000
ip_burst = 1_000_000

[[services]]
name = "gone"
urls = ["http://{free}"]

[[routes]]
name = "gone"
path = "/gone/*"
service = "gone"
auth = "none"

[[routes]]
name = "open"
path = "/open/*"
auth = "none"
respond = {{ status = 200, text = "ok" }}

[[routes]]
name = "private"
path = "/private"
respond = {{ status = 200, text = "ok" }}

[[routes]]
name = "staff"
path = "/staff"
roles = ["staff"]
respond = {{ status = 200, text = "ok" }}

[[routes]]
name = "typed"
path = "/typed"
auth = "none"
content_types = ["application/json"]
body_schema = {{ type = "object", required = ["x"], properties = {{ x = {{ type = "integer" }}, y = {{ enum = ["a"] }} }} }}
respond = {{ status = 200, text = "ok" }}

[[routes]]
name = "tight"
path = "/tight"
auth = "none"
rate_limit = {{ ip_per_minute = 1, ip_burst = 1 }}
respond = {{ status = 200, text = "ok" }}

{}"#,
        upstream.config()
    );
    Setup::new(&config).plugin("mine", RULE).user(NAME, PASSWORD, &[])
}

/// Headers that a request may carry about a person.
const PERSONAL: [(&str, &str); 10] = [
    ("Origin", "http://localhost"),
    ("X-Forwarded-For", "203.0.113.77"),
    ("User-Agent", "canary-agent/1 (other.canary@example.net)"),
    ("Referer", "https://canary-referer.example/?token=canary-query"),
    ("X-Canary-Header-Name", "canary-bearer"),
    ("canary-header-name", "other.canary@example.net"),
    ("X-Api-Key", "canary-key"),
    (
        "Cookie",
        "pm_session=eyJjYW5hcnkiOiJvbmUifQ.eyJjYW5hcnkiOiJvbmUifQ.canary-cookie; canary-cookie=canary-cookie",
    ),
    ("Authorization", "Bearer eyJjYW5hcnkiOiJvbmUifQ.eyJjYW5hcnkiOiJvbmUifQ.canary-bearer"),
    ("traceparent", "00-canary-canary-00"),
];

/// Line, headers, body, and the statuses that may come.
type Visit<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a [u8], &'a [u16]);

/// Sends every kind of request and gives how many there were. Each refusal is looked at by the way.
fn visit(gateway: &Gateway) -> usize {
    let json = ("Content-Type", "application/json");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let with = |extra: &[(&'static str, &'static str)]| -> Vec<(&str, &str)> {
        let named = |name: &str| extra.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        PERSONAL.iter().filter(|(n, _)| !named(n)).chain(extra).copied().collect()
    };
    let plain = with(&[]);
    let login = format!("{{\"username\":\"{NAME}\",\"password\":\"canary-wrong-password\"}}");
    let login_form = format!("username={NAME}&password=canary-wrong-password&return_to=/");
    let long = "canary-body".repeat(200);
    let long_path = format!("GET /open/{}", "canary-segment/".repeat(1_000));
    let requests: Vec<Visit<'_>> = vec![
        (
            "GET /open/canary-segment?token=canary-query&mail=other.canary@example.net",
            plain.clone(),
            b"",
            &[200],
        ),
        ("GET /open/203.0.113.77/other.canary@example.net", plain.clone(), b"", &[200]),
        ("GET /private?code=canary-query&state=canary-state", plain.clone(), b"", &[401]),
        ("GET /private", with(&[("Authorization", "Basic Y2FuYXJ5LWJhc2lj")]), b"", &[401]),
        ("GET /canary-segment/other.canary@example.net", plain.clone(), b"", &[404]),
        ("DELETE /auth/login?x=canary-query", plain.clone(), b"", &[403, 405]),
        ("BREW /open/canary-segment", plain.clone(), b"", &[405]),
        ("POST /typed", with(&[json]), b"{\"x\":\"canary-body\",\"y\":\"other.canary@example.net\"}", &[422]),
        ("POST /typed", with(&[json]), b"{\"canary-body\":1", &[400]),
        ("POST /typed", with(&[json]), b"{\"canary-body\":1,\"canary-body\":2}", &[400]),
        ("POST /typed", with(&[("Content-Type", "text/canary-body")]), b"canary-body", &[415]),
        ("POST /typed", with(&[json]), long.as_bytes(), &[413]),
        (
            "POST /up/canary-segment?token=canary-query",
            with(&[form]),
            b"mail=other.canary@example.net&b=canary-body",
            &[200],
        ),
        ("POST /gone/canary-segment?token=canary-query", with(&[form]), b"canary-body", &[502]),
        ("GET /up/broken?token=canary-query", plain.clone(), b"", &[502]),
        ("GET /rule/fault?q=canary-query", plain.clone(), b"", &[503]),
        ("GET /rule/throw?q=other.canary@example.net", plain.clone(), b"", &[503]),
        ("GET /rule/index?q=other.canary@example.net", plain.clone(), b"", &[503]),
        ("GET /rule/loop", plain.clone(), b"", &[503]),
        ("GET /rule/log?mail=other.canary@example.net", plain.clone(), b"", &[403]),
        ("GET /rule/log?mail=198.51.100.66", with(&[("X-Forwarded-For", "2001:db8:77::7")]), b"", &[403]),
        ("GET /tight", with(&[("X-Forwarded-For", "198.51.100.66")]), b"", &[200]),
        ("GET /tight", with(&[("X-Forwarded-For", "198.51.100.66")]), b"", &[429]),
        ("POST /auth/login", with(&[json, ("Cookie", "a=canary-cookie")]), login.as_bytes(), &[401]),
        (
            "POST /auth/login",
            with(&[json, ("Cookie", "a=canary-cookie")]),
            b"{\"username\":\"other.canary@example.net\",\"canary-body\":1}",
            &[422],
        ),
        (
            "POST /auth/login",
            with(&[form, ("Cookie", "a=canary-cookie")]),
            login_form.as_bytes(),
            &[200, 401, 403],
        ),
        ("POST /auth/logout", plain.clone(), b"", &[204, 403]),
        ("GET /auth/session", plain.clone(), b"", &[200]),
        (
            "GET /open/x",
            with(&[("X-Forwarded-For", "canary-host, other.canary@example.net")]),
            b"",
            &[200, 400],
        ),
        ("GET /open/x", with(&[("Host", "canary-host.example")]), b"", &[200]),
        ("GET /open/x", with(&[("Host", "canary-host@other.canary")]), b"", &[400]),
        ("GET http://canary-host.example/open/x", plain.clone(), b"", &[400]),
        ("GET /open/%zz/canary-segment", plain.clone(), b"", &[400]),
        ("GET /open/..%2fcanary-segment", plain.clone(), b"", &[400]),
        ("GET /open/x", with(&[("X-Request-ID", "other.canary@example.net")]), b"", &[200]),
        ("GET /open/x", with(&[("X-Request-ID", "canary-query canary-query")]), b"", &[200]),
        (
            "OPTIONS /open/x",
            with(&[("Origin", "https://canary-referer.example"), ("Access-Control-Request-Method", "GET")]),
            b"",
            &[403],
        ),
        (&long_path, plain.clone(), b"", &[414]),
    ];
    for (line, headers, body, statuses) in &requests {
        let answer = gateway.send(line, headers, body);
        let line = line.get(..80).unwrap_or(line);
        assert!(statuses.contains(&answer.status), "{line}: {} {}", answer.status, answer.text());
        if answer.status >= 400 {
            // The sign-in page is the one answer that is a page.
            says_nothing(line, &answer, line == "POST /auth/login" && headers.contains(&form));
        }
    }
    requests.len()
}

/// LG-03: a refusal holds nothing of the request, and nothing of what is inside.
fn says_nothing(line: &str, answer: &Answer, page: bool) {
    let all = format!("{:?} {}", answer.headers, answer.text());
    for canary in CANARIES {
        assert!(!all.contains(canary), "{canary} in the answer to {line}: {all}");
    }
    for word in ["main.rhai", "/tmp/", "127.0.0.1:", ".rs:", "panicked", "SELECT", "hyper", "rusqlite"] {
        assert!(!all.contains(word), "{word} in the answer to {line}: {all}");
    }
    let html = answer.header("content-type").is_none_or(|t| t.contains("html"));
    assert!(page || answer.body.is_empty() || !html, "{line}");
}

/// A person who signs in, is turned away somewhere, looks, and leaves.
fn signed_in(gateway: &Gateway) -> usize {
    let body = format!("{{\"username\":\"{NAME}\",\"password\":\"{PASSWORD}\"}}");
    let from = ("X-Forwarded-For", "203.0.113.77");
    let login =
        gateway.send("POST /auth/login", &[from, ("Content-Type", "application/json")], body.as_bytes());
    assert_eq!(login.status, 200);
    let cookie = login.cookie().expect("a cookie");
    for (line, status) in
        [("GET /private", 200), ("GET /staff", 403), ("GET /auth/session", 200), ("GET /auth/me", 200)]
    {
        assert_eq!(gateway.send(line, &[from, ("Cookie", &cookie)], b"").status, status, "{line}");
    }
    let out = [from, ("Cookie", cookie.as_str()), ("Origin", "http://localhost")];
    assert_eq!(gateway.send("POST /auth/logout", &out, b"").status, 204);
    assert_eq!(gateway.send("GET /private", &[from, ("Cookie", &cookie)], b"").status, 401);
    let log = gateway.log().join("\n");
    let token = cookie.split_once('=').unwrap().1;
    for part in token.split('.').chain([token]) {
        assert!(!log.contains(part), "a part of the session token in the log");
    }
    7
}

/// Bytes that no HTTP parser takes.
fn malformed(gateway: &Gateway) -> usize {
    let requests: [&[u8]; 3] = [
        b"GET /canary-segment HTTP/1.1\r\nHost: localhost\r\ncanary header: canary-body\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: canary-\x00bearer\r\n\r\n",
        b"canary-body\r\n\r\n",
    ];
    for bytes in requests {
        let mut connection = Connection::open(gateway.public);
        connection.send(bytes).ok();
        if let Some(answer) = connection.read() {
            assert_eq!(answer.status, 400);
            assert!(!answer.text().contains("canary"), "{}", answer.text());
        }
    }
    requests.len()
}

fn broken_upstream() -> Upstream {
    Upstream::with(|request, stream| {
        if request.contains("/up/broken") {
            stream.write_all(b"HTTP/1.1 canary-upstream other.canary@example.net\r\n\r\n").ok();
            return false;
        }
        let ok =
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=canary-cookie\r\nContent-Length: 15\r\n\r\ncanary-upstream";
        stream.write_all(ok.as_bytes()).is_ok()
    })
}

/// Every text and every blob of every table but those that hold accounts and keys, as text.
fn everything_kept(gateway: &Gateway) -> Vec<(String, Vec<u8>)> {
    let database = rusqlite::Connection::open(gateway.at("data/pluginmind.db")).unwrap();
    let mut found = Vec::new();
    for table in ["query_logs", "reloads", "sessions"] {
        let mut statement = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let names: Vec<String> = statement.column_names().map(|n| format!("{table}.{n}")).collect();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (at, name) in names.iter().enumerate() {
                match row.get_ref(at).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        found.push((name.clone(), bytes.to_vec()));
                    }
                    _ => {}
                }
            }
        }
    }
    found
}

fn access_lines(gateway: &Gateway) -> Vec<Value> {
    let lines = gateway.log();
    let lines = lines.iter().filter(|l| l.contains("\"message\":\"request\""));
    lines.map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

#[test]
fn lg_02_lg_03_and_lg_08_no_canary_is_written_anywhere_and_every_request_has_one_line() {
    let upstream = broken_upstream();
    let gateway = setup(&upstream).start();
    let mut sent = visit(&gateway) + signed_in(&gateway) + malformed(&gateway);
    gateway.until("every line is there", |g| access_lines(g).len() >= sent);
    // A line too many would still be on its way; one more request shows it.
    gateway.get("/open/last");
    sent += 1;
    gateway.until("the last line", |g| access_lines(g).len() >= sent);

    let lines = gateway.log();
    for line in &lines {
        for canary in CANARIES {
            assert!(!line.contains(canary), "{canary} in {line}");
        }
        assert!(!line.to_ascii_lowercase().contains("canary"), "{line}");
        assert!(!line.contains("redacted"), "the last net had something to catch: {line}");
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}"));
        assert!(
            value["timestamp"].is_string() && value["level"].is_string() && value["message"].is_string(),
            "{line}"
        );
    }
    let access = access_lines(&gateway);
    assert_eq!(access.len(), sent, "one line a request");
    let ids: BTreeSet<&str> = access.iter().map(|l| l["correlation.id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), sent, "and each has its own id");
    assert!(lines.iter().any(|l| l.contains("mail-") && l.contains("mine")), "the rule's own line is there");

    let metrics = gateway.ask_admin("GET /metrics", &[], b"").text();
    assert!(
        !metrics.to_ascii_lowercase().contains("canary")
            && !metrics.contains("203.0.113")
            && !metrics.contains('@')
    );

    let count = |g: &Gateway| {
        everything_kept(g).iter().filter(|(name, _)| name == "query_logs.correlation_id").count()
    };
    gateway.until("every row is there", |g| count(g) >= sent);
    assert_eq!(count(&gateway), sent, "one row a request");
    for (column, bytes) in everything_kept(&gateway) {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        // A hash and a trace are any bytes, and sometimes one of them is an `@`.
        assert!(
            !text.contains("canary")
                && (column.ends_with("_hash")
                    || column == "query_logs.trace"
                    || column.starts_with("sessions.")
                    || !text.contains('@')),
            "{column}: {text}"
        );
        assert!(!text.contains("203.0.113.77") && !text.contains("198.51.100.66"), "{column}: {text}");
        for address in [&[203, 0, 113, 77][..], &[198, 51, 100, 66], &[0x20, 0x01, 0x0d, 0xb8, 0, 0x77]] {
            assert!(
                !bytes.windows(address.len()).any(|w| w == address),
                "{column} holds the bytes of an address"
            );
        }
    }
}

#[test]
fn an_address_and_a_person_have_the_same_hash_everywhere_and_another_elsewhere() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    let other = setup(&upstream).start();
    let ask = |gateway: &Gateway, address: &str, id: &str| {
        gateway.send("GET /open/x", &[("X-Forwarded-For", address), ("X-Request-ID", id)], b"");
    };
    for gateway in [&gateway, &other] {
        ask(gateway, "203.0.113.77", "a1");
        ask(gateway, "203.0.113.77", "a2");
        ask(gateway, "::ffff:203.0.113.77", "a3");
        ask(gateway, "203.0.113.78", "b1");
        gateway.until("the lines", |g| access_lines(g).len() == 4);
    }
    let hash = |gateway: &Gateway, id: &str| {
        let line = access_lines(gateway).into_iter().find(|l| l["correlation.id"] == id).expect("a line");
        line["client.hash"].as_str().expect("a hash").to_owned()
    };
    assert_eq!(hash(&gateway, "a1"), hash(&gateway, "a2"));
    assert_eq!(hash(&gateway, "a1"), hash(&gateway, "a3"), "an IPv4 address in IPv6 is the same address");
    assert_ne!(hash(&gateway, "a1"), hash(&gateway, "b1"));
    assert_ne!(hash(&gateway, "a1"), hash(&other, "a1"), "each database has its own key");

    let database = rusqlite::Connection::open(gateway.at("data/pluginmind.db")).unwrap();
    let kept = |id: &str| -> Option<String> {
        let sql = "SELECT lower(hex(client_hash)) FROM query_logs WHERE correlation_id = ?1";
        database.query_row(sql, [id], |row| row.get(0)).ok()
    };
    gateway.until("the rows", |_| kept("b1").is_some());
    assert_eq!(kept("a1"), kept("a2"));
    assert_eq!(
        kept("a1").as_deref(),
        Some(hash(&gateway, "a1").as_str()),
        "the log and the table speak of the same one"
    );

    let first = gateway.sign_in(NAME, PASSWORD);
    let second = gateway.sign_in(NAME, PASSWORD);
    for (cookie, id) in [(&first, "u1"), (&second, "u2")] {
        gateway.send("GET /private", &[("Cookie", cookie), ("X-Request-ID", id)], b"");
    }
    gateway.until("their lines", |g| access_lines(g).iter().any(|l| l["correlation.id"] == "u2"));
    let lines = access_lines(&gateway);
    let user =
        |id: &str| lines.iter().find(|l| l["correlation.id"] == id).expect("a line")["user.hash"].clone();
    assert!(user("u1").is_string());
    assert_eq!(user("u1"), user("u2"));
    assert_eq!(lines.iter().find(|l| l["correlation.id"] == "u1").unwrap()["auth.state"], "session");
}

#[test]
fn lg_01_no_client_breaks_a_line_or_writes_a_control_byte() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    let nasty = ["\u{1b}[2J", "\u{1b}]0;x\u{7}", "\u{2028}", "\u{202e}", "\u{85}", "\t\"quote\\", "\r"];
    for text in nasty {
        for header in [
            "User-Agent",
            "Referer",
            "X-Request-ID",
            "X-Forwarded-For",
            "Cookie",
            "Authorization",
            "X-Api-Key",
        ] {
            let mut connection = Connection::open(gateway.public);
            connection.send(compose("GET /open/x", &[(header, text)], b"")).ok();
            connection.read();
        }
        let mut connection = Connection::open(gateway.public);
        connection.send(compose(&format!("GET /open/{text}"), &[], b"")).ok();
        connection.read();
        let mut connection = Connection::open(gateway.public);
        connection.send(compose("GET /open/x", &[("Host", text)], b"")).ok();
        connection.read();
    }
    let mail = "GET /rule/log?mail=%1b%5b2J%0d%0a%7b%22level%22%3a%22forged%22%7d%e2%80%ae";
    let denied = gateway.send(mail, &[], b"");
    assert_eq!(denied.status, 403, "{}", denied.text());
    gateway.until("the last line", |g| g.log().iter().any(|l| l.contains("mine.log")));
    for line in gateway.log() {
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert_ne!(value["level"], "forged");
        let hazard = |c: char| {
            c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!line.contains(hazard), "{line:?}");
    }
}

#[test]
fn lg_08_a_request_whose_client_goes_away_has_its_line_too() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let upstream = Upstream::with(move |_, stream| {
        held.lock().unwrap().recv().ok();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let gateway = setup(&upstream).start();
    let mut gone = Connection::open(gateway.public);
    gone.send(compose("GET /up/x", &[("X-Request-ID", "gone")], b"")).unwrap();
    gateway.until("it is in flight", |_| upstream.seen().len() == 1);
    drop(gone);
    gateway.until("its line", |g| access_lines(g).iter().any(|l| l["correlation.id"] == "gone"));
    let lines = access_lines(&gateway);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["code"], "CLIENT_CLOSED_REQUEST");
    assert!(lines[0].get("http.response.status_code").is_none());
    release.send(()).ok();
}

/// Every place of a request, to every kind of route; the list of places and canaries is the one of `privacy-check`.
fn everywhere(gateway: &Gateway) -> (usize, Searcher) {
    let target = |method: &str, path: &str| Target {
        method: method.to_owned(),
        path: path.to_owned(),
        host: "localhost".to_owned(),
        cookie: "pm_session".to_owned(),
    };
    let targets = ["/open/a", "/private", "/up/a", "/gone/a", "/typed", "/rule/fault", "/nowhere"]
        .map(|path| target(if path == "/typed" { "POST" } else { "GET" }, path));
    let (places, own) = (places(), own());
    let mut sent = 0;
    let mut send = |address, bytes: &[u8]| {
        let mut connection = Connection::open(address);
        // Refused half-way, the rest cannot be sent.
        connection.send(bytes).ok();
        connection.read();
        sent += 1;
    };
    for (nth, place) in places.iter().enumerate() {
        for target in &targets {
            for request in place.requests(nth, target) {
                send(gateway.public, &request);
            }
        }
    }
    for (at, own) in own.iter().enumerate() {
        let request = own.request(places.len() + at, "", "google", "localhost");
        send(if own.admin { gateway.admin } else { gateway.public }, &request);
    }
    let names = places.iter().map(|place| place.name).chain(own.iter().map(|own| own.place));
    let canaries = (0..).zip(names).flat_map(|(nth, place)| of_place(place, nth)).collect();
    (sent, Searcher::new(canaries))
}

#[test]
fn lg_02_no_canary_of_any_place_is_in_the_log_or_the_rows_at_any_level() {
    let upstream = broken_upstream();
    for level in ["trace", "debug", "info", "warn", "error"] {
        let text = setup(&upstream);
        let gateway = text.env("LOG_LEVEL", level).start();
        let (sent, searcher) = everywhere(&gateway);
        assert!(sent > 300);
        // The rule that faults writes a line at every level but the highest.
        gateway.get("/open/last");
        let sees_all = matches!(level, "trace" | "debug" | "info");
        gateway.until("the rows are there", |g| {
            everything_kept(g).iter().filter(|(name, _)| name == "query_logs.correlation_id").count() > 300
        });
        assert!(!sees_all || access_lines(&gateway).len() > 300, "{level}");
        let found = |what: &str, bytes: &[u8]| {
            let leaks: Vec<_> = searcher.search(bytes).iter().map(|c| (c.place, c.kind)).collect();
            assert!(leaks.is_empty(), "{level}, {what}: {leaks:?}");
        };
        for line in gateway.log() {
            found(&line, line.as_bytes());
            assert!(!line.contains("redacted"), "the last net had something to catch: {line}");
        }
        for (column, bytes) in everything_kept(&gateway) {
            found(&column, &bytes);
        }
        found("metrics", gateway.ask_admin("GET /metrics", &[], b"").text().as_bytes());
        for file in std::fs::read_dir(gateway.at("data")).unwrap() {
            found("a file", &std::fs::read(file.unwrap().path()).unwrap());
        }
        assert_eq!(gateway.stop(), Some(0));
    }
}
