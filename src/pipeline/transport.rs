//! What is known of a connection before its first request: who is at the other end, and what TLS says of them.

use std::net::SocketAddr;
use std::sync::Arc;

pub use crate::base::tls::{ClientCertificate, Tls};

/// A client's connection as the pipeline sees it. Cloned for each request.
#[derive(Clone, Debug)]
pub struct Transport {
    /// The other end: of the socket, or the one that a trusted front told with the PROXY protocol.
    pub peer: SocketAddr,
    /// What TLS says; absent where the client speaks plain HTTP to us.
    pub tls: Option<Arc<Tls>>,
    /// Whether it came to `server.tls.redirect_listen`, where every request is only sent on to https.
    pub redirects: bool,
}

impl Transport {
    /// A plain connection.
    pub fn plain(peer: SocketAddr) -> Self {
        Self { peer, tls: None, redirects: false }
    }

    /// A connection over TLS.
    pub fn over_tls(peer: SocketAddr, tls: Tls) -> Self {
        Self { peer, tls: Some(Arc::new(tls)), redirects: false }
    }

    /// A plain connection whose requests are only sent on to https.
    pub fn redirecting(peer: SocketAddr) -> Self {
        Self { peer, tls: None, redirects: true }
    }

    /// Whether the client speaks TLS to us.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}
