//! Stage 14: what a service is told, and by whom; and what of its answer comes back.

use crate::harness::{Answer, Gateway, Setup, Token, Upstream};

struct Site {
    gateway: Gateway,
    upstream: Upstream,
    cookie: String,
}

fn site() -> Site {
    with("", Upstream::hello())
}

fn with(more: &str, upstream: Upstream) -> Site {
    let config = format!("{}\n{more}", upstream.config());
    let gateway = Setup::new(&config).user("ada@example.org", "password one", &["staff", "night"]).start();
    let cookie = gateway.sign_in("ada@example.org", "password one");
    Site { gateway, upstream, cookie }
}

/// The values of a header of a request as the upstream got it; the name in lower case.
fn values(request: &str, name: &str) -> Vec<String> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.lines().skip(1).filter_map(|l| l.split_once(':'));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned()).collect()
}

impl Site {
    /// Sends a GET and gives what the upstream got.
    fn told(&self, headers: &[(&str, &str)]) -> String {
        let before = self.upstream.seen().len();
        let answer = self.gateway.send("GET /up/a", headers, b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = self.upstream.seen();
        assert_eq!(seen.len(), before + 1);
        seen[before].clone()
    }

    fn sub(&self) -> String {
        Token::read(&self.cookie).claims["sub"].as_str().expect("a text").to_owned()
    }
}

#[test]
fn the_upstream_is_told_who_asks_only_with_a_session() {
    let site = site();
    let anonymous = site.told(&[]).to_ascii_lowercase();
    assert!(!anonymous.contains("x-auth-request"), "{anonymous}");
    let invalid = site.told(&[("Cookie", "pm_session=garbage")]).to_ascii_lowercase();
    assert!(!invalid.contains("x-auth-request") && !invalid.contains("garbage"), "{invalid}");
    let known = site.told(&[("Cookie", &site.cookie)]);
    assert_eq!(values(&known, "x-auth-request-user"), [site.sub()], "the opaque id");
    assert_eq!(values(&known, "x-auth-request-email"), ["ada@example.org"]);
    assert_eq!(values(&known, "x-auth-request-groups"), ["staff,night"]);
}

#[test]
fn hb_04_and_hb_06_nobody_can_say_who_they_are() {
    let site = site();
    let lies = [
        "X-Auth-Request-User",
        "x-auth-request-user",
        "X-AUTH-REQUEST-EMAIL",
        "X-Auth-Request-Groups",
        "X-Auth-Request-Access-Token",
        "X-Auth-User",
        "X-Auth-Email",
        "X-User-Id",
        "X-User",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username",
        "Remote-User",
        "X-Remote-User",
        "X-WebAuth-User",
        "X-Authenticated-Userid",
        "X-SSL-Client-Verify",
        "X-PluginMind-Assertion",
    ];
    let headers: Vec<_> = lies.iter().map(|name| (*name, "liar")).collect();
    assert!(!site.told(&headers).contains("liar"));
    let known = site.told(&[headers.as_slice(), &[("Cookie", &site.cookie)]].concat());
    assert!(!known.contains("liar"), "{known}");
    assert_eq!(values(&known, "x-auth-request-user"), [site.sub()]);
}

#[test]
fn hb_04_a_claim_that_is_absent_is_an_absent_header() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config()).user("bob", "password two", &[]).start();
    let cookie = gateway.sign_in("bob", "password two");
    let lies =
        [("Cookie", cookie.as_str()), ("X-Auth-Request-Email", "liar"), ("X-Auth-Request-Groups", "liar")];
    assert_eq!(gateway.send("GET /up/a", &lies, b"").status, 200);
    let seen = upstream.only();
    assert_eq!(values(&seen, "x-auth-request-user").len(), 1);
    assert!(!seen.contains("liar") && values(&seen, "x-auth-request-email").is_empty(), "{seen}");
    assert!(values(&seen, "x-auth-request-groups").is_empty(), "{seen}");
}

#[test]
fn hb_05_a_name_that_some_servers_read_as_another_is_dropped() {
    let site = site();
    for alias in [
        "X_Auth_Request_User",
        "x-auth_request-user",
        "X.Auth.Request.User",
        "HTTP_X_AUTH_USER",
        "X_Forwarded_For",
        "Content_Length",
        "a~b",
    ] {
        let seen = site.told(&[(alias, "liar")]);
        assert!(!seen.contains("liar"), "{alias}: {seen}");
    }
    assert_eq!(values(&site.told(&[("X-Plain-1", "kept")]), "x-plain-1"), ["kept"]);
}

#[test]
fn hb_10_nobody_gets_a_name_or_a_role_that_is_no_header_value() {
    let site = site();
    for name in ["a\r\nX-Admin: 1", "a\u{1}b", "", "a,b c", &"a".repeat(8_192)] {
        let output = site.gateway.verb_with(&["users", "add", "--", name], "password two");
        assert!(!output.status.success(), "{name:?}");
    }
    for role in ["a\r\nX-Admin: 1", "r\u{f4}le", "a,b", "a b", "", &"a".repeat(8_192)] {
        let output = site.gateway.verb_with(&["users", "add", "bob", "--role", role], "password two");
        assert!(!output.status.success(), "{role:?}");
    }
    assert!(
        site.gateway.verb_with(&["users", "add", "bob", "--role", "a-b"], "password two").status.success()
    );
}

#[test]
fn hb_01_a_connection_list_takes_nothing_away_that_is_the_gateways_or_was_judged() {
    let site = site();
    for list in [
        "close, X-Forwarded-For",
        "X-Request-Id, x-auth-request-user",
        "TRACEPARENT, X-Forwarded-Proto, X-Forwarded-Host",
        "Authorization, Cookie",
        "X-Auth-Request-Email",
    ] {
        let seen = site.told(&[
            ("Connection", list),
            ("Connection", "x-hop"),
            ("X-Hop", "1"),
            ("Cookie", &site.cookie),
            ("Cookie", "a=1"),
            ("Authorization", "Basic eA=="),
        ]);
        for name in [
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-request-id",
            "x-auth-request-user",
            "x-auth-request-email",
            "traceparent",
            "host",
            "cookie",
            "authorization",
        ] {
            assert_eq!(values(&seen, name).len(), 1, "{list}: {name}: {seen}");
        }
        assert!(
            values(&seen, "x-hop").is_empty() && values(&seen, "connection").is_empty(),
            "{list}: {seen}"
        );
    }
}

#[test]
fn hb_02_a_connection_list_that_unframes_the_message_is_refused() {
    let site = site();
    for list in ["Host", "Content-Length", "transfer-encoding", "close, Connection"] {
        let answer = site.gateway.send("POST /up/a", &[("Connection", list)], b"x");
        assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_REQUEST"), "{list}");
    }
    assert!(site.upstream.seen().is_empty());
}

#[test]
fn hb_03_what_is_about_one_connection_ends_with_it() {
    let site = site();
    let seen = site.told(&[
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Trailer", "X-T"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic eA=="),
        ("HTTP2-Settings", "AAMAAABk"),
        ("Connection", "Upgrade, HTTP2-Settings"),
    ]);
    for name in [
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "http2-settings",
        "connection",
    ] {
        assert!(values(&seen, name).is_empty(), "{name}: {seen}");
    }
}

#[test]
fn hb_07_one_header_may_not_stand_twice_and_a_list_may() {
    let site = site();
    for name in [
        "Authorization",
        "Content-Type",
        "Origin",
        "X-Api-Key",
        "Referer",
        "User-Agent",
        "Range",
        "Content-Encoding",
    ] {
        let answer = site.gateway.send("GET /up/a", &[(name, "a"), (name, "b")], b"");
        assert_eq!(answer.status, 400, "{name}");
    }
    assert!(site.upstream.seen().is_empty());
    let seen = site.told(&[("Accept", "a/a"), ("Accept", "b/b"), ("X-Mine", "1"), ("X-Mine", "2")]);
    assert_eq!(values(&seen, "accept").join(", "), "a/a, b/b");
    assert_eq!(values(&seen, "x-mine").join(", "), "1, 2");
}

#[test]
fn hb_08_a_rule_sees_every_value_of_a_list() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config())
        .plugin("mine", r#"fn on_request(req) { if req.header("x-role").contains("admin") { deny(403, "mine.role", "No."); } }"#)
        .start();
    assert_eq!(gateway.send("GET /up/a", &[("X-Role", "user")], b"").status, 200);
    assert_eq!(gateway.send("GET /up/a", &[("X-Role", "user,admin")], b"").code(), "mine.role");
    assert_eq!(
        gateway.send("GET /up/a", &[("X-Role", "user"), ("X-Role", "admin")], b"").code(),
        "mine.role"
    );
}

#[test]
fn hb_09_an_upstream_cannot_speak_for_the_gateway() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nServer: secret/1.2\r\nX-Auth-Request-User: admin\r\nX-Request-Id: theirs\r\n\
         Set-Cookie: pm_session=evil; Path=/\r\nSet-Cookie: a=1\r\nSet-Cookie: pm_session_2=fine\r\nset-cookie:  pm_session =evil\r\n\
         Strict-Transport-Security: max-age=0\r\nX-Content-Type-Options: sniff\r\nX-Frame-Options: SAMEORIGIN\r\n\
         Access-Control-Allow-Origin: *\r\nConnection: X-Hop, Set-Cookie, Content-Type\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Alt-Svc: h3=\":443\"\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok",
    );
    let site = with("", upstream);
    let answer = site.gateway.send("GET /up/a", &[("X-Request-ID", "ours")], b"");
    for name in [
        "server",
        "x-auth-request-user",
        "strict-transport-security",
        "access-control-allow-origin",
        "x-hop",
        "keep-alive",
        "alt-svc",
    ] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.all("set-cookie"), ["a=1", "pm_session_2=fine"]);
    assert_eq!(answer.all("x-request-id"), ["ours"]);
    assert_eq!(answer.all("x-content-type-options"), ["nosniff"]);
    assert_eq!(answer.all("x-frame-options"), ["SAMEORIGIN"], "of the rest its own value wins");
    assert_eq!((answer.header("content-type"), answer.text().as_str()), (Some("text/plain"), "ok"));
    let config = format!("[headers]\noverride = true\n{}", site.upstream.config());
    let strict = Setup::new(&config).start();
    assert_eq!(strict.get("/up/a").all("x-frame-options"), ["DENY"]);
}

#[test]
fn hb_11_one_id_is_in_the_answer_the_log_and_the_upstream() {
    let mut site = site();
    let answer = site.gateway.send("GET /up/a", &[("X-Request-ID", "trace-me.1_2")], b"");
    assert_eq!(answer.header("x-request-id"), Some("trace-me.1_2"));
    assert_eq!(values(&site.upstream.only(), "x-request-id"), ["trace-me.1_2"]);
    site.gateway.wait_for_log(|line| line.contains("\"correlation.id\":\"trace-me.1_2\""));
    let replaced = site.gateway.send("GET /up/a", &[("X-Request-ID", "<script>")], b"");
    let id = replaced.header("x-request-id").unwrap().to_owned();
    assert_eq!(values(&site.upstream.seen()[1], "x-request-id"), [id]);
}

#[test]
fn hb_12_the_session_cookie_stays_here_and_other_credentials_pass() {
    let site = site();
    let token = site.cookie[11..].to_owned();
    for line in [
        format!("a=1; {}; b=\"2 3\"", site.cookie),
        format!("{}; a=1; b=\"2 3\"", site.cookie),
        format!("a=1; b=\"2 3\"; pm_session={token}; pm_session ={token}; pm_session"),
    ] {
        let seen = site.told(&[("Cookie", &line)]);
        assert_eq!(values(&seen, "cookie"), ["a=1; b=\"2 3\""]);
        assert!(!seen.contains(&token), "{seen}");
    }
    assert!(values(&site.told(&[("Cookie", &site.cookie)]), "cookie").is_empty());
    let seen =
        site.told(&[("Authorization", "Basic eDp5"), ("X-Api-Key", "theirs"), ("Cookie", &site.cookie)]);
    assert_eq!(
        (values(&seen, "authorization"), values(&seen, "x-api-key")),
        (vec!["Basic eDp5".to_owned()], vec!["theirs".to_owned()])
    );
}

#[test]
fn hb_13_no_user_agent_opens_a_door() {
    let site = with("[[routes]]\npath = \"/private\"\nservice = \"up\"\n", Upstream::hello());
    for agent in ["kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Envoy/HC", "curl/8"] {
        assert_eq!(site.gateway.send("GET /private", &[("User-Agent", agent)], b"").status, 401, "{agent}");
    }
}

#[test]
fn a_prefix_is_taken_off_and_headers_are_set() {
    let more = r#"
[[routes]]
path = "/api/*"
service = "up"
auth = "none"
strip_prefix = "/api"
set_headers = { "X-Api-Version" = "2", "Authorization" = "Bearer of-the-gateway" }
"#;
    let site = with(more, Upstream::hello());
    for (asked, sent) in [
        ("/api/users?x=/api/", "/users?x=/api/"),
        ("/api/api/a", "/api/a"),
        ("/api/", "/"),
        ("/api/?q", "/?q"),
        ("/up/%7Ea%C3%a9", "/up/~a%C3%A9"),
    ] {
        let before = site.upstream.seen().len();
        assert_eq!(site.gateway.get(asked).status, 200, "{asked}");
        assert!(
            site.upstream.seen()[before].starts_with(&format!("GET {sent} HTTP/1.1\r\n")),
            "{}",
            site.upstream.seen()[before]
        );
    }
    let answer: Answer =
        site.gateway.send("GET /api/x", &[("Authorization", "Basic eDp5"), ("X-Api-Version", "1")], b"");
    assert_eq!(answer.status, 200);
    let seen = site.upstream.seen().pop().unwrap();
    assert_eq!(values(&seen, "authorization"), ["Bearer of-the-gateway"]);
    assert_eq!(values(&seen, "x-api-version"), ["2"]);
}

#[test]
fn a_trace_goes_on_or_begins() {
    let site = site();
    let theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let goes_on = values(&site.told(&[("traceparent", theirs), ("tracestate", "a=1")]), "traceparent");
    assert_eq!(goes_on.len(), 1);
    let parts: Vec<&str> = goes_on[0].split('-').collect();
    assert_eq!((parts[0], parts[1], parts[3]), ("00", "0af7651916cd43dd8448eb211c80319c", "01"));
    for bad in [
        "",
        "00-x",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        &format!("{theirs}, {theirs}"),
    ] {
        let seen = site.told(&[("traceparent", bad), ("tracestate", "a=1")]);
        let begins = values(&seen, "traceparent");
        assert_eq!((begins.len(), begins[0].len()), (1, 55), "{bad}: {seen}");
        assert!(
            !begins[0].contains("0af7651916cd43dd8448eb211c80319c") && values(&seen, "tracestate").is_empty(),
            "{seen}"
        );
    }
}
