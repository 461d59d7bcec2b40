//! Providers, from the words of the configuration to those of the trade.

use crate::auth::oidc::{Algorithm, Provider};
use crate::config::Config;

/// The configured providers; one that the trade has a complaint about was refused with the snapshot.
pub fn providers_of(config: &Config) -> Vec<Provider> {
    config.auth.providers.iter().map(provider_of).collect()
}

/// One provider; a name with a preset needs no issuer.
fn provider_of(configured: &crate::config::Provider) -> Provider {
    let preset = Provider::preset_issuer(&configured.name).unwrap_or_default();
    let issuer = if configured.issuer.is_empty() { preset } else { &configured.issuer };
    let mut provider = Provider::new(&configured.name, issuer, &configured.client_id);
    provider.client_secret.clone_from(&configured.client_secret);
    if !configured.scopes.is_empty() {
        provider.scopes.clone_from(&configured.scopes);
    }
    provider.allowed_domains.clone_from(&configured.allowed_domains);
    provider.allowed_emails.clone_from(&configured.allowed_emails);
    provider.algorithm = configured.algorithm.as_deref().and_then(Algorithm::named);
    provider.unverified_email = configured.unverified_email;
    provider
}
