//! `req.tls` and `req.client_cert`: what the TLS handshake said. Of a connection that a proxy in front decrypts nothing is known.

use std::sync::Arc;

use rhai::{ImmutableString, Module, export_module, exported_module};

use crate::script::facts::RequestFacts;

/// `req.tls`.
#[derive(Clone)]
pub(super) struct Tls(pub Arc<RequestFacts>);

/// `req.client_cert`.
#[derive(Clone)]
pub(super) struct ClientCert(pub Arc<RequestFacts>);

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Tls>("Tls");
    module.set_custom_type::<ClientCert>("ClientCert");
    module.combine_flatten(exported_module!(tls));
    module.combine_flatten(exported_module!(client_cert));
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod tls {
    /// Whether the client speaks TLS to the gateway itself.
    #[rhai_fn(get = "present", pure)]
    pub fn present(tls: &mut Tls) -> bool {
        tls.0.tls.is_some()
    }

    /// `1.2` or `1.3`.
    #[rhai_fn(get = "version", pure)]
    pub fn version(tls: &mut Tls) -> ImmutableString {
        tls.0.tls.as_ref().map_or("", |tls| tls.version).into()
    }

    /// The name that the client asked for (SNI), lower case.
    #[rhai_fn(get = "server_name", pure)]
    pub fn server_name(tls: &mut Tls) -> ImmutableString {
        tls.0.tls.as_ref().and_then(|tls| tls.server_name.as_deref()).unwrap_or_default().into()
    }
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod client_cert {
    /// Whether the client showed a certificate that `server.tls.client_ca` vouches for.
    #[rhai_fn(get = "present", pure)]
    pub fn present(cert: &mut ClientCert) -> bool {
        cert.0.client_certificate().is_some()
    }

    /// The subject as RFC 4514 writes it: `CN=robot,O=Example`.
    #[rhai_fn(get = "subject", pure)]
    pub fn subject(cert: &mut ClientCert) -> ImmutableString {
        cert.0.client_certificate().map_or("", |c| &c.subject).into()
    }

    /// SHA-256 over the certificate, in lower-case hex.
    #[rhai_fn(get = "fingerprint", pure)]
    pub fn fingerprint(cert: &mut ClientCert) -> ImmutableString {
        cert.0.client_certificate().map_or("", |c| &c.fingerprint).into()
    }
}
