//! The place of a request in its trace, and what the gateway's own spans say about it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, StatusCode, Version};

use super::client::is_trusted;
use super::stage::Stage;
use super::trail::Trail;
use crate::base::address::canonical;
use crate::base::ids::CorrelationId;
use crate::base::trace_context::{SpanId, TraceContext};
use crate::config::{Config, TraceTrust};
use crate::store::ANSWER;
use crate::telemetry::spans::{CallSpan, RequestSpan};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// An exchange with an upstream, to the head of its answer.
pub struct Call {
    /// The span that the upstream was asked under.
    pub span: SpanId,
    /// When it was begun, monotonic.
    pub began: Instant,
    /// Until the head was there, or there was none.
    pub took: Duration,
    /// The answer's status; absent where none came.
    pub status: Option<u16>,
}

/// What the spans of a request say that is over.
pub fn of(
    trail: &Trail,
    generation: u64,
    took: Duration,
    status: Option<StatusCode>,
    code: Option<Arc<str>>,
    refused_at: Option<Stage>,
) -> RequestSpan {
    let call = trail.call.as_ref().map(|call| CallSpan {
        span: call.span,
        service: trail.service.clone().unwrap_or_else(|| Arc::from("")),
        began: call.began.saturating_duration_since(trail.started),
        took: call.took,
        status: call.status,
    });
    let answered = trail.times.entered(ANSWER);
    RequestSpan {
        context: trail.trace,
        unix_ms: trail.unix_ms,
        took,
        correlation_id: trail.id.clone(),
        method: trail.method,
        route: Arc::clone(&trail.route),
        secure: trail.secure,
        protocol: match trail.version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        },
        status: status.map(|status| status.as_u16()),
        code,
        stage: refused_at.map(Stage::label),
        generation,
        checks: trail.times.entered(Stage::Upstream as u8).or(answered).unwrap_or(took),
        call,
        answered,
    }
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
    line.filter(|_| is_believed()).and_then(|line| TraceContext::follow(line.as_bytes())).unwrap_or_else(
        || {
            let begin = if id.is_made_here() { TraceContext::begin } else { TraceContext::begin_kept };
            begin(id.as_str(), tracing.sample)
        },
    )
}
