//! What is counted of a service, over all its addresses, workers and reloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::budget::Budget;
use super::dial::DialError;

/// What went wrong with a request, as a metric label says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection was refused.
    Refused,
    /// Nobody took the connection in time.
    ConnectTimeout,
    /// There was no socket left here to ask with.
    NoSocket,
    /// The name has no address.
    Name,
    /// The certificate is not believed.
    Certificate,
    /// No encrypted connection for another reason.
    Handshake,
    /// The connection was closed without an answer.
    Reset,
    /// What came is no answer.
    Unreadable,
    /// No head of an answer in time.
    Timeout,
    /// The status is one that counts as no answer.
    Status,
    /// The answer began too late to count as one.
    Slow,
    /// Too many requests are in flight, or every circuit is open.
    Busy,
}

impl Trouble {
    /// Why there is no connection.
    pub fn of(why: DialError) -> Self {
        match why {
            DialError::Refused => Self::Refused,
            DialError::Timeout => Self::ConnectTimeout,
            DialError::NoSocket => Self::NoSocket,
            DialError::Name(_) => Self::Name,
            DialError::Certificate(_) => Self::Certificate,
            DialError::Handshake | DialError::Protocol => Self::Handshake,
        }
    }
}

/// Every [`Trouble`] with its label, in the order of the counters.
pub const TROUBLES: [(Trouble, &str); 12] = [
    (Trouble::Refused, "refused"),
    (Trouble::ConnectTimeout, "connect_timeout"),
    (Trouble::NoSocket, "no_socket"),
    (Trouble::Name, "name"),
    (Trouble::Certificate, "certificate"),
    (Trouble::Handshake, "handshake"),
    (Trouble::Reset, "reset"),
    (Trouble::Unreadable, "unreadable"),
    (Trouble::Timeout, "timeout"),
    (Trouble::Status, "status"),
    (Trouble::Slow, "slow"),
    (Trouble::Busy, "busy"),
];

/// What came of a request that was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// Another address answered.
    Answered,
    /// Another address did not answer either.
    Failed,
    /// It was not sent again: the budget was spent.
    OverBudget,
}

/// Every [`Retried`] with its label, in the order of the counters.
pub const RETRIED: [(Retried, &str); 3] =
    [(Retried::Answered, "answered"), (Retried::Failed, "failed"), (Retried::OverBudget, "over_budget")];

/// The counters of a service.
pub struct Books {
    /// What may be sent again.
    pub budget: Budget,
    in_flight: AtomicUsize,
    troubles: [AtomicU64; TROUBLES.len()],
    retried: [AtomicU64; RETRIED.len()],
}

impl Books {
    /// Nothing was counted yet.
    pub fn new(now: Instant) -> Self {
        Self {
            budget: Budget::new(now),
            in_flight: AtomicUsize::new(0),
            troubles: Default::default(),
            retried: Default::default(),
        }
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// One more request, unless there are `most`.
    pub fn admit(self: &Arc<Self>, most: usize) -> Option<Admitted> {
        let admitted = Admitted(Arc::clone(self));
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= most {
            drop(admitted);
            self.count(Trouble::Busy);
            return None;
        }
        Some(admitted)
    }

    /// Something went wrong.
    pub fn count(&self, trouble: Trouble) {
        self.troubles[trouble as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A request was sent again, or would have been.
    pub fn count_retried(&self, retried: Retried) {
        self.retried[retried as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What went wrong so far, by label.
    pub fn troubles(&self) -> [(&'static str, u64); TROUBLES.len()] {
        TROUBLES.map(|(trouble, label)| (label, self.troubles[trouble as usize].load(Ordering::Relaxed)))
    }

    /// What was sent again so far, by outcome.
    pub fn retried(&self) -> [(&'static str, u64); RETRIED.len()] {
        RETRIED.map(|(retried, label)| (label, self.retried[retried as usize].load(Ordering::Relaxed)))
    }
}

/// A request in flight to a service, counted until it is dropped.
pub struct Admitted(Arc<Books>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn no_more_requests_are_in_flight_than_allowed_and_each_leaves_its_place() {
        let books = Arc::new(Books::new(Clock::manual(0).now()));
        let first = books.admit(2).unwrap();
        let second = books.admit(2).unwrap();
        assert!(books.admit(2).is_none());
        assert_eq!(books.in_flight(), 2);
        drop(first);
        assert!(books.admit(2).is_some());
        drop(second);
        assert_eq!(books.in_flight(), 0);
        assert_eq!(books.troubles()[Trouble::Busy as usize], ("busy", 1));
    }

    #[test]
    fn labels_stand_in_the_order_of_their_counters() {
        assert!(TROUBLES.iter().enumerate().all(|(n, (trouble, _))| *trouble as usize == n));
        assert!(RETRIED.iter().enumerate().all(|(n, (retried, _))| *retried as usize == n));
    }
}
