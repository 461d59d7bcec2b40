//! Requests that never became one: half a head, or one that hyper could not read. They are counted and logged like any
//! other; what hyper wrote itself wears no envelope.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::arrival::X_REQUEST_ID;
use super::closing::Closing;
use super::gateway::Gateway;
use super::trail::Trail;
use super::{cors, envelope};
use crate::base::address::canonical;
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;
use crate::live::hardening::Author;

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

/// Writes down a request of which only a part came in time, and gives its answer: a 408 in the envelope.
pub fn late(gateway: &Arc<Gateway>, peer: SocketAddr) -> Response<Bytes> {
    refused(gateway, peer, &Refusal::RequestTimeout)
}

/// Writes down a request of plain HTTP where TLS is spoken, and gives its answer: a 400 in the envelope.
pub fn plain_http(gateway: &Arc<Gateway>, peer: SocketAddr) -> Response<Bytes> {
    refused(gateway, peer, &Refusal::BadRequest("A plain HTTP request was sent to an HTTPS port."))
}

fn refused(gateway: &Arc<Gateway>, peer: SocketAddr, refusal: &Refusal) -> Response<Bytes> {
    let id = CorrelationId::generate();
    let mut answer = envelope::render(refusal, &id).map(|body| body.whole());
    let snapshot = gateway.live.current();
    snapshot.hardening.apply(answer.headers_mut(), Author::Gateway, false);
    cors::decorate(answer.headers_mut(), None);
    if let Ok(id) = id.as_str().parse() {
        answer.headers_mut().insert(X_REQUEST_ID, id);
    }
    close(gateway, peer, refusal, id);
    answer
}

fn close(gateway: &Arc<Gateway>, peer: SocketAddr, refusal: &Refusal, id: CorrelationId) {
    let method = Method::from_bytes(b"OTHER").unwrap_or_default();
    let mut trail = Trail::open(id, &method, gateway.clock.now(), gateway.clock.unix_ms());
    trail.client = Some(canonical(peer.ip()));
    let mut closing = Closing::begin(Arc::clone(gateway), gateway.live.current(), trail);
    closing.refused(refusal);
    closing.answered(refusal.status());
}
