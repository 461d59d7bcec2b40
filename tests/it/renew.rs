//! Sliding renewal: who keeps coming gets a new cookie of the same session, up to a point.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::client::compose;
use crate::harness::{Answer, Connection, Gateway, Setup, Token, Upstream};

const SECRET: &str = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa";
const PASSWORD: &str = "correct horse battery";

fn setup(lives: &str) -> Setup {
    let config = format!(
        "[session]\nsecret = \"{SECRET}\"\n{lives}\n[rate_limit]\nip_burst = 100000\nuser_burst = 100000\n\
         [[routes]]\npath = \"/private\"\nrespond = {{ status = 200, text = \"secret\" }}\n"
    );
    Setup::new(&config).user("ada", PASSWORD, &[])
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The same session's token, as it would look to somebody who has had it for a while.
fn aged(cookie: &str, left: Duration) -> String {
    let token = Token::read(cookie);
    let iat = token.claims["iat"].as_u64().unwrap();
    let token = token.claim("exp", now_s() + left.as_secs()).claim("iat", iat - 1).claim("nbf", iat - 1);
    format!("pm_session={}", token.sign(SECRET))
}

fn ask(gateway: &Gateway, line: &str, cookie: &str) -> Answer {
    gateway.send(line, &[("Cookie", cookie), ("Sec-Fetch-Site", "same-origin")], b"")
}

fn sessions(gateway: &Gateway) -> Vec<Value> {
    let output = gateway.verb(&["sessions", "list", "--format", "json"]);
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

const HOURS: &str = "ttl = \"1h\"\nabsolute = \"24h\"";
const SHORT: Duration = Duration::from_secs(600);

#[test]
fn a_cookie_with_less_than_half_of_its_life_left_is_renewed_for_the_same_session() {
    let gateway = setup(HOURS).start();
    let cookie = gateway.sign_in("ada", PASSWORD);
    assert_eq!(ask(&gateway, "GET /private", &cookie).header("set-cookie"), None, "it is fresh");
    let answer = ask(&gateway, "GET /private", &aged(&cookie, SHORT));
    assert_eq!(answer.status, 200);
    let lines = answer.all("set-cookie");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let attributes: Vec<&str> = lines[0].split("; ").skip(1).take(3).collect();
    assert_eq!(attributes, ["Path=/", "HttpOnly", "SameSite=Lax"]);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"), "no shared cache keeps a cookie");
    let (old, new) = (Token::read(&cookie), Token::read(&answer.cookie().unwrap()));
    assert_eq!((&new.claims["sid"], &new.claims["sub"]), (&old.claims["sid"], &old.claims["sub"]));
    let (iat, exp) = (new.claims["iat"].as_u64().unwrap(), new.claims["exp"].as_u64().unwrap());
    assert!(exp - iat <= 3_600 && exp - iat >= 3_599, "{iat} to {exp}");
    assert_eq!(ask(&gateway, "GET /private", &answer.cookie().unwrap()).status, 200);
    assert_eq!(sessions(&gateway).len(), 1);
}

#[test]
fn without_a_longer_life_nothing_is_renewed() {
    let gateway = setup("ttl = \"1h\"").start();
    let cookie = gateway.sign_in("ada", PASSWORD);
    let answer = ask(&gateway, "GET /private", &aged(&cookie, SHORT));
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
}

#[test]
fn many_requests_at_once_get_one_new_cookie() {
    let gateway = setup(HOURS).start();
    let cookie = aged(&gateway.sign_in("ada", PASSWORD), SHORT);
    let request = compose("GET /private", &[("Cookie", &cookie)], b"");
    let mut connections: Vec<_> = (0..50).map(|_| Connection::open(gateway.public)).collect();
    connections.iter_mut().for_each(|connection| connection.send(&request).unwrap());
    let answers: Vec<_> = connections.iter_mut().map(|connection| connection.read().unwrap()).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(answers.iter().filter(|answer| answer.cookie().is_some()).count(), 1);
}

#[test]
fn nobody_but_the_bearer_of_the_cookie_gets_one_and_ending_does_not_renew() {
    let gateway = setup(HOURS).start();
    let cookie = aged(&gateway.sign_in("ada", PASSWORD), SHORT);
    assert_eq!(gateway.get("/private").header("set-cookie"), None);
    assert_eq!(gateway.get("/auth/session").header("set-cookie"), None);
    assert_eq!(ask(&gateway, "GET /live", &cookie).header("set-cookie"), None);
    let foreign =
        gateway.send("POST /private", &[("Cookie", &cookie), ("Origin", "https://evil.example")], b"");
    assert_eq!(
        (foreign.status, foreign.header("set-cookie")),
        (403, None),
        "a refused request renews nothing"
    );
    let out = ask(&gateway, "POST /auth/logout", &cookie);
    let lines = out.all("set-cookie");
    assert_eq!((out.status, lines.len()), (204, 1));
    assert!(lines[0].starts_with("pm_session=;"), "{lines:?}");
    let after = ask(&gateway, "GET /private", &cookie);
    assert_eq!((after.status, after.header("set-cookie")), (401, None));
}

#[test]
fn a_front_end_that_asks_for_its_session_renews_it_and_sees_the_new_end() {
    let gateway = setup(HOURS).start();
    let cookie = gateway.sign_in("ada", PASSWORD);
    let before = ask(&gateway, "GET /auth/session", &cookie);
    assert_eq!(before.header("set-cookie"), None);
    let answer = ask(&gateway, "GET /auth/session", &aged(&cookie, SHORT));
    assert!(answer.cookie().is_some());
    assert!(answer.json()["expires_at"].as_str() >= before.json()["expires_at"].as_str());
}

#[test]
fn an_upstreams_answer_carries_the_new_cookie_beside_its_own() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: app=1\r\nCache-Control: public, max-age=60\r\n\r\nok",
    );
    let config = format!("[session]\nsecret = \"{SECRET}\"\n{HOURS}\n{}", upstream.config());
    let gateway = Setup::new(&config).user("ada", PASSWORD, &[]).start();
    let cookie = aged(&gateway.sign_in("ada", PASSWORD), SHORT);
    let answer = ask(&gateway, "GET /up/x", &cookie);
    let names: Vec<&str> =
        answer.all("set-cookie").iter().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["app", "pm_session"]);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
}

#[test]
fn a_renewed_session_survives_a_kill_and_ends_for_good_when_told() {
    let gateway = setup("ttl = \"6s\"\nabsolute = \"1h\"").start();
    let cookie = gateway.sign_in("ada", PASSWORD);
    let first_end = Token::read(&cookie).claims["exp"].as_u64().unwrap();
    let mut renewed = cookie.clone();
    gateway.until("a session that outlives its first token", |gateway| {
        let answer = ask(gateway, "GET /private", &renewed);
        assert_eq!(answer.status, 200, "who keeps coming is never put out");
        renewed = answer.cookie().unwrap_or_else(|| renewed.clone());
        now_s() > first_end
    });
    assert_eq!(ask(&gateway, "GET /private", &cookie).status, 401, "the first cookie is over");
    let gateway = gateway.kill_and_restart();
    let answer = ask(&gateway, "GET /private", &renewed);
    assert_eq!(answer.status, 200, "its later end was on disk");
    let renewed = answer.cookie().unwrap_or(renewed);
    assert_eq!(ask(&gateway, "POST /auth/logout", &renewed).status, 204);
    let gateway = gateway.kill_and_restart();
    assert_eq!(ask(&gateway, "GET /private", &renewed).status, 401);
}
