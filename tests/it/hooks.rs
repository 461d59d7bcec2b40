//! Stages 13 to 15: rules on bodies, on what goes upstream, on answers and on refusals, and what is held back for them.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::harness::{Connection, Setup, Upstream, client::compose, gateway::manifest};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PATIENCE: Duration = Duration::from_secs(20);
const WITH_JSON: &str = "[body]\nrequest = \"json\"\nmax = \"1 KiB\"\n";
const WITH_ANSWERS: &str = "[body]\nresponse = \"text\"\nresponse_max = \"1 KiB\"\n";

/// A plugin that enforces, with more in its manifest.
fn plugin(setup: Setup, more: &str, main: &str) -> Setup {
    setup
        .file("plugins/mine/plugin.toml", &format!("{}{more}", manifest("mine", "enforce")))
        .file("plugins/mine/main.rhai", main)
}

fn before(upstream: &Upstream, more: &str, main: &str) -> Setup {
    plugin(Setup::new(&upstream.config()), more, main)
}

/// An upstream that tells every byte as it comes, and never answers.
fn telling() -> (Upstream, std::sync::mpsc::Receiver<String>) {
    let (tell, hear) = channel();
    let tell = Mutex::new(tell);
    let upstream = Upstream::raw(move |mut stream| {
        let tell = tell.lock().expect("no panic").clone();
        let mut chunk = [0; 16 * 1024];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            tell.send(String::from_utf8_lossy(&chunk[..n]).into_owned()).ok();
        }
    });
    (upstream, hear)
}

#[test]
fn a_body_that_nobody_asks_for_reaches_the_upstream_while_it_comes() {
    let (upstream, hear) = telling();
    // The plugin asks for bodies, but not on this route and not by this method.
    let more = format!("{WITH_JSON}[match]\nmethods = [\"PATCH\"]\n");
    let gateway = before(&upstream, &more, "fn on_body(req) { deny(403, \"mine.no\", \"No.\"); }").start();
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("POST /up/a", &[("Content-Length", "1000"), JSON], b"{\"first\":")).unwrap();
    let mut seen = String::new();
    while !seen.contains("{\"first\":") {
        seen.push_str(&hear.recv_timeout(PATIENCE).expect("the first bytes, before the last were sent"));
    }
    assert!(seen.starts_with("POST /up/a HTTP/1.1\r\n"), "{seen}");
}

#[test]
fn a_body_that_a_rule_asks_for_is_held_back_until_it_is_judged() {
    let upstream = Upstream::hello();
    let main = r#"fn on_body(req) {
        if req.json.text("user.name", "") == "eve" { deny(422, "mine.eve", "Not you."); }
        if req.json.number("n", 0) > 3 { score(200, "mine.much"); }
    }"#;
    let gateway = before(&upstream, WITH_JSON, main).start();
    let post = |body: &[u8]| gateway.send("POST /up/a", &[JSON], body);
    let refused = post(br#"{"user":{"name":"eve"}}"#);
    assert_eq!((refused.status, refused.code().as_str()), (422, "mine.eve"));
    let scored = post(br#"{"n":4}"#);
    assert_eq!((scored.status, scored.code().as_str()), (403, "FORBIDDEN"));
    assert_eq!(upstream.seen().len(), 0, "nothing of a refused request goes upstream");
    let bytes = br#"{ "user" : {"name":"ada"} , "n":3.0 }"#;
    assert_eq!(post(bytes).status, 200);
    assert!(upstream.only().ends_with(std::str::from_utf8(bytes).unwrap()), "the original bytes");
    let faulty = post(br#"{"n":"3"}"#);
    assert_eq!((faulty.status, faulty.code().as_str()), (503, "PLUGIN_FAULT"), "another kind is a fault");
}

#[test]
fn a_rule_that_reads_json_reads_what_everybody_reads() {
    let upstream = Upstream::hello();
    let gateway = before(&upstream, WITH_JSON, "fn on_body(req) { }").start();
    let deep = "[".repeat(65) + &"]".repeat(65);
    let bodies = [r#"{"a":1,"a":2}"#, "{", &deep];
    for body in bodies {
        let answer = gateway.send("POST /up/a", &[JSON], body.as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_REQUEST"), "{body}");
    }
    let named = [("Content-Type", "text/plain")];
    assert_eq!(gateway.send("POST /up/a", &named, b"{\"a\":1,\"a\":2}").status, 415);
    assert_eq!(gateway.send("POST /up/a", &[], b"{}").status, 415, "a body without a type");
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(gateway.send("POST /up/a", &[JSON], b"{\"a\":1}").status, 200);
    assert_eq!(gateway.get("/up/a").status, 200, "no body at all");
}

#[test]
fn sl_08_a_body_that_a_rule_judges_is_not_hidden_by_a_compression() {
    let upstream = Upstream::hello();
    let gateway = before(&upstream, WITH_JSON, "fn on_body(req) { }").start();
    for coding in ["gzip", "br", "gzip, gzip"] {
        let headers = [JSON, ("Content-Encoding", coding)];
        let answer = gateway.send("POST /up/a", &headers, b"\x1f\x8b\x08");
        assert_eq!((answer.status, answer.code().as_str()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{coding}");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn a_body_longer_than_the_plugin_asks_for_is_refused_or_passes_unseen_as_it_says() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2_000));
    let chunks = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let chunked = [JSON, ("Transfer-Encoding", "chunked")];
    let main = "fn on_body(req) { deny(403, \"mine.no\", \"No.\"); }";
    let upstream = Upstream::hello();
    let gateway = before(&upstream, WITH_JSON, main).start();
    for answer in [
        gateway.send("POST /up/a", &[JSON], long.as_bytes()),
        gateway.send("POST /up/a", &chunked, chunks.as_bytes()),
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (413, "REQUEST_TOO_LARGE"));
    }
    assert_eq!(upstream.seen().len(), 0);
    let gateway = before(&upstream, &format!("{WITH_JSON}too_large = \"skip\"\n"), main).start();
    assert_eq!(gateway.send("POST /up/a", &[JSON], long.as_bytes()).status, 200);
    assert_eq!(gateway.send("POST /up/a", &chunked, chunks.as_bytes()).status, 200);
    assert_eq!(gateway.send("POST /up/a", &[JSON], b"{}").code(), "mine.no");
    let seen = upstream.seen();
    assert!(seen[0].ends_with(&long), "{}", seen[0]);
    assert!(seen[1].contains(&"x".repeat(2_000)) && seen[1].ends_with("\r\n0\r\n\r\n"), "{}", seen[1]);
}

#[test]
fn a_shadow_plugin_sees_bodies_and_refuses_none() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config())
        .file("plugins/mine/plugin.toml", &format!("{}{WITH_JSON}", manifest("mine", "shadow")))
        .file(
            "plugins/mine/main.rhai",
            "fn on_body(req) { if req.body.size > 0 { deny(403, \"mine.no\", \"No.\"); } }",
        )
        .start();
    let long = vec![b'x'; 2_000];
    for (headers, body) in [
        (vec![JSON], &b"{\"a\":1,\"a\":2}"[..]),
        (vec![("Content-Type", "text/plain")], b"hi"),
        (vec![JSON, ("Content-Encoding", "gzip")], b"\x1f\x8b"),
        (vec![JSON], &long),
    ] {
        assert_eq!(gateway.send("POST /up/a", &headers, body).status, 200);
    }
    let seen = gateway.metric("pluginmind_plugin_decisions_total{decision=\"deny\",mode=\"shadow\"");
    assert_eq!(seen, 2.0, "the two that could be read");
}

#[test]
fn a_rule_judges_the_gateways_own_forms() {
    let main = r#"fn on_body(req) {
        if req.method == "POST" && req.form("username") == "mallory" { throttle("90s", "mine.locked", "Later."); }
    }"#;
    let more = "[body]\nrequest = \"form\"\n";
    let gateway = plugin(Setup::new(""), more, main).user("ada", "a long password", &[]).start();
    let site = format!("http://{}", gateway.public);
    let host = gateway.public.to_string();
    let headers =
        [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", &*site), ("Host", &*host)];
    let refused = gateway.send("POST /auth/login", &headers, b"username=mal%6Cory&password=x");
    assert_eq!((refused.status, refused.code().as_str()), (429, "mine.locked"));
    let signed_in = gateway.send("POST /auth/login", &headers, b"username=ada&password=a+long+password");
    assert_eq!(signed_in.status, 303, "the endpoint still has its body: {}", signed_in.text());
}

#[test]
fn on_upstream_changes_what_goes_upstream_and_nothing_the_client_sent_comes_back() {
    let upstream = Upstream::hello();
    let main = r#"fn on_upstream(req, up) {
        if req.path.ends_with("/no") { deny(409, "mine.no", "Not there."); }
        up.set_header("X-Tier", "gold");
        up.add_header("X-Tag", "b");
        up.remove_header("X-Secret");
        up.set_header("X-Service", up.target);
    }"#;
    let gateway = before(&upstream, "", main).start();
    let headers = [("X-Tier", "forged"), ("X-Tag", "a"), ("X-Secret", "s")];
    let refused = gateway.send("GET /up/no", &headers, b"");
    assert_eq!((refused.status, refused.code().as_str()), (409, "mine.no"));
    assert_eq!(gateway.send("GET /up/a", &headers, b"").status, 200);
    let seen = upstream.only().to_ascii_lowercase();
    for line in ["x-tier: gold\r\n", "x-tag: a\r\n", "x-tag: b\r\n", "x-service: up\r\n"] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    assert!(!seen.contains("forged") && !seen.contains("x-secret"), "{seen}");
}

#[test]
fn a_rule_bounds_the_wait_for_an_answer() {
    let (upstream, _hear) = Upstream::silent();
    let gateway = before(&upstream, "", "fn on_upstream(req, up) { up.set_timeout(\"20ms\"); }").start();
    let answer = gateway.get("/up/a");
    assert_eq!((answer.status, answer.code().as_str()), (504, "UPSTREAM_TIMEOUT"));
}

#[test]
fn rh_12_no_rule_speaks_for_the_gateway() {
    let upstream = Upstream::hello();
    // Names that are put together at run time: literals are refused before the plugin goes live.
    let gateway = before(
        &upstream,
        "",
        r#"fn on_request(req) { if req.path == "/up/deny" { deny(403, "mine.no", "No."); } }
        fn on_upstream(req, up) {
            let name = req.query("name");
            let value = req.query("value");
            switch req.query("do") {
                "set" => up.set_header(name, value),
                "add" => up.add_header(name, value),
                "remove" => up.remove_header(name),
            }
        }
        fn on_deny(req, verdict) { verdict.set_header(req.query("name"), req.query("value")); }"#,
    )
    .start();
    for (verb, name, value) in [
        ("set", "Host", "evil"),
        ("set", "X-Auth-Request-User", "root"),
        ("set", "x_auth_request_user", "root"),
        ("add", "X-Forwarded-For", "1.1.1.1"),
        ("set", "Content-Length", "1"),
        ("set", "Transfer-Encoding", "chunked"),
        ("remove", "Connection", ""),
        ("remove", "Host", ""),
        ("set", "X-A", "a%0D%0AX-Auth-Request-User:%20root"),
        ("set", "X-A%0D%0AB", "a"),
    ] {
        let answer = gateway.get(&format!("/up/a?do={verb}&name={name}&value={value}"));
        assert_eq!(answer.status, 503, "{verb} {name}: {}", answer.text());
    }
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(gateway.get("/up/a?do=set&name=X-A&value=b").status, 200, "what is a rule's passes");
    for (name, value) in [
        ("Content-Length", "1"),
        ("Set-Cookie", "pm_session=x"),
        ("X-A", "a%0D%0ASet-Cookie:%20x=y"),
        ("X-Request-ID", "x"),
        ("Access-Control-Allow-Origin", "*"),
        ("Location", "//evil"),
    ] {
        let answer = gateway.get(&format!("/up/deny?name={name}&value={value}"));
        assert_eq!(answer.code(), "PLUGIN_FAULT", "{name}");
    }
    assert_eq!(gateway.get("/up/deny?name=X-A&value=b").header("x-a"), Some("b"));
}

#[test]
fn on_response_body_masks_what_must_not_leave_and_the_length_is_right() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"v1\"\r\nContent-Length: 25\r\n\r\nkey=AKIAABCDEFGHIJKLMNOP;",
    );
    let main = r#"fn on_response_body(req, res) {
        if res.body.contains("PRIVATE") { deny(502, "mine.leak", "Withheld."); }
        let n = res.body.redact("AKIA[0-9A-Z]{16}", "[removed]");
        if n != 1 { deny(500, "mine.count", "Miscounted."); }
    }"#;
    let gateway = before(&upstream, WITH_ANSWERS, main).start();
    let mut connection = Connection::open(gateway.public);
    for _ in 0..2 {
        connection
            .send(compose("GET /up/a", &[("Accept-Encoding", "gzip"), ("Range", "bytes=0-3")], b""))
            .unwrap();
        let answer = connection.read().expect("an answer, and after it the connection goes on");
        assert_eq!((answer.status, answer.text().as_str()), (200, "key=[removed];"));
        assert_eq!((answer.header("content-length"), answer.header("etag")), (Some("14"), Some("W/\"v1\"")));
    }
    let seen = upstream.seen()[0].to_ascii_lowercase();
    assert!(seen.contains("accept-encoding: identity\r\n") && !seen.contains("range:"), "{seen}");
}

#[test]
fn on_response_body_may_withhold_an_answer() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Inside: 1\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nPRIVATE\r\n0\r\n\r\n",
    );
    let main = r#"fn on_response_body(req, res) {
        if res.body.contains("PRIVATE") { deny(502, "mine.leak", "Withheld."); }
    }"#;
    let answer = before(&upstream, WITH_ANSWERS, main).start().get("/up/a");
    assert_eq!((answer.status, answer.code().as_str()), (502, "mine.leak"));
    assert!(answer.header("x-inside").is_none() && !answer.text().contains("PRIVATE"));
}

#[test]
fn answers_that_nobody_asks_for_pass_as_they_come() {
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n\r\n",
        "x".repeat(2_000)
    );
    let answers: [(&str, &'static str); 4] = [
        ("another type", "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\nxxx"),
        (
            "encoded",
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxxx",
        ),
        ("no body", "HTTP/1.1 304 Not Modified\r\nContent-Type: text/plain\r\n\r\n"),
        ("too long", Box::leak(long.into_boxed_str())),
    ];
    let main = "fn on_response_body(req, res) { deny(500, \"mine.seen\", \"Seen.\"); }";
    for (what, bytes) in answers {
        let upstream = Upstream::answering(bytes);
        let answer = before(&upstream, WITH_ANSWERS, main).start().get("/up/a");
        assert!(matches!(answer.status, 200 | 304), "{what}: {}", answer.text());
        if what == "too long" {
            assert_eq!(answer.body, vec![b'x'; 2_000]);
        }
    }
    let upstream = Upstream::hello();
    assert_eq!(before(&upstream, WITH_ANSWERS, main).start().get("/up/a").code(), "mine.seen");
}

#[test]
fn a_stream_of_events_is_never_held_back() {
    let upstream = Upstream::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            .and_then(|()| stream.flush())
            .ok();
        stream.read_exact(&mut [0]).ok();
        false
    });
    let gateway = before(&upstream, WITH_ANSWERS, "fn on_response_body(req, res) { }").start();
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("GET /up/a", &[], b"")).unwrap();
    connection.read_until("data: 1\n\n");
}

#[test]
fn an_answer_that_breaks_off_while_it_is_held_back_is_no_answer() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 50\r\n\r\nhalf",
    );
    let answer = before(&upstream, WITH_ANSWERS, "fn on_response_body(req, res) { }").start().get("/up/a");
    assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"));
}

#[test]
fn on_deny_finds_other_words_for_every_refusal_and_the_verdict_stays() {
    let upstream = Upstream::hello();
    let main = r#"fn on_request(req) { if req.path == "/up/no" { deny(403, "mine.no", "No."); } }
    fn on_deny(req, verdict) {
        verdict.set_message(`${verdict.status} ${verdict.code} [${verdict.plugin}] ${verdict.message}`);
        verdict.set_header("X-Help", "/help");
        verdict.set_retry_after("90s");
    }"#;
    let gateway = before(&upstream, "", main).start();
    for (path, status, code, words) in [
        ("/up/no", 403, "mine.no", "403 mine.no [mine] No."),
        ("/nowhere", 404, "NOT_FOUND", "404 NOT_FOUND [] There is nothing here."),
        (
            "/auth/me",
            401,
            "AUTHENTICATION_REQUIRED",
            "401 AUTHENTICATION_REQUIRED [] Sign in, or send a valid credential.",
        ),
    ] {
        let answer = gateway.get(path);
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert_eq!(answer.json()["error"]["message"], words);
        assert_eq!((answer.header("x-help"), answer.header("retry-after")), (Some("/help"), Some("90")));
    }
    assert_eq!(gateway.get("/up/a").header("x-help"), None);
}

#[test]
fn a_challenge_sends_a_person_to_sign_in_and_tells_a_machine_401() {
    let main = "fn on_request(req) { challenge(\"login\", \"mine.who\"); }";
    let upstream = Upstream::hello();
    let gateway = before(&upstream, "", main).start();
    let page = gateway.send("GET /up/a?b=1", &[("Accept", "text/html")], b"");
    assert_eq!((page.status, page.header("location")), (302, Some("/auth/login?return_to=/up/a%3Fb%3D1")));
    let machine = gateway.get("/up/a");
    assert_eq!((machine.status, machine.code().as_str()), (401, "mine.who"));
    let post = gateway.send("POST /up/a", &[("Accept", "text/html")], b"");
    assert_eq!((post.status, post.code().as_str()), (401, "mine.who"));
}

#[test]
fn rh_13_a_fault_in_any_hook_before_the_answer_closes_or_opens_as_the_manifest_says() {
    let hooks = [
        ("on_body(req)", "[body]\nrequest = \"text\"\n"),
        ("on_upstream(req, up)", ""),
        ("on_response(req, res)", ""),
        ("on_response_body(req, res)", WITH_ANSWERS),
        ("on_deny(req, verdict)", ""),
    ];
    for (hook, more) in hooks {
        for (broken, loops) in [("throw \"nothing_there\";", false), ("loop {}", true)] {
            let main = format!("fn {hook} {{ {broken} }}");
            let upstream = Upstream::hello();
            let path = if hook.starts_with("on_deny") { "/nowhere" } else { "/up/a" };
            let closed = before(&upstream, more, &main).start();
            let answer = closed.get(path);
            assert_eq!((answer.status, answer.code().as_str()), (503, "PLUGIN_FAULT"), "{hook} {broken}");
            assert!(!answer.text().contains("nothing_there") && !answer.text().contains("mine"));
            if loops {
                continue;
            }
            let open = Setup::new(&upstream.config())
                .file(
                    "plugins/mine/plugin.toml",
                    &format!("{}{more}", manifest("mine", "enforce").replace("\"deny\"", "\"allow\"")),
                )
                .file("plugins/mine/main.rhai", &main)
                .start();
            assert_eq!(open.get(path).status, if path == "/nowhere" { 404 } else { 200 }, "{hook}");
        }
    }
}
