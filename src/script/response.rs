//! The head of an answer, as rules see and change it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// The head of an answer. `on_response` may change status and headers; the pipeline takes back what stands here.
#[derive(Clone, Debug)]
pub struct ResponseFacts {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Bytes of the body, as far as known: declared in `on_response`, sent in `on_log`.
    pub size: u64,
    /// Milliseconds from arrival to this moment.
    pub latency_ms: u64,
    /// The body, in `on_response_body` alone.
    pub body: Option<Bytes>,
}
