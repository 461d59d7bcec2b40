//! `/auth/verify`: what a proxy in front is told of a request that it has.

use crate::harness::{Answer, Gateway, Setup};

const CONFIG: &str = r#"
[session]
secret = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa"

[cors]
origins = ["https://listed.example"]

[[routes]]
name = "app"
path = "/app/*"
respond = { status = 200 }

[[routes]]
name = "open"
path = "/open/*"
auth = "none"
respond = { status = 200 }

[[routes]]
name = "admin"
path = "/admin/*"
roles = ["admin"]
respond = { status = 200 }

[[routes]]
name = "read"
path = "/read/*"
methods = ["GET"]
auth = "none"
respond = { status = 200 }

[[routes]]
name = "wiki"
host = "wiki.example"
path = "/*"
auth = "optional"
respond = { status = 200 }

[[routes]]
name = "optional-admin"
path = "/club/*"
auth = "optional"
roles = ["admin"]
respond = { status = 200 }

[[routes]]
name = "people"
path = "/people/*"
accept = ["session"]
respond = { status = 200 }

[[routes]]
name = "typed"
path = "/typed"
auth = "none"
body_schema = { type = "object" }
respond = { status = 200 }
"#;

const TRUST: &str = "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
const PASSWORD: &str = "correct horse battery";

fn setup(server: &str) -> Setup {
    Setup::new(&format!("{server}{CONFIG}")).user("ada@example.org", PASSWORD, &["staff", "admin"]).user(
        "bob",
        PASSWORD,
        &[],
    )
}

/// Asks as a proxy does, with or without a session.
fn ask(gateway: &Gateway, method: &str, uri: &str, more: &[(&str, &str)]) -> Answer {
    ask_at(gateway, "/auth/verify", method, uri, more)
}

fn ask_at(gateway: &Gateway, path: &str, method: &str, uri: &str, more: &[(&str, &str)]) -> Answer {
    let mut headers = vec![
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "app.example"),
        ("X-Forwarded-Method", method),
        ("X-Forwarded-Uri", uri),
    ];
    headers.retain(|(name, _)| !more.iter().any(|(n, _)| n == name));
    headers.extend(more);
    gateway.send(&format!("GET {path}"), &headers, b"")
}

#[test]
fn the_route_of_the_forwarded_request_is_what_is_judged() {
    let gateway = setup(TRUST).start();
    let (ada, bob) = (gateway.sign_in("ada@example.org", PASSWORD), gateway.sign_in("bob", PASSWORD));
    let status = |uri: &str, cookie: &str| ask(&gateway, "GET", uri, &[("Cookie", cookie)]).status;
    for (uri, nobody, bobs, adas) in [
        ("/app/x?y=1", 401, 204, 204),
        ("/admin/x", 401, 403, 204),
        ("/club/x", 401, 403, 204),
        ("/open/x", 204, 204, 204),
        ("/nowhere", 401, 204, 204),
        ("/auth/login", 401, 204, 204),
        ("/health", 401, 204, 204),
    ] {
        assert_eq!((status(uri, "x=1"), status(uri, &bob), status(uri, &ada)), (nobody, bobs, adas), "{uri}");
    }
    let wiki = [("X-Forwarded-Host", "Wiki.example")];
    assert_eq!(ask(&gateway, "GET", "/nowhere", &wiki).status, 204, "a route of another host");
}

#[test]
fn a_yes_says_who_it_is_and_is_kept_by_nobody() {
    let gateway = setup(TRUST).start();
    let ada = gateway.sign_in("ada@example.org", PASSWORD);
    let id = gateway.send("GET /auth/me", &[("Cookie", &ada)], b"").json()["user"]["id"].clone();
    let yes = ask(&gateway, "GET", "/app/x", &[("Cookie", &ada)]);
    assert_eq!(yes.header("x-auth-request-user"), id.as_str());
    assert_eq!(yes.header("x-auth-request-email"), Some("ada@example.org"));
    assert_eq!(yes.header("x-auth-request-groups"), Some("staff,admin"));
    assert_eq!(yes.header("cache-control"), Some("no-store"));
    let spoof = ("X-Auth-Request-User", "root");
    let nobody = ask(&gateway, "GET", "/open/x", &[spoof]);
    assert_eq!((nobody.status, nobody.header("x-auth-request-user")), (204, None));
}

#[test]
fn a_forwarded_target_with_two_readings_may_not_pass() {
    let gateway = setup(TRUST).start();
    let ada = gateway.sign_in("ada@example.org", PASSWORD);
    for uri in [
        "/open/../admin/x",
        "/open/%2e%2e/admin/x",
        "/open//x",
        "/open/%2fx",
        "/open/..;/x",
        "/open/x%00",
        "/open\\x",
        "/open/x#y",
        "http://app.example/open/x",
        "//open/x",
        "*",
        "",
    ] {
        let answer = ask(&gateway, "GET", uri, &[("Cookie", &ada)]);
        assert_eq!((answer.status, answer.code()), (403, "FORBIDDEN".to_owned()), "{uri}");
    }
    let bad: [&[(&str, &str)]; 4] = [
        &[("X-Forwarded-Uri", "/open/x"), ("X-Forwarded-Uri", "/open/y")],
        &[("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/open/x")],
        &[("X-Forwarded-Host", "a b")],
        &[("X-Forwarded-Method", "CONNECT")],
    ];
    for headers in bad {
        assert_eq!(ask(&gateway, "GET", "/open/x", headers).status, 403, "{headers:?}");
    }
}

#[test]
fn the_forwarded_method_is_judged_and_get_where_none_is_said() {
    let gateway = setup(TRUST).start();
    assert_eq!(ask(&gateway, "GET", "/read/x", &[]).status, 204);
    assert_eq!(ask(&gateway, "HEAD", "/read/x", &[]).status, 204);
    assert_eq!(ask(&gateway, "POST", "/read/x", &[]).status, 403);
    let bare = [("X-Forwarded-Uri", "/read/x")];
    assert_eq!(gateway.send("GET /auth/verify", &bare, b"").status, 204);
    let post = gateway.send("POST /auth/verify", &bare, b"");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn ip_01_an_untrusted_peer_is_judged_by_its_identity_alone() {
    let gateway = setup("").start();
    let bob = gateway.sign_in("bob", PASSWORD);
    for uri in ["/open/x", "/admin/x", "//"] {
        assert_eq!(ask(&gateway, "GET", uri, &[]).status, 401, "{uri}");
        let answer = ask(&gateway, "GET", uri, &[("Cookie", &bob)]);
        assert_eq!(answer.status, 204, "{uri}");
        assert!(answer.header("x-auth-request-user").is_some());
    }
}

#[test]
fn without_a_forwarded_target_the_identity_alone_is_judged() {
    let gateway = setup(TRUST).start();
    let bob = gateway.sign_in("bob", PASSWORD);
    assert_eq!(gateway.get("/auth/verify").code(), "AUTHENTICATION_REQUIRED");
    assert_eq!(gateway.send("GET /auth/verify", &[("Cookie", &bob)], b"").status, 204);
    let found = gateway.get("/auth/verify?redirect=1");
    assert_eq!((found.status, found.header("location")), (302, Some("/auth/login")));
}

#[test]
fn a_redirect_to_sign_in_is_given_only_where_it_is_asked_for() {
    let gateway = setup(TRUST).start();
    let page = [("Accept", "text/html")];
    let location = "https://app.example/auth/login?return_to=/app/x%3Fa%3D1%26b%3D2";
    let plain = ask(&gateway, "GET", "/app/x?a=1&b=2", &page);
    assert_eq!((plain.status, plain.header("location")), (401, Some(location)), "nginx makes it itself");
    let club = ask(&gateway, "GET", "/club/x", &page);
    assert!(club.status == 401 && club.header("location").is_some());
    let at = |method, accept| {
        ask_at(&gateway, "/auth/verify?redirect=1", method, "/app/x?a=1&b=2", &[("Accept", accept)])
    };
    let found = at("GET", "text/html,*/*;q=0.8");
    assert_eq!((found.status, found.header("location")), (302, Some(location)));
    assert_eq!(found.header("cache-control"), Some("no-store"));
    assert_eq!(at("GET", "application/json").status, 401, "a program is told in its own way");
    assert_eq!(at("POST", "text/html").status, 401, "a form cannot be taken up again");
    let bob = gateway.sign_in("bob", PASSWORD);
    let admin = ask_at(&gateway, "/auth/verify?redirect=1", "GET", "/admin/x", &[("Cookie", &bob)]);
    assert_eq!(admin.status, 403, "signing in again would not help");
}

#[test]
fn signing_out_is_known_at_once() {
    let gateway = setup(TRUST).start();
    let bob = gateway.sign_in("bob", PASSWORD);
    let cookie = [("Cookie", bob.as_str())];
    assert_eq!(ask(&gateway, "GET", "/app/x", &cookie).status, 204);
    let out = gateway.send("POST /auth/logout", &[cookie[0], ("Sec-Fetch-Site", "same-origin")], b"");
    assert_eq!(out.status, 204);
    assert_eq!(ask(&gateway, "GET", "/app/x", &cookie).status, 401);
}

#[test]
fn cs_02_another_sites_page_does_not_pass_with_the_session_cookie() {
    let gateway = setup(TRUST).start();
    let bob = gateway.sign_in("bob", PASSWORD);
    let status = |method: &str, more: &[(&str, &str)]| {
        let headers = [&[("Cookie", bob.as_str())], more].concat();
        ask(&gateway, method, "/app/x", &headers).status
    };
    assert_eq!(status("POST", &[("Origin", "https://app.example")]), 204);
    assert_eq!(status("POST", &[("Origin", "https://listed.example")]), 204);
    assert_eq!(status("POST", &[("Origin", "https://evil.example")]), 403);
    assert_eq!(status("POST", &[("Origin", "http://app.example")]), 403, "the page came over another scheme");
    assert_eq!(status("DELETE", &[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(status("POST", &[]), 403);
    assert_eq!(status("GET", &[("Upgrade", "websocket"), ("Origin", "https://evil.example")]), 403);
    assert_eq!(status("GET", &[("Origin", "https://evil.example")]), 204);
}

#[test]
fn a_preflight_does_not_pass_for_a_signed_in_request() {
    let gateway = setup(TRUST).start();
    let preflight = [("Origin", "https://listed.example"), ("Access-Control-Request-Method", "DELETE")];
    assert_eq!(ask(&gateway, "OPTIONS", "/app/x", &preflight).status, 401);
    assert_eq!(ask(&gateway, "OPTIONS", "/open/x", &preflight).status, 204);
}

#[test]
fn the_forwarded_client_is_charged_and_by_the_limits_of_the_route() {
    let config = format!(
        "{TRUST}[[routes]]\npath = \"/few\"\nauth = \"none\"\nrate_limit = {{ ip_per_minute = 1, ip_burst = 2 }}\nrespond = {{ status = 200 }}\n"
    );
    let gateway = Setup::new(&config).start();
    let from = |client: &str| ask(&gateway, "GET", "/few", &[("X-Forwarded-For", client)]);
    assert_eq!((from("192.0.2.1").status, from("192.0.2.1").status), (204, 204));
    let third = from("192.0.2.1");
    assert_eq!((third.status, third.header("retry-after").is_some()), (429, true));
    assert_eq!(from("192.0.2.2").status, 204, "another client has a bucket of its own");
}

#[test]
fn rules_see_the_forwarded_request() {
    let rule = r#"
fn on_request(req) {
    if req.method == "DELETE" && req.path == "/open/x" && req.host == "app.example" && req.route.name == "open"
        && req.ip in "192.0.2.7/32" { deny(403, "test.seen", "Seen."); }
}
fn on_auth(req) {
    if req.path == "/open/who" && req.user.name == "bob" { deny(451, "test.who", "Seen."); }
}
"#;
    let gateway = setup(TRUST).plugin("seen", rule).start();
    assert_eq!(ask(&gateway, "GET", "/open/x", &[]).status, 204);
    assert_eq!(ask(&gateway, "DELETE", "/open/x", &[]).code(), "test.seen");
    let bob = gateway.sign_in("bob", PASSWORD);
    assert_eq!(
        ask(&gateway, "GET", "/open/who", &[("Cookie", &bob)]).status,
        451,
        "a rule's own status stays"
    );
}

#[test]
fn a_body_stays_with_the_proxy_and_is_not_judged() {
    let gateway = setup(TRUST).start();
    assert_eq!(ask(&gateway, "POST", "/typed", &[("Content-Type", "text/plain")]).status, 204);
    let headers = [("X-Forwarded-Uri", "/typed"), ("X-Forwarded-Method", "POST")];
    let answer = gateway.send("GET /auth/verify", &headers, &[b'x'; 9_000]);
    assert_eq!((answer.status, answer.header("connection")), (204, Some("close")));
}

#[test]
fn in_production_plain_http_in_front_of_the_proxy_does_not_pass() {
    let production = format!("environment = \"production\"\n{TRUST}");
    let gateway = setup(&production).start();
    let plain = [("X-Forwarded-Proto", "http")];
    assert_eq!(ask(&gateway, "GET", "/open/x", &plain).status, 403);
    let redirect = ask_at(&gateway, "/auth/verify?redirect=1", "GET", "/open/x?y=1", &plain);
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("https://app.example/open/x?y=1")));
    assert_eq!(ask(&gateway, "GET", "/open/x", &[]).status, 204);
}

#[test]
fn the_endpoint_moves_with_the_prefix_and_its_path_is_canonical() {
    let config = format!("[gateway]\nprefix = \"/gate\"\n{TRUST}{CONFIG}");
    let gateway = Setup::new(&config).start();
    let at = |path: &str, uri: &str| ask_at(&gateway, path, "GET", uri, &[]).status;
    assert_eq!((at("/gate/auth/verify", "/open/x"), at("/gate/auth/%76erify", "/open/x")), (204, 204));
    assert_eq!(at("/auth/verify", "/open/x"), 404);
    let plain = ask_at(&gateway, "/gate/auth/verify", "GET", "/app/x", &[]);
    assert_eq!(plain.header("location"), Some("https://app.example/gate/auth/login?return_to=/app/x"));
}

#[test]
fn an_api_key_counts_where_the_route_takes_keys_and_where_there_is_none() {
    let gateway = setup(TRUST).start();
    let made = gateway.verb(&["keys", "create", "robot", "--format", "json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let key = ("X-Api-Key", made["key"].as_str().expect("a key"));
    for (uri, status) in [("/app/x", 204), ("/nowhere", 204), ("/people/x", 401), ("/admin/x", 403)] {
        assert_eq!(ask(&gateway, "GET", uri, &[key]).status, status, "{uri}");
    }
    let alone = gateway.send("GET /auth/verify", &[key], b"");
    assert_eq!(alone.status, 204);
    assert!(alone.header("x-auth-request-user").is_some_and(|user| user.starts_with("key:")));
    assert_eq!(gateway.send("GET /auth/verify", &[("X-Api-Key", "pm_wrong")], b"").status, 401);
}
