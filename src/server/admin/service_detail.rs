//! What the admin listener says of a service: each of its addresses, and what is known about it.

use serde::Serialize;

use super::status::rfc3339;
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
    url: String,
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

impl ServiceDetail {
    pub(super) fn of(report: Report) -> Self {
        Self {
            name: report.name,
            status: report.state.word(),
            required: report.required,
            in_flight: report.in_flight,
            endpoints: report.endpoints.into_iter().map(EndpointDetail::of).collect(),
        }
    }
}

impl EndpointDetail {
    fn of(report: EndpointReport) -> Self {
        Self {
            url: report.url,
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
