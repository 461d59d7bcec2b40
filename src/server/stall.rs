//! Gives up on a client that takes no byte of an answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// How long writes of one socket may wait (THREATS SL-05).
pub struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// At most so long without a byte taken.
    pub fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Turns a pending write into an error once nothing has been taken for too long.
    pub fn judge<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.timer = None;
            return poll;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether a write waits.
    pub fn is_waiting(&self) -> bool {
        self.timer.is_some()
    }
}
