//! Over an open socket: is it used, may it go on, and for how long?

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep};

use crate::pipeline::gateway::Gateway;
use crate::pipeline::vigil::{LOOK_EVERY, Vigil};
use crate::proxy::websocket::{Relay, Tally};
use crate::telemetry::websocket_metrics::SocketEnd;

/// Watches one socket.
pub struct Watch {
    gateway: Arc<Gateway>,
    vigil: Vigil,
    began: Instant,
    /// When a byte went either way the last time.
    moved: Instant,
    seen: Tally,
    /// A side that floods uses up the task's share of the runtime; a timer that asks for a share would never go off.
    next: Pin<Box<Unconstrained<Sleep>>>,
}

impl Watch {
    /// Begins to watch.
    pub fn new(gateway: Arc<Gateway>, vigil: Vigil) -> Self {
        let now = gateway.clock.now();
        let next = Box::pin(unconstrained(sleep(Duration::ZERO)));
        Self { gateway, vigil, began: now, moved: now, seen: Tally::default(), next }
    }

    /// Notes what has moved; ready with the reason when the socket must be closed.
    pub fn poll<C, U>(&mut self, relay: &mut Relay<C, U>, cx: &mut Context<'_>) -> Poll<SocketEnd>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        self.note(relay.tally());
        while self.next.as_mut().poll(cx).is_ready() {
            match self.look(relay.take_use()) {
                Ok(pause) => self.next.set(unconstrained(sleep(pause))),
                Err(end) => return Poll::Ready(end),
            }
        }
        Poll::Pending
    }

    /// Counts what has gone since the last time.
    pub fn note(&mut self, tally: Tally) {
        if tally != self.seen {
            let metrics = &self.gateway.metrics.websockets;
            metrics.bytes(tally.up - self.seen.up, tally.down - self.seen.down);
            self.seen = tally;
            self.moved = self.gateway.clock.now();
        }
    }

    /// How long until the next look, or why there is none.
    fn look(&self, is_used: bool) -> Result<Duration, SocketEnd> {
        let limits = &self.gateway.live.current().config.server.websocket;
        if !self.vigil.holds(is_used) {
            return Err(SocketEnd::Session);
        }
        let now = self.gateway.clock.now();
        let left = |most: Duration, since: Instant| most.checked_sub(now.saturating_duration_since(since));
        let some = |left: Option<Duration>| left.filter(|left| !left.is_zero());
        let mut pause = some(left(limits.idle_timeout, self.moved)).ok_or(SocketEnd::Idle)?;
        if !limits.lifetime_max.is_zero() {
            pause = pause.min(some(left(limits.lifetime_max, self.began)).ok_or(SocketEnd::Lifetime)?);
        }
        Ok(pause.min(LOOK_EVERY))
    }
}
