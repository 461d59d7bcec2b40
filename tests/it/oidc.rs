//! `POST /auth/{provider}`: an ID token for a session; accounts of people whom a provider vouches for.

use serde_json::json;

use crate::harness::gateway::verb;
use crate::harness::{Answer, Gateway, Provider, Setup, Token, Upstream};

const CONFIG: &str = r#"
[session]
secret = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa"
per_user_max = 5

[rate_limit]
ip_per_minute = 60_000
ip_burst = 60_000

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }
"#;
const JSON: (&str, &str) = ("Content-Type", "application/json");
const ADA: &str = "ada@example.org";

fn start(provider: &Provider, more: &str) -> Gateway {
    Setup::new(&format!("{CONFIG}{}", provider.config(more))).user("bob", "password two", &[]).start()
}

fn exchange(gateway: &Gateway, token: &str) -> Answer {
    gateway.send("POST /auth/idp", &[JSON], json!({ "id_token": token }).to_string().as_bytes())
}

fn signed_in(gateway: &Gateway, token: &str) -> String {
    let answer = exchange(gateway, token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.cookie().unwrap()
}

fn status(gateway: &Gateway, cookie: &str) -> u16 {
    gateway.send("GET /private", &[("Cookie", cookie)], b"").status
}

#[test]
fn an_id_token_becomes_a_session_with_the_roles_of_the_configuration() {
    let provider = Provider::start();
    let gateway = start(&provider, "roles = [\"staff\"]");
    let token = provider.token("subject-1", "Ada@Example.org");
    let answer = exchange(&gateway, &token);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert_eq!(answer.json()["status"], "ok");
    let user = answer.json()["user"].clone();
    assert_eq!((&user["email"], &user["roles"]), (&json!(ADA), &json!(["staff"])));
    let cookie = answer.cookie().unwrap();
    assert!(!answer.text().contains(&cookie[11..]) && !answer.text().contains(&token), "no token in a body");
    assert_eq!(status(&gateway, &cookie), 200);
    let session = gateway.send("GET /auth/session", &[("Cookie", &cookie)], b"");
    assert_eq!((&session.json()["hasToken"], &session.json()["user"]), (&json!(true), &user));
    let claims = Token::read(&cookie).claims.to_string();
    assert!(
        !claims.contains('@') && !claims.contains("Ada") && !claims.contains("subject-1"),
        "the cookie says nothing of the person"
    );
    assert_eq!(
        gateway.send("POST /auth/logout", &[("Cookie", &cookie), ("Origin", "http://localhost")], b"").status,
        204
    );
    assert_eq!(status(&gateway, &cookie), 401);
}

#[test]
fn what_is_no_such_request_is_told_so() {
    let provider = Provider::start();
    let gateway = start(&provider, "");
    let token = provider.token("1", ADA);
    let good = json!({ "id_token": token }).to_string();
    for body in ["{}", "[]", "1", r#"{"id_token":1}"#, r#"{"id_token":null}"#, r#"{"token":"x"}"#] {
        let answer = gateway.send("POST /auth/idp", &[JSON], body.as_bytes());
        assert_eq!((answer.status, &*answer.code()), (422, "INVALID_INPUT"), "{body}");
        assert!(answer.json()["error"]["details"].is_array(), "{body}");
    }
    for body in ["", "{", r#"{"id_token":"a","id_token":"b"}"#, r#"{"a":{"a":{"a":{"a":{"a":1}}}}}"#] {
        assert_eq!(gateway.send("POST /auth/idp", &[JSON], body.as_bytes()).status, 400, "{body}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jwt"] {
        let answer = gateway.send("POST /auth/idp", &[("Content-Type", kind)], good.as_bytes());
        assert_eq!((answer.status, &*answer.code()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{kind}");
    }
    let large = json!({ "id_token": "x".repeat(20_000) }).to_string();
    assert_eq!(gateway.send("POST /auth/idp", &[JSON], large.as_bytes()).status, 413);
    assert_eq!(gateway.send("POST /auth/other", &[JSON], good.as_bytes()).status, 404);
    let get = gateway.get("/auth/idp");
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(gateway.send("POST /auth/idp", &[JSON], good.as_bytes()).status, 200);
}

#[test]
fn oi_08_and_oi_09_only_those_on_the_lists_may_sign_in() {
    let provider = Provider::start();
    let gateway = start(
        &provider,
        "allowed_domains = [\"@Example.org\"]\nallowed_emails = [\"eve@else.example\"]\nunverified_email = true",
    );
    for email in [ADA, "ADA@EXAMPLE.ORG", "eve@else.example"] {
        assert_eq!(exchange(&gateway, &provider.token(email, email)).status, 200, "{email}");
    }
    for email in ["x@evil-example.org", "x@sub.example.org", "x@example.org.evil.example", "bob@else.example"]
    {
        let answer = exchange(&gateway, &provider.token(email, email));
        assert_eq!((answer.status, &*answer.code()), (403, "FORBIDDEN"), "{email}");
        assert_eq!(answer.header("set-cookie"), None);
        assert!(!answer.text().contains("example"), "{}", answer.text());
    }
    let mut claims = provider.claims("1", ADA);
    claims["email_verified"] = json!(false);
    claims["hd"] = json!("example.org");
    assert_eq!(exchange(&gateway, &provider.signer().token(&claims)).status, 403, "hd proves no address");
}

#[test]
fn cs_03_another_site_signs_nobody_in() {
    let provider = Provider::start();
    let gateway = start(&provider, "");
    let body = json!({ "id_token": provider.token("1", ADA) }).to_string();
    for foreign in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]
    {
        let answer = gateway.send("POST /auth/idp", &[JSON, foreign], body.as_bytes());
        assert_eq!((answer.status, &*answer.code()), (403, "ORIGIN_NOT_ALLOWED"), "{foreign:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    assert_eq!(provider.asked("/keys").len(), 0, "nothing was looked at");
}

#[test]
fn cs_07_and_oi_14_each_sign_in_is_a_new_session_and_there_are_few_of_them() {
    let provider = Provider::start();
    let gateway = start(&provider, "");
    let token = provider.token("1", ADA);
    let old = signed_in(&gateway, &token);
    let body = json!({ "id_token": token }).to_string();
    let answer = gateway.send(
        "POST /auth/idp",
        &[JSON, ("Cookie", &old), ("Origin", "http://localhost")],
        body.as_bytes(),
    );
    let new = answer.cookie().unwrap();
    assert_ne!(Token::read(&old).claims["sid"], Token::read(&new).claims["sid"]);
    assert_eq!(
        (status(&gateway, &old), status(&gateway, &new)),
        (401, 200),
        "the browser's old session is over"
    );
    let cookies: Vec<String> = (0..20).map(|_| signed_in(&gateway, &token)).collect();
    let live = cookies.iter().filter(|cookie| status(&gateway, cookie) == 200).count();
    assert_eq!(live, 5, "`session.per_user_max` bounds what one token can be used for");
}

#[test]
fn a_person_is_known_by_issuer_and_subject_also_after_a_crash() {
    let provider = Provider::start();
    let gateway = start(&provider, "");
    let user = |cookie: &str| Token::read(cookie).claims["sub"].clone();
    let cookie = signed_in(&gateway, &provider.token("1", ADA));
    let gateway = gateway.kill_and_restart();
    assert_eq!(status(&gateway, &cookie), 200, "the session outlives the crash");
    let again = signed_in(&gateway, &provider.token("1", "lovelace@example.org"));
    assert_eq!(user(&again), user(&cookie), "another address, the same person");
    let other = signed_in(&gateway, &provider.token("2", ADA));
    assert_ne!(user(&other), user(&cookie), "the same address, another person");
    let me = gateway.send("GET /auth/me", &[("Cookie", &other)], b"").json();
    assert!(me["user"]["name"].as_str().unwrap().starts_with("idp-"), "{me}");
}

#[test]
fn a_local_account_is_never_taken_over_by_an_address() {
    let provider = Provider::start();
    let config = format!("{CONFIG}{}", provider.config(""));
    let gateway = Setup::new(&config).user(ADA, "password one", &["admin"]).start();
    let local = gateway.sign_in(ADA, "password one");
    let cookie = signed_in(&gateway, &provider.token("1", ADA));
    assert_ne!(Token::read(&local).claims["sub"], Token::read(&cookie).claims["sub"]);
    let me = gateway.send("GET /auth/me", &[("Cookie", &cookie)], b"").json();
    assert_eq!(me["user"]["roles"], json!([]));
}

#[test]
fn a_disabled_person_is_out_at_once_and_stays_out() {
    let provider = Provider::start();
    let gateway = start(&provider, "");
    let cookie = signed_in(&gateway, &provider.token("1", ADA));
    let output = gateway.verb(&["users", "disable", ADA]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(status(&gateway, &cookie), 401);
    for subject in ["1", "1"] {
        let answer = exchange(&gateway, &provider.token(subject, "other@example.org"));
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None));
    }
}

#[test]
fn a_person_who_was_forgotten_is_a_new_one_at_the_next_sign_in() {
    let provider = Provider::start();
    let gateway = start(&provider, "");
    let cookie = signed_in(&gateway, &provider.token("canary-subject", ADA));
    let output = gateway.verb(&["users", "forget", ADA]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(status(&gateway, &cookie), 401);
    let gateway = gateway.kill_and_restart();
    for file in ["data/pluginmind.db", "data/pluginmind.db-wal"] {
        let bytes = std::fs::read(gateway.at(file)).unwrap_or_default();
        for trace in [ADA, "canary-subject"] {
            assert!(!bytes.windows(trace.len()).any(|w| w == trace.as_bytes()), "{trace} in {file}");
        }
    }
    let again = signed_in(&gateway, &provider.token("canary-subject", ADA));
    assert_ne!(Token::read(&again).claims["sub"], Token::read(&cookie).claims["sub"]);
}

#[test]
fn providers_come_and_go_with_an_edit() {
    let provider = Provider::start();
    let gateway = Setup::new(CONFIG).start();
    let token = provider.token("1", ADA);
    assert_eq!(exchange(&gateway, &token).status, 404);
    let config = gateway.config();
    gateway.save("config.toml", &format!("{config}{}", provider.config("")));
    gateway.until("the provider is there", |g| g.generation() == 2);
    let cookie = signed_in(&gateway, &token);
    gateway.save(
        "config.toml",
        &format!("{config}{}", provider.config("allowed_emails = [\"eve@else.example\"]")),
    );
    gateway.until("only Eve may sign in", |g| g.generation() == 3);
    assert_eq!(exchange(&gateway, &token).status, 403);
    gateway.save("config.toml", &config);
    gateway.until("the provider is gone", |g| g.generation() == 4);
    assert_eq!((exchange(&gateway, &token).status, gateway.get("/auth/login/idp").status), (404, 404));
    assert_eq!(status(&gateway, &cookie), 200, "who is signed in stays so");
}

#[test]
fn check_finds_what_is_wrong_with_a_provider() {
    let checked = |table: &str| {
        let folder = Setup::new(&format!("{CONFIG}\n{table}")).folder();
        let output = verb(folder.path(), &["check"], &[], None);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = checked("[auth.providers.google]\nclient_id = \"x\"");
    assert_eq!(code, Some(0), "google needs a client id only: {said}");
    for (table, word) in [
        ("[auth.providers.login]\nissuer = \"https://id.example\"\nclient_id = \"x\"", "login"),
        ("[auth.providers.idp]\nclient_id = \"x\"", "issuer"),
        ("[auth.providers.idp]\nissuer = \"https://id.example\"", "client_id"),
        ("[auth.providers.idp]\nissuer = \"http://id.example\"\nclient_id = \"x\"", "https"),
        (
            "[auth.providers.idp]\nissuer = \"https://id.example\"\nclient_id = \"x\"\nalgorithm = \"HS256\"",
            "HS256",
        ),
        (
            "[auth.providers.idp]\nissuer = \"https://id.example\"\nclient_id = \"x\"\nalowed_emails = []",
            "allowed_emails",
        ),
        (
            "[auth.providers.idp]\nissuer = \"https://id.example\"\nclient_id = \"x\"\nclient_secret_file = \"nowhere\"",
            "nowhere",
        ),
    ] {
        let (code, said) = checked(table);
        assert_eq!(code, Some(1), "{table}: {said}");
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn jk_01_and_jk_02_a_provider_that_is_down_stops_only_those_who_need_it() {
    let provider = Provider::start();
    provider.set_down(true);
    let gateway = start(&provider, "");
    let answer = exchange(&gateway, &provider.token("1", ADA));
    assert_eq!((answer.status, &*answer.code()), (503, "SERVICE_UNAVAILABLE"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(gateway.get("/auth/login/idp").status, 503);
    assert_eq!(status(&gateway, &gateway.sign_in("bob", "password two")), 200, "others sign in");
    assert_eq!(gateway.get("/ready").status, 200);
    provider.set_down(false);
    gateway.until("the provider is asked again", |g| exchange(g, &provider.token("1", ADA)).status == 200);
    provider.set_down(true);
    let cookie = signed_in(&gateway, &provider.token("1", ADA));
    assert_eq!(status(&gateway, &cookie), 200, "the keys are known");
}

#[test]
fn the_upstream_learns_who_it_is_and_no_cookie() {
    let (provider, upstream) = (Provider::start(), Upstream::hello());
    let routes = upstream.config().replace("auth = \"none\"", "auth = \"required\"");
    let gateway = Setup::new(&format!("{CONFIG}{routes}{}", provider.config(""))).start();
    let cookie = signed_in(&gateway, &provider.token("1", ADA));
    let forged = ("X-Auth-Request-Email", "root@example.org");
    assert_eq!(gateway.send("GET /up/x", &[("Cookie", &cookie), forged], b"").status, 200);
    let seen = upstream.only().to_lowercase();
    assert!(seen.contains(&format!("x-auth-request-email: {ADA}\r\n")) && !seen.contains("root@"), "{seen}");
    assert!(!seen.contains("pm_session") && !seen.contains("subject"), "{seen}");
}

#[test]
fn oi_15_no_person_and_no_token_is_in_the_log_or_the_metrics() {
    let provider = Provider::start();
    let mut gateway =
        Setup::new(&format!("{CONFIG}{}", provider.config("allowed_domains = [\"example.org\"]")))
            .env("LOG_LEVEL", "info")
            .start();
    let (token, outside) =
        (provider.token("canary-subject", ADA), provider.token("canary-2", "eve@else.example"));
    let cookie = signed_in(&gateway, &token);
    assert_eq!(exchange(&gateway, &outside).status, 403);
    assert_eq!(exchange(&gateway, "canary-token").status, 401);
    assert_eq!(gateway.get("/auth/callback/idp?state=canary-state&code=canary-code").status, 401);
    gateway.wait_for_log(|line| line.contains("/auth/callback/{provider}"));
    let log = gateway.log().join("\n");
    let metrics = gateway.ask_admin("GET /metrics", &[], b"").text();
    for secret in ["ada@", "eve@", "Ada L", "canary", &token, &outside, &cookie] {
        assert!(!log.contains(secret) && !metrics.contains(secret), "{secret}");
    }
    assert!(metrics.contains("route=\"/auth/{provider}\""), "the label is the template");
}
