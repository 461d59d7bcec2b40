//! The trace that a request belongs to: the client's where it sent one, else one that begins here, under an id that the
//! correlation id leads to.
//!
//! # Source
//! W3C Trace Context, sections 3.2 (traceparent) and 3.3 (tracestate).

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::LazyLock;

use aws_lc_rs::digest;

use super::digits::write_hex;

/// Length of a `traceparent` of version 00, in bytes.
pub const TRACEPARENT_BYTES: usize = 55;
/// The flag of a trace that somebody may have recorded.
const SAMPLED: u8 = 1;

/// A trace, for all spans of it: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// One span of a trace: not zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

/// The place of a request in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The client's span; absent where the trace begins here.
    pub parent: Option<SpanId>,
    /// The gateway's own span.
    pub span: SpanId,
    flags: u8,
}

impl TraceContext {
    /// Takes up a client's trace with a span of our own; `None` where the text is no `traceparent`. What versions after 00
    /// add is not passed on.
    pub fn follow(parent: &[u8]) -> Option<Self> {
        let fits = |bytes: &[u8]| {
            let separated = [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
            let ends = bytes.len() == TRACEPARENT_BYTES
                || (&bytes[..2] != b"00" && bytes[TRACEPARENT_BYTES] == b'-');
            separated && ends && &bytes[..2] != b"ff"
        };
        if parent.len() < TRACEPARENT_BYTES || !fits(parent) {
            return None;
        }
        hex(&parent[..2])?;
        let (high, low) = (hex(&parent[3..19])?, hex(&parent[19..35])?);
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&high.to_be_bytes());
        trace[8..].copy_from_slice(&low.to_be_bytes());
        let caller = hex(&parent[36..52]).filter(|span| *span != 0)?;
        let flags = u8::try_from(hex(&parent[53..55])?).ok()?;
        let trace = Some(TraceId(trace)).filter(|_| (high, low) != (0, 0))?;
        Some(Self { trace, parent: Some(SpanId(caller)), span: SpanId::fresh(), flags })
    }

    /// Begins a trace: its id is the correlation id where that is a UUID, else a hash of it. `share` of them are sampled.
    pub fn begin(correlation_id: &str, share: f64) -> Self {
        let trace = match uuid::Uuid::try_parse(correlation_id).ok().filter(|uuid| !uuid.is_nil()) {
            Some(uuid) => TraceId(*uuid.as_bytes()),
            None => TraceId::hashed(correlation_id),
        };
        let flags = if trace.is_within(share) { SAMPLED } else { 0 };
        Self { trace, parent: None, span: SpanId::fresh(), flags }
    }

    /// Begins a trace for an id that a client chose. Neither the trace's id nor whether it is sampled can be told from it.
    pub fn begin_kept(correlation_id: &str, share: f64) -> Self {
        let trace = TraceId::unforeseen(correlation_id);
        let flags = if trace.is_within(share) { SAMPLED } else { 0 };
        Self { trace, parent: None, span: SpanId::fresh(), flags }
    }

    /// Whether spans of it are to be recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The `traceparent` for whoever is asked under that span, in ASCII; the flags are those that the client sent.
    pub fn parent_of(&self, span: SpanId) -> [u8; TRACEPARENT_BYTES] {
        let mut text = *b"00-................................-................-..";
        write_hex(&mut text[3..35], &self.trace.0);
        write_hex(&mut text[36..52], &span.0.to_be_bytes());
        write_hex(&mut text[53..], &[self.flags]);
        text
    }
}

impl TraceId {
    /// An id that no two requests share, whatever they are called: keys of this process, and a number of the request's.
    fn unforeseen(text: &str) -> Self {
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
        let asked = (text, SpanId::fresh());
        let [high, low] = [&KEYS[0], &KEYS[1]].map(|key| key.hash_one(asked));
        let id = (u128::from(high) << 64) | u128::from(low);
        Self(id.max(1).to_be_bytes())
    }

    fn hashed(text: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_ref()[..16]);
        Self(id)
    }

    /// Whether the id is among that share of all ids; the same everywhere, whoever asks.
    fn is_within(self, share: f64) -> bool {
        // The last bits: those before count up in the UUIDs of one millisecond.
        let mut last = [0; 4];
        last.copy_from_slice(&self.0[12..]);
        f64::from(u32::from_be_bytes(last)) < share * (f64::from(u32::MAX) + 1.0)
    }

    /// The bytes.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// A span that no other of this process has. Ids need to be unlike each other, not hard to guess: each thread draws
    /// randomness once.
    pub fn fresh() -> Self {
        /// The step of `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        thread_local! {
            static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
        }
        let state = STATE.get().wrapping_add(STEP);
        STATE.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)).max(1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// At most 16 hexadecimal digits in lower case, as the source has them.
fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const ID: &str = "0190163d-8694-739b-aea5-966c26f8ad90";

    #[test]
    fn a_valid_trace_is_followed_under_a_span_of_our_own() {
        for (text, flags) in [
            (GOOD, "01"),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00"),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", "03"),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes", "01"),
        ] {
            let followed = TraceContext::follow(text.as_bytes()).unwrap();
            assert_eq!(followed.parent.unwrap().to_string(), "b7ad6b7169203331");
            assert_ne!(Some(followed.span), followed.parent);
            let ours = format!("00-0af7651916cd43dd8448eb211c80319c-{}-{flags}", followed.span);
            assert_eq!(followed.parent_of(followed.span), *ours.as_bytes());
            assert_eq!(followed.is_sampled(), flags != "00");
        }
    }

    #[test]
    fn what_is_no_traceparent_is_not_followed() {
        let upper = GOOD.to_uppercase();
        let longer = format!("{GOOD}-x");
        for bad in [
            "",
            "x",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
            &upper,
            &longer,
        ] {
            assert!(TraceContext::follow(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_trace_that_begins_here_carries_the_correlation_id() {
        let begun = TraceContext::begin(ID, 1.0);
        assert_eq!(begun.trace.to_string(), ID.replace('-', ""));
        assert!(begun.is_sampled() && begun.parent.is_none());
        assert!(TraceContext::follow(&begun.parent_of(begun.span)).is_some());
        assert!(!TraceContext::begin(ID, 0.0).is_sampled());
        for other in ["order.42", "00000000-0000-0000-0000-000000000000"] {
            let text = TraceContext::begin(other, 1.0).parent_of(SpanId::fresh());
            assert!(TraceContext::follow(&text).is_some(), "{other}");
        }
        assert_ne!(TraceContext::begin("a", 1.0).trace, TraceContext::begin("b", 1.0).trace);
    }

    #[test]
    fn the_share_that_is_sampled_is_the_one_that_was_asked_for() {
        let sampled = (0..10_000)
            .filter(|_| TraceContext::begin(&uuid::Uuid::now_v7().to_string(), 0.25).is_sampled())
            .count();
        // Thirty standard deviations of 43 on either side would be 0.12 to 0.38: chance has no part in it.
        assert!((1_200..3_800).contains(&sampled), "{sampled}");
    }

    #[test]
    fn an_id_that_a_client_chose_decides_neither_the_trace_nor_whether_it_is_sampled() {
        // All its last bits are zero: taken as it is, it would be sampled under any share.
        let chosen = "0190163d-8694-739b-aea5-966c00000000";
        let begun: Vec<_> = (0..1_000).map(|_| TraceContext::begin_kept(chosen, 0.25)).collect();
        let traces: std::collections::HashSet<TraceId> = begun.iter().map(|context| context.trace).collect();
        assert_eq!(traces.len(), 1_000);
        let sampled = begun.iter().filter(|context| context.is_sampled()).count();
        // More than ten standard deviations of 14 on either side.
        assert!((100..400).contains(&sampled), "{sampled}");
        assert!(TraceContext::begin_kept(chosen, 1.0).is_sampled());
        assert!(!TraceContext::begin_kept(chosen, 0.0).is_sampled());
    }

    #[test]
    fn no_two_spans_are_the_same() {
        let spans: std::collections::HashSet<SpanId> = (0..100_000).map(|_| SpanId::fresh()).collect();
        assert_eq!(spans.len(), 100_000);
    }
}
