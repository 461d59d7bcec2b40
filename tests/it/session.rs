//! Stage 8: which cookie is a session, what a page may know of it, and how long it lives.

use std::collections::BTreeSet;

use crate::harness::token::signed_with;
use crate::harness::{Gateway, Setup, Token, gateway::verb};

const SECRET: &str = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa";

const CONFIG: &str = r#"
[session]
secret = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa"

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }

[[routes]]
path = "/who"
auth = "optional"
respond = { status = 200, json = { state = "{auth.state}", id = "{user.id}" } }

[[routes]]
path = "/anyone"
auth = "none"
respond = { status = 200, text = "{auth.state}" }

[[routes]]
path = "/staff"
roles = ["staff"]
respond = { status = 200, text = "staff" }
"#;

const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

fn gateway() -> Gateway {
    Setup::new(CONFIG)
        .user("ada@example.org", "password one", &["staff"])
        .user("bob", "password two", &[])
        .start()
}

fn with(gateway: &Gateway, line: &str, cookie: &str) -> crate::harness::Answer {
    gateway.send(line, &[("Cookie", cookie), SAME], b"")
}

#[test]
fn the_token_names_a_session_and_nobody() {
    let gateway = gateway();
    let cookie = gateway.sign_in("ada@example.org", "password one");
    let token = Token::read(&cookie);
    let header: BTreeSet<&str> = token.header.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(header, ["alg", "kid", "typ"].into());
    assert_eq!((token.header["alg"].as_str(), token.header["typ"].as_str()), (Some("HS256"), Some("JWT")));
    let claims: BTreeSet<&str> = token.claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(claims, ["aud", "exp", "iat", "iss", "nbf", "sid", "sub"].into());
    let second = |name: &str| token.claims[name].as_u64().unwrap();
    assert_eq!((second("exp") - second("iat"), second("nbf")), (86_400, second("iat")));
    assert!(token.claims["sid"].as_str().unwrap().len() >= 22, "128 bits need 22 characters at least");
    let text = format!("{}{}", token.header, token.claims);
    assert!(!text.contains("ada@") && !text.contains("example.org") && !text.contains("staff"), "{text}");
    assert!(signed_with(&cookie, SECRET), "the key is the secret's bytes");
    assert_eq!(with(&gateway, "GET /auth/me", &cookie).json()["user"]["id"], token.claims["sub"]);
    let again = Token::read(&gateway.sign_in("ada@example.org", "password one"));
    assert_eq!(again.claims["sub"], token.claims["sub"]);
    assert_ne!(again.claims["sid"], token.claims["sid"]);
}

#[test]
fn a_page_may_ask_who_is_signed_in_and_never_sees_the_token() {
    let gateway = gateway();
    let none = gateway.get("/auth/session");
    assert_eq!((none.status, none.json()), (200, serde_json::json!({ "hasToken": false })));
    assert_eq!(gateway.get("/auth/me").code(), "AUTHENTICATION_REQUIRED");
    let cookie = gateway.sign_in("ada@example.org", "password one");
    let there = with(&gateway, "GET /auth/session", &cookie);
    let known = there.json();
    assert_eq!((&known["hasToken"], &known["user"]["email"]), (&true.into(), &"ada@example.org".into()));
    assert!(known["expires_at"].as_str().is_some_and(|t| t.ends_with('Z') && t.contains('T')), "{known}");
    let me = with(&gateway, "GET /auth/me", &cookie);
    assert_eq!(me.json()["user"], known["user"]);
    for answer in [&there, &me, &none] {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "cs_15");
        assert!(!answer.text().contains(&cookie[11..]));
    }
    assert_eq!(with(&gateway, "GET /auth/session", "pm_session=garbage").json()["hasToken"], false);
    assert_eq!(with(&gateway, "POST /auth/session", &cookie).header("allow"), Some("GET, HEAD"));
}

#[test]
fn identity_is_ambient_and_only_a_route_that_needs_it_refuses() {
    let gateway = gateway();
    let ada = gateway.sign_in("ada@example.org", "password one");
    let bob = gateway.sign_in("bob", "password two");
    assert_eq!(with(&gateway, "GET /anyone", "a=1").text(), "none");
    assert_eq!(with(&gateway, "GET /anyone", &ada).text(), "session");
    assert_eq!(with(&gateway, "GET /anyone", "pm_session=garbage").text(), "invalid");
    assert_eq!(with(&gateway, "GET /who", "pm_session=garbage").json()["id"], "");
    assert_eq!(with(&gateway, "GET /who", &bob).json()["id"], Token::read(&bob).claims["sub"]);
    assert_eq!(with(&gateway, "GET /private", "pm_session=garbage").status, 401);
    assert_eq!(with(&gateway, "GET /private", &bob).status, 200);
    assert_eq!(with(&gateway, "GET /staff", &ada).text(), "staff");
    assert_eq!(with(&gateway, "GET /staff", &bob).code(), "FORBIDDEN");
    assert_eq!(gateway.get("/staff").status, 401);
}

#[test]
fn cs_07_a_sign_in_gives_a_new_session_and_ends_the_one_before() {
    let gateway = gateway();
    let attacker = gateway.sign_in("bob", "password two");
    let body = br#"{"username":"ada@example.org","password":"password one"}"#;
    let json = ("Content-Type", "application/json");
    let answer = gateway.send("POST /auth/login", &[json, SAME, ("Cookie", &attacker)], body);
    let victim = answer.cookie().unwrap();
    assert_ne!(victim, attacker);
    assert_eq!(with(&gateway, "GET /private", &attacker).status, 401);
    assert_eq!(with(&gateway, "GET /auth/me", &victim).json()["user"]["name"], "ada@example.org");
    let preset = gateway.send("POST /auth/login", &[json, SAME, ("Cookie", "pm_session=preset")], body);
    assert_eq!(preset.status, 200);
    assert!(!preset.cookie().unwrap().contains("preset"));
    assert_eq!(with(&gateway, "GET /private", "pm_session=preset").status, 401);
}

#[test]
fn cs_07_the_sign_in_page_clears_a_cookie_that_is_no_session_any_more() {
    let gateway = gateway();
    let stale = with(&gateway, "GET /auth/login", "pm_session=stale");
    assert!(
        stale.header("set-cookie").is_some_and(|c| c.starts_with("pm_session=;") && c.ends_with("Max-Age=0"))
    );
    assert_eq!(gateway.get("/auth/login").header("set-cookie"), None);
    let cookie = gateway.sign_in("bob", "password two");
    assert_eq!(with(&gateway, "GET /auth/login", &cookie).header("set-cookie"), None);
}

#[test]
fn cs_08_two_cookies_or_a_lookalike_are_no_session() {
    let gateway = gateway();
    let cookie = gateway.sign_in("bob", "password two");
    let token = &cookie[11..];
    assert_eq!(with(&gateway, "GET /private", &format!("a=1; {cookie}; b=2")).status, 200);
    for bad in [
        format!("{cookie}; pm_session=B"),
        format!("pm_session=A; {cookie}"),
        format!("{cookie}; {cookie}"),
        format!("{cookie}; pm_session"),
        format!("$Version=1; pm_session=\"{token}; x\""),
        format!("pm_session=\"{token}\""),
        format!("pm_session ={token}"),
        format!("\u{2000}{cookie}"),
        format!("PM_SESSION={token}"),
        format!("__Host-{cookie}"),
        format!("{cookie},B"),
        format!("{cookie} x"),
    ] {
        assert_eq!(with(&gateway, "GET /private", &bad).status, 401, "{bad}");
    }
    let two_lines = gateway.send("GET /private", &[("Cookie", &cookie), ("Cookie", &cookie)], b"");
    assert_eq!(two_lines.status, 401);
    let split = gateway.send("GET /private", &[("Cookie", "a=1"), ("Cookie", &cookie)], b"");
    assert_eq!(split.status, 200);
}

#[test]
fn cs_09_many_and_large_cookies_are_refused_or_read() {
    let gateway = gateway();
    let cookie = gateway.sign_in("bob", "password two");
    let many = "c=v; ".repeat(200);
    assert_eq!(with(&gateway, "GET /private", &format!("{many}{cookie}")).status, 200);
    assert_eq!(with(&gateway, "GET /private", &format!("pm_session={}", "x".repeat(8_192))).status, 401);
    let too_large = with(&gateway, "GET /private", &format!("a={}", "x".repeat(40_000)));
    assert_eq!((too_large.status, too_large.code().as_str()), (431, "HEADERS_TOO_LARGE"));
}

#[test]
fn cs_13_a_session_ends_after_its_time_and_after_a_silence() {
    for key in ["ttl = \"1s\"", "idle = \"1s\""] {
        let config = CONFIG.replace("[session]", &format!("[session]\n{key}"));
        let gateway = Setup::new(&config).user("bob", "password two", &[]).start();
        let answer = gateway.send(
            "POST /auth/login",
            &[("Content-Type", "application/json")],
            br#"{"username":"bob","password":"password two"}"#,
        );
        let lasts = answer.header("set-cookie").unwrap().ends_with("Max-Age=1");
        assert_eq!(lasts, key.starts_with("ttl"), "{key}");
        // The gateway's own clock, as it tells it; asking for it does not touch the session.
        let mut dates = BTreeSet::new();
        gateway.until("two seconds", |g| {
            dates.insert(g.get("/live").header("date").unwrap().to_owned());
            dates.len() > 2
        });
        let cookie = answer.cookie().unwrap();
        assert_eq!(with(&gateway, "GET /private", &cookie).status, 401, "{key}");
        assert_eq!(with(&gateway, "GET /anyone", &cookie).text(), "expired", "{key}");
    }
}

#[test]
fn cs_14_the_oldest_session_of_a_user_gives_way() {
    let config = CONFIG.replace("[session]", "[session]\nper_user_max = 2");
    let gateway =
        Setup::new(&config).user("ada", "password one", &[]).user("bob", "password two", &[]).start();
    let other = gateway.sign_in("ada", "password one");
    let all: Vec<String> = (0..4).map(|_| gateway.sign_in("bob", "password two")).collect();
    let statuses: Vec<u16> = all.iter().map(|c| with(&gateway, "GET /private", c).status).collect();
    assert_eq!(statuses, [401, 401, 200, 200]);
    assert_eq!(with(&gateway, "GET /private", &other).status, 200);
}

#[test]
fn cs_12_production_refuses_a_secret_that_could_be_guessed() {
    let config = CONFIG.replace("secret = \"k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa\"", "secret_file = \"secrets\"");
    let exit = |environment: &str, secret: &str| {
        let config = format!("environment = \"{environment}\"\n{config}");
        let folder = Setup::new(&config).file("secrets", secret).folder();
        let output = verb(folder.path(), &["check"], &[], None);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(secret.trim().len() < 7 || !text.contains(secret.trim()), "a secret is shown: {text}");
        output.status.code()
    };
    for bad in [
        "",
        "\n",
        "shortbut",
        "changeme",
        "your-64-char-secret",
        "   \n",
        &"a".repeat(64),
        &"secret-".repeat(8),
    ] {
        assert_eq!(exit("production", bad), Some(1), "{bad:?}");
    }
    assert_eq!(exit("production", &format!("{SECRET}\n")), Some(0));
    assert_eq!(exit("production", &format!("{SECRET}\nshort\n")), Some(1), "every line is judged");
    assert_eq!(exit("development", "shortbut\n"), Some(0), "a warning");
}

#[test]
fn cs_12_production_without_a_secret_does_not_start() {
    let config = CONFIG.replace("secret = \"k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa\"", "");
    let folder = Setup::new(&format!("environment = \"production\"\n{config}")).folder();
    assert_eq!(verb(folder.path(), &["serve"], &[], None).status.code(), Some(1));
    let both = [
        ("BACKEND_SESSION_SECRET".to_owned(), SECRET.to_owned()),
        ("BACKEND_SESSION_SECRET_FILE".to_owned(), "x".to_owned()),
    ];
    assert_eq!(verb(folder.path(), &["check"], &both, None).status.code(), Some(1));
    assert_eq!(verb(folder.path(), &["check"], &both[..1], None).status.code(), Some(0));
}
