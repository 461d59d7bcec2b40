//! A provider with what is known of it.

use std::sync::Arc;

use super::cached::{Cached, WAIT_MAX};
use super::claims::Expected;
use super::discovery::{self, Metadata};
use super::id_token::{IdToken, Rejected};
use super::identity::Identity;
use super::jwks::{self, KeySet};
use super::provider::Provider;
use super::{Denied, email};
use crate::auth::moment::Moment;
use crate::outbound::Client;

/// One provider of the registry.
pub(super) struct Registered {
    pub(super) provider: Provider,
    pub(super) client: Client,
    metadata: Arc<Cached<Metadata>>,
    keys: Arc<Cached<KeySet>>,
}

impl Registered {
    pub(super) fn new(provider: Provider, client: Client) -> Self {
        Self { provider, client, metadata: Cached::new(WAIT_MAX), keys: Cached::new(WAIT_MAX) }
    }

    /// The provider described anew; what was learned of it stays if it is the same issuer.
    pub(super) fn renewed(&self, provider: Provider) -> Self {
        let same = provider.issuer == self.provider.issuer && provider.algorithm == self.provider.algorithm;
        if !same {
            return Self::new(provider, self.client.clone());
        }
        Self {
            provider,
            client: self.client.clone(),
            metadata: Arc::clone(&self.metadata),
            keys: Arc::clone(&self.keys),
        }
    }

    /// What the provider says of itself.
    ///
    /// # Errors
    /// [`Denied::Unavailable`] when that is not known and cannot be had now.
    pub(super) async fn metadata(&self, now: Moment) -> Result<Arc<Metadata>, Denied> {
        let load = || discovery::load(self.client.clone(), self.provider.clone());
        self.metadata.get(now.at, load).await.ok_or(Denied::Unavailable)
    }

    /// Who an ID token is about, if they may sign in.
    ///
    /// # Errors
    /// [`Denied`]; the reason is in the log alone.
    pub(super) async fn identity(
        &self,
        token: &str,
        nonce: Option<&str>,
        now: Moment,
    ) -> Result<Identity, Denied> {
        let token = IdToken::parse(token).map_err(|why| self.rejected(why))?;
        let metadata = self.metadata(now).await?;
        let algorithm = metadata.algorithm;
        if token.algorithm() != algorithm {
            return Err(self.rejected(Rejected::Algorithm));
        }
        let load = || jwks::load(self.client.clone(), self.provider.name.clone(), metadata.jwks.clone());
        let mut keys = self.keys.get(now.at, load).await.ok_or(Denied::Unavailable)?;
        if keys.find(token.kid(), algorithm).is_none() {
            keys = self.keys.refetch(now.at, load).await.ok_or(Denied::Unavailable)?;
        }
        let key = keys.find(token.kid(), algorithm).ok_or_else(|| self.rejected(Rejected::Key))?;
        let provider = &self.provider;
        let expected = Expected { provider, algorithm, nonce, now_s: now.unix_s() };
        let identity = token.identity(key, &expected).map_err(|why| self.rejected(why))?;
        let (emails, domains) = (&provider.allowed_emails, &provider.allowed_domains);
        if email::is_allowed(identity.email.as_deref(), emails, domains) {
            Ok(identity)
        } else {
            tracing::info!(provider = provider.name, "somebody signed in at the provider who is on no list");
            Err(Denied::NotAllowed)
        }
    }

    fn rejected(&self, why: Rejected) -> Denied {
        tracing::info!(provider = self.provider.name, %why, "an ID token was refused");
        Denied::Invalid
    }
}
