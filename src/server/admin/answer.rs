//! How answers of the admin listener look: JSON, never kept, in the security headers, with their id.

use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, VARY, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;

use super::status::Probe;
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;
use crate::live::hardening::{Author, Hardening};
use crate::pipeline::answer::Body;
use crate::pipeline::arrival::{Arrival, X_REQUEST_ID};
use crate::pipeline::envelope;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::unparsed::Unparsed;
use crate::telemetry::exposition::Exposition;

/// Longest wait for the whole body of an admin request.
pub(super) const BODY_WAIT_MAX: Duration = Duration::from_secs(10);

/// A JSON answer.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    let mut answer = Response::new(Body::full(serde_json::to_vec(value).unwrap_or_default()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A probe: 503 where it has reasons.
pub(super) fn probe(probe: &Probe) -> Response<Body> {
    let mut answer = json(probe);
    if !probe.reasons.is_empty() {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    answer
}

/// The metrics, in the form that their reader prefers.
pub(super) fn metrics(gateway: &Gateway, head: &Arrival) -> Response<Body> {
    let accept = head.text_header(ACCEPT).unwrap_or_default();
    let exposition = Exposition::preferred(accept);
    let mut answer = Response::new(Body::full(gateway.metrics.render(exposition)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(exposition.content_type()));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    answer
}

/// The answer or the refusal, as it goes out.
pub(super) fn finish(
    outcome: Result<Response<Body>, Refusal>,
    id: &CorrelationId,
    hardening: &Hardening,
) -> Response<Body> {
    let mut answer = outcome.unwrap_or_else(|refusal| envelope::render(&refusal, id));
    let unauthenticated = answer.status() == StatusCode::UNAUTHORIZED;
    let headers = answer.headers_mut();
    if unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pluginmind-admin\""));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::try_from(id.as_str()) {
        headers.insert(X_REQUEST_ID, id);
    }
    hardening.apply(headers, Author::Gateway, false);
    answer
}

/// The refusal of a head that never became a request, after which the connection closes.
pub(super) fn last(unparsed: Unparsed, hardening: &Hardening) -> Response<Body> {
    let mut answer = finish(Err(unparsed.refusal), &unparsed.id, hardening);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
