//! Forged session tokens. The secret is known here, so that a token can be wrong in one thing at a time.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::token::{sign_raw, signed_with};
use crate::harness::{Gateway, Setup, Token};

const FIRST: &str = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa";
const SECOND: &str = "q8Zr5Tn2Xc7Lm4Bv1Kd9Hs6Wf3Jp0Gya";

const CONFIG: &str = r#"
[session]
secret_file = "secrets"

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }
"#;

fn setup(secrets: &str) -> Setup {
    Setup::new(CONFIG).file("secrets", secrets).user("ada", "password one", &[]).user(
        "bob",
        "password two",
        &[],
    )
}

fn status(gateway: &Gateway, token: &str) -> u16 {
    let answer = gateway.send("GET /private", &[("Cookie", &format!("pm_session={token}"))], b"");
    if answer.status == 401 {
        assert_eq!(answer.code(), "AUTHENTICATION_REQUIRED");
    }
    answer.status
}

/// A gateway and a genuine token of Ada's.
fn genuine() -> (Gateway, Token) {
    let gateway = setup(&format!("{FIRST}\n")).start();
    let token = Token::read(&gateway.sign_in("ada", "password one"));
    assert_eq!(status(&gateway, &token.sign(FIRST)), 200, "forging works at all");
    (gateway, token)
}

fn refuses(gateway: &Gateway, what: &str, token: &str) {
    assert_eq!(status(gateway, token), 401, "{what}");
}

#[test]
fn jw_01_and_jw_03_no_other_algorithm_is_believed() {
    let (gateway, token) = genuine();
    let body = token.sign(FIRST);
    let unsigned: Vec<&str> = body.split('.').collect();
    for alg in ["none", "None", "nOnE", "NONE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256"] {
        let forged = token.clone().header("alg", alg);
        refuses(&gateway, alg, &forged.sign(FIRST));
        let header = URL_SAFE_NO_PAD.encode(forged.header.to_string());
        refuses(&gateway, alg, &format!("{header}.{}.", unsigned[1]));
        refuses(&gateway, alg, &format!("{header}.{}", unsigned[1]));
        refuses(&gateway, alg, &format!("{header}.{}.{}", unsigned[1], unsigned[2]));
    }
    for alg in [Value::Null, json!(1), json!(["HS256"])] {
        refuses(&gateway, "no text", &token.clone().header("alg", alg).sign(FIRST));
    }
    refuses(&gateway, "another key", &token.sign(SECOND));
    refuses(&gateway, "no key", &token.sign(""));
    refuses(&gateway, "the secret with its newline", &token.sign(&format!("{FIRST}\n")));
}

#[test]
fn jw_04_a_kid_is_looked_up_and_nothing_else() {
    let (gateway, token) = genuine();
    let long = "k".repeat(200);
    for kid in ["../../etc/passwd", "/dev/null", "' OR 1=1--", ";id", "", "0", &long, "a\u{0}b", "secrets"] {
        refuses(&gateway, kid, &token.clone().header("kid", kid).sign(FIRST));
        refuses(&gateway, kid, &token.clone().header("kid", kid).sign(""));
    }
    for kid in [json!(0), json!(null), json!([token.header["kid"]])] {
        refuses(&gateway, "no text", &token.clone().header("kid", kid).sign(FIRST));
    }
}

#[test]
fn jw_05_and_jw_06_a_header_that_asks_for_more_is_refused() {
    let (gateway, token) = genuine();
    for (name, value) in [
        ("crit", json!(["x"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("jku", json!("http://127.0.0.1:9/jwks")),
        ("x5u", json!("http://127.0.0.1:9/x5u")),
        ("jwk", json!({ "kty": "oct", "k": "AA" })),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("typ", json!("at+jwt")),
    ] {
        refuses(&gateway, name, &token.clone().header(name, value).sign(FIRST));
    }
}

#[test]
fn jw_07_times_are_exact_numbers_without_leeway() {
    let (gateway, token) = genuine();
    let iat = token.claims["iat"].as_u64().unwrap();
    for (name, value) in [
        ("exp", json!(iat)),
        ("exp", json!(iat - 1)),
        ("exp", json!((iat + 86_400).to_string())),
        ("exp", json!(null)),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(4_000_000_000.5)),
        ("nbf", json!(iat + 3_600)),
        ("nbf", json!("0")),
        ("iat", json!(iat + 31_536_000)),
        ("iat", json!(null)),
    ] {
        refuses(&gateway, &format!("{name}: {value}"), &token.clone().claim(name, value.clone()).sign(FIRST));
    }
    for name in ["exp", "nbf", "iat", "iss", "aud", "sub", "sid"] {
        refuses(&gateway, name, &token.clone().without(name).sign(FIRST));
    }
}

#[test]
fn jw_08_issuer_audience_and_ids_are_exact_texts() {
    let (gateway, token) = genuine();
    for name in ["iss", "aud", "sub", "sid"] {
        let text = token.claims[name].as_str().unwrap().to_owned();
        for value in [
            json!(format!("{text} ")),
            json!(text.to_uppercase()),
            json!([text]),
            json!({ "a": text }),
            json!(1),
            json!(""),
            json!("' OR '1'='1"),
        ] {
            let forged = token.clone().claim(name, value.clone());
            if forged.claims != token.claims {
                refuses(&gateway, &format!("{name}: {value}"), &forged.sign(FIRST));
            }
        }
    }
    refuses(&gateway, "a claim more", &token.clone().claim("email", "ada@example.org").sign(FIRST));
}

#[test]
fn jw_09_a_name_twice_is_refused() {
    let (gateway, token) = genuine();
    let (header, claims) = (token.header.to_string(), token.claims.to_string());
    for name in ["sub", "exp", "sid", "aud"] {
        let twice = claims.replacen('{', &format!("{{\"{name}\":{},", token.claims[name]), 1);
        refuses(&gateway, name, &sign_raw(&header, &twice, FIRST));
    }
    let twice = header.replacen('{', "{\"alg\":\"none\",", 1);
    refuses(&gateway, "alg", &sign_raw(&twice, &claims, FIRST));
    let array: Vec<&Value> = token.claims.as_object().unwrap().values().collect();
    refuses(&gateway, "an array", &sign_raw(&header, &json!(array).to_string(), FIRST));
    assert_eq!(status(&gateway, &sign_raw(&header, &claims, FIRST)), 200);
}

#[test]
fn jw_10_and_jw_11_only_the_one_spelling_of_a_token_counts() {
    let (gateway, token) = genuine();
    let good = token.sign(FIRST);
    let parts: Vec<&str> = good.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    let unpadded = STANDARD.encode(URL_SAFE_NO_PAD.decode(s).unwrap());
    let last = s.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 32 bytes leave two unused bits in the last character: its neighbour decodes to the same bytes.
    let neighbour = alphabet.chars().nth(alphabet.find(last).unwrap() ^ 1).unwrap();
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        h.into(),
        format!("{h}.{p}"),
        format!("{h}.{p}."),
        format!("{h}..{s}"),
        format!(".{p}.{s}"),
        format!("{good}."),
        format!("{good}.x"),
        format!("{good}.{p}.{s}"),
        format!("{good}="),
        format!("{h}=.{p}.{s}"),
        format!("{h}.{p}.{unpadded}"),
        format!("{h}%2E{p}%2E{s}"),
        format!("{h}.{p}.{}{neighbour}", &s[..s.len() - 1]),
        format!("{h}.{p}.{}", &s[..s.len() - 1]),
        format!("{h}.{p}.{}", "A".repeat(43)),
        ".".repeat(4_000),
        format!("{h}.{}.{s}", "A".repeat(8_000)),
        json!({ "protected": h, "payload": p, "signature": s }).to_string(),
    ] {
        refuses(&gateway, &bad, &bad);
    }
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    refuses(&gateway, "nesting", &sign_raw(&token.header.to_string(), &nested, FIRST));
    assert_eq!(status(&gateway, &good), 200);
}

#[test]
fn cs_10_a_genuine_token_needs_a_session_that_is_its_own() {
    let (gateway, ada) = genuine();
    let bob = Token::read(&gateway.sign_in("bob", "password two"));
    refuses(&gateway, "another's session", &ada.clone().claim("sid", bob.claims["sid"].clone()).sign(FIRST));
    refuses(&gateway, "another's name", &ada.clone().claim("sub", bob.claims["sub"].clone()).sign(FIRST));
    let sid = ada.claims["sid"].as_str().unwrap();
    let other: String = sid.chars().rev().collect();
    refuses(&gateway, "no such session", &ada.clone().claim("sid", other).sign(FIRST));
    assert_eq!(status(&gateway, &bob.sign(FIRST)), 200);
    let output = gateway.verb(&["sessions", "revoke", "--user", "ada"]);
    assert!(output.status.success(), "{output:?}");
    let iat = ada.claims["iat"].as_u64().unwrap();
    refuses(&gateway, "a token that outlives its session", &ada.claim("exp", iat + 864_000).sign(FIRST));
}

#[test]
fn cs_11_secrets_rotate_in_the_running_gateway() {
    let gateway = setup(&format!("{FIRST}\n")).start();
    let old = gateway.sign_in("ada", "password one");
    gateway.save("secrets", &format!("{SECOND}\n{FIRST}\n"));
    gateway.until("the new generation", |g| g.generation() == 2);
    let new = gateway.sign_in("bob", "password two");
    assert_ne!(Token::read(&new).header["kid"], Token::read(&old).header["kid"]);
    assert!(signed_with(&new, SECOND) && signed_with(&old, FIRST), "the first line signs");
    assert_eq!((status(&gateway, &old[11..]), status(&gateway, &new[11..])), (200, 200), "both lines verify");
    refuses(&gateway, "the kid of one, the key of the other", &Token::read(&new).sign(FIRST));
    gateway.save("secrets", &format!("{SECOND}\n"));
    gateway.until("the new generation", |g| g.generation() == 3);
    assert_eq!((status(&gateway, &old[11..]), status(&gateway, &new[11..])), (401, 200));
    gateway.save("secrets", "");
    gateway.until("the refusal", |g| g.get("/ready").json()["policy"] == "stale");
    assert_eq!(status(&gateway, &new[11..]), 200, "an empty file changes nothing");
}
