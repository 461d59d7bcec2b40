//! The authorization code flow: to the provider and back.
//!
//! # Source
//! OpenID Connect Core section 3.1, RFC 7636, RFC 9207, RFC 9700; THREATS OI-01 to OI-05.

use std::fmt;
use std::sync::Arc;

use super::identity::Identity;
use super::pending::Login;
use super::{Denied, Providers, code, form, random};
use crate::auth::moment::Moment;
use crate::base::return_to::local_or_root;

/// Longest code that is sent on, in bytes.
const CODE_BYTES_MAX: usize = 4_096;

/// A sign-in that begins.
#[derive(Clone, Copy)]
pub struct BeginLogin<'a> {
    /// The callback's own absolute address, as the provider knows it.
    pub redirect_uri: &'a str,
    /// Where the person goes afterwards; `/` in its place if it leads to another site.
    pub return_to: &'a str,
}

/// A sign-in that began.
pub struct Begun {
    /// Where the browser is sent.
    pub location: String,
    /// What the browser's short-lived cookie holds: the endpoint sets it `HttpOnly`, `SameSite=Lax`, `Path=/`, with
    /// [`super::PENDING_MAX_AGE`], and with the `__Host-` prefix over https.
    pub state_cookie_value: String,
}

/// What a browser brings back, decoded; a parameter that came twice is the endpoint's to refuse.
#[derive(Clone, Copy, Default)]
pub struct Callback<'a> {
    /// Which sign-in it is.
    pub state: Option<&'a str>,
    /// The authorization code.
    pub code: Option<&'a str>,
    /// Who answers (RFC 9207).
    pub iss: Option<&'a str>,
    /// Why there is no code. Its text is not used.
    pub error: Option<&'a str>,
    /// The value of the cookie that [`Begun`] speaks of.
    pub cookie: Option<&'a str>,
}

/// A sign-in that ended well.
#[derive(Debug)]
pub struct Finished {
    /// Who signed in.
    pub identity: Identity,
    /// Where they wanted to go: a path of this site.
    pub return_to: String,
}

impl Providers {
    /// Begins a sign-in at a provider.
    ///
    /// # Errors
    /// [`Denied::UnknownProvider`], or [`Denied::Unavailable`] when the provider cannot be asked or cannot do it.
    pub async fn begin(&self, name: &str, begin: &BeginLogin<'_>, now: Moment) -> Result<Begun, Denied> {
        let registered = self.find(name)?;
        let metadata = registered.metadata(now).await?;
        let Some(endpoint) = metadata.authorization.as_ref().filter(|_| metadata.takes_s256) else {
            tracing::warn!(provider = name, "the provider has no code flow with PKCE (S256)");
            return Err(Denied::Unavailable);
        };
        let (nonce, verifier) = (random::token(), random::token());
        let challenge = random::challenge(&verifier);
        let (client_id, scope) = (registered.provider.client_id.clone(), registered.provider.scope());
        let login = Login {
            registered,
            nonce: nonce.clone(),
            verifier,
            redirect_uri: begin.redirect_uri.to_owned(),
            return_to: local_or_root(begin.return_to).to_owned(),
        };
        let (state, state_cookie_value) = self.pending.add(login, now.at);
        let query = form::encode(&[
            ("response_type", "code"),
            ("client_id", &client_id),
            ("redirect_uri", begin.redirect_uri),
            ("scope", &scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = endpoint.text();
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(Begun { location: format!("{endpoint}{joint}{query}"), state_cookie_value })
    }

    /// Ends a sign-in. Whatever comes back, its `state` is used up.
    ///
    /// # Errors
    /// [`Denied`] when nobody signs in. The code goes nowhere unless the answer is that of the sign-in's provider.
    pub async fn finish(&self, name: &str, callback: &Callback<'_>, now: Moment) -> Result<Finished, Denied> {
        let refuse = |why: &'static str| {
            tracing::info!(why, "an answer of a provider was refused");
            Denied::Invalid
        };
        let state = callback.state.ok_or_else(|| refuse("it has no state"))?;
        let login = self.pending.take(state, callback.cookie, now.at);
        let registered = self.find(name)?;
        let login = login.ok_or_else(|| refuse("its state is not this browser's, or used, or too old"))?;
        if !Arc::ptr_eq(&login.registered, &registered) {
            return Err(refuse("its state is that of another provider"));
        }
        if callback.error.is_some() {
            return Err(refuse("the person did not sign in there"));
        }
        let code = callback.code.filter(|c| (1..=CODE_BYTES_MAX).contains(&c.len()));
        let code = code.ok_or_else(|| refuse("it has no code"))?;
        let metadata = registered.metadata(now).await?;
        match callback.iss {
            Some(iss) if iss != registered.provider.issuer => {
                return Err(refuse("it is from another issuer"));
            }
            None if metadata.names_issuer => return Err(refuse("it does not say from which issuer")),
            _ => {}
        }
        let token = code::redeem(&login, &metadata, code).await?;
        let identity = registered.identity(token.expose(), Some(&login.nonce), now).await?;
        Ok(Finished { identity, return_to: login.return_to })
    }
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun(…)")
    }
}
