//! The TLS handshake of a public connection: before it nothing of the client is believed, and it has no time to waste.
//!
//! # Source
//! RFC 8446, RFC 5246; THREATS row SL-06.

mod client_certificate;
pub mod expiry;
mod failure;

use std::time::Duration;

use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::failure::Failure;
use super::phase::{Phase, Shutdown};
use crate::base::tls::Tls as Said;
use crate::live::tls::Tls;
use crate::telemetry::metrics::Metrics;

/// The first byte of every TLS record that a client may begin with: a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// What came of a connection.
pub enum Accepted {
    /// The client speaks TLS, and this is what the handshake said.
    Tls(Box<TlsStream<TcpStream>>, Said),
    /// The client speaks plain HTTP, which is answered once and closed. Nothing of it was read.
    Plain(TcpStream),
    /// There is nobody to serve.
    Failed,
}

/// Shakes hands within `limit`, counted from now to the last byte: a client that sends half a hello, or one byte a second,
/// is gone then. What fails is counted; a drain ends it, for nothing was asked yet.
pub async fn accept(
    tls: &Tls,
    stream: TcpStream,
    limit: Duration,
    shutdown: &Shutdown,
    metrics: &Metrics,
) -> Accepted {
    let handshake = async {
        match timeout(limit, shake(tls, stream)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Timeout),
        }
    };
    let result = tokio::select! {
        result = handshake => result,
        () = shutdown.reaches(Phase::Draining) => return Accepted::Failed,
    };
    match result {
        Ok(Shaken::Tls(stream)) => {
            let connection = stream.get_ref().1;
            metrics.tls.handshake(connection.handshake_kind() == Some(HandshakeKind::Resumed));
            let Some(said) = said(connection) else {
                metrics.tls.failed(Failure::ClientCertificate.reason());
                return Accepted::Failed;
            };
            Accepted::Tls(stream, said)
        }
        Ok(Shaken::Plain(stream)) => {
            metrics.tls.failed(Failure::PlainHttp.reason());
            Accepted::Plain(stream)
        }
        Err(failure) => {
            metrics.tls.failed(failure.reason());
            tracing::debug!(reason = failure.reason(), "a TLS handshake failed");
            Accepted::Failed
        }
    }
}

enum Shaken {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

async fn shake(tls: &Tls, stream: TcpStream) -> Result<Shaken, Failure> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) if first[0] == HANDSHAKE => {}
        // A method, or white space before one.
        Ok(1..) if first[0].is_ascii_graphic() => return Ok(Shaken::Plain(stream)),
        Ok(1..) => return Err(Failure::Malformed),
        Ok(0) | Err(_) => return Err(Failure::Closed),
    }
    match TlsAcceptor::from(tls.server()).accept(stream).await {
        Ok(stream) => Ok(Shaken::Tls(Box::new(stream))),
        Err(error) => Err(Failure::of(&error)),
    }
}

/// What the handshake said. Nothing where the client showed a certificate that was verified but cannot be named: a rule that
/// asks for its subject must not find none.
fn said(connection: &ServerConnection) -> Option<Said> {
    let client = match connection.peer_certificates().and_then(<[_]>::first) {
        Some(certificate) => Some(client_certificate::name(certificate)?),
        None => None,
    };
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        _ => "1.3",
    };
    let server_name = connection.server_name().map(str::to_ascii_lowercase);
    Some(Said { version, server_name, client })
}
