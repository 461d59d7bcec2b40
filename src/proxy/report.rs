//! What an operator is told about a service, its addresses among it.

use super::circuit::Phase;
use super::endpoint::{Endpoint, State};
use super::service::Service;
use crate::base::clock::Clock;

/// A service in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The service's name.
    pub name: String,
    /// Up where any of its addresses is.
    pub state: State,
    /// Whether the gateway is not ready without it.
    pub required: bool,
    /// Requests in flight.
    pub in_flight: usize,
    /// What went wrong so far, by label.
    pub troubles: Vec<(&'static str, u64)>,
    /// What was sent again so far, by outcome.
    pub retried: Vec<(&'static str, u64)>,
    /// Its addresses, in the configuration's order.
    pub endpoints: Vec<EndpointReport>,
}

/// An address in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointReport {
    /// As the configuration names it.
    pub url: String,
    /// Whether it answers.
    pub state: State,
    /// What its circuit breaker lets through.
    pub circuit: Phase,
    /// When the pause of an open circuit ends, in milliseconds since 1970-01-01 UTC.
    pub open_until_unix_ms: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// Unused connections of all workers.
    pub unused: u32,
    /// How often it was left alone.
    pub ejections: u64,
    /// When a health check came to its end last, in milliseconds since 1970-01-01 UTC.
    pub checked_unix_ms: Option<i64>,
}

impl Report {
    pub(super) fn of(service: &Service, clock: &Clock) -> Self {
        let status = service.status();
        Self {
            name: status.name,
            state: status.state,
            required: status.required,
            in_flight: service.books().in_flight(),
            troubles: service.books().troubles().to_vec(),
            retried: service.books().retried().to_vec(),
            endpoints: service.endpoints().iter().map(|e| EndpointReport::of(e, clock)).collect(),
        }
    }
}

impl EndpointReport {
    fn of(endpoint: &Endpoint, clock: &Clock) -> Self {
        let now = clock.now();
        let left_ms = |until: std::time::Instant| {
            i64::try_from(until.saturating_duration_since(now).as_millis()).unwrap_or(i64::MAX)
        };
        let until = endpoint.circuit().open_until().filter(|until| *until > now);
        Self {
            url: endpoint.url().to_owned(),
            state: endpoint.state(),
            circuit: endpoint.circuit().phase(now),
            open_until_unix_ms: until.map(|u| clock.unix_ms().saturating_add(left_ms(u))),
            failures: endpoint.circuit().failures(),
            in_flight: endpoint.in_flight(),
            unused: endpoint.unused(),
            ejections: endpoint.ejections(),
            checked_unix_ms: endpoint.checked_unix_ms(),
        }
    }
}
