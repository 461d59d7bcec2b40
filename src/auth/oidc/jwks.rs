//! The keys of a provider.
//!
//! # Source
//! RFC 7517 section 5; OpenID Connect Core section 10.1; THREATS section JK.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::Value;

use super::cached::Loaded;
use super::json;
use super::jwk::Key;
use super::provider::Algorithm;
use crate::outbound::{Client, Url};

/// Most keys of one set.
pub(super) const KEYS_MAX: usize = 64;

/// The usable keys of a set. No two have one name.
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    /// Reads a set. Keys that cannot verify ID tokens are left out; a set that two readers could understand
    /// differently is refused whole.
    ///
    /// # Errors
    /// What is wrong with the set.
    pub(super) fn read(body: &[u8]) -> Result<Self, &'static str> {
        let members = json::object(body).ok_or("form")?;
        let listed = members.get("keys").and_then(Value::as_array).ok_or("form")?;
        if listed.len() > KEYS_MAX {
            return Err("too many keys");
        }
        if listed.iter().any(|jwk| jwk.get("kty").is_some_and(|kty| kty == "oct")) {
            return Err("a symmetric key in public");
        }
        let keys: Vec<Key> = listed.iter().filter_map(Value::as_object).filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err("no usable key");
        }
        let mut names = HashSet::new();
        if !keys.iter().filter_map(|k| k.kid.as_deref()).all(|kid| names.insert(kid)) {
            return Err("two keys of one name");
        }
        Ok(Self(keys))
    }

    /// The key of a token: the one with exactly this name, or the only one where the token names none.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.0.iter().filter(|k| k.is_for(algorithm));
        match kid {
            Some(kid) => fitting.find(|k| k.kid.as_deref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

/// Fetches and checks the keys of a provider; says in the log why it failed.
pub(super) async fn load(client: Client, name: String, url: Url) -> Loaded<KeySet> {
    let answer = match client.get(&url).await {
        Ok(answer) if answer.status == StatusCode::OK => answer,
        Ok(answer) => {
            let status = answer.status.as_u16();
            tracing::warn!(provider = name, status, "the provider does not hand out its keys");
            return None;
        }
        Err(error) => {
            tracing::warn!(provider = name, %error, "the provider's keys cannot be had");
            return None;
        }
    };
    match KeySet::read(&answer.body) {
        Ok(keys) => Some((keys, answer.max_age())),
        Err(what) => {
            tracing::warn!(provider = name, what, "the provider's keys are not accepted");
            None
        }
    }
}
