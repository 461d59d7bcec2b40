//! Requests that never became one: half a head, or one that hyper could not read. They are counted and logged like any
//! other; what hyper wrote itself wears no envelope.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::closing::Closing;
use super::envelope;
use super::gateway::Gateway;
use super::trail::Trail;
use crate::base::address::canonical;
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;

/// Writes down a request whose head hyper refused with `status`.
pub fn record(gateway: &Arc<Gateway>, peer: SocketAddr, status: StatusCode) {
    let refusal = match status {
        StatusCode::URI_TOO_LONG => Refusal::UriTooLong,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Refusal::HeadersTooLarge,
        StatusCode::REQUEST_TIMEOUT => Refusal::RequestTimeout,
        _ => Refusal::BadRequest("The request is malformed."),
    };
    close(gateway, peer, &refusal, CorrelationId::generate());
}

/// Writes down a request of which only a part came in time, and gives the bytes of its answer: a 408 in the envelope.
pub fn late(gateway: &Arc<Gateway>, peer: SocketAddr) -> Vec<u8> {
    let id = CorrelationId::generate();
    let refusal = Refusal::RequestTimeout;
    let (mut parts, body) = envelope::render(&refusal, &id).into_parts();
    let snapshot = gateway.live.current();
    snapshot.hardening.apply(&mut parts.headers, crate::live::hardening::Author::Gateway, false);
    close(gateway, peer, &refusal, id.clone());
    let body = body.whole();
    let mut out = format!(
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\nx-request-id: {id}\r\ncontent-length: {}\r\n",
        body.len()
    )
    .into_bytes();
    for (name, value) in &parts.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    out
}

fn close(gateway: &Arc<Gateway>, peer: SocketAddr, refusal: &Refusal, id: CorrelationId) {
    let method = Method::from_bytes(b"OTHER").unwrap_or_default();
    let mut trail = Trail::open(id, &method, gateway.clock.now(), gateway.clock.unix_ms());
    trail.client = Some(canonical(peer.ip()));
    let mut closing = Closing::begin(Arc::clone(gateway), gateway.live.current(), trail);
    closing.refused(refusal);
    closing.answered(refusal.status());
}
