//! Why a handshake failed, in words of ours: a closed set, for metrics.

use std::io;

use rustls::{Error, PeerIncompatible};

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It took too long.
    Timeout,
    /// The client spoke plain HTTP.
    PlainHttp,
    /// The client went away.
    Closed,
    /// The client knows no version that is spoken here.
    Version,
    /// The client knows no suite, group, signature or application protocol that is spoken here.
    Incompatible,
    /// The client's certificate is absent or not believed.
    ClientCertificate,
    /// The client did not like something, most often the certificate.
    Alert,
    /// What came is not TLS as it should be.
    Malformed,
}

impl Failure {
    /// What an error of the handshake means.
    pub(super) fn of(error: &io::Error) -> Self {
        let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            return Self::Closed;
        };
        match error {
            Error::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired
                // Clients of TLS 1.2 say which signatures they know; older ones cannot.
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
            ) => Self::Version,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Self::Incompatible,
            Error::NoCertificatesPresented | Error::InvalidCertificate(_) => Self::ClientCertificate,
            Error::AlertReceived(_) => Self::Alert,
            _ => Self::Malformed,
        }
    }

    /// The metric label.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::PlainHttp => "plain_http",
            Self::Closed => "closed",
            Self::Version => "version",
            Self::Incompatible => "incompatible",
            Self::ClientCertificate => "client_certificate",
            Self::Alert => "alert",
            Self::Malformed => "malformed",
        }
    }
}
