//! A connection at rest: hyper is made when there is a head for it, and put away when nothing has come for a while. hyper
//! keeps two buffers of 8 KiB and its state for as long as it lives, which is most of what an idle connection would take;
//! at rest there is the socket, its guard and its timer. Half a head waits in the guard, and costs what came of it.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1::{Builder, Parts, UpgradeableConnection};
use hyper::service::HttpService;
use tokio::io::{AsyncRead, AsyncWrite};

use super::guard::{Link, Over, Patience};
use super::wire::Wire;

/// How long nothing comes before a connection rests. Waking costs it some allocations and a copy of one head, so whoever
/// asks more often than that does not notice.
const REST_AFTER: Duration = Duration::from_secs(1);
/// The same while many of a worker's connections are awake: what they all took at once, the allocator keeps.
const REST_AFTER_OF_MANY: Duration = Duration::from_millis(50);
/// So many are many.
const MANY: usize = 128;

thread_local! {
    /// Connections of this worker that are awake.
    static AWAKE: Cell<usize> = const { Cell::new(0) };
}

/// hyper's side of a connection, where it is needed.
pub struct Speaker<'a, I, S: HttpService<Incoming>> {
    builder: &'a Builder,
    state: State<I, S>,
}

enum State<I, S: HttpService<Incoming>> {
    /// Nothing has come for hyper.
    Rest(Wire<I>, S),
    /// hyper reads and writes.
    Awake(Box<UpgradeableConnection<Wire<I>, S>>, Counted),
    /// Others have the stream.
    Gone,
}

impl<'a, I, S, B> Speaker<'a, I, S>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// At rest, as a connection begins.
    pub fn new(builder: &'a Builder, wire: Wire<I>, service: S) -> Self {
        Self { builder, state: State::Rest(wire, service) }
    }

    /// Serves what comes, to the end of the connection.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        if let State::Rest(wire, _) = &mut self.state {
            ready!(wire.poll_wake(cx));
            self.wake();
        }
        match &mut self.state {
            State::Awake(connection, _) => Pin::new(&mut **connection).poll(cx),
            State::Rest(..) | State::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Whether there is something to do that it has not been woken for: a time is over, or an upgrade was decided over.
    pub fn again(&mut self, link: &Link, patience: &mut Patience, cx: &mut Context<'_>) -> bool {
        // One that closes has no rest: what hyper knows of it, that nothing more may be read, would be lost.
        let rests_after = self.rests_after().filter(|_| !link.is_closing());
        match patience.poll(link, rests_after, cx) {
            Poll::Ready(Over::Idle) => {
                link.set_closing();
                self.close();
            }
            Poll::Ready(Over::Awake) => self.rest(),
            Poll::Ready(Over::Head) => link.set_late(),
            Poll::Pending => return link.take_decided(),
        }
        true
    }

    /// How long nothing may come before it is to rest; nothing where it does.
    pub fn rests_after(&self) -> Option<Duration> {
        let after = || if AWAKE.get() > MANY { REST_AFTER_OF_MANY } else { REST_AFTER };
        matches!(self.state, State::Awake(..)).then(after)
    }

    /// Has hyper finish what is in flight, and close.
    pub fn close(&mut self) {
        self.wake();
        if let State::Awake(connection, _) = &mut self.state {
            Pin::new(&mut **connection).graceful_shutdown();
        }
    }

    /// Puts hyper away. Only where nothing is in flight, all that was answered is written and nothing closes: it has read
    /// nothing then that it did not use, and would not give it up if it had.
    pub fn rest(&mut self) {
        if let State::Awake(connection, _) = std::mem::replace(&mut self.state, State::Gone)
            && let Some(Parts { mut io, read_buf, service, .. }) = connection.into_parts()
        {
            io.take_back(&read_buf);
            self.state = State::Rest(io, service);
        }
    }

    fn wake(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Gone) {
            State::Rest(wire, service) => {
                let connection = self.builder.serve_connection(wire, service).with_upgrades();
                State::Awake(Box::new(connection), Counted::new())
            }
            other => other,
        };
    }
}

/// One of [`AWAKE`].
struct Counted;

impl Counted {
    fn new() -> Self {
        AWAKE.set(AWAKE.get() + 1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // Never below: each is dropped where it was made, and a thread that ends has no count any more.
        let _ = AWAKE.try_with(|awake| awake.set(awake.get().saturating_sub(1)));
    }
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
