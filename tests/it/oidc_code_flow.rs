//! `/auth/login/{provider}` and `/auth/callback/{provider}`: to the provider and back, as a browser goes.

use serde_json::json;

use crate::harness::provider::{escaped, pairs};
use crate::harness::{Answer, Gateway, Provider, Setup, Token};

const CONFIG: &str = r#"
[session]
secret = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa"

[rate_limit]
ip_per_minute = 60_000
ip_burst = 60_000

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }
"#;
const ADA: &str = "ada@example.org";

fn start() -> (Provider, Gateway) {
    let provider = Provider::start();
    let gateway = Setup::new(&format!("{CONFIG}{}", provider.config(""))).start();
    (provider, gateway)
}

/// Where the browser is sent, and its cookie for this sign-in.
fn begin(gateway: &Gateway, return_to: &str) -> (String, String) {
    let answer = gateway.get(&format!("/auth/login/idp?return_to={}", escaped(return_to)));
    assert_eq!(answer.status, 302, "{}", answer.text());
    (answer.header("location").unwrap().to_owned(), answer.cookie().unwrap())
}

fn back(gateway: &Gateway, query: &str, cookie: &str) -> Answer {
    gateway.send(&format!("GET /auth/callback/idp?{query}"), &[("Cookie", cookie)], b"")
}

#[track_caller]
fn refused(answer: &Answer) {
    assert_eq!((answer.status, &*answer.code()), (401, "AUTHENTICATION_REQUIRED"), "{}", answer.text());
    assert_eq!(answer.header("set-cookie"), None);
}

fn session_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let lines = answer.all("set-cookie");
    let line = lines.iter().find(|line| line.starts_with("pm_session=")).expect("a session");
    line.split(';').next().unwrap().to_owned()
}

fn status(gateway: &Gateway, cookie: &str) -> u16 {
    gateway.send("GET /private", &[("Cookie", cookie)], b"").status
}

#[test]
fn oi_03_a_browser_goes_to_the_provider_and_comes_back_signed_in() {
    let (provider, gateway) = start();
    let page = gateway.get("/auth/login?return_to=/private").text();
    assert!(page.contains("href=\"/auth/login/idp?return_to=/private\""), "{page}");
    let begun = gateway.get("/auth/login/idp?return_to=/private");
    let attributes: Vec<&str> = begun.header("set-cookie").unwrap().split("; ").skip(1).collect();
    assert_eq!(attributes, ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"]);
    assert_eq!(begun.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(begun.header("cache-control"), Some("no-store"));
    let cookie = begun.cookie().unwrap();
    let query = provider.authorize(begun.header("location").unwrap(), "1", ADA);
    let answer = back(&gateway, &query, &cookie);
    assert_eq!(answer.header("location"), Some("/private"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert!(answer.all("set-cookie").contains(&"pm_login=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"));
    let session = session_of(&answer);
    assert_eq!(status(&gateway, &session), 200);
    let me = gateway.send("GET /auth/me", &[("Cookie", &session)], b"");
    assert_eq!(me.json()["user"]["email"], ADA);
    assert!(!me.text().contains("canary-access-token"), "OI-16: no token of the provider's comes out");
    // The provider gave the token because it was shown the verifier of the challenge and the client's secret.
    assert_eq!(provider.asked("/token").len(), 1);
}

#[test]
fn oi_01_a_state_is_good_once() {
    let (provider, gateway) = start();
    let (location, cookie) = begin(&gateway, "/private");
    let query = provider.authorize(&location, "1", ADA);
    let session = session_of(&back(&gateway, &query, &cookie));
    refused(&back(&gateway, &query, &cookie));
    refused(&back(&gateway, &query, &format!("{cookie}; {session}")));
    assert_eq!(provider.asked("/token").len(), 1, "the code was shown to nobody again");
    assert_eq!(status(&gateway, &session), 200);
}

#[test]
fn oi_01_a_state_is_good_in_its_own_browser_only() {
    let (provider, gateway) = start();
    let (_, others) = begin(&gateway, "/");
    let tampered = |cookie: &str| {
        format!("{}{}", &cookie[..cookie.len() - 1], if cookie.ends_with('A') { 'E' } else { 'A' })
    };
    for wrong in [&|_: &str| String::new() as String, &|_: &str| others.clone(), &tampered, &|own: &str| {
        format!("{own}; {others}")
    }] as [&dyn Fn(&str) -> String; 4]
    {
        let (location, cookie) = begin(&gateway, "/");
        let query = provider.authorize(&location, "1", ADA);
        refused(&back(&gateway, &query, &wrong(&cookie)));
        refused(&back(&gateway, &query, &cookie));
    }
    let (location, cookie) = begin(&gateway, "/");
    let query = provider.authorize(&location, "1", ADA);
    let state = pairs(&query)["state"].clone();
    refused(&back(&gateway, &query.replace(&state, "another"), &cookie));
    refused(&back(&gateway, "code=x", &cookie));
    refused(&back(&gateway, "", &cookie));
    let twice = back(&gateway, &format!("{query}&state={state}"), &cookie);
    assert_eq!((twice.status, &*twice.code()), (400, "BAD_REQUEST"));
    assert_eq!(provider.asked("/token").len(), 0, "no code was shown to the provider");
    assert_eq!(back(&gateway, &query, &cookie).status, 303, "the right one is still good");
}

#[test]
fn oi_04_an_answer_of_another_issuer_is_refused_and_its_code_shown_to_nobody() {
    let (provider, gateway) = start();
    for change in ["another", "missing", "twice"] {
        let (location, cookie) = begin(&gateway, "/");
        let query = provider.authorize(&location, "1", ADA);
        let (rest, iss) = query.rsplit_once("&iss=").unwrap();
        let answer = match change {
            "another" => back(&gateway, &format!("{rest}&iss=https%3A%2F%2Fevil.example"), &cookie),
            "missing" => back(&gateway, rest, &cookie),
            _ => back(&gateway, &format!("{query}&iss={iss}"), &cookie),
        };
        assert!(matches!(answer.status, 400 | 401), "{change}: {}", answer.status);
        assert!(answer.header("set-cookie").is_none());
    }
    assert_eq!(provider.asked("/token").len(), 0);
}

#[test]
fn oi_04_an_answer_at_another_providers_address_is_refused() {
    let (one, two) = (Provider::start(), Provider::start());
    let second = two.config("").replace("providers.idp", "providers.other");
    let gateway = Setup::new(&format!("{CONFIG}{}{second}", one.config(""))).start();
    let (location, cookie) = begin(&gateway, "/");
    let query = one.authorize(&location, "1", ADA);
    refused(&gateway.send(&format!("GET /auth/callback/other?{query}"), &[("Cookie", &cookie)], b""));
    assert_eq!((one.asked("/token").len(), two.asked("/token").len()), (0, 0));
}

#[test]
fn oi_02_the_nonce_is_that_of_this_sign_in() {
    let (provider, gateway) = start();
    for nonce in [json!("another"), json!(null), json!(["a"])] {
        let (location, cookie) = begin(&gateway, "/");
        let query = provider.authorize(&location, "1", ADA);
        provider.change_grants("nonce", &nonce);
        refused(&back(&gateway, &query, &cookie));
    }
}

#[test]
fn oi_05_who_did_not_sign_in_there_is_told_nothing_but_401() {
    let (provider, gateway) = start();
    let (location, cookie) = begin(&gateway, "/");
    let query = provider.authorize(&location, "1", ADA);
    let answer =
        back(&gateway, &format!("{query}&error=access_denied&error_description=%3Cscript%3E"), &cookie);
    refused(&answer);
    assert!(!answer.text().contains("script") && !answer.text().contains("denied"), "{}", answer.text());
    refused(&back(&gateway, &query, &cookie));
    assert_eq!(provider.asked("/token").len(), 0);
}

#[test]
fn cs_07_a_sign_in_gives_a_new_session_and_ends_the_one_before() {
    let (provider, gateway) = start();
    let sign_in = |subject: &str, with: &str| {
        let (location, cookie) = begin(&gateway, "/");
        let query = provider.authorize(&location, subject, &format!("{subject}@example.org"));
        session_of(&back(&gateway, &query, &format!("{cookie}{with}")))
    };
    let first = sign_in("one", "");
    let second = sign_in("one", &format!("; {first}"));
    assert_ne!(Token::read(&first).claims["sid"], Token::read(&second).claims["sid"]);
    assert_eq!((status(&gateway, &first), status(&gateway, &second)), (401, 200));
    let third = sign_in("two", &format!("; {second}"));
    assert_eq!((status(&gateway, &second), status(&gateway, &third)), (401, 200), "another person's, too");
    let fourth = sign_in("two", "; pm_session=planted");
    assert!(!fourth.contains("planted"));
}

#[test]
fn or_01_and_or_02_nobody_is_sent_to_another_site() {
    let (provider, gateway) = start();
    for wanted in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "https:evil",
        "/\t/evil",
        "/.//evil",
        "javascript:x",
        "",
    ] {
        let (location, cookie) = begin(&gateway, wanted);
        let query = provider.authorize(&location, "1", ADA);
        let answer = back(&gateway, &format!("{query}&return_to=%2F%2Fevil.example"), &cookie);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{wanted}");
    }
}

#[test]
fn rt_15_the_redirect_address_comes_from_the_configuration() {
    let provider = Provider::start();
    let config =
        format!("{CONFIG}\n[gateway]\npublic_url = \"https://app.example\"\n{}", provider.config(""));
    let gateway = Setup::new(&config).start();
    let poison =
        [("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Prefix", "//evil")];
    let answer = gateway.send("GET /auth/login/idp", &poison, b"");
    let location = answer.header("location").unwrap();
    let sent = pairs(location.split_once('?').unwrap().1);
    assert_eq!(sent["redirect_uri"], "https://app.example/auth/callback/idp");
    assert!(!location.contains("evil"));
    let line = answer.header("set-cookie").unwrap();
    assert!(line.starts_with("__Host-pm_login=") && line.contains("; Secure;"), "{line}");
}

#[test]
fn a_look_at_the_head_begins_and_ends_nothing() {
    let (provider, gateway) = start();
    assert_eq!(gateway.send("HEAD /auth/login/idp", &[], b"").status, 405);
    let (location, cookie) = begin(&gateway, "/");
    let query = provider.authorize(&location, "1", ADA);
    let head = gateway.send(&format!("HEAD /auth/callback/idp?{query}"), &[("Cookie", &cookie)], b"");
    assert_eq!((head.status, head.header("allow")), (405, Some("GET")));
    assert_eq!(back(&gateway, &query, &cookie).status, 303);
    for path in ["/auth/login/other", "/auth/callback/other", "/auth/login/", "/auth/login/idp/"] {
        assert_ne!(gateway.get(path).status, 302, "{path}");
    }
    assert_eq!(gateway.get("/auth/login/other").status, 404);
}

#[test]
fn jk_02_a_provider_that_goes_down_halfway_is_503_and_no_session() {
    let (provider, gateway) = start();
    let (location, cookie) = begin(&gateway, "/");
    let query = provider.authorize(&location, "1", ADA);
    provider.set_down(true);
    let answer = back(&gateway, &query, &cookie);
    assert_eq!((answer.status, &*answer.code()), (503, "SERVICE_UNAVAILABLE"));
    assert_eq!(answer.header("set-cookie"), None);
}
