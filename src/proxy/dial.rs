//! New connections to an upstream.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::address::{Address, Place};
use super::stream::Stream;

/// A peer, and under which authorities its certificate is believed.
#[derive(Clone)]
pub struct Peer {
    /// Where it is.
    pub address: Address,
    /// Absent where the connection is not encrypted.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Connects, and shakes hands where the address is encrypted.
///
/// # Errors
/// The socket's or the handshake's.
pub async fn dial(peer: &Peer) -> io::Result<Stream> {
    let tcp = match &peer.address.place {
        Place::Socket(socket) => TcpStream::connect(socket).await?,
        Place::Name(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
        Place::Unix(path) => return Ok(Stream::Unix(UnixStream::connect(path).await?)),
    };
    tcp.set_nodelay(true)?;
    let Some(name) = peer.address.certified.clone() else { return Ok(Stream::Tcp(tcp)) };
    let tls = peer.tls.clone().ok_or(io::ErrorKind::Unsupported)?;
    let encrypted = TlsConnector::from(tls).connect(name, tcp).await?;
    Ok(Stream::Tls(Box::new(encrypted)))
}
