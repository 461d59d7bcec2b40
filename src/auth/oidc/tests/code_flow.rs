//! To the provider and back: rows OI-01 to OI-05 and OI-11.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::random::challenge;
use super::fake::{Fake, TOKEN};
use super::signer::{RSA, claims, with};
use super::*;
use crate::base::secret::Secret;
use crate::base::target::query_pairs;

const REDIRECT_URI: &str = "https://gateway.example/auth/callback/fake";
const RETURN_TO: &str = "/app?x=1";

/// A sign-in that began, with what the browser was sent along.
struct Started {
    query: BTreeMap<String, String>,
    location: String,
    cookie: String,
}

impl Started {
    fn get(&self, name: &str) -> &str {
        &self.query[name]
    }

    /// What the provider would send the browser back with.
    fn callback(&self) -> Callback<'_> {
        Callback {
            state: Some(self.get("state")),
            code: Some("the-code"),
            cookie: Some(&self.cookie),
            ..Callback::default()
        }
    }
}

async fn begin(providers: &Providers, name: &str, clock: &Clock) -> Started {
    let begin = BeginLogin { redirect_uri: REDIRECT_URI, return_to: RETURN_TO };
    let begun = providers.begin(name, &begin, Moment::of(clock)).await.unwrap();
    let query = begun.location.split_once('?').unwrap().1;
    Started {
        query: query_pairs(query).collect(),
        location: begun.location.clone(),
        cookie: begun.state_cookie_value,
    }
}

async fn finish(providers: &Providers, callback: &Callback<'_>, clock: &Clock) -> Result<Finished, Denied> {
    providers.finish("fake", callback, Moment::of(clock)).await
}

/// Lets the token endpoint answer with an ID token of this nonce.
fn issues(fake: &Fake, nonce: &str) {
    let token = RSA.token(&with(&claims(&fake.issuer), "nonce", json!(nonce)));
    let body = json!({"token_type": "Bearer", "access_token": "at", "id_token": token, "expires_in": 60});
    fake.answers(TOKEN, 200, &body.to_string());
}

#[tokio::test]
async fn a_browser_goes_to_the_provider_and_comes_back_as_somebody() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let started = begin(&providers, "fake", &clock).await;
    assert!(
        started.location.starts_with(&format!("{}/authorize?tenant=1&", fake.issuer)),
        "{}",
        started.location
    );
    assert_eq!(started.get("response_type"), "code");
    assert_eq!(started.get("client_id"), CLIENT_ID);
    assert_eq!(started.get("redirect_uri"), REDIRECT_URI);
    assert_eq!(started.get("scope"), "openid email profile");
    assert_eq!(started.get("code_challenge_method"), "S256");
    issues(&fake, started.get("nonce"));
    let finished = finish(&providers, &started.callback(), &clock).await.unwrap();
    assert_eq!((finished.identity.subject.as_str(), finished.return_to.as_str()), ("subject-1", RETURN_TO));
    let sent = fake.last(TOKEN);
    assert!(sent.head.starts_with("POST ") && !sent.head.contains("authorization"), "{}", sent.head);
    let form: BTreeMap<String, String> = query_pairs(&sent.body).collect();
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], "the-code");
    assert_eq!(form["redirect_uri"], REDIRECT_URI);
    assert_eq!(form["client_id"], CLIENT_ID);
    assert_eq!(challenge(&form["code_verifier"]), started.get("code_challenge"), "OI-03");
}

#[tokio::test]
async fn a_confidential_client_proves_itself_in_the_header_and_in_the_form_only_where_it_must() {
    let fake = Fake::start(&RSA).await;
    let clock = clock();
    let secret = Some(Secret::new("s:e c+r/et".to_owned()));
    let confidential = Provider { client_secret: secret, ..fake.provider("fake") };
    for (methods, in_header) in [
        (Value::Null, true),
        (json!(["client_secret_basic", "client_secret_post"]), true),
        (json!(["client_secret_post"]), false),
    ] {
        fake.describes(&[("token_endpoint_auth_methods_supported", methods)]);
        let providers = Providers::new(client());
        providers.apply(std::slice::from_ref(&confidential));
        let started = begin(&providers, "fake", &clock).await;
        issues(&fake, started.get("nonce"));
        assert!(finish(&providers, &started.callback(), &clock).await.is_ok());
        let sent = fake.last(TOKEN);
        let form: BTreeMap<String, String> = query_pairs(&sent.body).collect();
        let basic = STANDARD.encode("our-client:s%3Ae%20c%2Br%2Fet");
        assert_eq!(sent.head.contains(&format!("authorization: Basic {basic}")), in_header);
        assert_eq!(form.get("client_secret").map(String::as_str), (!in_header).then_some("s:e c+r/et"));
    }
}

#[tokio::test]
async fn oi_01_a_state_is_one_browsers_once_and_for_ten_minutes() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let other = begin(&providers, "fake", &clock).await;
    let refused = async |change: &dyn Fn(&mut Callback<'_>, &Started)| {
        let started = begin(&providers, "fake", &clock).await;
        issues(&fake, started.get("nonce"));
        let mut callback = started.callback();
        let snapshot =
            Started { query: started.query.clone(), location: String::new(), cookie: String::new() };
        change(&mut callback, &snapshot);
        assert_eq!(finish(&providers, &callback, &clock).await.err(), Some(Denied::Invalid));
    };
    refused(&|c, _| c.state = None).await;
    refused(&|c, _| c.state = Some("")).await;
    refused(&|c, _| c.state = Some("wrong")).await;
    refused(&|c, _| c.cookie = None).await;
    refused(&|c, _| c.cookie = Some("")).await;
    refused(&|c, _| c.cookie = Some("wrong")).await;
    refused(&|c, _| c.code = None).await;
    refused(&|c, _| c.code = Some("")).await;
    let crossed =
        Callback { cookie: Some(&begin(&providers, "fake", &clock).await.cookie), ..other.callback() };
    assert_eq!(finish(&providers, &crossed, &clock).await.err(), Some(Denied::Invalid), "another browser's");
    assert_eq!(finish(&providers, &other.callback(), &clock).await.err(), Some(Denied::Invalid), "used up");
    let started = begin(&providers, "fake", &clock).await;
    clock.advance(Duration::from_secs(10 * 60));
    assert_eq!(finish(&providers, &started.callback(), &clock).await.err(), Some(Denied::Invalid), "too old");
    assert_eq!(fake.count(TOKEN), 0, "no code was sent");
    let started = begin(&providers, "fake", &clock).await;
    issues(&fake, started.get("nonce"));
    assert_eq!(
        finish(&providers, &started.callback(), &clock).await.err(),
        Some(Denied::Invalid),
        "expired token"
    );
}

#[tokio::test]
async fn oi_01_a_state_that_succeeded_cannot_be_used_again() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let started = begin(&providers, "fake", &clock).await;
    issues(&fake, started.get("nonce"));
    assert!(finish(&providers, &started.callback(), &clock).await.is_ok());
    assert_eq!(finish(&providers, &started.callback(), &clock).await.err(), Some(Denied::Invalid));
    assert_eq!(fake.count(TOKEN), 1);
}

#[tokio::test]
async fn oi_02_a_token_with_no_nonce_or_another_signs_nobody_in() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let first = begin(&providers, "fake", &clock).await;
    let second = begin(&providers, "fake", &clock).await;
    issues(&fake, first.get("nonce"));
    assert_eq!(finish(&providers, &second.callback(), &clock).await.err(), Some(Denied::Invalid), "replayed");
    let third = begin(&providers, "fake", &clock).await;
    let body = json!({"token_type": "Bearer", "id_token": RSA.token(&claims(&fake.issuer))});
    fake.answers(TOKEN, 200, &body.to_string());
    assert_eq!(finish(&providers, &third.callback(), &clock).await.err(), Some(Denied::Invalid));
}

#[tokio::test]
async fn oi_03_a_provider_that_takes_only_plain_challenges_is_not_used() {
    let fake = Fake::start(&RSA).await;
    let clock = clock();
    for (methods, fine) in [(json!(["plain"]), false), (json!([]), false), (json!(["plain", "S256"]), true)] {
        fake.describes(&[("code_challenge_methods_supported", methods)]);
        let begin = BeginLogin { redirect_uri: REDIRECT_URI, return_to: "/" };
        let begun = fake.registry().begin("fake", &begin, Moment::of(&clock)).await;
        assert_eq!(begun.err(), (!fine).then_some(Denied::Unavailable));
    }
}

#[tokio::test]
async fn oi_04_a_code_never_goes_to_another_provider_than_the_one_it_was_asked_of() {
    let (honest, evil) = (Fake::start(&RSA).await, Fake::start(&RSA).await);
    let (providers, clock) = (Providers::new(client()), clock());
    providers.apply(&[honest.provider("fake"), evil.provider("evil")]);
    let started = begin(&providers, "evil", &clock).await;
    assert_eq!(finish(&providers, &started.callback(), &clock).await.err(), Some(Denied::Invalid));
    let started = begin(&providers, "fake", &clock).await;
    let crossed = providers.finish("evil", &started.callback(), Moment::of(&clock)).await;
    assert_eq!(crossed.err(), Some(Denied::Invalid));
    assert_eq!((honest.count(TOKEN), evil.count(TOKEN)), (0, 0));
}

#[tokio::test]
async fn oi_04_the_iss_of_an_answer_is_the_issuer_and_required_where_it_is_promised() {
    let fake = Fake::start(&RSA).await;
    let clock = clock();
    let exact = fake.issuer.clone();
    let slash = format!("{exact}/");
    for (promised, iss, fine) in [
        (false, None, true),
        (false, Some(exact.as_str()), true),
        (false, Some("https://evil.example"), false),
        (false, Some(""), false),
        (true, None, false),
        (true, Some(slash.as_str()), false),
        (true, Some(exact.as_str()), true),
    ] {
        fake.describes(&[("authorization_response_iss_parameter_supported", json!(promised))]);
        let (providers, before) = (fake.registry(), fake.count(TOKEN));
        let started = begin(&providers, "fake", &clock).await;
        issues(&fake, started.get("nonce"));
        let callback = Callback { iss, ..started.callback() };
        let outcome = finish(&providers, &callback, &clock).await;
        assert_eq!(outcome.err(), (!fine).then_some(Denied::Invalid), "{promised} {iss:?}");
        assert_eq!(fake.count(TOKEN) - before, usize::from(fine), "{promised} {iss:?}");
    }
}

#[tokio::test]
async fn oi_05_an_answer_that_says_no_uses_the_state_up_even_with_a_code() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let started = begin(&providers, "fake", &clock).await;
    issues(&fake, started.get("nonce"));
    let denied = Callback { error: Some("<script>"), ..started.callback() };
    assert_eq!(finish(&providers, &denied, &clock).await.err(), Some(Denied::Invalid));
    assert_eq!(finish(&providers, &started.callback(), &clock).await.err(), Some(Denied::Invalid));
    assert_eq!(fake.count(TOKEN), 0);
}

#[tokio::test]
async fn oi_11_what_is_no_token_answer_signs_nobody_in() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let json_head = "HTTP/1.1 200 X\r\ncontent-type: application/json\r\n";
    let raw = |head: &str, body: &str| format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    for answer in [
        raw("HTTP/1.1 200 X\r\ncontent-type: text/html\r\n", "<html>"),
        raw("HTTP/1.1 200 X\r\ncontent-type: text/html\r\n", r#"{"token_type":"Bearer","id_token":"TOKEN"}"#),
        raw(json_head, r#"{"token_type":"Bearer"}"#),
        raw(json_head, r#"{"id_token":"TOKEN"}"#),
        raw(json_head, r#"{"token_type":"DPoP","id_token":"TOKEN"}"#),
        raw(json_head, r#"{"token_type":"Bearer","id_token":"TOKEN","id_token":"TOKEN"}"#),
        raw(json_head, r#"{"token_type":"Bearer","id_token":["TOKEN"]}"#),
        raw(json_head, r#"{"token_type":"Bearer","id_token":"TOKEN","expires_in":1e99999}"#),
        format!("{json_head}content-length: 1073741824\r\n\r\n{{"),
        raw("HTTP/1.1 307 X\r\nlocation: /other\r\ncontent-type: application/json\r\n", "{}"),
        raw("HTTP/1.1 500 X\r\ncontent-type: application/json\r\n", "{}"),
        raw("HTTP/1.1 401 X\r\ncontent-type: application/json\r\n", r#"{"error":"invalid_client"}"#),
    ] {
        let started = begin(&providers, "fake", &clock).await;
        let token = RSA.token(&with(&claims(&fake.issuer), "nonce", json!(started.get("nonce"))));
        let length = |t: &str| t.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        let filled = answer.replace("TOKEN", &token);
        let (old, new) = (length(&answer), length(&filled));
        fake.answers_raw(TOKEN, filled.replace(&format!("length: {old}\r"), &format!("length: {new}\r")));
        let outcome = finish(&providers, &started.callback(), &clock).await;
        assert_eq!(outcome.err(), Some(Denied::Unavailable), "{answer}");
    }
    let started = begin(&providers, "fake", &clock).await;
    fake.answers(TOKEN, 400, r#"{"error":"invalid_grant"}"#);
    assert_eq!(finish(&providers, &started.callback(), &clock).await.err(), Some(Denied::Invalid));
    let started = begin(&providers, "fake", &clock).await;
    issues(&fake, started.get("nonce"));
    assert!(finish(&providers, &started.callback(), &clock).await.is_ok(), "the test can succeed");
}

#[tokio::test]
async fn or_01_a_sign_in_ends_on_this_site() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    for return_to in ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", ""]
    {
        let begin = BeginLogin { redirect_uri: REDIRECT_URI, return_to };
        let begun = providers.begin("fake", &begin, Moment::of(&clock)).await.unwrap();
        let query: BTreeMap<String, String> =
            query_pairs(begun.location.split_once('?').unwrap().1).collect();
        issues(&fake, &query["nonce"]);
        let (state, cookie) = (Some(query["state"].as_str()), Some(begun.state_cookie_value.as_str()));
        let callback = Callback { state, code: Some("c"), cookie, ..Callback::default() };
        assert_eq!(finish(&providers, &callback, &clock).await.unwrap().return_to, "/", "{return_to}");
    }
}

#[tokio::test]
async fn sign_ins_under_way_are_bounded_and_the_oldest_give_way() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let first = begin(&providers, "fake", &clock).await;
    let second = begin(&providers, "fake", &clock).await;
    let login = BeginLogin { redirect_uri: REDIRECT_URI, return_to: "/" };
    for _ in 0..PENDING_MAX - 1 {
        providers.begin("fake", &login, Moment::of(&clock)).await.unwrap();
    }
    assert_eq!(providers.pending.len(), PENDING_MAX);
    assert_eq!(finish(&providers, &first.callback(), &clock).await.err(), Some(Denied::Invalid));
    issues(&fake, second.get("nonce"));
    assert!(finish(&providers, &second.callback(), &clock).await.is_ok());
    clock.advance(PENDING_MAX_AGE);
    providers.begin("fake", &login, Moment::of(&clock)).await.unwrap();
    assert_eq!(providers.pending.len(), 1, "those that nobody came back from are let go");
}

#[tokio::test]
async fn a_sign_in_that_began_before_its_provider_changed_does_not_end() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let (kept, changed) = (begin(&providers, "fake", &clock).await, begin(&providers, "fake", &clock).await);
    providers.apply(&[fake.provider("fake")]);
    issues(&fake, kept.get("nonce"));
    assert!(finish(&providers, &kept.callback(), &clock).await.is_ok());
    providers.apply(&[Provider { client_id: "another".to_owned(), ..fake.provider("fake") }]);
    issues(&fake, changed.get("nonce"));
    assert_eq!(finish(&providers, &changed.callback(), &clock).await.err(), Some(Denied::Invalid));
}

#[tokio::test]
async fn states_nonces_and_verifiers_are_never_the_same_and_not_in_each_other() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let (a, b) = (begin(&providers, "fake", &clock).await, begin(&providers, "fake", &clock).await);
    let names = ["state", "nonce", "code_challenge"];
    let mut all: Vec<&str> = names.iter().flat_map(|n| [a.get(n), b.get(n)]).collect();
    all.extend([a.cookie.as_str(), b.cookie.as_str()]);
    let different: std::collections::HashSet<&str> = all.iter().copied().collect();
    assert_eq!(different.len(), 8);
    assert!(all.iter().all(|v| v.len() == 43));
    assert!(!a.location.contains(&a.cookie));
}
