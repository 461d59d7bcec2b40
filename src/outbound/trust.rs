//! Whose certificates are believed.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Most certificates of an operator's own file.
const OWN_ROOTS_MAX: usize = 256;

/// The authorities that are believed: Mozilla's, as built in, and those of an operator's file.
///
/// The built-in list is the same on every machine and needs no file of the system, so a container may be empty.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

/// An operator's file of authorities is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTrust {
    /// Not PEM, or without a certificate, or with too many.
    #[error("no PEM file of 1 to 256 certificates")]
    Pem,
    /// A certificate that cannot be an authority.
    #[error("a certificate in it cannot be read")]
    Certificate,
}

impl Trust {
    /// The built-in authorities alone.
    pub fn built_in() -> Self {
        Self::with_roots(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// The built-in authorities and those of a PEM file's content.
    ///
    /// # Errors
    /// [`BadTrust`] when the text holds no certificates, or one that cannot be read.
    pub fn with_own(pem: &[u8]) -> Result<Self, BadTrust> {
        Self::with(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }, pem)
    }

    /// The authorities of a PEM file's content and nobody else.
    ///
    /// # Errors
    /// [`BadTrust`] when the text holds no certificates, or one that cannot be read.
    pub fn only_own(pem: &[u8]) -> Result<Self, BadTrust> {
        Self::with(RootCertStore::empty(), pem)
    }

    /// No authority: every certificate is refused.
    pub fn nobody() -> Self {
        Self::with_roots(RootCertStore::empty())
    }

    fn with(mut roots: RootCertStore, pem: &[u8]) -> Result<Self, BadTrust> {
        let own: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .take(OWN_ROOTS_MAX + 1)
            .collect::<Result<_, _>>()
            .map_err(|_| BadTrust::Pem)?;
        if own.is_empty() || own.len() > OWN_ROOTS_MAX {
            return Err(BadTrust::Pem);
        }
        for certificate in own {
            roots.add(certificate).map_err(|_| BadTrust::Certificate)?;
        }
        Ok(Self::with_roots(roots))
    }

    fn with_roots(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for the versions it was built with")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }

    /// What a connection is made with: TLS 1.2 or later, HTTP/1.1, sessions resumed.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}
