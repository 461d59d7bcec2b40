//! What the admin listener says of a service: each of its addresses, and what is known about it.
//!
//! Probes and metrics are asked under any Host and without a token, so they tell addresses by their place in `urls`
//! (AD-06); `/admin/api/services` tells them by what they are.

use serde::Serialize;
use serde_json::{Value, json};

use super::status::rfc3339;
use crate::pipeline::gateway::Gateway;
use crate::proxy::{EndpointReport, Report};

/// A service in detail.
#[derive(Debug, Serialize)]
pub struct ServiceDetail {
    name: String,
    status: &'static str,
    required: bool,
    in_flight: usize,
    endpoints: Vec<EndpointDetail>,
}

/// An address in detail.
#[derive(Debug, Serialize)]
pub struct EndpointDetail {
    /// Its place in `urls`, from 1.
    endpoint: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    status: &'static str,
    /// `closed`, `half_open` or `open`.
    circuit: &'static str,
    /// The end of the pause of an open circuit.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_until: Option<String>,
    /// Failures in a row.
    failures: u32,
    in_flight: u32,
    /// Connections that are kept for the next request.
    unused_connections: u32,
    ejections: u64,
    /// When a health check came to its end last.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<String>,
}

/// `/services` and `/services/health`.
pub(super) fn services(gateway: &Gateway) -> Value {
    details(gateway, false)
}

/// `/admin/api/services`.
pub(super) fn with_addresses(gateway: &Gateway) -> Value {
    details(gateway, true)
}

fn details(gateway: &Gateway, with_addresses: bool) -> Value {
    let reports = gateway.upstreams.reports().into_iter();
    let services: Vec<_> = reports.map(|report| ServiceDetail::of(report, with_addresses)).collect();
    json!({ "services": services })
}

impl ServiceDetail {
    fn of(report: Report, with_addresses: bool) -> Self {
        let endpoints = report.endpoints.into_iter().enumerate();
        Self {
            name: report.name,
            status: report.state.word(),
            required: report.required,
            in_flight: report.in_flight,
            endpoints: endpoints.map(|(n, e)| EndpointDetail::of(n + 1, e, with_addresses)).collect(),
        }
    }
}

impl EndpointDetail {
    fn of(endpoint: usize, report: EndpointReport, with_addresses: bool) -> Self {
        Self {
            endpoint,
            url: with_addresses.then_some(report.url),
            status: report.state.word(),
            circuit: report.circuit.word(),
            open_until: report.open_until_unix_ms.map(rfc3339),
            failures: report.failures,
            in_flight: report.in_flight,
            unused_connections: report.unused,
            ejections: report.ejections,
            checked: report.checked_unix_ms.map(rfc3339),
        }
    }
}
