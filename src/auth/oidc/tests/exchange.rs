//! An ID token against a provider on a port: fetching, rotation, outages, allow lists.

use std::time::Duration;

use serde_json::{Value, json};

use super::fake::{DISCOVERY, Fake, KEYS};
use super::signer::{P256, RSA, RSA_2, claims, with};
use super::*;

async fn exchange(providers: &Providers, token: &str, clock: &Clock) -> Result<Identity, Denied> {
    providers.exchange("fake", token, Moment::of(clock)).await
}

#[tokio::test]
async fn an_id_token_of_a_known_provider_is_exchanged_for_an_identity() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    assert_eq!((fake.count(DISCOVERY), fake.count(KEYS)), (0, 0), "nobody is asked before it is needed");
    for _ in 0..10 {
        let identity = exchange(&providers, &RSA.token(&claims(&fake.issuer)), &clock).await.unwrap();
        assert_eq!((identity.issuer, identity.subject), (fake.issuer.clone(), "subject-1".to_owned()));
    }
    assert_eq!((fake.count(DISCOVERY), fake.count(KEYS)), (1, 1));
    let es = P256.token(&claims(&fake.issuer));
    assert_eq!(exchange(&providers, &es, &clock).await, Err(Denied::Invalid));
    assert_eq!(providers.exchange("other", "x", Moment::of(&clock)).await, Err(Denied::UnknownProvider));
}

#[tokio::test]
async fn an_issuer_that_signs_by_es256_is_known_by_its_description() {
    let fake = Fake::start(&P256).await;
    let (providers, clock) = (fake.registry(), clock());
    assert!(exchange(&providers, &P256.token(&claims(&fake.issuer)), &clock).await.is_ok());
    fake.publishes(&[P256.jwk(), RSA.jwk()]);
    assert_eq!(exchange(&providers, &RSA.token(&claims(&fake.issuer)), &clock).await, Err(Denied::Invalid));
}

#[tokio::test]
async fn jw_11_what_is_no_token_makes_no_request() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let (huge, dots) = ("a".repeat(1_000_000), ".".repeat(1_000_000));
    for junk in ["", "a.b.c", "a.b.c.d.e", huge.as_str(), dots.as_str()] {
        assert_eq!(exchange(&providers, junk, &clock).await, Err(Denied::Invalid));
    }
    assert_eq!((fake.count(DISCOVERY), fake.count(KEYS)), (0, 0));
}

#[tokio::test]
async fn jk_01_a_provider_that_is_down_at_first_is_asked_again_later() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let token = RSA.token(&claims(&fake.issuer));
    fake.answers(DISCOVERY, 500, "{}");
    assert_eq!(exchange(&providers, &token, &clock).await, Err(Denied::Unavailable));
    fake.describes(&[]);
    assert_eq!(exchange(&providers, &token, &clock).await, Err(Denied::Unavailable), "in the pause");
    assert_eq!(fake.count(DISCOVERY), 1);
    clock.advance(Duration::from_secs(1));
    assert!(exchange(&providers, &token, &clock).await.is_ok());
}

#[tokio::test]
async fn jk_01_a_provider_that_nobody_is_listening_for_is_unavailable() {
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let (providers, clock) = (Providers::new(client()), clock());
    providers.apply(&[Provider::new("fake", &gone, CLIENT_ID)]);
    assert_eq!(exchange(&providers, &RSA.token(&claims(&gone)), &clock).await, Err(Denied::Unavailable));
}

#[tokio::test]
async fn jk_02_a_provider_that_goes_down_later_is_believed_for_a_day() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let token = |clock: &Clock| {
        let now = Moment::of(clock).unix_s();
        let fresh = with(&claims(&fake.issuer), "iat", json!(now - 1));
        RSA.token(&with(&fresh, "exp", json!(now + 60)))
    };
    assert!(exchange(&providers, &token(&clock), &clock).await.is_ok());
    fake.answers(DISCOVERY, 503, "");
    fake.answers(KEYS, 503, "");
    for _ in 0..23 {
        clock.advance(Duration::from_secs(60 * 60));
        assert!(exchange(&providers, &token(&clock), &clock).await.is_ok());
    }
    assert!(fake.count(KEYS) > 5, "it was asked in the meantime");
    clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(exchange(&providers, &token(&clock), &clock).await, Err(Denied::Unavailable));
}

#[tokio::test]
async fn jk_03_a_new_key_is_fetched_once_and_an_old_one_ends_with_the_set() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let (old, new) = (RSA.token(&claims(&fake.issuer)), RSA_2.token(&claims(&fake.issuer)));
    assert!(exchange(&providers, &old, &clock).await.is_ok());
    fake.publishes(&[RSA.jwk(), RSA_2.jwk()]);
    for _ in 0..5 {
        assert!(exchange(&providers, &new, &clock).await.is_ok());
        assert!(exchange(&providers, &old, &clock).await.is_ok());
    }
    assert_eq!(fake.count(KEYS), 2);
    fake.publishes(&[RSA_2.jwk()]);
    assert!(exchange(&providers, &old, &clock).await.is_ok(), "the set is fresh");
    clock.advance(Duration::from_secs(60 * 60));
    let now = json!(Moment::of(&clock).unix_s() + 60);
    let later =
        |signer: &super::signer::Signer| signer.token(&with(&claims(&fake.issuer), "exp", now.clone()));
    assert_eq!(exchange(&providers, &later(&RSA), &clock).await, Err(Denied::Invalid));
    assert!(exchange(&providers, &later(&RSA_2), &clock).await.is_ok());
}

#[tokio::test]
async fn jk_04_ten_thousand_tokens_of_unknown_keys_make_one_fetch_and_hurt_nobody() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let good = RSA.token(&claims(&fake.issuer));
    assert!(exchange(&providers, &good, &clock).await.is_ok());
    for n in 0..10_000 {
        let head = json!({"alg": "RS256", "kid": format!("random-{n}")}).to_string();
        let forged = format!("{}.e30.AAAA", super::signer::b64(head));
        assert_eq!(exchange(&providers, &forged, &clock).await, Err(Denied::Invalid));
    }
    assert_eq!(fake.count(KEYS), 2);
    assert!(exchange(&providers, &good, &clock).await.is_ok());
}

#[tokio::test]
async fn jk_06_and_jk_07_an_answer_that_is_no_key_set_is_not_followed_and_not_read_to_its_end() {
    let fake = Fake::start(&RSA).await;
    let other = Fake::start(&RSA).await;
    let clock = clock();
    let token = RSA.token(&claims(&fake.issuer));
    let location = format!("{}{KEYS}", other.issuer);
    let set = super::signer::key_set(&[RSA.jwk()]);
    let chunks = format!("{:x}\r\n{}\r\n", 65_536, "a".repeat(65_536)).repeat(5);
    for answer in [
        format!("HTTP/1.1 302 X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"),
        "HTTP/1.1 200 X\r\ncontent-length: 6\r\n\r\n<html>".to_owned(),
        "HTTP/1.1 200 X\r\ncontent-length: 52428800\r\n\r\n{".to_owned(),
        format!("HTTP/1.1 200 X\r\ncontent-length: 999\r\n\r\n{set}"),
        format!("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
        format!("HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n{set}", set.len()),
        format!("HTTP/1.1 404 X\r\ncontent-length: {}\r\n\r\n{set}", set.len()),
        "SSH-2.0-x\r\n".to_owned(),
        String::new(),
    ] {
        fake.answers_raw(KEYS, answer.clone());
        let providers = fake.registry();
        let outcome = exchange(&providers, &token, &clock).await;
        assert_eq!(outcome, Err(Denied::Unavailable), "{}", &answer[..answer.len().min(60)]);
    }
    assert_eq!(other.count(KEYS), 0);
    fake.answers(KEYS, 200, &set);
    assert!(exchange(&fake.registry(), &token, &clock).await.is_ok());
}

#[tokio::test]
async fn jk_08_five_hundred_first_requests_make_one_fetch_of_each_document() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (Arc::new(fake.registry()), clock());
    let token = RSA.token(&claims(&fake.issuer));
    let all: Vec<_> = (0..500)
        .map(|_| {
            let (providers, token, clock) = (Arc::clone(&providers), token.clone(), clock.clone());
            tokio::spawn(async move { exchange(&providers, &token, &clock).await })
        })
        .collect();
    for one in all {
        assert!(one.await.unwrap().is_ok());
    }
    assert_eq!((fake.count(DISCOVERY), fake.count(KEYS)), (1, 1));
}

/// The gateway's shape: a runtime a thread, futures that stay on it, one registry for all.
#[tokio::test]
async fn workers_with_a_runtime_each_share_one_fetch() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (Arc::new(fake.registry()), clock());
    let token = RSA.token(&claims(&fake.issuer));
    let worker = || {
        let (providers, token, clock) = (Arc::clone(&providers), token.clone(), clock.clone());
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new()
                .block_on(&runtime, async { exchange(&providers, &token, &clock).await.map(|i| i.subject) })
        })
    };
    let workers = [worker(), worker(), worker(), worker()];
    for one in workers {
        assert_eq!(one.await.unwrap().as_deref(), Ok("subject-1"));
    }
    assert_eq!((fake.count(DISCOVERY), fake.count(KEYS)), (1, 1));
}

#[tokio::test]
async fn oi_12_a_provider_that_describes_another_is_unavailable_and_one_that_was_good_stays() {
    let fake = Fake::start(&RSA).await;
    let clock = clock();
    let token = RSA.token(&claims(&fake.issuer));
    for change in [("issuer", json!("http://127.0.0.1:1")), ("jwks_uri", json!("http://id.example/keys"))] {
        fake.describes(&[change]);
        assert_eq!(exchange(&fake.registry(), &token, &clock).await, Err(Denied::Unavailable));
    }
    fake.describes(&[]);
    let providers = fake.registry();
    assert!(exchange(&providers, &token, &clock).await.is_ok());
    fake.describes(&[("issuer", json!("http://127.0.0.1:1"))]);
    clock.advance(Duration::from_secs(60 * 60));
    let later = with(&claims(&fake.issuer), "exp", json!(Moment::of(&clock).unix_s() + 60));
    assert!(exchange(&providers, &RSA.token(&later), &clock).await.is_ok());
}

#[tokio::test]
async fn oi_13_a_token_for_one_client_is_nothing_to_another_of_the_same_issuer() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (Providers::new(client()), clock());
    let other = Provider { client_id: "other-client".to_owned(), ..fake.provider("other") };
    providers.apply(&[fake.provider("fake"), other]);
    let token = RSA.token(&claims(&fake.issuer));
    assert!(exchange(&providers, &token, &clock).await.is_ok());
    assert_eq!(providers.exchange("other", &token, Moment::of(&clock)).await, Err(Denied::Invalid));
}

#[tokio::test]
async fn oi_08_and_oi_09_who_is_on_no_list_may_not_sign_in() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (Providers::new(client()), clock());
    let listed = Provider {
        allowed_domains: vec!["company.com".to_owned()],
        allowed_emails: vec!["guest@else.example".to_owned()],
        unverified_email: true,
        ..fake.provider("fake")
    };
    providers.apply(&[listed]);
    let outcome = async |changes: &[(&str, Value)]| {
        let changed =
            changes.iter().fold(claims(&fake.issuer), |all, (name, value)| with(&all, name, value.clone()));
        exchange(&providers, &RSA.token(&changed), &clock).await.err()
    };
    assert_eq!(outcome(&[]).await, None);
    assert_eq!(outcome(&[("email", json!("Guest@Else.example"))]).await, None);
    for email in ["x@else.example", "ada@sub.company.com", "ada@evilcompany.com"] {
        assert_eq!(outcome(&[("email", json!(email))]).await, Some(Denied::NotAllowed), "{email}");
    }
    assert_eq!(outcome(&[("email", Value::Null)]).await, Some(Denied::NotAllowed));
    assert_eq!(outcome(&[("email_verified", json!(false))]).await, Some(Denied::NotAllowed));
    assert_eq!(outcome(&[("email_verified", Value::Null)]).await, Some(Denied::NotAllowed));
    let spoofed = [("email", json!("x@else.example")), ("hd", json!("company.com"))];
    assert_eq!(outcome(&spoofed).await, Some(Denied::NotAllowed));
}

#[tokio::test]
async fn a_reload_keeps_what_was_learned_of_an_issuer_that_stays() {
    let fake = Fake::start(&RSA).await;
    let (providers, clock) = (fake.registry(), clock());
    let token = RSA.token(&claims(&fake.issuer));
    assert!(exchange(&providers, &token, &clock).await.is_ok());
    providers.apply(&[fake.provider("fake"), fake.provider("second")]);
    assert!(exchange(&providers, &token, &clock).await.is_ok());
    let strict = Provider { allowed_domains: vec!["else.example".to_owned()], ..fake.provider("fake") };
    providers.apply(&[strict]);
    assert_eq!(exchange(&providers, &token, &clock).await, Err(Denied::NotAllowed));
    assert_eq!((fake.count(DISCOVERY), fake.count(KEYS)), (1, 1));
    assert_eq!(providers.names(), ["fake"]);
    providers.apply(&[]);
    assert_eq!(exchange(&providers, &token, &clock).await, Err(Denied::UnknownProvider));
    providers.apply(&[fake.provider("fake")]);
    assert!(exchange(&providers, &token, &clock).await.is_ok());
    assert_eq!(fake.count(KEYS), 2, "what was gone is learned anew");
}
