//! How long a connection may say nothing, and how long a head may take. One timer each, and it is only moved when a
//! deadline comes nearer: a connection that is kept busy touches it once a second, not with each request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::{Link, Standing};
use crate::base::clock::timer_now;

/// The time that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The one for a first byte, or between two requests: nobody is told.
    Idle,
    /// The one for a head of which a part has come.
    Head,
    /// The one after which what an idle connection does not need is put away.
    Awake,
}

/// The timers of one connection.
pub struct Patience {
    head: Duration,
    idle: Duration,
    /// Since when the connection stands as it does.
    since: Instant,
    stands: (Standing, u32),
    timer: Pin<Box<Sleep>>,
    is_over: bool,
}

impl Patience {
    /// From the accept on.
    pub fn new(head: Duration, idle: Duration) -> Self {
        let since = timer_now();
        let timer = Box::pin(sleep_until(since + head));
        Self { head, idle, since, stands: (Standing::Between, 0), timer, is_over: false }
    }

    /// Whose time is over. It is said once, and the connection ends then; but for the one that only an awake connection has.
    /// `rests_after` is that one.
    pub fn poll(&mut self, link: &Link, rests_after: Option<Duration>, cx: &mut Context<'_>) -> Poll<Over> {
        let stands = link.standing();
        if self.is_over || stands.0 == Standing::Busy {
            self.stands = stands;
            return Poll::Pending;
        }
        if stands != self.stands {
            // The first head has the time from the accept on.
            if stands.1 > 0 {
                self.since = timer_now();
            }
            self.stands = stands;
        }
        let (limit, over) = match (stands, rests_after) {
            ((Standing::InHead, _), _) => (self.head, Over::Head),
            ((_, 0), _) => (self.head, Over::Idle),
            (_, Some(rest)) if rest < self.idle => (rest, Over::Awake),
            _ => (self.idle, Over::Idle),
        };
        let deadline = self.since + limit;
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= deadline {
                self.is_over = over != Over::Awake;
                return Poll::Ready(over);
            }
            self.timer.as_mut().reset(deadline);
        }
    }
}
