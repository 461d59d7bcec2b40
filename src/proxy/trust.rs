//! Under which authorities an `https://` upstream is believed.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::config;
use crate::outbound::Trust;

/// What connections to a service are encrypted with. Sessions are resumed within it, so it is made once for a service.
///
/// There is no way to believe every certificate: a self-signed one is named by `ca`.
pub fn client_config(tls: &config::Tls) -> Arc<ClientConfig> {
    let Some(pem) = &tls.authorities else { return Trust::built_in().config() };
    // The configuration was refused if this cannot be read; then nobody is believed.
    Trust::only_own(pem.as_bytes()).unwrap_or_else(|_| Trust::nobody()).config()
}
