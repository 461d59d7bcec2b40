//! Who is at the other end: the socket's peer, or the client that a front tells of with the PROXY protocol before anything
//! else is said.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::limits::{AddressSeat, Limits, Refused};
use super::phase::{Phase, Shutdown};
use super::proxy_protocol::{HEADER_BYTES_MAX, Malformed, Told, parse};
use crate::base::address::canonical;
use crate::pipeline::client::is_trusted;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::transport::{Tls, Transport};

/// A connection of which is known whose it is, and its place among those of that client.
pub type Known = (Transport, Option<AddressSeat>);

/// Finds out whose connection it is. A peer in `server.proxy_protocol` must begin with a header, which is read to its last
/// byte and no further; nobody else's is looked at. Nothing where the connection is to be closed.
pub async fn receive(
    stream: &mut TcpStream,
    peer: SocketAddr,
    gateway: &Gateway,
    limits: &Arc<Limits>,
    shutdown: &Shutdown,
) -> Option<Known> {
    let snapshot = gateway.live.current();
    let server = &snapshot.config.server;
    if !is_trusted(canonical(peer.ip()), &server.connections.proxy_protocol) {
        return Some((Transport::plain(peer), None));
    }
    // In a box: few connections need its window, and it would make every one's task larger.
    Box::pin(receive_header(stream, peer, gateway, server.header_timeout, limits, shutdown)).await
}

async fn receive_header(
    stream: &mut TcpStream,
    peer: SocketAddr,
    gateway: &Gateway,
    wait: Duration,
    limits: &Arc<Limits>,
    shutdown: &Shutdown,
) -> Option<Known> {
    let header = tokio::select! {
        header = timeout(wait, read(stream)) => header,
        () = shutdown.reaches(Phase::Draining) => return None,
    };
    let refused = match header {
        Ok(Ok(Told::Nothing)) => return Some((Transport::plain(peer), None)),
        Ok(Ok(Told::Client { address, tls })) => match limits.enter_address(address.ip()) {
            Ok(seat) => {
                let tls = tls.then(|| Arc::new(Tls::default()));
                return Some((Transport { tls, ..Transport::plain(address) }, seat));
            }
            Err(refused) => refused,
        },
        // It has said nothing: whoever looks whether the port is open.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
        Ok(Err(_)) | Err(_) => {
            if limits.may_tell(gateway.clock.now()) {
                tracing::warn!(
                    "a peer in `server.proxy_protocol` sent no readable PROXY header; it was cut off"
                );
            }
            Refused::ProxyHeader
        }
    };
    gateway.metrics.connection_refused(refused.label());
    None
}

/// Reads a header and not a byte more.
async fn read(stream: &mut TcpStream) -> io::Result<Told> {
    let malformed = |why: Malformed| io::Error::new(io::ErrorKind::InvalidData, why);
    let (mut header, mut window) = (Vec::new(), [0; HEADER_BYTES_MAX]);
    loop {
        let seen = stream.peek(&mut window).await?;
        if seen == 0 {
            let silent = header.is_empty();
            return Err(if silent { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData }.into());
        }
        let before = header.len();
        header.extend_from_slice(&window[..seen]);
        let whole = parse(&header).map_err(malformed)?;
        // While it is not whole, all that came is part of it.
        let length = whole.map_or(header.len(), |(length, _)| length);
        header.truncate(length);
        stream.read_exact(&mut window[..length - before]).await?;
        if let Some((_, told)) = whole {
            return Ok(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, far)
    }

    #[tokio::test]
    async fn what_follows_a_header_stays_where_it_is() {
        for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\x03abc"] {
            let (mut near, mut far) = pair().await;
            far.write_all(header).await.unwrap();
            far.write_all(b"GET / HTTP/1.1").await.unwrap();
            assert_eq!(read(&mut near).await.unwrap(), Told::Nothing);
            drop(far);
            let mut rest = String::new();
            near.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "GET / HTTP/1.1");
        }
    }

    #[tokio::test]
    async fn a_header_may_come_byte_by_byte() {
        let (mut near, mut far) = pair().await;
        far.set_nodelay(true).unwrap();
        let sender = async {
            for byte in b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n" {
                far.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (told, ()) = tokio::join!(read(&mut near), sender);
        assert!(matches!(told.unwrap(), Told::Client { address, .. } if address.port() == 12345));
    }

    #[tokio::test]
    async fn a_header_that_breaks_off_is_an_error_and_silence_is_another() {
        for (sent, kind) in
            [(&b"PROXY TCP4 1"[..], io::ErrorKind::InvalidData), (b"", io::ErrorKind::UnexpectedEof)]
        {
            let (mut near, mut far) = pair().await;
            far.write_all(sent).await.unwrap();
            drop(far);
            assert_eq!(read(&mut near).await.unwrap_err().kind(), kind);
        }
    }
}
