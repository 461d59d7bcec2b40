//! When an HTTP/2 connection has waited long enough: for its first request, and for the next one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// The waits of one connection.
pub struct Clock {
    idle_timeout: Duration,
    goodbye_timeout: Duration,
    waits_for: Wait,
    timer: Pin<Box<Sleep>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// The first request.
    First,
    /// Nothing: requests are under way.
    Nothing,
    /// The next request, when this many had begun.
    Next(u64),
    /// The client's end, after it was told to go away.
    Goodbye,
}

/// What is due now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The client is to be told that no more is taken.
    GoAway,
    /// The connection is to be cut.
    Cut,
}

impl Clock {
    /// Begins with the wait for the first request.
    pub fn new(first: Duration, idle_timeout: Duration, goodbye_timeout: Duration) -> Self {
        Self { idle_timeout, goodbye_timeout, waits_for: Wait::First, timer: Box::pin(sleep(first)) }
    }

    /// Says what is due, given how many requests are under way and how many have begun so far; wakes its task when
    /// something becomes due. After [`Due::Cut`] it must not be asked again.
    pub fn poll(&mut self, cx: &mut Context<'_>, open: usize, begun: u64) -> Poll<Due> {
        let wait = match self.waits_for {
            Wait::First if begun == 0 => Wait::First,
            Wait::Goodbye => Wait::Goodbye,
            _ if open > 0 => Wait::Nothing,
            _ => Wait::Next(begun),
        };
        if wait != self.waits_for {
            self.waits_for = wait;
            if matches!(wait, Wait::Next(_)) {
                self.timer.set(sleep(self.idle_timeout));
            }
        }
        if wait == Wait::Nothing || self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if matches!(wait, Wait::Next(_)) {
            self.waits_for = Wait::Goodbye;
            self.timer.set(sleep(self.goodbye_timeout));
            return Poll::Ready(Due::GoAway);
        }
        Poll::Ready(Due::Cut)
    }
}
