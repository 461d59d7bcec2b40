//! Which certificate a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::names::{Names, plain, wildcard_of};

/// The certificates by name: the exact name, then the wildcard, else the first certificate of all. Of several for one name
/// the first is shown whose key the client can verify, so that an RSA certificate may stand behind an ECDSA one.
///
/// # Source
/// RFC 6066 section 3; RFC 9525 section 6.3.
#[derive(Debug)]
pub(super) struct Resolver {
    all: Vec<Certificate>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Resolver {
    /// Over at least one certificate.
    pub(super) fn new(all: Vec<Certificate>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, certificate) in all.iter().enumerate() {
            for name in certificate.names.names() {
                let indices = by_name.entry(name.clone()).or_default();
                if indices.last() != Some(&index) {
                    indices.push(index);
                }
            }
        }
        Self { all, by_name }
    }

    /// Every certificate, in the operator's order.
    pub(super) fn all(&self) -> &[Certificate] {
        &self.all
    }

    /// The names of the certificate that is shown to who asks for `name`.
    pub(super) fn names_for(&self, name: &str) -> Option<&Names> {
        self.find(Some(name)).next().map(|certificate| &certificate.names)
    }

    fn find(&self, name: Option<&str>) -> impl Iterator<Item = &Certificate> {
        let name = name.map(plain);
        let exact = name.as_ref().and_then(|name| self.by_name.get(name));
        let found = exact.or_else(|| self.by_name.get(&wildcard_of(name.as_ref()?)?));
        let first = found.is_none().then_some(0);
        found.into_iter().flatten().copied().chain(first).filter_map(|index| self.all.get(index))
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Certificate| key.key.key.choose_scheme(schemes).is_some();
        let chosen = self.find(name).find(fits).or_else(|| self.find(name).next());
        chosen.map(|certificate| Arc::clone(&certificate.key))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}
