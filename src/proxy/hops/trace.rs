//! `traceparent` and `tracestate`: what the next hop hears of the trace that a request belongs to.
//!
//! # Source
//! W3C Trace Context, section 3.4: who changes `traceparent` passes `tracestate` on, and without a valid one nobody does.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Lower case, as all names here.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What the next hop is told.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// `traceparent` in ASCII: the trace, and the span that the next hop is asked under.
    pub parent: &'a [u8],
    /// Whether it is the client's trace, whose `tracestate` belongs to it.
    pub follows: bool,
}

/// Sets both.
pub(super) fn set(headers: &mut HeaderMap, trace: Trace<'_>, client: &HeaderMap) {
    if let Ok(parent) = HeaderValue::from_bytes(trace.parent) {
        headers.insert(TRACEPARENT, parent);
    }
    if trace.follows {
        for line in client.get_all(TRACESTATE) {
            headers.append(TRACESTATE, line.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracestate_goes_on_with_the_clients_trace_alone() {
        let mut client = HeaderMap::new();
        client.append(TRACESTATE, HeaderValue::from_static("a=b"));
        client.append(TRACESTATE, HeaderValue::from_static("c=d"));
        for follows in [true, false] {
            let trace = Trace { parent: b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", follows };
            let mut headers = HeaderMap::new();
            set(&mut headers, trace, &client);
            assert_eq!(headers[TRACEPARENT], trace.parent);
            assert_eq!(headers.get_all(TRACESTATE).iter().count(), if follows { 2 } else { 0 });
        }
    }
}
