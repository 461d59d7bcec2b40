//! Accepting from one listening socket, through shortages.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::base::clock::Clock;

/// Pause after an accept that failed for want of something: trying again at once would only spin.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Shortest time between two log lines about failing accepts.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A listening socket that is accepted from. Dropping it closes the socket, unless others hold it too.
pub struct Door {
    listener: tokio::net::TcpListener,
    socket: Arc<TcpListener>,
    told: Option<Instant>,
}

impl Door {
    /// Begins to accept from a socket. Wants a runtime of its own thread, not a worker's.
    ///
    /// # Errors
    /// The socket cannot be registered.
    pub fn open(socket: Arc<TcpListener>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
        Ok(Self { listener, socket, told: None })
    }

    /// Waits for the next connection; shortages are waited out, and told once in a while.
    pub async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            // Out of this runtime, into a worker's.
            let accepted = self.listener.accept().await;
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if self.told.is_none_or(|at| Clock::System.now() - at >= TELL_EVERY) {
                        self.told = Some(Clock::System.now());
                        tracing::warn!(%error, "connections cannot be accepted; trying on");
                    }
                    sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// The connections that have been made already and wait to be accepted, until there is none, or none can be had.
    pub fn waiting(&self) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
        std::iter::from_fn(|| {
            loop {
                match accept(&self.socket) {
                    Ok(accepted) => return Some(accepted),
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(_) => return None,
                }
            }
        })
    }
}

/// A connection whose socket does not block.
fn accept(socket: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = socket.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, peer))
}

/// Whether an accept failed because of the connection that it would have given; the next one may be fine.
///
/// # Source
/// accept(2).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::Interrupted | K::ConnectionRefused)
}
