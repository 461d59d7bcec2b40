//! What is known of a connection before its first request: who is at the other end, and what TLS says of them.

use std::net::SocketAddr;
use std::sync::Arc;

use super::websocket::Handoff;
pub use crate::base::tls::{ClientCertificate, Tls};

/// A client's connection as the pipeline sees it. Cloned for each request.
#[derive(Clone, Debug)]
pub struct Transport {
    /// The other end: of the socket, or the one that a trusted front told with the PROXY protocol.
    pub peer: SocketAddr,
    /// What TLS says; absent where the client speaks plain HTTP to us.
    pub tls: Option<Arc<Tls>>,
    /// What becomes of its requests.
    pub purpose: Purpose,
    /// Where a request leaves the tunnel that the connection becomes.
    pub handoff: Handoff,
}

/// What becomes of the requests of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They are served.
    Serve,
    /// They are sent on to https: it came to `server.tls.redirect_listen`.
    SendToHttps,
    /// They are refused: plain HTTP is spoken where TLS is.
    AskForTls,
}

impl Transport {
    /// A plain connection.
    pub fn plain(peer: SocketAddr) -> Self {
        Self { peer, tls: None, purpose: Purpose::Serve, handoff: Handoff::default() }
    }

    /// Whether the client speaks TLS to us.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}
