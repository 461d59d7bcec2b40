//! What is known of a connection before its first request: who is at the other end, and what TLS says of them.

use std::net::SocketAddr;
use std::sync::Arc;

use super::websocket::Handoff;

/// A client's connection as the pipeline sees it. Cloned for each request.
#[derive(Clone, Debug)]
pub struct Transport {
    /// The other end: of the socket, or the one that a trusted front told with the PROXY protocol.
    pub peer: SocketAddr,
    /// What TLS says; absent where the client speaks plain HTTP to us.
    pub tls: Option<Arc<Tls>>,
    /// Where a request leaves the tunnel that the connection becomes.
    pub handoff: Handoff,
}

/// What a TLS handshake said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The name that the client asked for (SNI), in lower case.
    pub server_name: Option<String>,
    /// The client's certificate, verified against `server.tls.client_ca`; absent where it showed none.
    pub client: Option<ClientCertificate>,
}

/// Whom a verified client certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject's distinguished name, as RFC 4514 writes it.
    pub subject: String,
    /// SHA-256 over its DER form, in lower-case hex.
    pub fingerprint: String,
}

impl Transport {
    /// A plain connection.
    pub fn plain(peer: SocketAddr) -> Self {
        Self { peer, tls: None, handoff: Handoff::default() }
    }

    /// Whether the client speaks TLS to us.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}
