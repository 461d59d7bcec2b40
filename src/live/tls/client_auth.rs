//! Who vouches for client certificates.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::certificate::Look;
use crate::config::ClientAuth;

/// Most authorities.
const AUTHORITIES_MAX: usize = 1_000;

/// The verifier of client certificates. One authority that cannot be read is an error: a shorter list would be a policy that
/// nobody wrote (THREATS AD-05).
pub(super) fn verifier(look: &mut Look<'_>, auth: &ClientAuth) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for authority in look.certificates(&auth.authorities, AUTHORITIES_MAX)? {
        if roots.add(authority).is_err() {
            look.problems.push(auth.authorities.problem("holds a certificate that cannot be an authority"));
            return None;
        }
    }
    let provider = Arc::new(look.provider.clone());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if auth.required { builder } else { builder.allow_unauthenticated() };
    match builder.build() {
        Ok(verifier) => Some(verifier),
        Err(_) => {
            look.problems.push(auth.authorities.problem("cannot be used to verify clients"));
            None
        }
    }
}
