//! The plain listener that only sends on to https. It comes, moves and goes with an edit, as the public one moves.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_local};

use super::drain::drain;
use super::listener::{Listener, Listening, StartWorkers, Unavailable, Wish};
use super::workers::Workers;

/// Orders that wait for the accepting runtime.
const ORDERS_MAX: usize = 64;

/// How long requests in flight may take once the listener is gone: each is answered from memory.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// One thread: a redirect costs next to nothing.
const WORKERS: usize = 1;

/// The side that edits.
pub struct Redirect {
    granted: Option<SocketAddr>,
    socket: Weak<TcpListener>,
    start: Arc<dyn Fn(usize, SocketAddr) -> io::Result<Workers> + Send + Sync>,
    orders: mpsc::Sender<Option<Listening>>,
}

/// The side that accepts.
pub struct Redirecting(mpsc::Receiver<Option<Listening>>);

/// What comes in place of the old: ready to serve, or nothing.
pub struct Change {
    wish: Option<SocketAddr>,
    opened: Option<(Weak<TcpListener>, Listening)>,
}

impl Redirect {
    /// Nothing is listened on yet.
    pub fn new(
        start: impl Fn(usize, SocketAddr) -> io::Result<Workers> + Send + Sync + 'static,
    ) -> (Self, Redirecting) {
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        let redirect = Self { granted: None, socket: Weak::new(), start: Arc::new(start), orders };
        (redirect, Redirecting(receiver))
    }

    /// The socket, for as long as it is open.
    pub fn socket(&self) -> Option<Arc<TcpListener>> {
        self.socket.upgrade()
    }

    /// Makes ready what is asked for, while the old goes on; nothing where it is what there is already. `own` are sockets of
    /// this process that may be about to leave the port.
    ///
    /// # Errors
    /// It cannot be had; the old goes on.
    pub fn prepare(
        &self,
        wish: Option<SocketAddr>,
        own: &[Arc<TcpListener>],
    ) -> Result<Option<Change>, Unavailable> {
        if wish == self.granted {
            return Ok(None);
        }
        let Some(address) = wish else { return Ok(Some(Change { wish, opened: None })) };
        let own: Vec<_> = own.iter().cloned().chain(self.socket()).collect();
        let socket = super::listen::listen_among(address, &own)?;
        let start = Arc::clone(&self.start);
        let start: StartWorkers = Box::new(move |workers, address| start(workers, address));
        let (listener, listening) = Listener::open(Wish { address, workers: WORKERS }, Some(socket), start)?;
        Ok(Some(Change { wish, opened: Some((listener.socket(), listening)) }))
    }

    /// Puts it into force.
    pub fn commit(&mut self, change: Change) {
        self.granted = change.wish;
        let (socket, listening) = change.opened.unzip();
        self.socket = socket.unwrap_or_default();
        if self.orders.try_send(listening).is_err() {
            tracing::error!("a change of the redirect listener was lost: the process ends, or stands still");
        }
    }
}

impl Redirecting {
    /// Accepts from whatever is in force until `stop` is ready. Wants a runtime of its own thread, not a worker's.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut open: Option<Open> = None;
        loop {
            let order = tokio::select! {
                biased;
                () = &mut stop => break,
                Some(order) = self.0.recv() => order,
            };
            let old = std::mem::replace(&mut open, order.map(Open::begin));
            if let Some(old) = old {
                spawn_local(old.close());
            }
        }
        if let Some(open) = open {
            open.close().await;
        }
    }
}

/// A listener that is accepted from.
struct Open {
    stop: oneshot::Sender<()>,
    workers: JoinHandle<Vec<Workers>>,
}

impl Open {
    fn begin(listening: Listening) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let workers = spawn_local(async move {
            // An error says that whoever may stop it is gone.
            let stopped = async { stopped.await.unwrap_or_default() };
            listening.run(stopped).await.unwrap_or_else(|error| {
                tracing::error!(%error, "the redirect listener failed");
                Vec::new()
            })
        });
        Self { stop, workers }
    }

    async fn close(self) {
        // An error says that it has failed already.
        self.stop.send(()).ok();
        let workers = self.workers.await.unwrap_or_default();
        drain(workers, DRAIN_MAX, std::future::pending()).await;
    }
}
