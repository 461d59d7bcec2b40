//! New connections to an upstream.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::{CertificateError, ClientConfig};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::address::{Address, Place};
use super::resolve::{NoAddress, Resolver};
use super::stream::Stream;
use crate::config;

/// How long one address of a name is waited for before the next is tried beside it.
///
/// # Source
/// RFC 8305 section 5, "Connection Attempt Delay".
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// A peer, and under which authorities its certificate is believed.
#[derive(Clone)]
pub struct Peer {
    /// Where it is.
    pub address: Address,
    /// Absent where the connection is not encrypted.
    pub tls: Option<Arc<ClientConfig>>,
    /// Who knows names.
    pub resolver: Resolver,
    /// Counts connections, so that the addresses of a name take turns.
    pub turn: Arc<AtomicUsize>,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub enum DialError {
    /// Refused, or the way there is not there.
    Refused,
    /// Nobody said anything in time.
    Timeout,
    /// This process or machine has no socket left: it says nothing about the upstream.
    NoSocket,
    /// The name has no address.
    Name(NoAddress),
    /// The certificate is not believed; why not.
    Certificate(&'static str),
    /// No encrypted connection for another reason.
    Handshake,
    /// HTTP/2 was wanted, and is not spoken there.
    Protocol,
}

impl DialError {
    /// A sentence's end without an address.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused the connection",
            Self::Timeout => "took no connection in time",
            Self::NoSocket => "could not be asked: there is no socket left here",
            Self::Name(NoAddress::Unknown) => "has a name without an address",
            Self::Name(NoAddress::Forbidden) => "has a name that leads where nothing is ever asked",
            Self::Certificate(why) => why,
            Self::Handshake => "made no encrypted connection",
            Self::Protocol => "does not speak HTTP/2",
        }
    }
}

/// Connects, and shakes hands where the address is encrypted; all within the service's `connect_timeout`.
///
/// # Errors
/// [`DialError`].
pub async fn dial(peer: &Peer, service: &config::Service) -> Result<Stream, DialError> {
    let dialing = connect(peer, service.dns_ttl);
    tokio::time::timeout(service.connect_timeout, dialing).await.unwrap_or(Err(DialError::Timeout))
}

async fn connect(peer: &Peer, dns_ttl: Duration) -> Result<Stream, DialError> {
    let tcp = match &peer.address.place {
        Place::Unix(path) => {
            return UnixStream::connect(path).await.map(Stream::Unix).map_err(|e| refused(&e));
        }
        Place::Socket(socket) => TcpStream::connect(socket).await.map_err(|e| refused(&e))?,
        Place::Name(host, port) => {
            let found = peer.resolver.resolve(host, *port, dns_ttl).await.map_err(DialError::Name)?;
            first_of(in_turn(&found, peer.turn.fetch_add(1, Ordering::Relaxed))).await?
        }
    };
    tcp.set_nodelay(true).map_err(|e| refused(&e))?;
    let Some(name) = peer.address.certified.clone() else { return Ok(Stream::Tcp(tcp)) };
    let tls = peer.tls.clone().ok_or(DialError::Handshake)?;
    let encrypted = TlsConnector::from(tls).connect(name, tcp).await.map_err(|e| distrusted(&e))?;
    Ok(Stream::Tls(Box::new(encrypted)))
}

fn refused(error: &io::Error) -> DialError {
    // socket(2), connect(2): descriptors, memory, or local ports have run out.
    let short = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL];
    match error.raw_os_error() {
        Some(code) if short.contains(&code) => DialError::NoSocket,
        _ if error.kind() == io::ErrorKind::TimedOut => DialError::Timeout,
        _ => DialError::Refused,
    }
}

/// The families stay in the order that the system gave them; within each, the addresses take turns.
fn in_turn(found: &[SocketAddr], turn: usize) -> Vec<SocketAddr> {
    let first_is_v4 = found.first().is_some_and(SocketAddr::is_ipv4);
    let (mut first, mut second): (Vec<_>, Vec<_>) = found.iter().partition(|a| a.is_ipv4() == first_is_v4);
    for family in [&mut first, &mut second] {
        let by = turn.checked_rem(family.len()).unwrap_or(0);
        family.rotate_left(by);
    }
    first.append(&mut second);
    first
}

/// The first of these that takes the connection: the next is tried when one refuses, or says nothing for a moment.
async fn first_of(addresses: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
    if let [only] = addresses[..] {
        return TcpStream::connect(only).await.map_err(|e| refused(&e));
    }
    let mut rest = addresses.into_iter();
    let mut trying = JoinSet::new();
    let mut failure = DialError::Refused;
    loop {
        let next = rest.next();
        let last = next.is_none();
        if let Some(address) = next {
            trying.spawn(TcpStream::connect(address));
        }
        let ended = if last {
            trying.join_next().await
        } else {
            match tokio::time::timeout(NEXT_AFTER, trying.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(e))) => failure = refused(&e),
            Some(Err(_)) => {}
            None => return Err(failure),
        }
    }
}

fn distrusted(error: &io::Error) -> DialError {
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(why)) => DialError::Certificate(match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "has a certificate that has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "has a certificate that is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "has a certificate for another name"
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "has a certificate of an unknown authority"
            }
            _ => "has a certificate that is not valid",
        }),
        Some(rustls::Error::NoCertificatesPresented) => DialError::Certificate("has no certificate"),
        _ => DialError::Handshake,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn the_addresses_of_a_name_take_turns_within_their_family() {
        let found = addresses(&["[::1]:1", "[::2]:1", "10.0.0.1:1", "10.0.0.2:1"]);
        assert_eq!(in_turn(&found, 0), found);
        assert_eq!(in_turn(&found, 1), addresses(&["[::2]:1", "[::1]:1", "10.0.0.2:1", "10.0.0.1:1"]));
        assert_eq!(in_turn(&addresses(&["10.0.0.1:1"]), 7), addresses(&["10.0.0.1:1"]));
    }

    #[test]
    fn what_runs_out_here_is_not_blamed_on_the_upstream() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::EADDRNOTAVAIL] {
            assert_eq!(refused(&io::Error::from_raw_os_error(code)), DialError::NoSocket);
        }
        assert_eq!(refused(&io::Error::from_raw_os_error(libc::ECONNREFUSED)), DialError::Refused);
        assert_eq!(refused(&io::Error::from_raw_os_error(libc::ETIMEDOUT)), DialError::Timeout);
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let bad = {
            let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            closed.local_addr().unwrap()
        };
        let stream = first_of(vec![bad, bad, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert_eq!(first_of(vec![bad, bad]).await.unwrap_err(), DialError::Refused);
        assert_eq!(first_of(Vec::new()).await.unwrap_err(), DialError::Refused);
    }

    #[tokio::test]
    async fn a_name_with_two_families_is_reached_whichever_of_them_is_listened_on() {
        for host in ["127.0.0.1", "[::1]"] {
            // A machine without IPv6 has nothing to show.
            let Ok(listener) = tokio::net::TcpListener::bind(format!("{host}:0")).await else { continue };
            let good = listener.local_addr().unwrap();
            let both: Vec<_> =
                addresses(&[&format!("[::1]:{}", good.port()), &format!("127.0.0.1:{}", good.port())]);
            for turn in 0..2 {
                let stream = first_of(in_turn(&both, turn)).await.unwrap();
                assert_eq!(stream.peer_addr().unwrap(), good);
            }
        }
    }

    #[tokio::test]
    async fn up_02_an_address_that_says_nothing_does_not_keep_the_next_one_waiting_for_long() {
        // Nobody accepts, so when the kernel's queue is full it answers no one.
        let crowded = tokio::net::TcpSocket::new_v4().unwrap();
        crowded.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let crowded = crowded.listen(1).unwrap();
        let silent = crowded.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(socket) = tokio::time::timeout(NEXT_AFTER, TcpStream::connect(silent)).await {
            waiting.push(socket.unwrap());
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let began = std::time::Instant::now();
        let stream = first_of(vec![silent, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(began.elapsed() >= NEXT_AFTER, "it was waited for");
    }
}
