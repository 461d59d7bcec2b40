//! An authorization code for an ID token.
//!
//! # Source
//! RFC 6749 sections 2.3.1, 4.1.3 and 5; RFC 7636 section 4.5; OpenID Connect Core section 3.1.3; THREATS OI-11.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::HeaderValue;
use serde_json::{Map, Value};

use super::Denied;
use super::discovery::Metadata;
use super::form;
use super::json::{self, text};
use super::pending::Login;
use super::provider::Provider;
use crate::base::secret::Secret;
use crate::outbound::Answer;

/// Sends the code, with the verifier that only we know, to the provider's token endpoint.
///
/// # Errors
/// [`Denied::Invalid`] when the provider does not know the code, [`Denied::Unavailable`] for every other answer that
/// is not a token; why is in the log.
pub(super) async fn redeem(login: &Login, metadata: &Metadata, code: &str) -> Result<Secret<String>, Denied> {
    let provider = &login.registered.provider;
    let name = provider.name.as_str();
    let url = metadata.token.as_ref().ok_or(Denied::Unavailable)?;
    let (credentials, form) = request(login, metadata, code);
    let answer = login.registered.client.post_form(url, form, credentials).await.map_err(|error| {
        tracing::warn!(provider = name, %error, "the provider's token endpoint cannot be asked");
        Denied::Unavailable
    })?;
    let status = answer.status.as_u16();
    read(&answer).inspect_err(|denied| match denied {
        Denied::Invalid => tracing::info!(provider = name, "the provider does not know the code"),
        _ => tracing::warn!(provider = name, status, "the provider's token endpoint gave no ID token"),
    })
}

/// The credentials and the form. A confidential client proves itself in the header unless only the form is taken.
fn request(login: &Login, metadata: &Metadata, code: &str) -> (Option<HeaderValue>, String) {
    let provider = &login.registered.provider;
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", login.redirect_uri.as_str()),
        ("code_verifier", login.verifier.as_str()),
    ];
    let credentials = match &provider.client_secret {
        Some(secret) if !metadata.secret_in_form => basic(provider, secret),
        secret => {
            pairs.push(("client_id", provider.client_id.as_str()));
            pairs.extend(secret.as_ref().map(|s| ("client_secret", s.expose().as_str())));
            None
        }
    };
    (credentials, form::encode(&pairs))
}

fn basic(provider: &Provider, secret: &Secret<String>) -> Option<HeaderValue> {
    let pair = format!("{}:{}", form::escape(&provider.client_id), form::escape(secret.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn read(answer: &Answer) -> Result<Secret<String>, Denied> {
    let members = json::object(&answer.body).filter(|_| answer.is_json());
    match (answer.status, members) {
        (StatusCode::OK, Some(members)) => id_token(&members).ok_or(Denied::Unavailable),
        (StatusCode::BAD_REQUEST, Some(members)) if text(&members, "error") == Some("invalid_grant") => {
            Err(Denied::Invalid)
        }
        _ => Err(Denied::Unavailable),
    }
}

/// The ID token of a successful answer. The other tokens are for the person's data at the provider: they end here.
fn id_token(members: &Map<String, Value>) -> Option<Secret<String>> {
    let bearer = text(members, "token_type")?.eq_ignore_ascii_case("bearer");
    let token = text(members, "id_token")?;
    bearer.then(|| Secret::new(token.to_owned()))
}
