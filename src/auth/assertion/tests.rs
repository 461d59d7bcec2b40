//! Tests of the signed assertion.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

use super::*;

fn at(unix_s: i64) -> Moment {
    Moment { at: Instant::now(), unix_ms: unix_s * 1_000 }
}

fn assertions(folder: &tempfile::TempDir) -> Assertions {
    let assertions = Assertions::new(folder.path().join("data"));
    assertions.prepare().unwrap();
    assertions
}

fn ada(roles: &[String]) -> Subject<'_> {
    Subject { holder: [1; 16], user: "u1", email: Some("ada@example.org"), roles }
}

/// The claims, as a reader with nothing but the key set believes them.
fn read(assertions: &Assertions, value: &HeaderValue, audience: &str) -> Option<Value> {
    let token = value.to_str().unwrap();
    let set = assertions.jwks().unwrap();
    let key = &set["keys"][0];
    assert_eq!(decode_header(token).unwrap().kid.as_deref(), key["kid"].as_str());
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let key = DecodingKey::from_ec_components(&text("x"), &text("y")).unwrap();
    let mut wanted = Validation::new(Algorithm::ES256);
    wanted.set_audience(&[audience]);
    wanted.set_issuer(&[ISSUER]);
    wanted.validate_exp = false;
    decode::<Value>(token, &key, &wanted).ok().map(|t| t.claims)
}

#[test]
fn an_assertion_says_who_for_one_service_and_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let assertions = assertions(&folder);
    let roles = ["staff".to_owned()];
    let value = assertions.sign(ada(&roles), "app", at(1_000)).unwrap();
    assert!(value.is_sensitive());
    let claims = read(&assertions, &value, "app").unwrap();
    let wanted = json!({ "iss": "pluginmind", "aud": "app", "sub": "u1", "email": "ada@example.org",
        "roles": ["staff"], "iat": 1_000, "exp": 1_060 });
    assert_eq!(claims, wanted);
    assert_eq!(read(&assertions, &value, "other"), None, "another service does not believe it");
}

#[test]
fn one_is_sent_again_for_half_its_time_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let assertions = assertions(&folder);
    let first = assertions.sign(ada(&[]), "app", at(1_000)).unwrap();
    assert_eq!(assertions.sign(ada(&[]), "app", at(1_029)).unwrap(), first);
    for later in [1_030, 999] {
        let fresh = assertions.sign(ada(&[]), "app", at(later)).unwrap();
        assert_eq!(read(&assertions, &fresh, "app").unwrap()["iat"], later);
    }
}

#[test]
fn nothing_kept_is_sent_for_another_session_service_or_account() {
    let folder = tempfile::tempdir().unwrap();
    let assertions = assertions(&folder);
    let staff = ["staff".to_owned()];
    let first = assertions.sign(ada(&[]), "app", at(1_000)).unwrap();
    let bob = Subject { holder: [2; 16], user: "u2", email: None, roles: &[] };
    assert_eq!(
        read(&assertions, &assertions.sign(bob, "app", at(1_000)).unwrap(), "app").unwrap()["sub"],
        "u2"
    );
    assert!(read(&assertions, &assertions.sign(ada(&[]), "wiki", at(1_000)).unwrap(), "wiki").is_some());
    let promoted = assertions.sign(ada(&staff), "app", at(1_000)).unwrap();
    assert_ne!(promoted, first, "a changed account is told at once");
    assert_eq!(read(&assertions, &promoted, "app").unwrap()["roles"], json!(["staff"]));
}

#[test]
fn the_key_is_its_owners_alone_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let first = assertions(&folder);
    let path = folder.path().join("data").join(KEY_FILE);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("-----BEGIN PRIVATE KEY-----\n") && text.lines().all(|l| l.len() <= 64),
        "{text}"
    );
    let value = first.sign(ada(&[]), "app", at(1_000)).unwrap();
    let second = assertions(&folder);
    assert_eq!(second.jwks(), first.jwks());
    assert!(read(&second, &value, "app").is_some(), "what was signed before a restart is believed after it");
    assert_eq!(std::fs::read_dir(folder.path().join("data")).unwrap().count(), 1, "no draft is left");
}

#[test]
fn a_file_that_holds_no_key_is_refused_and_stays_as_it_is() {
    for bad in ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEY_FILE), bad).unwrap();
        let assertions = Assertions::new(folder.path().to_owned());
        let error = assertions.prepare().unwrap_err().to_string();
        assert!(error.contains("holds no P-256 key") && !error.contains("AAAA"), "{error}");
        assert_eq!(assertions.jwks(), None);
        assert_eq!(assertions.sign(ada(&[]), "app", at(1)).unwrap_err(), AssertionError::NoKey);
        assert_eq!(std::fs::read_to_string(folder.path().join(KEY_FILE)).unwrap(), bad);
    }
}
