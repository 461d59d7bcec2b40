//! `X-PluginMind-Assertion` and `/.well-known/pluginmind/jwks.json`: who is asking, signed, for one service.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::harness::{Gateway, Setup, Token, Upstream};

const PASSWORD: &str = "correct horse battery";
const JWKS: &str = "/.well-known/pluginmind/jwks.json";

fn config(upstream: &Upstream) -> String {
    let service = |name: &str, more: &str| {
        format!(
            "[[services]]\nname = \"{name}\"\nurls = [\"http://{}\"]\n{more}\n[[routes]]\npath = \"/{name}\"\nservice = \"{name}\"\nauth = \"optional\"\n",
            upstream.address
        )
    };
    let services =
        [service("app", "assertion = true"), service("wiki", "assertion = true"), service("plain", "")];
    format!(
        "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[session]\nsecret = \"k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa\"\n{}",
        services.concat()
    )
}

fn setup(upstream: &Upstream) -> Setup {
    Setup::new(&config(upstream)).user("ada@example.org", PASSWORD, &["staff"])
}

/// The assertion that the upstream was sent with the last request; it is there once or not at all.
fn sent(upstream: &Upstream) -> Option<String> {
    let last = upstream.seen().pop().expect("a request").to_ascii_lowercase();
    let lines = last.lines().filter(|l| l.contains("pluginmind"));
    assert!(lines.count() <= 1, "{last}");
    let seen = upstream.seen().pop().expect("a request");
    let line = seen.lines().find(|l| l.to_ascii_lowercase().starts_with("x-pluginmind-assertion:"))?;
    Some(line.split_once(':').expect("a header").1.trim().to_owned())
}

/// The claims, where the key set of the gateway verifies them.
fn verified(gateway: &Gateway, assertion: &str) -> Value {
    let set = gateway.get(JWKS).json();
    let token = Token::read(assertion);
    let key = &set["keys"][0];
    assert_eq!(set["keys"].as_array().expect("a list").len(), 1);
    assert!(key.get("d").is_none(), "never the private half");
    assert_eq!((&token.header["alg"], &token.header["typ"]), (&"ES256".into(), &"JWT".into()));
    assert_eq!(token.header["kid"], key["kid"]);
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let coordinate = |name: &str| part(key[name].as_str().expect("a text"));
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (signed, signature) = assertion.rsplit_once('.').expect("three parts");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    public.verify(signed.as_bytes(), &part(signature)).expect("the key set verifies it");
    token.claims
}

#[test]
fn a_service_that_wants_it_is_told_who_is_asking_in_a_signed_header() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    let ada = gateway.sign_in("ada@example.org", PASSWORD);
    let cookie = [("Cookie", ada.as_str())];
    let me = gateway.send("GET /auth/me", &cookie, b"").json()["user"].clone();
    for service in ["app", "wiki"] {
        assert_eq!(gateway.send(&format!("GET /{service}"), &cookie, b"").status, 200);
        let claims = verified(&gateway, &sent(&upstream).expect("an assertion"));
        assert_eq!((&claims["iss"], &claims["aud"]), (&"pluginmind".into(), &service.into()));
        assert_eq!((&claims["sub"], &claims["email"]), (&me["id"], &me["email"]));
        assert_eq!(claims["roles"], me["roles"]);
        let (iat, exp) =
            (claims["iat"].as_u64().expect("a number"), claims["exp"].as_u64().expect("a number"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        assert_eq!(exp - iat, 60);
        assert!(iat <= now && now < exp, "{claims} at {now}");
    }
    assert_eq!(gateway.send("GET /plain", &cookie, b"").status, 200);
    assert_eq!(sent(&upstream), None, "a service that does not want it");
    let log = gateway.log().join("\n");
    assert!(!log.contains("eyJ"), "no assertion in the log");
}

#[test]
fn nobody_has_no_assertion_and_a_clients_own_never_arrives() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    let ada = gateway.sign_in("ada@example.org", PASSWORD);
    for spoof in ["X-PluginMind-Assertion", "x_pluginmind_assertion", "X-Pluginmind_Assertion"] {
        assert_eq!(gateway.send("GET /app", &[(spoof, "eyJspoof")], b"").status, 200);
        assert_eq!(sent(&upstream), None, "{spoof}");
        let headers = [(spoof, "eyJspoof"), ("Cookie", ada.as_str())];
        assert_eq!(gateway.send("GET /app", &headers, b"").status, 200);
        verified(&gateway, &sent(&upstream).expect("an assertion"));
    }
}

#[test]
fn an_ended_session_has_no_assertion_though_one_was_kept() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    let ada = gateway.sign_in("ada@example.org", PASSWORD);
    let headers = [("Cookie", ada.as_str()), ("Sec-Fetch-Site", "same-origin")];
    gateway.send("GET /app", &headers, b"");
    assert!(sent(&upstream).is_some());
    assert_eq!(gateway.send("POST /auth/logout", &headers, b"").status, 204);
    assert_eq!(gateway.send("GET /app", &headers, b"").status, 200);
    assert_eq!(sent(&upstream), None);
}

#[test]
fn the_key_is_for_its_owner_alone_and_outlives_the_process() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    let path = gateway.at("data/assertion.key");
    assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    let answer = gateway.get(JWKS);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let before = answer.json();
    let gateway = gateway.kill_and_restart();
    assert_eq!(gateway.get(JWKS).json(), before);
}

#[test]
fn no_service_that_wants_it_means_no_key_and_no_key_set_until_an_edit_says_so() {
    let upstream = Upstream::hello();
    let on = config(&upstream);
    let gateway =
        Setup::new(&on.replace("assertion = true", "")).user("ada@example.org", PASSWORD, &[]).start();
    assert_eq!(gateway.get(JWKS).status, 404);
    assert!(!gateway.at("data/assertion.key").exists());
    let edited = gateway.config().replacen("name = \"app\"", "name = \"app\"\nassertion = true", 1);
    gateway.save("config.toml", &edited);
    gateway.until("the key set", |g| g.get(JWKS).status == 200);
    let ada = gateway.sign_in("ada@example.org", PASSWORD);
    gateway.send("GET /app", &[("Cookie", &ada)], b"");
    verified(&gateway, &sent(&upstream).expect("an assertion"));
}

#[test]
fn a_damaged_key_is_never_replaced_and_an_edit_that_needs_it_is_refused() {
    let upstream = Upstream::hello();
    let on = config(&upstream);
    let off = on.replace("assertion = true", "");
    let gateway = Setup::new(&off).file("data/assertion.key", "not a key\n").start();
    let edited = gateway.config().replacen("name = \"app\"", "name = \"app\"\nassertion = true", 1);
    gateway.save("config.toml", &edited);
    gateway.until("the refusal", |g| g.metric("pluginmind_config_reloads_total{outcome=\"rejected\"}") > 0.0);
    assert_eq!(gateway.get("/app").status, 200, "the last good policy stays in force");
    assert_eq!(std::fs::read_to_string(gateway.at("data/assertion.key")).expect("readable"), "not a key\n");
}

#[test]
fn a_proxy_that_asks_gets_the_assertion_for_the_service_of_the_route() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    let ada = gateway.sign_in("ada@example.org", PASSWORD);
    let headers = [("Cookie", ada.as_str()), ("X-Forwarded-Uri", "/wiki")];
    let answer = gateway.send("GET /auth/verify", &headers, b"");
    let claims = verified(&gateway, answer.header("x-pluginmind-assertion").expect("an assertion"));
    assert_eq!((answer.status, &claims["aud"]), (204, &"wiki".into()));
    assert!(upstream.seen().is_empty());
}
