//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that the kernel holds for us before they are accepted.
pub const BACKLOG: i32 = 1024;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody listens there already: another gateway, perhaps.
    #[error("{0} is in use by another process")]
    Taken(SocketAddr),
    /// A port below 1024, without the right to it.
    #[error("{0} needs privileges that this process does not have")]
    Forbidden(SocketAddr),
    /// The machine does not have this address.
    #[error("{0} is not an address of this machine")]
    NotHere(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Opens a listening socket. `SO_REUSEADDR` lets a restart follow at once; `SO_REUSEPORT` is left off, for it hides a taken port.
///
/// # Errors
/// The port is taken, or the address cannot be had.
///
/// # Source
/// socket(7), tcp(7).
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    open(address, false).map_err(|source| failure(address, source))
}

/// As [`listen`], where a socket of this process stands in the way: one at `0.0.0.0:80` and one at `127.0.0.1:80`, say.
/// For the moment of the opening both may share the port; a stranger's socket still may not.
///
/// # Errors
/// As [`listen`].
///
/// # Source
/// socket(7), `SO_REUSEPORT`.
pub fn listen_beside(address: SocketAddr, own: &TcpListener) -> Result<TcpListener, ListenError> {
    let own = SockRef::from(own);
    let opened = own.set_reuse_port(true).and_then(|()| open(address, true));
    let closed = own.set_reuse_port(false);
    opened.and_then(|socket| closed.map(|()| socket)).map_err(|source| failure(address, source))
}

/// As [`listen`], or beside whichever of these sockets of this process has the port.
///
/// # Errors
/// As [`listen`].
pub fn listen_among(address: SocketAddr, own: &[Arc<TcpListener>]) -> Result<TcpListener, ListenError> {
    let has_port = |socket: &&Arc<TcpListener>| socket.local_addr().is_ok_and(|a| a.port() == address.port());
    match (listen(address), own.iter().find(has_port)) {
        (Err(ListenError::Taken(_)), Some(old)) => listen_beside(address, old),
        (outcome, _) => outcome,
    }
}

fn open(address: SocketAddr, shares: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shares)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // The kernel looks for who else has the port here once more.
    socket.listen(BACKLOG)?;
    socket.set_reuse_port(false)?;
    Ok(socket.into())
}

fn failure(address: SocketAddr, source: io::Error) -> ListenError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address),
        io::ErrorKind::PermissionDenied => ListenError::Forbidden(address),
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere(address),
        _ => ListenError::Other { address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_told_as_such() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address).unwrap_err();
        assert!(matches!(error, ListenError::Taken(a) if a == address), "{error}");
    }

    #[test]
    fn a_port_can_be_listened_on_again_at_once() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        first.set_nonblocking(false).unwrap();
        // The side that closes first keeps the port in TIME_WAIT.
        drop(first.accept().unwrap());
        drop((first, client));
        assert!(listen(address).is_ok());
    }

    #[test]
    fn an_address_of_another_machine_is_told_as_such() {
        let error = listen("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, ListenError::NotHere(_)), "{error}");
    }
}
