//! Where a request goes next when an address gave no answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request};

use super::books::{Retried, Trouble};
use super::pool::Pool;
use super::service::{Choice, Service};
use super::upload::Upload;

/// Most addresses of a service that are tried for one request, where none of them takes a connection.
const CONNECTS_MAX: usize = 3;

/// What an address leaves of a request that it did not answer.
pub enum Left {
    /// Nothing of it was sent: any other address may have it.
    Unsent(Box<Request<Upload>>),
    /// It was sent, but asking twice does no harm: the same may be sent again.
    Safe,
    /// It was sent, or half of it, and is never sent again.
    Nothing,
}

/// One request's way from address to address.
pub struct Journey<'a> {
    pool: &'a Pool,
    service: &'a Arc<Service>,
    began: Instant,
    time_max: Duration,
    tried: Vec<u64>,
    sent_again: usize,
}

impl<'a> Journey<'a> {
    /// Begins; no further address is tried after `time_max`.
    pub fn new(pool: &'a Pool, service: &'a Arc<Service>, time_max: Duration) -> Self {
        service.books().budget.pay_in(service.config().retry.budget_percent);
        Self { pool, service, began: pool.clock().now(), time_max, tried: Vec::new(), sent_again: 0 }
    }

    /// The first address. None where nothing may be tried now.
    pub fn begin(&self) -> Option<Choice> {
        let choice = self.service.choose(self.began, &[]);
        if choice.is_none() {
            self.service.books().count(Trouble::Busy);
        }
        choice
    }

    /// Whether a copy of a safe request could ever be of use for another address.
    pub fn may_send_again(&self) -> bool {
        self.service.endpoints().len() > 1 && self.sent_again < self.service.config().retry.most
    }

    /// The next address after one, and the request for it, made by `anew` where the last one is gone; none where it ends
    /// here.
    pub fn next(
        &mut self,
        after: u64,
        left: Left,
        anew: impl FnOnce() -> Option<Request<Upload>>,
    ) -> Option<(Choice, Request<Upload>)> {
        if !matches!(left, Left::Nothing) {
            self.tried.push(after);
        }
        match left {
            Left::Nothing => None,
            Left::Unsent(request) => {
                if self.tried.len() - self.sent_again >= CONNECTS_MAX {
                    return None;
                }
                Some((self.another()?, *request))
            }
            Left::Safe => {
                if !self.may_send_again() {
                    return None;
                }
                let choice = self.another()?;
                let retry = &self.service.config().retry;
                if !self.service.books().budget.take(retry.budget_percent, self.pool.clock().now()) {
                    self.service.books().count_retried(Retried::OverBudget);
                    return None;
                }
                let request = anew()?;
                self.sent_again += 1;
                Some((choice, request))
            }
        }
    }

    /// Counts what came of it, if it was sent again.
    pub fn ended(&self, answered: bool) {
        if self.sent_again > 0 {
            self.service.books().count_retried(if answered { Retried::Answered } else { Retried::Failed });
        }
    }

    fn another(&self) -> Option<Choice> {
        let now = self.pool.clock().now();
        let in_time = now.saturating_duration_since(self.began) < self.time_max;
        in_time.then(|| self.service.choose(now, &self.tried)).flatten()
    }
}

/// Whether a request may be sent twice: its method is safe, and it has no body.
///
/// # Source
/// RFC 9110 section 9.2.1.
pub fn is_safe(request: &Request<Upload>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) && request.body().is_none()
}
