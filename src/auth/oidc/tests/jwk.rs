//! Rows JK-06: what is no key, and what is no key set.

use serde_json::{Value, json};

use super::super::jwk::Key;
use super::super::jwks::{KEYS_MAX, KeySet};
use super::super::provider::Algorithm;
use super::signer::{ED25519, P256, RSA, RSA_2, b64, key_set, with};

fn key(jwk: &Value) -> Option<Key> {
    Key::read(jwk.as_object().unwrap())
}

#[track_caller]
fn no_key(jwk: &Value, name: &str, value: Value) {
    let changed = with(jwk, name, value);
    assert!(key(&changed).is_none(), "{name}: {}", changed[name]);
}

fn refusal(set: &str) -> &'static str {
    KeySet::read(set.as_bytes()).err().unwrap_or("accepted")
}

#[test]
fn a_key_verifies_what_it_signed_by_its_own_algorithms_and_nothing_else() {
    for signer in [&*RSA, &*P256, &*ED25519] {
        let key = key(&signer.jwk()).unwrap();
        for algorithm in Algorithm::ALL {
            let own = algorithm == signer.algorithm()
                || (signer.algorithm() == Algorithm::Rs256 && algorithm == Algorithm::Ps256);
            assert_eq!(key.is_for(algorithm), own, "{algorithm:?}");
            let signature = signer.sign(algorithm, b"message");
            assert_eq!(key.verify(algorithm, b"message", &signature), own, "{algorithm:?}");
            assert!(!key.verify(algorithm, b"messagf", &signature));
        }
    }
}

#[test]
fn jk_06_a_key_for_another_purpose_is_none() {
    for signer in [&*RSA, &*P256, &*ED25519] {
        let jwk = signer.jwk();
        for usage in [json!("enc"), json!("SIG"), json!(""), json!(1), json!(["sig"])] {
            no_key(&jwk, "use", usage);
        }
        for ops in
            [json!(["encrypt"]), json!(["sign"]), json!(["verify", "sign"]), json!([]), json!("verify")]
        {
            no_key(&jwk, "key_ops", ops);
        }
        assert!(key(&with(&jwk, "key_ops", json!(["verify"]))).is_some());
        assert!(key(&with(&jwk, "use", Value::Null)).is_some());
        for alg in [json!("HS256"), json!("RS512"), json!("none"), json!(""), json!(1), json!("rs256")] {
            no_key(&jwk, "alg", alg);
        }
        for kid in [json!(""), json!(1), json!(["a"]), json!("a".repeat(129))] {
            no_key(&jwk, "kid", kid);
        }
        for kty in [json!("oct"), json!("rsa"), json!("AKP"), json!(1), Value::Null] {
            no_key(&jwk, "kty", kty);
        }
    }
    let pss = key(&with(&RSA.jwk(), "alg", json!("PS256"))).unwrap();
    assert!(pss.is_for(Algorithm::Ps256) && !pss.is_for(Algorithm::Rs256));
}

#[test]
fn jk_06_a_weak_or_odd_rsa_key_is_none() {
    let jwk = RSA.jwk();
    for e in [&[1u8][..], &[0], &[2], &[4], &[0, 1, 0, 1], &[1, 0, 0], &[0xff; 9], &[]] {
        no_key(&jwk, "e", json!(b64(e)));
    }
    for bytes in [128, 255, 1_025, 4_096] {
        no_key(&jwk, "n", json!(b64(vec![0xff; bytes])));
    }
    let mut n = vec![0x7f];
    n.extend(vec![0xff; 255]);
    no_key(&jwk, "n", json!(b64(&n)));
    no_key(&jwk, "n", json!(b64([vec![0], vec![0xff; 256]].concat())));
    no_key(&jwk, "n", json!(b64([vec![0xff; 255], vec![0xfe]].concat())));
    no_key(&jwk, "n", json!(format!("{}=", jwk["n"].as_str().unwrap())));
    for name in ["n", "e"] {
        no_key(&jwk, name, Value::Null);
        no_key(&jwk, name, json!(65_537));
    }
}

#[test]
fn jk_06_a_point_off_the_curve_or_of_another_curve_is_no_key() {
    let jwk = P256.jwk();
    for crv in [json!("P-384"), json!("P-521"), json!("secp256k1"), json!("Ed25519"), json!(256), Value::Null]
    {
        no_key(&jwk, "crv", crv);
    }
    for bytes in [&[1u8; 32][..], &[0; 32], &[0xff; 32], &[1; 31], &[1; 33], &[]] {
        no_key(&jwk, "y", json!(b64(bytes)));
        no_key(&jwk, "x", json!(b64(bytes)));
    }
    no_key(&ED25519.jwk(), "crv", json!("X25519"));
    no_key(&ED25519.jwk(), "crv", json!("Ed448"));
    for bytes in [&[1u8; 31][..], &[1; 33], &[]] {
        no_key(&ED25519.jwk(), "x", json!(b64(bytes)));
    }
}

#[test]
fn jk_06_a_private_key_that_was_published_is_none() {
    no_key(&P256.jwk(), "d", json!(P256.private_exponent().unwrap()));
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        no_key(&RSA.jwk(), name, json!("AQAB"));
    }
}

#[test]
fn jk_06_a_set_that_two_readers_could_understand_differently_is_refused_whole() {
    let (a, b) = (RSA.jwk(), RSA_2.jwk());
    let oct = json!({"kty": "oct", "k": "AAAA", "kid": "x", "alg": "HS256"});
    assert_eq!(refusal(&key_set(&[a.clone(), with(&b, "kid", a["kid"].clone())])), "two keys of one name");
    assert_eq!(refusal(&key_set(&[a.clone(), oct])), "a symmetric key in public");
    assert_eq!(refusal(&key_set(&[])), "no usable key");
    assert_eq!(refusal(&key_set(&[with(&a, "use", json!("enc"))])), "no usable key");
    assert_eq!(refusal(&key_set(&vec![json!({}); KEYS_MAX + 1])), "too many keys");
    for no_set in ["<html>", "", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#]
    {
        assert_eq!(refusal(no_set), "form", "{no_set}");
    }
    let twice = format!(r#"{{"keys":[{}]}}"#, a.to_string().replacen('{', r#"{"kid":"other","#, 1));
    assert_eq!(refusal(&twice), "form");
}

#[test]
fn jk_06_a_key_is_found_by_its_exact_name_and_without_one_only_where_it_is_alone() {
    let set = |keys: &[Value]| KeySet::read(key_set(keys).as_bytes()).unwrap();
    let mixed = set(&[json!(1), RSA.jwk(), P256.jwk(), with(&RSA_2.jwk(), "use", json!("enc"))]);
    let finds = |set: &KeySet, kid, algorithm| set.find(kid, algorithm).is_some();
    assert!(finds(&mixed, Some("rsa-1"), Algorithm::Rs256));
    assert!(!finds(&mixed, Some("rsa-1"), Algorithm::Es256));
    assert!(!finds(&mixed, Some("RSA-1"), Algorithm::Rs256));
    assert!(!finds(&mixed, Some("rsa-2"), Algorithm::Rs256));
    assert!(finds(&mixed, None, Algorithm::Rs256), "the only one of its kind");
    assert!(!finds(&set(&[RSA.jwk(), RSA_2.jwk()]), None, Algorithm::Rs256));
    let nameless = set(&[with(&RSA.jwk(), "kid", Value::Null)]);
    assert!(finds(&nameless, None, Algorithm::Rs256) && !finds(&nameless, Some("rsa-1"), Algorithm::Rs256));
}
