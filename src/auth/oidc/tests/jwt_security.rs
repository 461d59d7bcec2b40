//! Rows JW and OI that concern an ID token by itself. Each test changes one thing of a token that is accepted.

use aws_lc_rs::hmac;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::claims::{Expected, LEEWAY_S, LIFETIME_S_MAX};
use super::super::id_token::{ID_TOKEN_BYTES_MAX, IdToken, Rejected};
use super::super::jwks::KeySet;
use super::signer::{ED25519, P256, RSA, RSA_2, Signer, b64, claims, key_set, with};
use super::{Algorithm, CLIENT_ID, GOOGLE_ISSUER, Identity, NOW, Provider};

const ISSUER: &str = "https://id.example";
const NONCE: &str = "the nonce of this sign-in";

fn provider() -> Provider {
    Provider::new("p", ISSUER, CLIENT_ID)
}

/// The whole way of a token, as the registry walks it.
fn judge(
    token: &str,
    provider: &Provider,
    algorithm: Algorithm,
    nonce: Option<&str>,
) -> Result<Identity, Rejected> {
    let set = key_set(&[RSA.jwk(), P256.jwk(), ED25519.jwk()]);
    let keys = KeySet::read(set.as_bytes()).unwrap();
    let token = IdToken::parse(token)?;
    let key = keys.find(token.kid(), algorithm).ok_or(Rejected::Key)?;
    token.identity(key, &Expected { provider, algorithm, nonce, now_s: NOW })
}

fn rs256(token: &str) -> Result<Identity, Rejected> {
    judge(token, &provider(), Algorithm::Rs256, None)
}

#[track_caller]
fn refused(token: &str, why: Rejected) {
    let end = token.char_indices().nth(150).map_or(token.len(), |(at, _)| at);
    assert_eq!(rs256(token).err(), Some(why), "{}", &token[..end]);
}

#[track_caller]
fn refused_claim(name: &'static str, value: Value) {
    let shown = value.to_string();
    let token = RSA.token(&with(&claims(ISSUER), name, value));
    assert_eq!(rs256(&token).err(), Some(Rejected::Claim(name)), "{name}: {shown}");
}

fn accepted(name: &str, value: Value) -> Identity {
    let shown = value.to_string();
    rs256(&RSA.token(&with(&claims(ISSUER), name, value)))
        .unwrap_or_else(|why| panic!("{name} {shown}: {why}"))
}

fn header(name: &str, value: Value) -> String {
    RSA.token_of(with(&RSA.header(), name, value).to_string(), claims(ISSUER).to_string())
}

#[test]
fn the_token_that_the_other_tests_change_is_accepted_by_every_algorithm() {
    let signers: [(&Signer, Algorithm); 4] = [
        (&RSA, Algorithm::Rs256),
        (&RSA, Algorithm::Ps256),
        (&P256, Algorithm::Es256),
        (&ED25519, Algorithm::EdDsa),
    ];
    for (signer, algorithm) in signers {
        let head = with(&signer.header(), "alg", json!(algorithm.name())).to_string();
        let token = signer.token_by(algorithm, head, claims(ISSUER).to_string());
        let identity = judge(&token, &provider(), algorithm, None).unwrap();
        assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), (ISSUER, "subject-1"));
        assert_eq!(identity.email.as_deref(), Some("ada@company.com"));
        assert_eq!(identity.name.as_deref(), Some("Ada Lovelace"));
    }
}

#[test]
fn debug_of_an_identity_shows_nobody() {
    let shown = format!("{:?}", rs256(&RSA.token(&claims(ISSUER))).unwrap());
    assert!(!shown.contains("ada") && !shown.contains("Ada") && !shown.contains("subject"), "{shown}");
}

#[test]
fn jw_01_no_spelling_of_alg_none_is_believed() {
    for alg in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!("NONE"),
        json!(""),
        json!(1),
        json!(["RS256"]),
        json!("rs256"),
        json!("RS256 "),
        json!({}),
        Value::Null,
    ] {
        refused(&header("alg", alg.clone()), Rejected::Algorithm);
        let unsigned = with(&RSA.header(), "alg", alg).to_string();
        let bare = format!("{}.{}", b64(unsigned), b64(claims(ISSUER).to_string()));
        assert!(rs256(&format!("{bare}.")).is_err() && rs256(&format!("{bare}.AAAA")).is_err());
    }
    let null = RSA.token_of(r#"{"alg":null,"typ":"JWT","kid":"rsa-1"}"#, claims(ISSUER).to_string());
    refused(&null, Rejected::Algorithm);
}

#[test]
fn jw_02_and_jw_03_a_mac_made_with_public_values_or_the_client_secret_is_no_signature() {
    let jwk = RSA.jwk();
    let secrets = [jwk.to_string(), jwk["n"].as_str().unwrap().to_owned(), "client-secret".to_owned()];
    for alg in ["HS256", "HS384", "HS512", "RS256"] {
        for secret in &secrets {
            let head = with(&RSA.header(), "alg", json!(alg)).to_string();
            let signed = format!("{}.{}", b64(head), b64(claims(ISSUER).to_string()));
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let mac = hmac::sign(&key, signed.as_bytes());
            let why = if alg == "RS256" { Rejected::Signature } else { Rejected::Algorithm };
            refused(&format!("{signed}.{}", b64(mac)), why);
        }
    }
}

#[test]
fn jw_03_a_genuine_token_by_another_algorithm_than_the_issuers_is_refused() {
    let es = P256.token(&claims(ISSUER));
    assert_eq!(judge(&es, &provider(), Algorithm::Rs256, None).err(), Some(Rejected::Key));
    let nameless = P256.token_of(r#"{"alg":"ES256"}"#, claims(ISSUER).to_string());
    assert_eq!(judge(&nameless, &provider(), Algorithm::Rs256, None).err(), Some(Rejected::Algorithm));
    let head = with(&RSA.header(), "alg", json!("PS256")).to_string();
    let pss = RSA.token_by(Algorithm::Ps256, &head, claims(ISSUER).to_string());
    refused(&pss, Rejected::Algorithm);
    let rs = RSA.token(&claims(ISSUER));
    assert_eq!(judge(&rs, &provider(), Algorithm::Ps256, None).err(), Some(Rejected::Algorithm));
    let mislabelled = RSA.token_by(Algorithm::Ps256, RSA.header().to_string(), claims(ISSUER).to_string());
    refused(&mislabelled, Rejected::Signature);
}

#[test]
fn jw_04_a_kid_is_the_exact_name_of_a_key_and_nothing_else() {
    for kid in ["../../etc/passwd", "/dev/null", "' OR 1=1--", ";cmd", "rsa-1\0", "RSA-1", "p256-1", "rsa-1 "]
    {
        refused(&header("kid", json!(kid)), Rejected::Key);
    }
    for kid in [json!(""), json!(1), json!(["rsa-1"]), json!({}), json!("a".repeat(129))] {
        refused(&header("kid", kid), Rejected::Header);
    }
    refused(&header("kid", json!("a".repeat(8_000))), Rejected::Form);
    assert!(rs256(&header("kid", Value::Null)).is_ok(), "the only RSA key of the set");
    let other = RSA_2.token_of(RSA.header().to_string(), claims(ISSUER).to_string());
    refused(&other, Rejected::Signature);
}

#[test]
fn jw_05_keys_that_a_token_brings_along_are_refused() {
    let url = json!("http://127.0.0.1:9/keys");
    for (name, value) in [("jku", url.clone()), ("x5u", url), ("x5c", json!(["MIIB"])), ("jwk", RSA_2.jwk())]
    {
        let head = with(&RSA_2.header(), name, value.clone()).to_string();
        refused(&RSA_2.token_of(head, claims(ISSUER).to_string()), Rejected::Header);
        refused(&header(name, value), Rejected::Header);
    }
}

#[test]
fn jw_06_crit_is_refused_in_every_form() {
    for crit in [json!(["x"]), json!(["b64"]), json!([]), json!(["alg"]), json!("alg")] {
        refused(&header("crit", crit), Rejected::Header);
    }
    refused(&header("b64", json!(false)), Rejected::Header);
}

#[test]
fn oi_10_a_token_of_another_type_is_no_id_token() {
    for typ in ["at+jwt", "application/at+jwt", "logout+jwt", "jwt", "JOSE", "dpop+jwt", ""] {
        refused(&header("typ", json!(typ)), Rejected::Header);
    }
    refused(&header("typ", json!(1)), Rejected::Header);
    assert!(rs256(&header("typ", Value::Null)).is_ok());
    refused_claim("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    refused_claim("typ", json!("Bearer"));
    refused_claim("typ", json!("Logout"));
    refused_claim("token_use", json!("access"));
    accepted("typ", json!("ID"));
}

#[test]
fn jw_07_times_are_whole_numbers_in_range() {
    refused_claim("exp", json!(NOW));
    refused_claim("exp", json!(NOW - 1));
    refused_claim("exp", json!(NOW + LIFETIME_S_MAX + 1));
    refused_claim("exp", json!(u64::MAX));
    accepted("exp", json!(NOW + 1));
    accepted("exp", json!(NOW + LIFETIME_S_MAX));
    refused_claim("iat", json!(NOW + LEEWAY_S + 1));
    refused_claim("iat", json!(NOW + 31_536_000));
    refused_claim("iat", json!(NOW - LIFETIME_S_MAX - 1));
    refused_claim("iat", json!(0));
    accepted("iat", json!(NOW + LEEWAY_S));
    refused_claim("nbf", json!(NOW + LEEWAY_S + 1));
    accepted("nbf", json!(NOW + LEEWAY_S));
    accepted("nbf", json!(0));
    for name in ["exp", "iat", "nbf"] {
        for value in
            [json!("1800000060"), json!(-1), json!(1.8e9), json!(1e300), json!([NOW]), json!(true), json!({})]
        {
            refused_claim(name, value);
        }
        let text = with(&claims(ISSUER), name, Value::Null).to_string();
        let null_text = text.replacen('{', &format!("{{\"{name}\":null,"), 1);
        refused(&RSA.token_of(RSA.header().to_string(), null_text), Rejected::Claim(name));
    }
    refused_claim("exp", Value::Null);
    refused_claim("iat", Value::Null);
}

#[test]
fn oi_06_and_jw_08_the_issuer_is_an_exact_text() {
    for iss in [
        json!("https://id.example/"),
        json!("https://ID.example"),
        json!("http://id.example"),
        json!("id.example"),
        json!("https://id.example "),
        json!("https://\u{456}d.example"),
        json!([ISSUER]),
        json!({}),
        json!(1),
        json!(""),
        json!(GOOGLE_ISSUER),
        Value::Null,
    ] {
        refused_claim("iss", iss);
    }
}

#[test]
fn oi_06_google_writes_its_issuer_in_two_documented_ways() {
    let google = Provider::new("google", GOOGLE_ISSUER, CLIENT_ID);
    let says = |iss: Value| {
        judge(&RSA.token(&with(&claims(ISSUER), "iss", iss)), &google, Algorithm::Rs256, None)
            .map(|i| i.issuer)
    };
    assert_eq!(says(json!(GOOGLE_ISSUER)).as_deref(), Ok(GOOGLE_ISSUER));
    assert_eq!(says(json!("accounts.google.com")).as_deref(), Ok(GOOGLE_ISSUER), "one person, one key");
    for iss in ["http://accounts.google.com", "https://accounts.google.com/", "Accounts.google.com"] {
        assert_eq!(says(json!(iss)), Err(Rejected::Claim("iss")), "{iss}");
    }
    assert_eq!(says(json!(["accounts.google.com"])), Err(Rejected::Claim("iss")));
}

#[test]
fn oi_07_and_jw_08_the_token_is_for_us_and_was_issued_to_us() {
    for aud in [
        json!("other"),
        json!("our-client "),
        json!("OUR-CLIENT"),
        json!(""),
        json!([]),
        json!(["other"]),
        json!([CLIENT_ID, 1]),
        json!({"our-client": 1}),
        json!(1),
        Value::Null,
    ] {
        refused_claim("aud", aud);
    }
    accepted("aud", json!([CLIENT_ID]));
    accepted("azp", json!(CLIENT_ID));
    for azp in [json!("other"), json!(""), json!([CLIENT_ID]), json!(1)] {
        refused_claim("azp", azp);
    }
    let both = with(&claims(ISSUER), "aud", json!([CLIENT_ID, "other"]));
    refused(&RSA.token(&both), Rejected::Claim("azp"));
    refused(&RSA.token(&with(&both, "azp", json!("other"))), Rejected::Claim("azp"));
    assert!(rs256(&RSA.token(&with(&both, "azp", json!(CLIENT_ID)))).is_ok());
}

#[test]
fn jw_08_the_subject_is_a_text_of_1_to_255_bytes() {
    for sub in
        [json!(""), json!(1), json!(["a"]), json!({}), json!("a".repeat(256)), json!("a\0b"), Value::Null]
    {
        refused_claim("sub", sub);
    }
    assert_eq!(accepted("sub", json!("a".repeat(255))).subject.len(), 255);
}

#[test]
fn oi_02_the_nonce_is_the_one_that_was_sent() {
    let with_nonce = |nonce: Value| {
        let token = RSA.token(&with(&claims(ISSUER), "nonce", nonce));
        judge(&token, &provider(), Algorithm::Rs256, Some(NONCE)).err()
    };
    assert_eq!(with_nonce(json!(NONCE)), None);
    for nonce in [
        json!("another"),
        json!(""),
        json!([NONCE]),
        json!(1),
        json!("The nonce of this sign-in"),
        Value::Null,
    ] {
        assert_eq!(with_nonce(nonce.clone()), Some(Rejected::Claim("nonce")), "{nonce}");
    }
    assert!(rs256(&RSA.token(&with(&claims(ISSUER), "nonce", json!("any")))).is_ok(), "none was sent");
}

#[test]
fn oi_08_an_address_counts_only_if_the_provider_says_true() {
    refused_claim("email_verified", json!(false));
    refused_claim("email_verified", Value::Null);
    for kind in [json!("true"), json!(1), json!([true]), json!({})] {
        refused_claim("email_verified", kind);
    }
    let lenient = Provider { unverified_email: true, ..provider() };
    let email = |verified: Value| {
        let token = RSA.token(&with(&claims(ISSUER), "email_verified", verified));
        judge(&token, &lenient, Algorithm::Rs256, None).map(|i| i.email)
    };
    assert_eq!(email(json!(false)), Ok(None));
    assert_eq!(email(Value::Null), Ok(None));
    assert_eq!(email(json!("true")), Err(Rejected::Claim("email_verified")));
    assert_eq!(email(json!(true)), Ok(Some("ada@company.com".to_owned())));
    assert_eq!(accepted("email", Value::Null).email, None);
    accepted("hd", json!("evil.example"));
}

#[test]
fn oi_09_an_address_that_can_be_read_in_two_ways_is_refused() {
    for address in [
        "a@evil@company.com",
        "a@company.com.",
        "\"a b\"@company.com",
        "a@company.com\n",
        "a@comp\u{430}ny.com",
    ] {
        refused_claim("email", json!(address));
    }
    for kind in [json!(1), json!(["ada@company.com"]), json!({}), json!(true)] {
        refused_claim("email", kind);
    }
    assert_eq!(accepted("email", json!("A@COMPANY.COM")).email.as_deref(), Some("a@company.com"));
}

#[test]
fn a_name_is_for_display_and_never_a_reason_to_refuse() {
    for name in [json!(1), json!(""), json!("a\u{1b}[31m"), json!("a".repeat(256)), Value::Null] {
        assert_eq!(accepted("name", name.clone()).name, None, "{name}");
    }
}

#[test]
fn jw_09_nothing_stands_twice_in_header_or_claims() {
    let text = claims(ISSUER).to_string();
    for name in ["sub", "exp", "iss", "aud", "email", "email_verified", "iat", "name"] {
        let value = claims(ISSUER)[name].to_string();
        let twice = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        refused(&RSA.token_of(RSA.header().to_string(), twice), Rejected::Form);
    }
    for roles in
        [r#""roles":1,"roles":2"#, r#""jti":"a","jti":"b""#, r#""x":{"y":1,"y":1}"#, r#""j":1,"\u006a":1"#]
    {
        let twice = text.replacen('{', &format!("{{{roles},"), 1);
        refused(&RSA.token_of(RSA.header().to_string(), twice), Rejected::Form);
    }
    for name in ["alg", "typ", "kid"] {
        let value = RSA.header()[name].to_string();
        let twice = RSA.header().to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1);
        refused(&RSA.token_of(twice, text.clone()), Rejected::Form);
    }
}

#[test]
fn jw_10_a_token_has_one_encoding() {
    let good = RSA.token(&claims(ISSUER));
    let parts: Vec<&str> = good.split('.').collect();
    let join = |parts: [&str; 3]| parts.join(".");
    for (at, part) in parts.iter().enumerate() {
        let padded = format!("{part}=");
        let spaced = format!(" {part}");
        let broken = format!("{part}\n");
        let standard = format!("{}+", &part[..part.len() - 1]);
        for changed in [&padded, &spaced, &broken, &standard] {
            let mut all = [parts[0], parts[1], parts[2]];
            all[at] = changed;
            refused(&join(all), Rejected::Form);
        }
    }
    // 256 bytes are 342 letters, the last of which has unused bits.
    let last = parts[2].chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    refused(&format!("{}{next}", &good[..good.len() - 1]), Rejected::Form);
    refused(&good.replace('.', "%2E"), Rejected::Form);
    let bom = [b"\xef\xbb\xbf".to_vec(), claims(ISSUER).to_string().into_bytes()].concat();
    refused(&RSA.token_of(RSA.header().to_string(), bom), Rejected::Form);
    let utf16: Vec<u8> = claims(ISSUER).to_string().encode_utf16().flat_map(u16::to_be_bytes).collect();
    refused(&RSA.token_of(RSA.header().to_string(), utf16), Rejected::Form);
}

#[test]
fn jw_11_a_token_has_three_parts_that_are_objects_and_a_signature() {
    let good = RSA.token(&claims(ISSUER));
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    for shape in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        head.to_owned(),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!("{head}..{signature}"),
        format!(".{body}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{good}.{signature}.{signature}"),
        format!("{good} "),
        json!({"payload": body, "signatures": [{"protected": head, "signature": signature}]}).to_string(),
    ] {
        refused(&shape, Rejected::Form);
    }
    for payload in ["[]", "null", "\"x\"", "1", ""] {
        assert_eq!(rs256(&RSA.token_of(RSA.header().to_string(), payload)).err(), Some(Rejected::Form));
    }
    let trailing = format!("{} {{}}", claims(ISSUER));
    refused(&RSA.token_of(RSA.header().to_string(), trailing), Rejected::Form);
}

#[test]
fn jw_12_an_encrypted_token_is_refused_without_any_work() {
    for (name, value) in [
        ("enc", json!("A128GCM")),
        ("zip", json!("DEF")),
        ("p2c", json!(2_147_483_648u64)),
        ("cty", json!("JWT")),
    ] {
        refused(&header(name, value), Rejected::Header);
    }
    let head = b64(r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#);
    refused(&format!("{head}.AAAA.AAAA.AAAA.AAAA"), Rejected::Form);
    refused(&header("alg", json!("PBES2-HS256+A128KW")), Rejected::Algorithm);
}

#[test]
fn jw_13_a_token_is_bounded_before_it_is_taken_apart() {
    refused(&"a".repeat(ID_TOKEN_BYTES_MAX + 1), Rejected::Form);
    refused(&".".repeat(1_000_000), Rejected::Form);
    refused(&header("x", json!("a".repeat(1_000_000))), Rejected::Form);
    let deep = [r#"{"a":"#.repeat(200), "1".to_owned(), "}".repeat(200)].concat();
    refused(&RSA.token_of(&deep, claims(ISSUER).to_string()), Rejected::Form);
    refused(&RSA.token_of(RSA.header().to_string(), &deep), Rejected::Form);
    let long = with(&claims(ISSUER), "x", json!("a".repeat(4_000)));
    assert!(rs256(&RSA.token(&long)).is_ok());
}

#[test]
fn jw_15_an_es256_signature_is_two_numbers_in_range_and_nothing_else() {
    let good = P256.token(&claims(ISSUER));
    let signed = good.rsplit_once('.').unwrap().0;
    let signature = P256.sign(Algorithm::Es256, signed.as_bytes());
    let outcome =
        |bytes: &[u8]| judge(&format!("{signed}.{}", b64(bytes)), &provider(), Algorithm::Es256, None).err();
    assert_eq!(outcome(&signature), None);
    // The order of the curve's group (SEC 2 section 2.4.2).
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let (zero, mut one) = ([0; 32], [0; 32]);
    one[31] = 1;
    let mut less = order;
    less[31] -= 1;
    let (r, s) = signature.split_at(32);
    for number in [zero, one, less, order, [0xff; 32]] {
        for bytes in [[&number, s].concat(), [r, &number].concat(), [number, number].concat()] {
            assert_eq!(outcome(&bytes), Some(Rejected::Signature), "{bytes:x?}");
        }
    }
    let der = [&[0x30, 0x44, 0x02, 0x20][..], r, &[0x02, 0x20], s].concat();
    let long = [&signature[..], &[0]].concat();
    for bytes in [&der[..], &long, &signature[..63], &[&[0], &signature[..]].concat()] {
        assert_eq!(outcome(bytes), Some(Rejected::Signature));
    }
}

#[test]
fn jw_16_an_rs256_signature_is_as_long_as_the_key_and_says_exactly_one_thing() {
    let good = RSA.token(&claims(ISSUER));
    let signed = good.rsplit_once('.').unwrap().0;
    let signature = RSA.sign(Algorithm::Rs256, signed.as_bytes());
    let outcome = |bytes: &[u8]| rs256(&format!("{signed}.{}", b64(bytes))).err();
    assert_eq!(outcome(&signature), None);
    let leading = [&[0], &signature[..]].concat();
    for bytes in [&leading[..], &signature[1..], &signature[..255], &[0; 256], &[0xff; 256], &[1], &[0; 512]]
    {
        assert_eq!(outcome(bytes), Some(Rejected::Signature));
    }
    for at in [0, 100, 255] {
        let mut flipped = signature.clone();
        flipped[at] ^= 1;
        assert_eq!(outcome(&flipped), Some(Rejected::Signature));
    }
}

proptest! {
    #[test]
    fn a_token_with_any_one_character_changed_is_refused(at in 0usize..2_000, letter in "[A-Za-z0-9_.~-]") {
        let good = RSA.token(&claims(ISSUER));
        let at = at % good.len();
        let changed = format!("{}{letter}{}", &good[..at], &good[at + 1..]);
        prop_assert_eq!(rs256(&changed).is_ok(), changed == good);
    }

    #[test]
    fn no_text_is_a_token_and_none_panics(text in "\\PC{0,200}") {
        prop_assert!(rs256(&text).is_err());
        prop_assert!(KeySet::read(text.as_bytes()).is_err());
    }

    #[test]
    fn no_claim_of_any_kind_panics(name in "(iss|aud|azp|sub|exp|iat|nbf|nonce|email|email_verified|name|typ)", text in "\\PC{0,40}", number: i64) {
        for value in [json!(text), json!(number), json!([text]), json!({"a": number}), json!(number % 2 == 0)] {
            let token = RSA.token(&with(&claims(ISSUER), &name, value));
            let _ = judge(&token, &provider(), Algorithm::Rs256, Some(&text));
        }
    }
}

fn hex(text: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}
