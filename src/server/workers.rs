//! Worker threads: one current-thread runtime each, and one gate that hands each socket to the worker with the fewest.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream as Socket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::door::Door;
use super::limits::{Limits, Refused, Seat};
use super::phase::{Phase, Shutdown};
use crate::telemetry::metrics::Metrics;

/// Stack of a worker: the script engine recurses.
pub const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Sockets that wait for one worker.
const SOCKETS_MAX: usize = 256;

/// How long connections that are cut may take to notice.
const CUT_MAX: Duration = Duration::from_millis(500);

/// How many workers, and how many connections all of them together may have.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The threads are named `name-0`, `name-1`, …
    pub name: &'static str,
    /// Threads; 0 is one a core.
    pub workers: usize,
    /// Most connections at a time; what comes then is closed at once.
    pub connections_max: usize,
}

/// Running workers.
pub struct Workers {
    gate: Gate,
    threads: Vec<JoinHandle<()>>,
    orders: watch::Sender<Orders>,
    /// Closes when the last worker has ended.
    ended: mpsc::Receiver<Infallible>,
}

/// What workers are told.
#[derive(Clone, Copy, Debug)]
struct Orders {
    phase: Phase,
    retire: bool,
}

/// Where accepted sockets go in; cloned freely.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    posts: Vec<Post>,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
}

/// An accepted socket, who is at its other end, and its place among the connections.
type Accepted = (Socket, SocketAddr, Seat);

/// One worker as the gate sees it.
struct Post {
    sockets: mpsc::Sender<Accepted>,
    /// Connections handed over and not yet closed.
    open: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts the threads. `state` makes each worker's own state, on its thread and inside its runtime; `serve` serves one
    /// connection with it. Neither the state nor the futures need to be `Send`. A panic in `serve` ends that connection only.
    ///
    /// # Errors
    /// A runtime or a thread cannot be started, or `state` panicked. Waits until every worker has its state.
    pub fn start<S, F>(
        options: Options,
        metrics: Arc<Metrics>,
        state: impl Fn(usize) -> Rc<S> + Send + Sync + 'static,
        serve: impl Fn(Rc<S>, TcpStream, SocketAddr, Shutdown) -> F + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        S: 'static,
        F: Future<Output = ()> + 'static,
    {
        let limits = Limits::new(options.connections_max);
        Self::start_under(limits, options.name, options.workers, metrics, state, serve)
    }

    /// As [`Workers::start`], under limits that others know too.
    ///
    /// # Errors
    /// As [`Workers::start`].
    pub fn start_under<S, F>(
        limits: Arc<Limits>,
        name: &'static str,
        workers: usize,
        metrics: Arc<Metrics>,
        state: impl Fn(usize) -> Rc<S> + Send + Sync + 'static,
        serve: impl Fn(Rc<S>, TcpStream, SocketAddr, Shutdown) -> F + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        S: 'static,
        F: Future<Output = ()> + 'static,
    {
        let craft = Arc::new((state, serve));
        let (orders, told) = watch::channel(Orders { phase: Phase::Serving, retire: false });
        let (alive, ended) = mpsc::channel(1);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (mut posts, mut threads) = (Vec::new(), Vec::new());
        for index in 0..threads_of(workers) {
            let (sockets, incoming) = mpsc::channel(SOCKETS_MAX);
            let open = Arc::new(AtomicUsize::new(0));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (craft, orders, alive, ready) =
                (Arc::clone(&craft), told.clone(), alive.clone(), ready.clone());
            let mut worker =
                Worker { incoming, orders, open: Arc::clone(&open), metrics: Arc::clone(&metrics) };
            let thread = std::thread::Builder::new()
                .name(format!("{name}-{index}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    let local = LocalSet::new();
                    local.block_on(&runtime, async {
                        let state = craft.0(index);
                        // An error says that the start has failed already.
                        ready.send(()).ok();
                        drop(ready);
                        let serve =
                            move |stream, peer, shutdown| craft.1(Rc::clone(&state), stream, peer, shutdown);
                        worker.run(Rc::new(serve)).await;
                    });
                    // What is left is cut here, before the end is told.
                    drop((local, runtime));
                    drop(alive);
                })?;
            posts.push(Post { sockets, open });
            threads.push(thread);
        }
        drop(ready);
        if is_ready.iter().count() < threads.len() {
            return Err(io::Error::other("a worker panicked while it made its state"));
        }
        Ok(Self { gate: Gate(Arc::new(Inner { posts, limits, metrics })), threads, orders, ended })
    }

    /// Where accepted sockets go in.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Moves all workers on to a later phase.
    pub fn advance(&self, phase: Phase) {
        self.orders.send_if_modified(|now| {
            let later = phase > now.phase;
            now.phase = now.phase.max(phase);
            later
        });
    }

    /// Lets others take over: these serve what they have, and what waits for them, and end when nothing is left. The gate
    /// must not be used any more.
    pub fn retire(&self) {
        self.orders.send_modify(|now| now.retire = true);
    }

    /// Waits until all workers have ended, which they do once they are told to drain and nothing is left.
    pub async fn ended(&mut self) {
        poll_fn(|cx| self.poll_ended(cx)).await;
    }

    /// As [`Workers::ended`], for one of many.
    pub fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Nothing is ever sent: it closes, or it does not.
        self.ended.poll_recv(cx).map(drop)
    }

    /// Waits for the threads; says whether none of them panicked. Blocks, so only after [`Workers::ended`].
    pub fn join(self) -> bool {
        self.threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count() == 0
    }
}

fn threads_of(workers: usize) -> usize {
    match workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

impl Gate {
    /// Hands a socket, which must not block, to the worker with the fewest connections, or closes it when there are too many.
    pub fn admit(&self, socket: Socket, peer: SocketAddr) {
        let inner = &*self.0;
        let admitted = inner.limits.enter(peer.ip()).and_then(|seat| self.hand_over((socket, peer, seat)));
        match admitted {
            Ok(()) => inner.metrics.connections.inc(),
            Err(why) => inner.metrics.connection_refused(why.label()),
        }
    }

    fn hand_over(&self, accepted: Accepted) -> Result<(), Refused> {
        let least = self.0.posts.iter().min_by_key(|post| post.open.load(Ordering::Relaxed));
        let post = least.ok_or(Refused::Busy)?;
        post.open.fetch_add(1, Ordering::Relaxed);
        post.sockets.try_send(accepted).map_err(|_| {
            post.open.fetch_sub(1, Ordering::Relaxed);
            Refused::Busy
        })
    }

    /// Accepts connections until `stop` is ready; then the listener is closed. Wants a runtime of its own thread, not a worker's.
    ///
    /// # Errors
    /// The listener cannot be registered.
    pub async fn accept(&self, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
        let mut door = Door::open(Arc::new(listener))?;
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                (socket, peer) = door.next() => self.admit(socket, peer),
            }
        }
    }

    /// Connections that are open now, on all workers.
    pub fn open(&self) -> usize {
        self.0.posts.iter().map(|post| post.open.load(Ordering::Relaxed)).sum()
    }
}

/// One worker, on its thread.
struct Worker {
    incoming: mpsc::Receiver<Accepted>,
    orders: watch::Receiver<Orders>,
    open: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

impl Worker {
    async fn run<F: Future<Output = ()> + 'static>(
        &mut self,
        serve: Rc<impl Fn(TcpStream, SocketAddr, Shutdown) -> F + 'static>,
    ) {
        let shutdown = Shutdown::default();
        let closed = Rc::new(Notify::new());
        while shutdown.phase() == Phase::Serving {
            tokio::select! {
                biased;
                changed = self.orders.changed() => self.follow(changed.is_ok(), &shutdown),
                socket = self.incoming.recv() => {
                    let Some((socket, peer, seat)) = socket else { break };
                    let open = self.count(&closed, Some(seat));
                    if let Ok(stream) = TcpStream::from_std(socket) {
                        let (serve, shutdown) = (Rc::clone(&serve), shutdown.clone());
                        // Called inside the task, so that a panic is the task's.
                        spawn_local(async move {
                            let _open = open;
                            serve(stream, peer, shutdown).await;
                        });
                    }
                }
            }
        }
        // Sockets that wait have said nothing that was read; they are closed like idle ones.
        self.incoming.close();
        while self.incoming.try_recv().is_ok() {
            drop(self.count(&closed, None));
        }
        while self.open.load(Ordering::Relaxed) > 0 && shutdown.phase() < Phase::Ended {
            tokio::select! {
                changed = self.orders.changed() => self.follow(changed.is_ok(), &shutdown),
                () = closed.notified() => {}
            }
        }
        // Connections that are cut may still say so in the log.
        let cut = async {
            while self.open.load(Ordering::Relaxed) > 0 {
                closed.notified().await;
            }
        };
        // Over: those that do not notice are dropped with their runtime.
        timeout(CUT_MAX, cut).await.ok();
    }

    /// Takes over what was told; when nobody is left to tell anything, it is the end.
    fn follow(&mut self, told: bool, shutdown: &Shutdown) {
        if !told {
            return shutdown.advance(Phase::Ended);
        }
        let orders = *self.orders.borrow_and_update();
        if orders.retire {
            // What waits is still served.
            self.incoming.close();
            shutdown.retire();
        }
        shutdown.advance(orders.phase);
    }

    fn count(&self, closed: &Rc<Notify>, seat: Option<Seat>) -> Open {
        Open {
            count: Arc::clone(&self.open),
            metrics: Arc::clone(&self.metrics),
            closed: Rc::clone(closed),
            _seat: seat,
        }
    }
}

/// An open connection, counted until it is dropped, by a panic too.
struct Open {
    count: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    closed: Rc<Notify>,
    _seat: Option<Seat>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
        self.closed.notify_one();
    }
}

#[cfg(test)]
#[path = "workers_tests.rs"]
mod tests;
