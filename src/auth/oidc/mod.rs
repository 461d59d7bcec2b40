//! OpenID Connect: people who sign in at a provider. Knows no database, no session and no request.
//!
//! Two ways lead to an [`Identity`]: a front end hands over an ID token ([`Providers::exchange`]), or a browser is sent
//! to the provider and comes back with a code ([`Providers::begin`], [`Providers::finish`]). Both end in the same
//! check of the ID token. Providers are asked when they are needed: one that is down stops nobody else.
//!
//! # Source
//! OpenID Connect Core and Discovery 1.0, RFC 6749, 7636, 9207, 9700; THREATS sections OI, JK and JW.

mod cached;
mod claims;
mod code;
mod discovery;
mod email;
mod form;
mod id_token;
mod identity;
mod json;
mod jwk;
mod jwks;
mod login;
mod pending;
mod provider;
mod random;
mod registered;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use self::pending::Pending;
use self::registered::Registered;
use super::moment::Moment;
use crate::outbound::{Client, Trust};

pub use claims::{LEEWAY_S, LIFETIME_S_MAX};
pub use id_token::ID_TOKEN_BYTES_MAX;
pub use identity::Identity;
pub use login::{BeginLogin, Begun, Callback, Finished};
pub use pending::{PENDING_MAX, PENDING_MAX_AGE};
pub use provider::{Algorithm, GOOGLE_ISSUER, Provider, SCOPES};

/// Why somebody does not sign in. The reason behind it is in the log and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No provider of this name.
    #[error("no provider of this name")]
    UnknownProvider,
    /// The token, the code or the sign-in is not accepted.
    #[error("the credential is not accepted")]
    Invalid,
    /// The person is who they say they are, and on no list of those who may sign in.
    #[error("this person may not sign in")]
    NotAllowed,
    /// The provider cannot be asked now, or answers what no provider should.
    #[error("the provider cannot be asked")]
    Unavailable,
}

/// All providers, shared by all workers. Outlives reloads.
pub struct Providers {
    client: Client,
    known: ArcSwap<BTreeMap<String, Arc<Registered>>>,
    pending: Pending,
}

impl Providers {
    /// No providers yet; they will be asked through this client.
    pub fn new(client: Client) -> Self {
        Self { client, known: ArcSwap::default(), pending: Pending::default() }
    }

    /// Believes other authorities from now on; exchanges under way end under those that they began with.
    pub fn believe(&self, trust: Trust) {
        self.client.believe(trust);
    }

    /// Puts these providers in place of the present ones. What was learned of an issuer stays while its name and
    /// issuer do; sign-ins under way stay valid with every provider that did not change.
    pub fn apply(&self, providers: &[Provider]) {
        let old = self.known.load();
        let registered = |provider: &Provider| match old.get(&provider.name) {
            Some(same) if same.provider == *provider => Arc::clone(same),
            Some(other) => Arc::new(other.renewed(provider.clone())),
            None => Arc::new(Registered::new(provider.clone(), self.client.clone())),
        };
        let new = providers.iter().map(|p| (p.name.clone(), registered(p))).collect();
        self.known.store(Arc::new(new));
    }

    /// The providers' names, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        self.known.load().keys().cloned().collect()
    }

    /// Who an ID token is about that a front end got from the provider by itself. There is no nonce of ours in it.
    ///
    /// # Errors
    /// [`Denied`] when it is not accepted.
    pub async fn exchange(&self, name: &str, id_token: &str, now: Moment) -> Result<Identity, Denied> {
        self.find(name)?.identity(id_token, None, now).await
    }

    fn find(&self, name: &str) -> Result<Arc<Registered>, Denied> {
        self.known.load().get(name).cloned().ok_or(Denied::UnknownProvider)
    }
}

#[cfg(test)]
mod tests;
