//! The numbers of services and their addresses. They live elsewhere and are put here before each rendering, all of them,
//! so that what is no longer configured has no series.

use prometheus::{IntCounterVec, IntGaugeVec};

/// A service's numbers.
pub struct ServiceNumbers<'a> {
    /// The service's name.
    pub name: &'a str,
    /// Whether it answers; absent where nobody has asked yet.
    pub up: Option<bool>,
    /// Totals of what went wrong, by kind.
    pub errors: &'a [(&'static str, u64)],
    /// Totals of what was sent again, by outcome.
    pub retries: &'a [(&'static str, u64)],
    /// Its addresses, in the configuration's order.
    pub endpoints: Vec<EndpointNumbers>,
}

/// The numbers of one address of a service.
pub struct EndpointNumbers {
    /// Whether it answers; absent where nobody has asked yet.
    pub up: Option<bool>,
    /// 0 closed, 1 half open, 2 open.
    pub circuit: i64,
    /// Requests in flight.
    pub in_flight: u32,
    /// Unused connections.
    pub unused: u32,
    /// How often its circuit was opened.
    pub ejections: u64,
}

/// The families.
pub struct UpstreamMetrics {
    /// `upstream_up`.
    pub(super) up: IntGaugeVec,
    /// `upstream_endpoint_up`.
    pub(super) endpoint_up: IntGaugeVec,
    /// `upstream_circuit`.
    pub(super) circuit: IntGaugeVec,
    /// `upstream_requests_in_flight`.
    pub(super) in_flight: IntGaugeVec,
    /// `upstream_connections_unused`.
    pub(super) unused: IntGaugeVec,
    /// `upstream_ejections_total`.
    pub(super) ejections: IntCounterVec,
    /// `upstream_errors_total`.
    pub(super) errors: IntCounterVec,
    /// `upstream_retries_total`.
    pub(super) retries: IntCounterVec,
}

impl UpstreamMetrics {
    /// Puts the numbers of all services in the place of those before. Called while a rendering is prepared: nobody sees
    /// half of it.
    pub fn set(&self, services: &[ServiceNumbers<'_>]) {
        let gauges = [&self.up, &self.endpoint_up, &self.circuit, &self.in_flight, &self.unused];
        gauges.iter().for_each(|family| family.reset());
        [&self.ejections, &self.errors, &self.retries].iter().for_each(|family| family.reset());
        for service in services {
            let name = service.name;
            if let Some(up) = service.up {
                self.up.with_label_values(&[name]).set(i64::from(up));
            }
            for (kind, total) in service.errors {
                self.errors.with_label_values(&[name, kind]).inc_by(*total);
            }
            for (outcome, total) in service.retries {
                self.retries.with_label_values(&[name, outcome]).inc_by(*total);
            }
            // By its place, from 1: who reads metrics need not know where the upstreams are.
            (1..).zip(&service.endpoints).for_each(|(n, endpoint)| self.set_endpoint(name, n, endpoint));
        }
    }

    fn set_endpoint(&self, name: &str, place: u32, endpoint: &EndpointNumbers) {
        let place = place.to_string();
        let labels = &[name, place.as_str()];
        if let Some(up) = endpoint.up {
            self.endpoint_up.with_label_values(labels).set(i64::from(up));
        }
        self.circuit.with_label_values(labels).set(endpoint.circuit);
        self.in_flight.with_label_values(labels).set(i64::from(endpoint.in_flight));
        self.unused.with_label_values(labels).set(i64::from(endpoint.unused));
        self.ejections.with_label_values(labels).inc_by(endpoint.ejections);
    }
}
