//! The HTTP/2 connections of one worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::sleep;

use super::super::dial::{DialError, Peer, dial};
use super::super::endpoint::Endpoint;
use super::super::service::Service;
use super::super::stream::Stream;
use crate::base::clock::Clock;
use crate::config;

/// Bytes of one response body that an upstream may send before they are read.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// Bytes of all response bodies of one connection that may come before they are read: so many that clients who read
/// slowly do not stop the others of the same connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Bytes of one request body that h2 takes before the upstream has room for them.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Largest response head, in bytes, each header counted with 32 more.
const HEAD_BYTES_MAX: u32 = 64 * 1024;

/// How often an upstream that owes an answer is asked whether it is still there, and the longest wait for its word.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Longest wait for an unused connection to close.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// What ALPN calls HTTP/2.
const ALPN: &[u8] = b"h2";

/// The connections of one worker, by address.
#[derive(Clone, Default)]
pub struct Sessions(Rc<RefCell<HashMap<u64, Slot>>>);

enum Slot {
    /// Somebody connects; the others wait for what comes of it.
    Opening(watch::Receiver<Option<DialError>>),
    Open(Rc<Session>),
}

/// One connection.
pub struct Session {
    sender: SendRequest<Bytes>,
    state: Rc<State>,
    tls: bool,
    endpoint: Arc<Endpoint>,
}

/// What the connection and its requests know of each other.
#[derive(Default)]
struct State {
    ended: Cell<bool>,
    /// Requests under way.
    users: Cell<usize>,
    /// Counts the requests that have begun.
    begun: Cell<u64>,
}

/// A request's hold on its connection: idle time is counted while there is none.
pub struct Hold(Rc<Session>);

impl Drop for Hold {
    fn drop(&mut self) {
        let users = &self.0.state.users;
        users.set(users.get().saturating_sub(1));
    }
}

impl Session {
    /// What a request is sent with.
    pub fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Takes no more requests; those under way go on.
    pub fn retire(&self) {
        self.state.ended.set(true);
    }

    /// Counts a request as under way.
    pub fn hold(self: &Rc<Self>) -> Hold {
        self.state.users.set(self.state.users.get() + 1);
        self.state.begun.set(self.state.begun.get().wrapping_add(1));
        Hold(Rc::clone(self))
    }
}

impl Sessions {
    /// The connection to an address, a new one where there is none, and whether it was there already. Those who come while
    /// one connects wait for that one, and share its failure.
    ///
    /// # Errors
    /// [`DialError`]
    pub async fn get(
        &self,
        service: &Arc<Service>,
        endpoint: &Arc<Endpoint>,
        clock: &Clock,
    ) -> Result<(Rc<Session>, bool), DialError> {
        loop {
            let opening = match self.0.borrow().get(&endpoint.id()) {
                Some(Slot::Open(session)) if !session.state.ended.get() => {
                    return Ok((Rc::clone(session), true));
                }
                Some(Slot::Opening(opening)) => Some(opening.clone()),
                Some(Slot::Open(_)) | None => None,
            };
            let Some(mut opening) = opening else { return self.open(service, endpoint, clock).await };
            // An end without a word: it is open, or whoever connected was cancelled.
            if opening.changed().await.is_ok()
                && let Some(error) = *opening.borrow()
            {
                return Err(error);
            }
        }
    }

    async fn open(
        &self,
        service: &Arc<Service>,
        endpoint: &Arc<Endpoint>,
        clock: &Clock,
    ) -> Result<(Rc<Session>, bool), DialError> {
        let (tell, hear) = watch::channel(None);
        let mut opening = Opening { sessions: self, id: endpoint.id(), open: None, tell };
        self.0.borrow_mut().insert(endpoint.id(), Slot::Opening(hear));
        let config = service.config();
        match connect(endpoint, config).await {
            Ok(session) => {
                endpoint.connected(config, clock.now());
                opening.open = Some(Rc::clone(&session));
                Ok((session, false))
            }
            Err(error) => {
                opening.tell.send_replace(Some(error));
                Err(error)
            }
        }
    }

    /// Lets connections go that have ended, or that lead to an address which nobody names any more. One that nobody uses
    /// closes by itself, and requests that are under way keep theirs.
    pub fn sweep(&self) {
        self.0.borrow_mut().retain(|_, slot| match slot {
            Slot::Opening(_) => true,
            Slot::Open(session) => !session.state.ended.get() && !session.endpoint.is_retired(),
        });
    }

    /// How many connections take requests now.
    #[cfg(test)]
    pub fn open_count(&self) -> usize {
        let open = |slot: &&Slot| matches!(slot, Slot::Open(session) if !session.state.ended.get());
        self.0.borrow().values().filter(open).count()
    }
}

/// Clears the place of a connection that is being made, however that ends.
struct Opening<'a> {
    sessions: &'a Sessions,
    id: u64,
    open: Option<Rc<Session>>,
    tell: watch::Sender<Option<DialError>>,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut all = self.sessions.0.borrow_mut();
        match self.open.take() {
            Some(session) => all.insert(self.id, Slot::Open(session)),
            None => all.remove(&self.id),
        };
    }
}

async fn connect(endpoint: &Arc<Endpoint>, config: &config::Service) -> Result<Rc<Session>, DialError> {
    // The configuration was refused if the address cannot be read.
    let peer = endpoint.peer().ok_or(DialError::Refused)?;
    let stream = dial(&speaking_http2(peer), config).await?;
    let tls = matches!(stream, Stream::Tls(_));
    if tls && stream.protocol() != Some(ALPN) {
        return Err(DialError::Protocol);
    }
    let (sender, connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(|_| DialError::Refused)?;
    let state = Rc::new(State::default());
    tokio::task::spawn_local(drive(connection, Rc::clone(&state), config.idle_timeout));
    Ok(Rc::new(Session { sender, state, tls, endpoint: Arc::clone(endpoint) }))
}

/// The same peer, offered HTTP/2 and nothing else.
fn speaking_http2(peer: &Peer) -> Peer {
    let tls = peer.tls.as_ref().map(|tls| {
        let mut config = (**tls).clone();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Arc::new(config)
    });
    Peer { tls, ..peer.clone() }
}

/// Drives a connection until it ends, or until nobody has used it for `idle_timeout`. While requests are under way, an
/// upstream that does not answer a ping is gone.
async fn drive(
    mut connection: h2::client::Connection<Stream, Bytes>,
    state: Rc<State>,
    idle_timeout: Duration,
) {
    let mut pings = connection.ping_pong();
    let mut timer = pin!(unconstrained(sleep(idle_timeout)));
    let mut turn = Turn::Idle { begun: 0 };
    poll_fn(|cx| {
        let pong = pings.as_mut().map_or(Poll::Pending, |pings| pings.poll_pong(cx));
        if matches!(pong, Poll::Ready(Ok(_))) && turn == Turn::AwaitsPong {
            turn = Turn::Busy;
            timer.set(unconstrained(sleep(PING_INTERVAL)));
        }
        if Pin::new(&mut connection).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while timer.as_mut().poll(cx).is_ready() {
            let (busy, begun) = (state.users.get() > 0, state.begun.get());
            match turn {
                Turn::AwaitsPong if busy => return Poll::Ready(()),
                Turn::Closing => return Poll::Ready(()),
                // The next sweep lets the last handle go, and the connection says goodbye.
                Turn::Idle { begun: before } if !busy && before == begun => {
                    state.ended.set(true);
                    turn = Turn::Closing;
                    timer.set(unconstrained(sleep(CLOSE_MAX)));
                }
                _ if busy => {
                    let sent = pings.as_mut().is_some_and(|p| p.send_ping(h2::Ping::opaque()).is_ok());
                    turn = if sent { Turn::AwaitsPong } else { Turn::Busy };
                    timer.set(unconstrained(sleep(PING_INTERVAL)));
                }
                _ => {
                    turn = Turn::Idle { begun };
                    timer.set(unconstrained(sleep(idle_timeout)));
                }
            }
        }
        Poll::Pending
    })
    .await;
    state.ended.set(true);
}

/// What the timer of a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// That nobody has used it for the whole time.
    Idle { begun: u64 },
    /// The next ping.
    Busy,
    /// The answer to one.
    AwaitsPong,
    /// The goodbye.
    Closing,
}
