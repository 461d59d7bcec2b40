//! What is listened on for one purpose: the socket and the workers behind it. Both can be replaced while they serve.
//!
//! [`Listener`] is the side of whoever edits: it opens the new socket and starts the new workers before anything of the
//! old is touched, so that a failure changes nothing. [`Listening`] is the side of the runtime that accepts.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::task::Poll;

use tokio::sync::mpsc;

use super::door::Door;
use super::listen::{ListenError, listen, listen_among};
use super::workers::Workers;

/// Changes that wait for the accepting runtime.
const CHANGES_MAX: usize = 64;

/// Starts workers, so many, for what is listened on at that address.
pub type StartWorkers = Box<dyn Fn(usize, SocketAddr) -> io::Result<Workers> + Send>;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The address; port 0 is any that is free.
    pub address: SocketAddr,
    /// Threads; 0 is one a core.
    pub workers: usize,
}

/// Why it cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The address.
    #[error(transparent)]
    Address(#[from] ListenError),
    /// The threads.
    #[error("the worker threads cannot be started: {0}")]
    Workers(#[from] io::Error),
}

/// The side that edits.
pub struct Listener {
    granted: Wish,
    /// Where it really listens.
    address: SocketAddr,
    socket: Weak<TcpListener>,
    /// Whether the socket was given by the service manager: then its address is not ours to change.
    is_given: bool,
    start: StartWorkers,
    changes: mpsc::Sender<Change>,
}

/// The side that accepts.
pub struct Listening {
    socket: Arc<TcpListener>,
    workers: Workers,
    retired: Vec<Workers>,
    changes: mpsc::Receiver<Change>,
}

/// What comes in place of the old, ready to serve.
pub struct Change {
    wish: Wish,
    address: SocketAddr,
    /// Absent: the old one goes on.
    socket: Option<Arc<TcpListener>>,
    workers: Workers,
}

impl Change {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Listener {
    /// Listens, on a socket that was given where there is one, and starts the workers.
    ///
    /// # Errors
    /// The address is taken, or a thread cannot be started.
    pub fn open(
        wish: Wish,
        given: Option<TcpListener>,
        start: StartWorkers,
    ) -> Result<(Self, Listening), Unavailable> {
        let is_given = given.is_some();
        let socket = Arc::new(given.map_or_else(|| listen(wish.address), Ok)?);
        let address = socket.local_addr()?;
        let workers = start(wish.workers, address)?;
        let (sender, changes) = mpsc::channel(CHANGES_MAX);
        let weak = Arc::downgrade(&socket);
        let editing = Self { granted: wish, address, socket: weak, is_given, start, changes: sender };
        Ok((editing, Listening { socket, workers, retired: Vec::new(), changes }))
    }

    /// Its socket, for as long as it is open.
    pub fn socket(&self) -> Weak<TcpListener> {
        Weak::clone(&self.socket)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes ready what is asked for, while the old goes on; nothing where it is what there is already. Blocks for as long
    /// as threads take to start.
    ///
    /// # Errors
    /// It cannot be had; the old goes on.
    pub fn prepare(&self, wish: Wish) -> Result<Option<Change>, Unavailable> {
        self.prepare_among(wish, &[])
    }

    /// As [`Listener::prepare`]; `others` are sockets of this process that may be about to leave the port. Where the new
    /// address covers an old one on the same port, or the other way round, both stand side by side until that is closed.
    ///
    /// # Errors
    /// As [`Listener::prepare`].
    pub fn prepare_among(
        &self,
        mut wish: Wish,
        others: &[Arc<TcpListener>],
    ) -> Result<Option<Change>, Unavailable> {
        if self.is_given && wish.address != self.granted.address {
            tracing::warn!("the socket was given by the service manager; the address is its to change");
            wish.address = self.granted.address;
        }
        if wish == self.granted {
            return Ok(None);
        }
        let own: Vec<_> = self.socket.upgrade().into_iter().chain(others.iter().cloned()).collect();
        let socket =
            if wish.address == self.granted.address { None } else { Some(listen_among(wish.address, &own)?) };
        let address = socket.as_ref().map_or(Ok(self.address), TcpListener::local_addr)?;
        let workers = (self.start)(wish.workers, address)?;
        Ok(Some(Change { wish, address, socket: socket.map(Arc::new), workers }))
    }

    /// Puts it into force: from now on the new one accepts, and the old one finishes what it has.
    pub fn commit(&mut self, change: Change) {
        self.granted = change.wish;
        self.address = change.address;
        if let Some(socket) = &change.socket {
            self.socket = Arc::downgrade(socket);
        }
        if self.changes.try_send(change).is_err() {
            tracing::error!(
                "a change of the listener was lost: the process ends, or its accepting stands still"
            );
        }
    }
}

impl Listening {
    /// Accepts and hands to the workers until `stop` is ready; then the socket is closed. What is left are all workers that
    /// still serve, retired ones too. Wants a runtime of its own thread, not a worker's.
    ///
    /// # Errors
    /// The socket cannot be registered.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> io::Result<Vec<Workers>> {
        let mut door = Door::open(Arc::clone(&self.socket))?;
        let mut gate = self.workers.gate();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(change) = self.changes.recv() => {
                    gate = change.workers.gate();
                    self.take_over(change, &mut door);
                }
                () = reap(&mut self.retired), if !self.retired.is_empty() => {}
                (socket, peer) = door.next() => gate.admit(socket, peer),
            }
        }
        self.retired.push(self.workers);
        Ok(self.retired)
    }

    /// The new workers take over, and what waits at the old socket goes to them before it is closed.
    fn take_over(&mut self, change: Change, door: &mut Door) {
        let gate = change.workers.gate();
        let old = std::mem::replace(&mut self.workers, change.workers);
        old.retire();
        self.retired.push(old);
        let Some(socket) = change.socket else { return };
        match Door::open(Arc::clone(&socket)) {
            Ok(new) => {
                let old = std::mem::replace(door, new);
                self.socket = socket;
                old.waiting().for_each(|(socket, peer)| gate.admit(socket, peer));
            }
            Err(error) => {
                tracing::error!(%error, "the new socket cannot be accepted from; the old one goes on");
            }
        }
    }
}

/// Waits until one of the retired has nothing left, and sees it off.
async fn reap(retired: &mut Vec<Workers>) {
    let gone = poll_fn(|cx| {
        let gone = retired.iter_mut().position(|workers| workers.poll_ended(cx).is_ready());
        gone.map_or(Poll::Pending, Poll::Ready)
    });
    let gone = gone.await;
    // Its threads have nothing left to do but to end.
    retired.swap_remove(gone).join();
}
