//! The console of the running binary: what a browser would do, written out.

use std::time::{Duration, Instant};

use crate::harness::client::compose;
use crate::harness::{Answer, Connection, Gateway, Setup};

const PASSWORD: &str = "correct horse battery";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

const CONFIG: &str = r#"
[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "ok" }

[[alerts]]
name = "guessing"
when = "unauthorized"
per = "ip"
count = 1000
within = "1m"
"#;

const GUARD: &str = r#"
fn on_request(req) {
    if req.query("door") == "shut" { deny(403, "guard.shut", "No."); }
}
"#;

const PAGES: [&str; 11] = [
    "/",
    "/requests/live",
    "/requests",
    "/explain",
    "/sessions",
    "/plugins",
    "/bans",
    "/lockdown",
    "/alerts",
    "/reloads",
    "/playground",
];

fn start() -> Gateway {
    Setup::new(CONFIG).plugin("guard", GUARD).user("ann@example.org", PASSWORD, &["admin"]).start()
}

fn page(gateway: &Gateway, path: &str, cookie: &str) -> Answer {
    gateway.ask_admin(&format!("GET {path}"), &[("Cookie", cookie)], b"")
}

fn form(gateway: &Gateway, path: &str, cookie: &str, body: &str) -> Answer {
    gateway.ask_admin(&format!("POST {path}"), &[FORM, ("Cookie", cookie)], body.as_bytes())
}

fn bare_token(gateway: &Gateway) -> String {
    gateway.token().strip_prefix("Bearer ").unwrap().to_owned()
}

fn sign_in(gateway: &Gateway, body: &str) -> String {
    let answer = form(gateway, "/sign-in", "", body);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.cookie().expect("a cookie")
}

fn csrf(gateway: &Gateway, cookie: &str) -> String {
    let text = page(gateway, "/", cookie).text();
    let (_, rest) = text.split_once("name=\"csrf\" value=\"").expect("signed in");
    rest.split('"').next().unwrap().to_owned()
}

/// What is in the log of requests is there a moment later.
fn until_page_holds(gateway: &Gateway, path: &str, wanted: &str) -> String {
    let mut text = String::new();
    gateway.until(wanted, |gateway| {
        text = page(gateway, path, "").text();
        text.contains(wanted)
    });
    text
}

#[test]
fn an_operator_signs_in_looks_around_acts_and_signs_out() {
    let mut gateway = start();
    for path in PAGES {
        let answer = page(&gateway, path, "");
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-security-policy").unwrap().contains("script-src 'self';"), "{path}");
    }
    let cookie =
        sign_in(&gateway, &format!("username=ann%40example.org&password={}", PASSWORD.replace(' ', "+")));
    let field = csrf(&gateway, &cookie);
    assert!(page(&gateway, "/alerts", &cookie).text().contains("id=\"send-test\""));
    assert_eq!(form(&gateway, "/alerts", &cookie, "name=guessing").status, 403, "without the field");
    let sent = form(&gateway, "/alerts", &cookie, &format!("csrf={field}&name=guessing"));
    assert_eq!((sent.status, sent.header("location")), (303, Some("/alerts")));
    let told = page(&gateway, "/alerts", &cookie).text();
    assert!(told.contains("Test sent. guessing: log."), "{told}");
    assert!(!page(&gateway, "/alerts", &cookie).text().contains("id=\"flash\""), "a sentence is shown once");
    assert_eq!(form(&gateway, "/alerts", &cookie, &format!("csrf={field}&name=none")).status, 422);
    let line = gateway.wait_for_log(|line| line.contains("alerts.test"));
    assert!(line.contains("\"outcome\":\"ok\"") && line.contains("\"by\":"), "ad_08: {line}");
    assert!(!line.contains("ann@example.org"), "{line}");
    assert_eq!(form(&gateway, "/sign-out", &cookie, &format!("csrf={field}")).status, 303);
    assert_eq!(form(&gateway, "/alerts", &cookie, &format!("csrf={field}&name=guessing")).status, 401);
}

#[test]
fn a_refused_request_is_found_and_explained_and_a_bad_edit_shows_its_caret() {
    let gateway = start();
    let refused = gateway.send("GET /open?door=shut", &[("X-Request-ID", "shown-1")], b"");
    assert_eq!((refused.status, refused.code().as_str()), (403, "guard.shut"));
    let text = until_page_holds(&gateway, "/explain?id=shown-1", "id=\"stages\"");
    for part in ["guard/main.rhai:3", "guard.shut", "on_request", "data-verdict=\"same\""] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let found =
        until_page_holds(&gateway, "/requests?status=4xx&code=guard.shut&ip=127.0.0.1&since=1h", "shown-1");
    assert!(found.contains("id=\"requests\"") && !found.contains("door"), "no query value is shown");
    assert!(!page(&gateway, "/requests?ip=127.0.0.2", "").text().contains("shown-1"), "a filter filters");
    assert!(page(&gateway, "/requests?status=many", "").text().contains("role=\"alert\""));
    assert!(page(&gateway, "/requests?user=nobody", "").text().contains("There is no such account"));
    assert!(page(&gateway, "/explain?id=never-seen", "").text().contains("No request of that id"));

    gateway.save("plugins/guard/main.rhai", "fn on_request(req) { deny(403 \"x\", \"y\"); }\n");
    let stale = until_page_holds(&gateway, "/reloads", "data-policy=\"stale\"");
    assert!(
        stale.contains("The last edit was refused") && stale.contains("plugins/guard/main.rhai:1:"),
        "{stale}"
    );
    assert!(stale.contains('^'), "the caret");
    let history = until_page_holds(&gateway, "/reloads", "rejected");
    assert!(history.contains("class=\"diff\"") && history.contains("class=\"added\""), "{history}");
}

#[test]
fn the_live_page_hears_of_requests_as_they_end_and_does_not_hold_up_the_end() {
    let mut gateway = start();
    let mut stream = Connection::open(gateway.admin);
    stream.send(compose("GET /requests/events?after=0", &[], b"")).unwrap();
    let head = stream.read_until("\r\n\r\n").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("text/event-stream"), "{head}");
    stream.read_until(": here");
    gateway.send("GET /open?secret=of-the-query", &[("X-Request-ID", "live-1")], b"");
    gateway.send("GET /private", &[("X-Request-ID", "live-2")], b"");
    let rows = stream.read_until("id=live-1") + &stream.read_until("id=live-2") + &stream.read_until("\n\n");
    assert!(rows.contains("data: <tr data-seq=") && rows.contains("AUTHENTICATION_REQUIRED"), "{rows}");
    assert!(!rows.contains("of-the-query") && !rows.contains("127.0.0.1"), "{rows}");
    assert!(page(&gateway, "/requests/live", "").text().contains("id=live-2"));
    let asked = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "the stream ended by itself: {:?}", asked.elapsed());
    stream.read_rest();
}

#[test]
fn ad_03_ad_04_no_trick_of_a_path_or_a_host_leads_to_the_console() {
    let gateway = start();
    let token = bare_token(&gateway);
    for path in
        ["//", "/bans/", "//bans", "/%62ans", "/BANS", "/x/../bans", "/bans;x", "/./bans", "/assets/../bans"]
    {
        assert!(matches!(page(&gateway, path, "").status, 400 | 404), "{path}");
    }
    for path in PAGES.iter().skip(1).chain(&["/sign-in", "/assets/console.css", "/requests/events"]) {
        let host = gateway.admin.to_string();
        assert_eq!(gateway.get(path).status, 404, "{path}");
        let named = gateway.send(&format!("GET {path}"), &[("Host", &host)], b"");
        assert_eq!(named.status, 404, "{path}");
        let absolute = gateway.send(&format!("GET http://{host}{path}"), &[("Host", &host)], b"");
        assert_eq!(absolute.status, 404, "{path}");
    }
    let sent = gateway.send("POST /sign-in", &[FORM], format!("token={token}").as_bytes());
    assert_eq!(sent.status, 404);
    assert!(sent.cookie().is_none());
    let cookie = sign_in(&gateway, &format!("token={token}"));
    assert_eq!(
        gateway.send("GET /private", &[("Cookie", &cookie)], b"").status,
        401,
        "it is no session of the site"
    );
    let api = [("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
    assert_eq!(
        gateway.ask_admin("POST /admin/api/reload", &api, b"{}").status,
        401,
        "and no token of the API"
    );
}

#[test]
fn a_sign_in_outlives_an_edit_that_moves_the_admin_listener() {
    let gateway = start();
    let cookie = sign_in(&gateway, &format!("token={}", bare_token(&gateway)));
    let moved = crate::harness::gateway::free_port();
    gateway.save("config.toml", &gateway.config().replace(&gateway.admin.to_string(), &moved.to_string()));
    gateway.until("the new listener", |_| std::net::TcpStream::connect(moved).is_ok());
    let answer = crate::harness::client::request(moved, "GET /", &[("Cookie", &cookie)], b"");
    assert!(answer.status == 200 && answer.text().contains("id=\"sign-out\""));
}
