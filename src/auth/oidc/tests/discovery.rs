//! Rows OI-12: what a provider says of itself.

use serde_json::{Value, json};

use super::super::discovery::{Metadata, read};
use super::super::provider::{Algorithm, Provider};
use super::CLIENT_ID;
use super::signer::with;

const ISSUER: &str = "https://id.example";

fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://id.example/authorize",
        "token_endpoint": "https://id.example/token",
        "jwks_uri": "https://keys.example/keys",
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
    })
}

fn check(name: &str, value: Value) -> Result<Metadata, &'static str> {
    let provider = Provider::new("p", ISSUER, CLIENT_ID);
    read(with(&document(), name, value).to_string().as_bytes(), &provider)
}

#[test]
fn oi_12_the_issuer_is_the_configured_one_to_the_letter() {
    assert!(check("issuer", json!(ISSUER)).is_ok());
    for issuer in [
        json!("https://id.example/"),
        json!("https://ID.example"),
        json!("http://id.example"),
        json!("https://evil.example"),
        json!([ISSUER]),
        json!("id.example"),
        Value::Null,
    ] {
        assert_eq!(check("issuer", issuer.clone()).err(), Some("issuer"), "{issuer}");
    }
}

#[test]
fn oi_12_endpoints_are_https_and_never_where_credentials_are_handed_out() {
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        for url in [
            json!("http://id.example/x"),
            json!("http://127.0.0.1/x"),
            json!("https://169.254.169.254/x"),
            json!("https://[::ffff:169.254.169.254]/x"),
            json!("https://user:word@id.example/x"),
            json!("https://id.example/x#f"),
            json!("file:///etc/passwd"),
            json!("javascript:alert(1)"),
            json!("/x"),
            json!(""),
            json!(1),
            json!(["https://id.example/x"]),
        ] {
            assert_eq!(check(name, url.clone()).err(), Some(name), "{url}");
        }
    }
    assert_eq!(check("jwks_uri", Value::Null).err(), Some("jwks_uri"));
    assert!(check("token_endpoint", Value::Null).is_ok_and(|m| m.token.is_none()));
}

#[test]
fn the_algorithm_is_the_configured_one_else_rs256_else_the_first_advertised_that_is_no_mac() {
    let chosen = |list: Value| check("id_token_signing_alg_values_supported", list).map(|m| m.algorithm);
    assert_eq!(chosen(json!(["ES256", "RS256"])), Ok(Algorithm::Rs256));
    assert_eq!(chosen(json!(["EdDSA", "ES256", "HS256"])), Ok(Algorithm::Es256));
    assert_eq!(chosen(Value::Null), Ok(Algorithm::Rs256));
    for bad in [json!(["HS256", "none", "es256"]), json!([]), json!("RS256"), json!([1])] {
        assert_eq!(chosen(bad.clone()), Err("id_token_signing_alg_values_supported"), "{bad}");
    }
    let configured = Provider { algorithm: Some(Algorithm::Ps256), ..Provider::new("p", ISSUER, CLIENT_ID) };
    let read = read(document().to_string().as_bytes(), &configured).unwrap();
    assert_eq!(read.algorithm, Algorithm::Ps256);
}

#[test]
fn oi_12_a_document_that_says_a_thing_twice_or_is_none_is_refused() {
    let provider = Provider::new("p", ISSUER, CLIENT_ID);
    let twice = document().to_string().replacen('{', r#"{"issuer":"https://evil.example","#, 1);
    for body in [twice.as_str(), "<html></html>", "", "[]", "null"] {
        assert_eq!(read(body.as_bytes(), &provider).err(), Some("form"), "{body}");
    }
}

#[test]
fn google_needs_a_client_id_alone() {
    let issuer = Provider::preset_issuer("google").unwrap();
    let google = Provider::new("google", issuer, CLIENT_ID);
    assert_eq!(google.problem(), None);
    assert_eq!(google.scope(), "openid email profile");
    let url = google.discovery_url().unwrap().text();
    assert_eq!(url, "https://accounts.google.com/.well-known/openid-configuration");
    assert_eq!(Provider::preset_issuer("other"), None);
}

#[test]
fn a_description_is_below_the_issuer() {
    let at = |issuer: &str| Provider::new("p", issuer, CLIENT_ID).discovery_url().map(|u| u.text());
    let below = "https://id.example/realm/.well-known/openid-configuration";
    assert_eq!(at("https://id.example/realm").as_deref(), Some(below));
    assert_eq!(at("https://id.example/realm/").as_deref(), Some(below));
    for bad in ["", "id.example", "http://id.example", "https://id.example/?a=b", "https://10.0.0.1@x/"] {
        assert_eq!(at(bad), None, "{bad}");
        assert!(Provider::new("p", bad, CLIENT_ID).problem().is_some(), "{bad}");
    }
}

#[test]
fn debug_of_a_provider_shows_no_secret_and_nobody() {
    use crate::base::secret::Secret;
    let provider = Provider {
        client_secret: Some(Secret::new("hunter2".to_owned())),
        allowed_emails: vec!["ada@company.com".to_owned()],
        ..Provider::new("p", ISSUER, CLIENT_ID)
    };
    let shown = format!("{provider:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("ada@"), "{shown}");
}
