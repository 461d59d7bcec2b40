//! From what the proxy knows of its services to metrics.

use crate::proxy::{EndpointReport, Phase, Report, State};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::upstream_metrics::{EndpointNumbers, ServiceNumbers};

/// Brings the metrics of services up to date.
pub fn set(metrics: &Metrics, reports: &[Report]) {
    let numbers: Vec<_> = reports.iter().map(numbers_of).collect();
    metrics.upstreams.set(&numbers);
}

fn numbers_of(report: &Report) -> ServiceNumbers<'_> {
    ServiceNumbers {
        name: &report.name,
        up: up(report.state),
        errors: &report.troubles,
        retries: &report.retried,
        endpoints: report.endpoints.iter().map(endpoint_numbers).collect(),
    }
}

fn endpoint_numbers(endpoint: &EndpointReport) -> EndpointNumbers {
    EndpointNumbers {
        up: up(endpoint.state),
        circuit: match endpoint.circuit {
            Phase::Closed => 0,
            Phase::HalfOpen => 1,
            Phase::Open => 2,
        },
        in_flight: endpoint.in_flight,
        unused: endpoint.unused,
        ejections: endpoint.ejections,
    }
}

fn up(state: State) -> Option<bool> {
    match state {
        State::Up => Some(true),
        State::Down => Some(false),
        State::Unknown => None,
    }
}
