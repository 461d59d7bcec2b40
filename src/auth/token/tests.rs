//! Rows JW of the threat list that concern the session token.

use jsonwebtoken::EncodingKey;
use proptest::prelude::*;

use super::super::keyring::tests::ring;
use super::*;

const NOW: u64 = 1_800_000_000;
const KEY: &str = "the key of these tests";

fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token over any bytes, with a genuine MAC.
fn signed_parts(header: &str, payload: &str, key: &str, algorithm: Algorithm) -> String {
    let message = format!("{header}.{payload}");
    let key = EncodingKey::from_secret(key.as_bytes());
    let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{mac}")
}

fn signed(header: &str, payload: &str) -> String {
    signed_parts(&b64(header), &b64(payload), KEY, Algorithm::HS256)
}

fn kid() -> String {
    ring(&[KEY]).signing().0.to_owned()
}

fn good_header() -> String {
    format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{}"}}"#, kid())
}

fn ids() -> (UserId, SessionId) {
    (UserId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]))
}

/// The claims of a good token, each replaced by what `change` says: a raw JSON value, or nothing to leave it out.
fn payload(change: &[(&str, Option<&str>)]) -> String {
    let (sub, sid) = ids();
    let (now, exp) = (NOW.to_string(), (NOW + 60).to_string());
    let quoted = |text: &str| format!("\"{text}\"");
    let good = [
        ("sub", quoted(&sub.text())),
        ("sid", quoted(&sid.text())),
        ("iat", now.clone()),
        ("nbf", now),
        ("exp", exp),
        ("iss", quoted(ISSUER)),
        ("aud", quoted(AUDIENCE)),
    ];
    let members: Vec<String> = good
        .into_iter()
        .filter_map(|(name, value)| {
            let value = match change.iter().find(|(changed, _)| *changed == name) {
                Some((_, replacement)) => (*replacement)?.to_owned(),
                None => value,
            };
            Some(format!("\"{name}\":{value}"))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

fn outcome(token: &str) -> Result<Claims, Rejected> {
    verify(&ring(&[KEY]), token, NOW)
}

#[track_caller]
fn refused(token: &str) {
    assert_eq!(outcome(token), Err(Rejected::Invalid), "{}", &token[..token.len().min(200)]);
}

fn refused_header(header: &str) {
    refused(&signed(header, &payload(&[])));
}

fn refused_claim(name: &str, value: &str) {
    refused(&signed(&good_header(), &payload(&[(name, Some(value))])));
}

/// What the other tests change one thing of: it is believed.
#[test]
fn a_token_of_any_maker_with_the_key_and_the_form_is_believed() {
    let (sub, sid) = ids();
    let claims = Claims { sub, sid, iat: NOW, nbf: NOW, exp: NOW + 60 };
    assert_eq!(outcome(&signed(&good_header(), &payload(&[]))), Ok(claims));
    assert_eq!(outcome(&issue(&ring(&[KEY]), sub, sid, NOW, NOW + 60)), Ok(claims));
}

#[test]
fn a_token_holds_nothing_but_opaque_ids_and_times() {
    let (sub, sid) = ids();
    let token = issue(&ring(&[KEY]), sub, sid, NOW, NOW + 60);
    let part =
        |n| String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap();
    assert_eq!(part(0), format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, kid()));
    assert_eq!(part(1), payload(&[]));
    assert!(token.len() < 500, "{}", token.len());
}

#[test]
fn jw_01_no_spelling_of_alg_none_is_believed() {
    let unsigned = |header: &str| format!("{}.{}.", b64(header), b64(payload(&[])));
    for alg in [
        "\"none\"",
        "\"None\"",
        "\"nOnE\"",
        "\"NONE\"",
        "\"\"",
        "null",
        "1",
        "[\"HS256\"]",
        "\"hs256\"",
        "\"HS256 \"",
    ] {
        let header = format!(r#"{{"alg":{alg},"typ":"JWT","kid":"{}"}}"#, kid());
        refused_header(&header);
        refused(&unsigned(&header));
    }
    refused_header(&format!(r#"{{"typ":"JWT","kid":"{}"}}"#, kid()));
    refused(&unsigned(&good_header()));
}

#[test]
fn jw_03_no_other_algorithm_is_believed_even_with_a_genuine_mac() {
    for alg in ["HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"] {
        refused_header(&good_header().replace("HS256", alg));
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let header = good_header().replace("HS256", &format!("{algorithm:?}"));
        refused(&signed_parts(&b64(&header), &b64(payload(&[])), KEY, algorithm));
        refused(&signed_parts(&b64(good_header()), &b64(payload(&[])), KEY, algorithm));
    }
}

#[test]
fn jw_04_a_kid_is_the_exact_name_of_a_key_in_the_ring_and_nothing_else() {
    let long = "a".repeat(3_000);
    let other = ring(&["another key"]).signing().0.to_owned();
    let upper = kid().to_uppercase() + " ";
    for kid in ["../../etc/passwd", "/dev/null", "' OR 1=1--", ";cmd", &long, "\\u0000", "", &other, &upper] {
        refused_header(&format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{kid}"}}"#));
    }
    for kid in ["1", "null", "[]", "{}"] {
        refused_header(&format!(r#"{{"alg":"HS256","typ":"JWT","kid":{kid}}}"#));
    }
    refused_header(r#"{"alg":"HS256","typ":"JWT"}"#);
}

#[test]
fn jw_05_keys_that_a_token_brings_along_are_refused() {
    for (name, value) in [
        ("jku", "\"http://127.0.0.1:9/jwks\""),
        ("x5u", "\"http://127.0.0.1:9/cert\""),
        ("x5c", "[\"MIIB\"]"),
        ("jwk", r#"{"kty":"oct","k":"AAAA"}"#),
    ] {
        refused_header(&good_header().replace('}', &format!(",\"{name}\":{value}}}")));
    }
}

#[test]
fn jw_06_crit_is_refused_in_every_form() {
    for crit in [
        r#""crit":["x"]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":[]"#,
        r#""crit":["alg"]"#,
        r#""b64":true"#,
    ] {
        refused_header(&good_header().replace('}', &format!(",{crit}}}")));
    }
}

#[test]
fn jw_06_typ_is_jwt_and_nothing_else() {
    for typ in ["\"jwt\"", "\"at+jwt\"", "\"JOSE\"", "null", "1"] {
        refused_header(&good_header().replace("\"JWT\"", typ));
    }
    refused_header(&format!(r#"{{"alg":"HS256","kid":"{}"}}"#, kid()));
}

#[test]
fn jw_07_times_are_whole_numbers_in_range_and_there_is_no_leeway() {
    let at = |name: &str, value: u64| {
        outcome(&signed(&good_header(), &payload(&[(name, Some(&value.to_string()))])))
    };
    assert_eq!(at("exp", NOW), Err(Rejected::Expired));
    assert_eq!(at("iat", NOW - 100).map(|c| c.iat), Ok(NOW - 100));
    assert_eq!(at("exp", NOW + 1).map(|c| c.exp), Ok(NOW + 1));
    assert_eq!(at("nbf", NOW + 1), Err(Rejected::Invalid));
    assert_eq!(at("iat", NOW + 1), Err(Rejected::Invalid));
    assert_eq!(at("exp", NOW + LIFETIME_MAX.as_secs() + 1), Err(Rejected::Invalid));
    assert_eq!(at("exp", NOW - 1), Err(Rejected::Invalid), "ends before it was made");
    assert_eq!(at("exp", u64::MAX), Err(Rejected::Invalid));
    for name in ["iat", "nbf", "exp"] {
        for value in [
            "\"1800000060\"",
            "null",
            "-1",
            "1800000060.0",
            "1e300",
            "1.8e9",
            "18446744073709551616",
            "[1]",
            "true",
        ] {
            refused_claim(name, value);
        }
        refused(&signed(&good_header(), &payload(&[(name, None)])));
    }
}

#[test]
fn jw_08_issuer_audience_and_subject_are_exact_strings() {
    for name in ["iss", "aud"] {
        for value in [
            "null",
            "1",
            "{}",
            r#"["pluginmind","pluginmind-session"]"#,
            "\"\"",
            "\"pluginmind \"",
            "\"pIuginmind\"",
            "\"\u{440}luginmind\"",
        ] {
            refused_claim(name, value);
        }
    }
    refused_claim("aud", r#"["pluginmind-session"]"#);
    for value in
        ["null", "1", "\"\"", "\"ada@example.org\"", "\"' OR 1=1--\"", "\"01010101010101010101010101010101\""]
    {
        refused_claim("sub", value);
        refused_claim("sid", &value.replace("01010101010101010101010101010101", "../x"));
    }
    for name in ["sub", "sid", "iss", "aud"] {
        refused(&signed(&good_header(), &payload(&[(name, None)])));
    }
}

#[test]
fn jw_09_repeated_and_unknown_members_are_refused() {
    for name in ["sub", "sid", "iat", "nbf", "exp", "iss", "aud"] {
        let good = payload(&[]);
        let value = good.split(&format!("\"{name}\":")).nth(1).unwrap().split([',', '}']).next().unwrap();
        refused(&signed(&good_header(), &good.replace('}', &format!(",\"{name}\":{value}}}"))));
    }
    for name in ["alg", "typ", "kid"] {
        let value =
            if name == "kid" { kid() } else { if name == "alg" { "HS256" } else { "JWT" }.to_owned() };
        refused_header(&good_header().replace('}', &format!(",\"{name}\":\"{value}\"}}")));
    }
    refused(&signed(&good_header(), &payload(&[]).replace('}', ",\"email\":\"ada@example.org\"}")));
}

#[test]
fn jw_10_only_one_encoding_of_a_token_is_believed() {
    let (header, body) = (b64(good_header()), b64(payload(&[])));
    let token = signed_parts(&header, &body, KEY, Algorithm::HS256);
    let mac = token.rsplit('.').next().unwrap();
    let last = mac.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let same_bits = alphabet.chars().nth(alphabet.find(last).unwrap() ^ 1).unwrap();
    refused(&format!("{}{same_bits}", &token[..token.len() - 1]));
    for changed in [
        format!("{token}="),
        format!("{token}\n"),
        format!(" {token}"),
        token.replace('.', "%2E"),
        token.replacen('.', " .", 1),
        format!("\u{feff}{token}"),
    ] {
        refused(&changed);
    }
    let utf16: Vec<u8> = payload(&[]).encode_utf16().flat_map(u16::to_le_bytes).collect();
    for odd in
        [b64(utf16), b64(format!("\u{feff}{}", payload(&[]))), format!("{body}="), b64("[]"), b64("null")]
    {
        refused(&signed_parts(&header, &odd, KEY, Algorithm::HS256));
    }
    let (sub, sid) = ids();
    let array =
        format!(r#"["{}","{}",{NOW},{NOW},{},"{ISSUER}","{AUDIENCE}"]"#, sub.text(), sid.text(), NOW + 60);
    refused(&signed(&good_header(), &array));
    refused_header(&format!(r#"["HS256","JWT","{}"]"#, kid()));
}

#[test]
fn jw_11_a_token_has_three_parts_and_all_of_them_are_there() {
    let token = signed(&good_header(), &payload(&[]));
    let [header, body, mac]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for shape in [
        String::new(),
        ".".into(),
        "..".into(),
        header.into(),
        format!("{header}.{body}"),
        format!("{header}..{mac}"),
        format!(".{body}.{mac}"),
        format!("{header}.{body}."),
        format!("{token}."),
        format!("{token}.{mac}"),
        format!("{token} x"),
        format!(r#"{{"protected":"{header}","payload":"{body}","signature":"{mac}"}}"#),
    ] {
        refused(&shape);
    }
}

#[test]
fn jw_12_encrypted_and_compressed_tokens_are_refused() {
    refused(&["eyJhbGciOiJkaXIifQ", "", "AAAA", "AAAA", "AAAA"].join("."));
    for member in [r#""enc":"A256GCM""#, r#""zip":"DEF""#, r#""p2c":2147483648"#, r#""cty":"JWT""#] {
        refused_header(&good_header().replace('}', &format!(",{member}}}")));
    }
}

#[test]
fn jw_13_a_token_past_the_cap_is_refused_before_it_is_split() {
    for long in [".".repeat(1_000_000), "a".repeat(8 << 20), format!("{}.a.b", "a".repeat(1 << 20))] {
        assert_eq!(parts(&long), None);
        refused(&long);
    }
    let at_cap = format!("a.b.{}", "c".repeat(TOKEN_BYTES_MAX - 4));
    assert!(parts(&at_cap).is_some());
    assert!(parts(&(at_cap + "c")).is_none());
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    refused_claim("sub", &deep);
    refused_header(&deep);
}

#[test]
fn jw_17_a_wrong_mac_is_refused_whichever_byte_is_wrong() {
    let token = signed(&good_header(), &payload(&[]));
    let (message, mac) = token.rsplit_once('.').unwrap();
    let mac = URL_SAFE_NO_PAD.decode(mac).unwrap();
    for byte in 0..mac.len() {
        let mut wrong = mac.clone();
        wrong[byte] ^= 1;
        refused(&format!("{message}.{}", b64(wrong)));
    }
    for length in [0, 16, 31] {
        refused(&format!("{message}.{}", b64(&mac[..length])));
    }
}

#[test]
fn cs_11_a_token_of_the_previous_key_holds_while_that_key_is_in_the_ring() {
    let (sub, sid) = ids();
    let old = issue(&ring(&["old"]), sub, sid, NOW, NOW + 60);
    assert!(verify(&ring(&["new", "old"]), &old, NOW).is_ok());
    assert_eq!(verify(&ring(&["new"]), &old, NOW), Err(Rejected::Invalid));
    let forged = signed_parts(&b64(good_header()), &b64(payload(&[])), "old", Algorithm::HS256);
    assert_eq!(
        verify(&ring(&[KEY, "old"]), &forged, NOW),
        Err(Rejected::Invalid),
        "the kid of one key, the MAC of another"
    );
}

proptest! {
    #[test]
    fn whatever_is_issued_is_believed_in_its_time(user: [u8; 16], session: [u8; 16], now in 1u64..4_000_000_000, life in 1u64..315_360_000) {
        let (sub, sid) = (UserId::from_bytes(user), SessionId::from_bytes(session));
        let keys = ring(&[KEY]);
        let token = issue(&keys, sub, sid, now, now + life);
        let claims = Claims { sub, sid, iat: now, nbf: now, exp: now + life };
        prop_assert_eq!(verify(&keys, &token, now), Ok(claims));
        prop_assert_eq!(verify(&keys, &token, now + life - 1), Ok(claims));
        prop_assert_eq!(verify(&keys, &token, now + life), Err(Rejected::Expired));
        prop_assert_eq!(verify(&keys, &token, now - 1), Err(Rejected::Invalid));
    }

    #[test]
    fn no_text_and_no_changed_byte_is_believed(text in ".{0,300}", at: prop::sample::Index, to: u8) {
        prop_assert_eq!(outcome(&text), Err(Rejected::Invalid));
        let mut bytes = signed(&good_header(), &payload(&[])).into_bytes();
        let at = at.index(bytes.len());
        if bytes[at] != to {
            bytes[at] = to;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert_eq!(outcome(&changed), Err(Rejected::Invalid));
            }
        }
    }
}
