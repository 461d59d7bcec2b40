//! What the gateway's own spans say about a request, waiting in a bounded queue for whoever sends them on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::ids::CorrelationId;
use crate::base::trace_context::{SpanId, TraceContext};

/// One request as its trace tells of it. As in the access line, nothing in it comes from the client but the ids, whose form
/// is checked, and the method, which is a known one.
#[derive(Clone, Debug)]
pub struct RequestSpan {
    /// The trace, the client's span, and this one.
    pub context: TraceContext,
    /// When the head was there, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: i64,
    /// To the end of the answer.
    pub took: Duration,
    /// `pluginmind.correlation_id`.
    pub correlation_id: CorrelationId,
    /// `http.request.method`; an unknown one is `OTHER`.
    pub method: &'static str,
    /// `http.route`: the route's name; empty where there is none.
    pub route: Arc<str>,
    /// `url.scheme` is `https`.
    pub secure: bool,
    /// `network.protocol.version`.
    pub protocol: &'static str,
    /// `http.response.status_code`; absent where the connection ended without an answer.
    pub status: Option<u16>,
    /// `pluginmind.code`: the code of a refusal.
    pub code: Option<Arc<str>>,
    /// `pluginmind.stage`: the stage that refused.
    pub stage: Option<&'static str>,
    /// `pluginmind.generation`.
    pub generation: u64,
    /// Until the request was allowed to go on to its answer; all of it where it was refused.
    pub checks: Duration,
    /// The exchange with the upstream.
    pub call: Option<CallSpan>,
    /// When the head of the answer was known, after the start.
    pub answered: Option<Duration>,
}

/// The exchange with an upstream, to the head of its answer.
#[derive(Clone, Debug)]
pub struct CallSpan {
    /// The span that the upstream was asked under.
    pub span: SpanId,
    /// The service's name.
    pub service: Arc<str>,
    /// When it was begun, after the request's start.
    pub began: Duration,
    /// Until the head was there, or there was none.
    pub took: Duration,
    /// The answer's status; absent where none came.
    pub status: Option<u16>,
}

/// Requests whose spans wait to be sent.
#[derive(Debug, Default)]
pub struct SpanQueue {
    waiting: Mutex<VecDeque<RequestSpan>>,
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl SpanQueue {
    /// Adds one, or drops and counts it where `most` are waiting.
    pub fn push(&self, span: RequestSpan, most: usize) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < most {
            waiting.push_back(span);
        } else {
            drop(waiting);
            self.drop_some(1);
        }
    }

    /// Takes those that wait longest, at most so many.
    pub fn take(&self, most: usize) -> Vec<RequestSpan> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// How many are waiting.
    pub fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    /// Whether none is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts requests whose spans a collector has.
    pub fn sent_some(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts requests whose spans nobody will get.
    pub fn drop_some(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Requests whose spans were sent, and those whose spans were dropped.
    pub fn totals(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A request that was answered by an upstream.
    pub(in crate::telemetry) fn answered() -> RequestSpan {
        let parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        RequestSpan {
            context: TraceContext::follow(parent).unwrap(),
            unix_ms: 1_700_000_000_123,
            took: Duration::from_millis(50),
            correlation_id: CorrelationId::accept(b"abc-1").unwrap(),
            method: "POST",
            route: "api".into(),
            secure: true,
            protocol: "2",
            status: Some(502),
            code: Some("UPSTREAM_UNREACHABLE".into()),
            stage: Some("upstream"),
            generation: 7,
            checks: Duration::from_millis(1),
            call: Some(CallSpan {
                span: SpanId::fresh(),
                service: "app".into(),
                began: Duration::from_millis(1),
                took: Duration::from_millis(40),
                status: None,
            }),
            answered: Some(Duration::from_millis(42)),
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_keeps_those_that_were_there() {
        let queue = SpanQueue::default();
        for unix_ms in 0..5 {
            queue.push(RequestSpan { unix_ms, ..answered() }, 3);
        }
        assert_eq!((queue.len(), queue.totals()), (3, (0, 2)));
        let first: Vec<i64> = queue.take(2).iter().map(|span| span.unix_ms).collect();
        assert_eq!(first, [0, 1]);
        assert_eq!(queue.take(9).len(), 1);
        assert!(queue.is_empty());
        queue.sent_some(3);
        assert_eq!(queue.totals(), (3, 2));
    }
}
