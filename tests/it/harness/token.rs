//! Session tokens taken apart and forged with a known secret, by means of HMAC alone.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The two readable parts of a token.
#[derive(Clone, Debug)]
pub struct Token {
    pub header: Value,
    pub claims: Value,
}

impl Token {
    /// Takes `name=token` or a bare token apart.
    pub fn read(cookie: &str) -> Self {
        let token = cookie.split_once('=').map_or(cookie, |(_, token)| token);
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"));
        let mut next = || serde_json::from_slice(&parts.next().expect("three parts")).expect("JSON");
        Self { header: next(), claims: next() }
    }

    /// The same with another header member.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// The same with another claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// The same without a claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().expect("an object").remove(name);
        self
    }

    /// The token, signed with HMAC-SHA256.
    pub fn sign(&self, secret: &str) -> String {
        sign_raw(&self.header.to_string(), &self.claims.to_string(), secret)
    }
}

/// A token of any two texts, signed with HMAC-SHA256.
pub fn sign_raw(header: &str, claims: &str, secret: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// Whether `name=token` was signed with HMAC-SHA256 and that secret.
pub fn signed_with(cookie: &str, secret: &str) -> bool {
    let (_, token) = cookie.split_once('=').expect("name=token");
    let (signed, tag) = token.rsplit_once('.').expect("three parts");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).expect("base64url")).is_ok()
}
