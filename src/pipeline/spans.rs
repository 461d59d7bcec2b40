//! The place of a request in its trace, and what the gateway's own spans say about it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};

use super::client::is_trusted;
use crate::base::address::canonical;
use crate::base::ids::CorrelationId;
use crate::base::trace_context::{SpanId, TraceContext};
use crate::config::{Config, TraceTrust};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// An exchange with an upstream, to the head of its answer.
pub struct Call {
    /// The span that the upstream was asked under.
    pub span: SpanId,
    /// The service's name.
    pub service: Arc<str>,
    /// When it was begun, monotonic.
    pub began: Instant,
    /// Until the head was there, or there was none.
    pub took: Duration,
    /// The answer's status; absent where none came.
    pub status: Option<u16>,
}

/// The client's trace, where it sent exactly one `traceparent` that is one and is believed; else one that begins here.
pub fn place(headers: &HeaderMap, id: &CorrelationId, peer: IpAddr, config: &Config) -> TraceContext {
    let tracing = &config.tracing;
    let mut lines = headers.get_all(TRACEPARENT).iter();
    let line = match (lines.next(), lines.next()) {
        (Some(line), None) => Some(line),
        _ => None,
    };
    let is_believed =
        || tracing.trust == TraceTrust::All || is_trusted(canonical(peer), &config.server.trusted_proxies);
    line.filter(|_| is_believed())
        .and_then(|line| TraceContext::follow(line.as_bytes()))
        .unwrap_or_else(|| TraceContext::begin(id.as_str(), tracing.sample))
}
