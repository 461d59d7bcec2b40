//! Worker threads: one current-thread runtime each, and one gate that hands each socket to the worker with the fewest.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream as Socket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use super::phase::{Phase, Shutdown};
use crate::base::clock::Clock;
use crate::telemetry::metrics::Metrics;

/// Stack of a worker: the script engine recurses.
pub const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Sockets that wait for one worker.
const SOCKETS_MAX: usize = 256;

/// Pause after an accept that failed for want of something: trying again at once would only spin.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How long connections that are cut may take to notice.
const CUT_MAX: Duration = Duration::from_millis(500);

/// Shortest time between two log lines about failing accepts.
const TELL_EVERY: Duration = Duration::from_secs(10);

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
    phase: watch::Sender<Phase>,
    /// Closes when the last worker has ended.
    ended: mpsc::Receiver<Infallible>,
}

/// Where accepted sockets go in; cloned freely.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    posts: Vec<Post>,
    connections_max: AtomicUsize,
    metrics: Arc<Metrics>,
}

/// One worker as the gate sees it.
struct Post {
    sockets: mpsc::Sender<(Socket, SocketAddr)>,
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
        let craft = Arc::new((state, serve));
        let (phase, phases) = watch::channel(Phase::Serving);
        let (alive, ended) = mpsc::channel(1);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (mut posts, mut threads) = (Vec::new(), Vec::new());
        for index in 0..threads_of(options.workers) {
            let (sockets, incoming) = mpsc::channel(SOCKETS_MAX);
            let open = Arc::new(AtomicUsize::new(0));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (craft, phases, alive, ready) =
                (Arc::clone(&craft), phases.clone(), alive.clone(), ready.clone());
            let mut worker =
                Worker { incoming, phases, open: Arc::clone(&open), metrics: Arc::clone(&metrics) };
            let thread = std::thread::Builder::new()
                .name(format!("{}-{index}", options.name))
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
        let connections_max = AtomicUsize::new(options.connections_max);
        Ok(Self { gate: Gate(Arc::new(Inner { posts, connections_max, metrics })), threads, phase, ended })
    }

    /// Where accepted sockets go in.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Moves all workers on to a later phase.
    pub fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = (*now).max(phase);
            later
        });
    }

    /// Waits until all workers have ended, which they do once they are told to drain and nothing is left.
    pub async fn ended(&mut self) {
        while self.ended.recv().await.is_some() {}
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
        let least = inner.posts.iter().min_by_key(|post| post.open.load(Ordering::Relaxed));
        let admitted = self.open() < inner.connections_max.load(Ordering::Relaxed)
            && least.is_some_and(|post| {
                post.open.fetch_add(1, Ordering::Relaxed);
                let sent = post.sockets.try_send((socket, peer)).is_ok();
                if !sent {
                    post.open.fetch_sub(1, Ordering::Relaxed);
                }
                sent
            });
        if admitted { inner.metrics.connections.inc() } else { inner.metrics.connections_refused.inc() }
    }

    /// Connections that are open now, on all workers.
    pub fn open(&self) -> usize {
        self.0.posts.iter().map(|post| post.open.load(Ordering::Relaxed)).sum()
    }

    /// Takes a new limit into force, for connections that come from now on.
    pub fn set_connections_max(&self, connections_max: usize) {
        self.0.connections_max.store(connections_max, Ordering::Relaxed);
    }

    /// Accepts connections until `stop` is ready; then the listener is closed. Wants a runtime of its own thread, not a worker's.
    ///
    /// # Errors
    /// The listener cannot be registered.
    pub async fn accept(&self, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut told: Option<Instant> = None;
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                // Out of this runtime, into the worker's.
                Ok((stream, peer)) => match stream.into_std() {
                    Ok(socket) => self.admit(socket, peer),
                    Err(_) => self.0.metrics.connections_refused.inc(),
                },
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if told.is_none_or(|at| Clock::System.now() - at >= TELL_EVERY) {
                        told = Some(Clock::System.now());
                        tracing::warn!(%error, "connections cannot be accepted; trying on");
                    }
                    tokio::select! { () = &mut stop => return Ok(()), () = sleep(BACK_OFF) => {} }
                }
            }
        }
    }
}

/// Whether an accept failed because of the connection that it would have given; the next one may be fine.
///
/// # Source
/// accept(2).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::Interrupted | K::ConnectionRefused)
}

/// One worker, on its thread.
struct Worker {
    incoming: mpsc::Receiver<(Socket, SocketAddr)>,
    phases: watch::Receiver<Phase>,
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
                changed = self.phases.changed() => self.follow(changed.is_ok(), &shutdown),
                socket = self.incoming.recv() => {
                    let Some((socket, peer)) = socket else { break };
                    let open = self.count(&closed);
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
            drop(self.count(&closed));
        }
        while self.open.load(Ordering::Relaxed) > 0 && shutdown.phase() < Phase::Ended {
            tokio::select! {
                changed = self.phases.changed() => self.follow(changed.is_ok(), &shutdown),
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

    /// Takes over the phase that was told; when nobody is left to tell one, it is the end.
    fn follow(&mut self, told: bool, shutdown: &Shutdown) {
        let phase = if told { *self.phases.borrow_and_update() } else { Phase::Ended };
        shutdown.advance(phase);
    }

    fn count(&self, closed: &Rc<Notify>) -> Open {
        Open { count: Arc::clone(&self.open), metrics: Arc::clone(&self.metrics), closed: Rc::clone(closed) }
    }
}

/// An open connection, counted until it is dropped, by a panic too.
struct Open {
    count: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    closed: Rc<Notify>,
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
