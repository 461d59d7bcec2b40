//! What a provider says of itself.
//!
//! # Source
//! OpenID Connect Discovery 1.0 sections 3 and 4.3; RFC 9207 section 3; THREATS OI-12.

use http::StatusCode;
use serde_json::{Map, Value};

use super::cached::Loaded;
use super::json::{self, text};
use super::provider::{Algorithm, Provider};
use crate::outbound::{Client, Url};

/// The part of a provider's metadata that is used.
#[derive(Debug)]
pub(super) struct Metadata {
    /// Where a browser is sent to sign in.
    pub(super) authorization: Option<Url>,
    /// Where a code is turned into tokens.
    pub(super) token: Option<Url>,
    /// Where the keys are.
    pub(super) jwks: Url,
    /// How ID tokens are signed: the provider's choice, or the first that it advertises.
    pub(super) algorithm: Algorithm,
    /// Whether every answer to a browser names the issuer.
    pub(super) names_issuer: bool,
    /// Whether the client secret goes into the form, because the header is not taken.
    pub(super) secret_in_form: bool,
    /// Whether PKCE with S256 is possible: it says so, or says nothing.
    pub(super) takes_s256: bool,
}

/// Fetches and checks the metadata of a provider; says in the log why it failed.
pub(super) async fn load(client: Client, provider: Provider) -> Loaded<Metadata> {
    let name = provider.name.as_str();
    let Some(url) = provider.discovery_url() else {
        tracing::warn!(provider = name, "the provider's issuer is no address that may be asked");
        return None;
    };
    let answer = match client.get(&url).await {
        Ok(answer) if answer.status == StatusCode::OK => answer,
        Ok(answer) => {
            let status = answer.status.as_u16();
            tracing::warn!(provider = name, status, "the provider does not describe itself");
            return None;
        }
        Err(error) => {
            tracing::warn!(provider = name, %error, "the provider's description cannot be had");
            return None;
        }
    };
    match read(&answer.body, &provider) {
        Ok(metadata) => Some((metadata, answer.max_age())),
        Err(what) => {
            tracing::warn!(provider = name, what, "the provider's description is not accepted");
            None
        }
    }
}

/// Reads the document.
///
/// # Errors
/// The member that is missing or wrong.
pub(super) fn read(body: &[u8], provider: &Provider) -> Result<Metadata, &'static str> {
    let members = json::object(body).ok_or("form")?;
    if text(&members, "issuer") != Some(provider.issuer.as_str()) {
        return Err("issuer");
    }
    let endpoint = |name: &'static str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(url)) => Url::parse(url, provider.plain_http()).map(Some).map_err(|_| name),
        Some(_) => Err(name),
    };
    let methods = list(&members, "token_endpoint_auth_methods_supported")?;
    let takes = |method: &str| methods.as_ref().is_some_and(|m| m.contains(&method));
    Ok(Metadata {
        authorization: endpoint("authorization_endpoint")?,
        token: endpoint("token_endpoint")?,
        jwks: endpoint("jwks_uri")?.ok_or("jwks_uri")?,
        algorithm: algorithm(&members, provider)?,
        names_issuer: flag(&members, "authorization_response_iss_parameter_supported")?,
        secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
        takes_s256: list(&members, "code_challenge_methods_supported")?.is_none_or(|m| m.contains(&"S256")),
    })
}

fn algorithm(members: &Map<String, Value>, provider: &Provider) -> Result<Algorithm, &'static str> {
    const NAME: &str = "id_token_signing_alg_values_supported";
    let advertised = list(members, NAME)?;
    let chosen = match (provider.algorithm, advertised) {
        (Some(configured), _) => Some(configured),
        (None, None) => Some(Algorithm::Rs256),
        (None, Some(names)) => Algorithm::ALL.into_iter().find(|a| names.contains(&a.name())),
    };
    chosen.ok_or(NAME)
}

fn list<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<Vec<&'a str>>, &'static str> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let items = value.as_array().ok_or(name)?;
    items.iter().map(Value::as_str).collect::<Option<_>>().map(Some).ok_or(name)
}

fn flag(members: &Map<String, Value>, name: &'static str) -> Result<bool, &'static str> {
    members.get(name).map_or(Ok(false), |v| v.as_bool().ok_or(name))
}
