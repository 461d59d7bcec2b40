//! Forged ID tokens. The provider's key is known here, so that a token can be wrong in one thing at a time.

use serde_json::{Value, json};

use crate::harness::provider::{CLIENT_ID, CLIENT_SECRET, Signer};
use crate::harness::token::sign_raw;
use crate::harness::{Answer, Gateway, Provider, Setup};

const CONFIG: &str = r#"
[session]
secret = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa"

[rate_limit]
ip_per_minute = 60_000
ip_burst = 60_000
"#;

fn start() -> (Provider, Gateway) {
    let provider = Provider::start();
    let gateway = Setup::new(&format!("{CONFIG}{}", provider.config(""))).start();
    assert_eq!(
        exchange(&gateway, &provider.token("1", "ada@example.org")).status,
        200,
        "a good one is accepted"
    );
    (provider, gateway)
}

fn exchange(gateway: &Gateway, token: &str) -> Answer {
    let body = json!({ "id_token": token }).to_string();
    gateway.send("POST /auth/idp", &[("Content-Type", "application/json")], body.as_bytes())
}

/// 401 in the one envelope: no cookie, and no word about what was wrong.
#[track_caller]
fn refuses(gateway: &Gateway, what: &str, token: &str) {
    let answer = exchange(gateway, token);
    assert_eq!((answer.status, &*answer.code()), (401, "AUTHENTICATION_REQUIRED"), "{what}");
    assert_eq!(answer.header("set-cookie"), None, "{what}");
    let error = answer.json()["error"].clone();
    assert_eq!(error.as_object().unwrap().len(), 3, "{what}");
    let said = error["message"].as_str().unwrap().to_lowercase();
    for word in ["signature", "expir", "issuer", "audience", "key", "token", "nonce", "provider", "algorithm"]
    {
        assert!(!said.contains(word), "{what}: {said}");
    }
}

#[test]
fn jw_01_to_jw_03_only_the_providers_own_algorithm_is_believed() {
    let (provider, gateway) = start();
    let (signer, claims) = (provider.signer(), provider.claims("1", "ada@example.org"));
    let good = signer.token(&claims);
    let parts: Vec<&str> = good.split('.').collect();
    for alg in
        ["none", "None", "nOnE", "NONE", "", "es256", "RS256", "PS256", "EdDSA", "ES384", "HS256", "HS512"]
    {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": signer.kid });
        let forged = signer.sign(&header, &claims);
        refuses(&gateway, alg, &forged);
        let (unsigned, _) = forged.rsplit_once('.').unwrap();
        refuses(&gateway, alg, &format!("{unsigned}."));
        refuses(&gateway, alg, unsigned);
        refuses(&gateway, alg, &format!("{unsigned}.{}", parts[2]));
    }
    for alg in [Value::Null, json!(1), json!(["ES256"])] {
        refuses(&gateway, "no text", &signer.sign(&json!({ "alg": alg, "kid": signer.kid }), &claims));
    }
    // HMAC with what everybody knows: the public key in each of its forms, and the client's secret.
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": signer.kid }).to_string();
    let jwk = signer.jwk();
    for secret in
        [jwk.to_string(), jwk["x"].as_str().unwrap().to_owned(), CLIENT_SECRET.into(), CLIENT_ID.into()]
    {
        refuses(&gateway, "HS256", &sign_raw(&header, &claims.to_string(), &secret));
    }
}

#[test]
fn jw_04_to_jw_06_a_key_is_found_by_its_exact_name_and_never_brought_along() {
    let (provider, gateway) = start();
    let (signer, claims) = (provider.signer(), provider.claims("1", "ada@example.org"));
    let header = |name: &str, value: Value| {
        let mut header = json!({ "alg": "ES256", "typ": "JWT", "kid": signer.kid });
        header[name] = value;
        header
    };
    let long = "k".repeat(2_000);
    for kid in ["../../etc/passwd", "/dev/null", "' OR 1=1--", ";id", "", "a\u{0}b", "KEY-1", &long] {
        refuses(&gateway, kid, &signer.sign(&header("kid", kid.into()), &claims));
    }
    for kid in [Value::Null, json!(1), json!(["key-1"])] {
        refuses(&gateway, "no text", &signer.sign(&header("kid", kid), &claims));
    }
    refuses(&gateway, "another key of the same name", &Signer::new("key-1").token(&claims));
    let own = Signer::new("own");
    for (name, value) in [
        ("jwk", own.jwk()),
        ("jku", json!(format!("{}/keys", provider.issuer))),
        ("x5u", json!(format!("{}/x5u", provider.issuer))),
        ("x5c", json!(["AA"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("typ", json!("at+jwt")),
    ] {
        refuses(&gateway, name, &signer.sign(&header(name, value.clone()), &claims));
        refuses(&gateway, name, &own.sign(&header(name, value), &claims));
    }
    assert_eq!(provider.asked("/x5u").len(), 0, "nothing is fetched because a token says so");
}

#[test]
fn jw_07_jw_08_and_oi_06_to_oi_10_every_claim_is_exact() {
    let (provider, gateway) = start();
    let (signer, claims) = (provider.signer(), provider.claims("1", "ada@example.org"));
    let iat = claims["iat"].as_u64().unwrap();
    for (name, value) in [
        ("iss", json!(format!("{}/", provider.issuer))),
        ("iss", json!(provider.issuer.to_uppercase())),
        ("iss", json!("https://accounts.google.com")),
        ("iss", json!([provider.issuer])),
        ("aud", json!("another-client")),
        ("aud", json!([CLIENT_ID, "another-client"])),
        ("aud", json!({ "a": CLIENT_ID })),
        ("azp", json!("another-client")),
        ("azp", json!(null)),
        ("exp", json!(iat)),
        ("exp", json!((iat + 600).to_string())),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(iat + 10 * 86_400)),
        ("iat", json!(iat + 86_400)),
        ("iat", json!(null)),
        ("nbf", json!(iat + 3_600)),
        ("nbf", json!("0")),
        ("sub", json!("")),
        ("sub", json!(1)),
        ("sub", json!("x".repeat(256))),
        ("email", json!("a@evil@example.org")),
        ("email", json!("ada@example.org\n")),
        ("email_verified", json!(false)),
        ("email_verified", json!("true")),
        ("email_verified", json!(null)),
        ("events", json!({})),
        ("token_use", json!("access")),
    ] {
        let mut changed = claims.clone();
        changed[name] = value.clone();
        refuses(&gateway, &format!("{name}: {value}"), &signer.token(&changed));
    }
    for name in ["iss", "aud", "exp", "iat", "sub"] {
        let mut changed = claims.clone();
        changed.as_object_mut().unwrap().remove(name);
        refuses(&gateway, name, &signer.token(&changed));
    }
    assert_eq!(exchange(&gateway, &signer.token(&claims)).status, 200);
}

#[test]
fn jw_10_to_jw_13_only_the_one_spelling_of_a_token_counts() {
    let (provider, gateway) = start();
    let good = provider.token("1", "ada@example.org");
    let parts: Vec<&str> = good.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        h.into(),
        format!("{h}.{p}"),
        format!("{h}.{p}."),
        format!("{h}..{s}"),
        format!(".{p}.{s}"),
        format!("{good}."),
        format!("{good}.{p}.{s}"),
        format!("{good}="),
        format!(" {good}"),
        format!("{h}.{p}.{}", "A".repeat(86)),
        format!("{h}.{}.{s}", "A".repeat(9_000)),
        ".".repeat(9_000),
        json!({ "protected": h, "payload": p, "signature": s }).to_string(),
    ] {
        refuses(&gateway, &bad[..bad.len().min(80)], &bad);
    }
}

#[test]
fn jk_03_and_jk_04_a_new_key_is_fetched_once_and_the_old_one_dies() {
    let (provider, gateway) = start();
    let (old, fetched) = (provider.token("1", "ada@example.org"), provider.asked("/keys").len());
    provider.rotate("key-2");
    assert_eq!(exchange(&gateway, &provider.token("1", "ada@example.org")).status, 200);
    assert_eq!(provider.asked("/keys").len(), fetched + 1);
    refuses(&gateway, "a key that is published no more", &old);
    for n in 0..50 {
        let unknown = Signer::new(&format!("unknown-{n}"));
        refuses(&gateway, "an unknown key", &unknown.token(&provider.claims("1", "ada@example.org")));
    }
    assert_eq!(provider.asked("/keys").len(), fetched + 1, "strangers cause no fetches");
    assert_eq!(exchange(&gateway, &provider.token("1", "ada@example.org")).status, 200);
}
