//! `traceparent`: passed on if it is one, else made from the correlation id, so that both name the same request.
//!
//! # Source
//! W3C Trace Context, section 3.2 (traceparent) and 3.3 (tracestate).

use std::fmt::Write as _;

use aws_lc_rs::digest;
use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of a version 00 header, in bytes.
const BYTES: usize = 55;

/// A client's own trace: its `traceparent` and its `tracestate` lines.
pub struct Traced {
    parent: HeaderValue,
    state: Vec<HeaderValue>,
}

/// The client's trace, if it sent exactly one valid `traceparent`.
pub fn accept(headers: &HeaderMap) -> Option<Traced> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next().filter(|p| is_valid(p.as_bytes()))?.clone();
    if parents.next().is_some() {
        return None;
    }
    Some(Traced { parent, state: headers.get_all(TRACESTATE).iter().cloned().collect() })
}

/// Sets the client's trace, or one made from the correlation id.
pub fn set(headers: &mut HeaderMap, traced: Option<Traced>, id: &str) {
    match traced {
        Some(Traced { parent, state }) => {
            headers.insert(TRACEPARENT, parent);
            for line in state {
                headers.append(TRACESTATE, line);
            }
        }
        None => {
            headers.insert(TRACEPARENT, made(id));
        }
    }
}

fn is_valid(text: &[u8]) -> bool {
    let hex = |range: std::ops::Range<usize>| {
        let part = &text[range];
        let all = part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        all.then(|| part.iter().any(|b| *b != b'0'))
    };
    if text.len() < BYTES || [2, 35, 52].iter().any(|i| text[*i] != b'-') {
        return false;
    }
    let length_fits = text.len() == BYTES || (&text[..2] != b"00" && text[BYTES] == b'-');
    let version = hex(0..2).is_some() && &text[..2] != b"ff";
    length_fits && version && hex(3..35) == Some(true) && hex(36..52) == Some(true) && hex(53..55).is_some()
}

/// The trace id is the correlation id where that is a UUID, else a hash of it; not sampled, for the gateway keeps no spans.
fn made(id: &str) -> HeaderValue {
    let hash = digest::digest(&digest::SHA256, id.as_bytes());
    let hash = hash.as_ref();
    let mut text = String::with_capacity(BYTES);
    text.push_str("00-");
    match uuid::Uuid::try_parse(id).ok().filter(|u| !u.is_nil()) {
        Some(uuid) => {
            let _ = write!(text, "{}", uuid.simple());
        }
        None => push_hex(&mut text, &hash[..16]),
    }
    text.push('-');
    push_hex(&mut text, &hash[16..24]);
    text.push_str("-00");
    HeaderValue::try_from(text).expect("hexadecimal digits and hyphens are a header value")
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn outcome(lines: &[&str]) -> String {
        let mut client = HeaderMap::new();
        for line in lines {
            client.append(TRACEPARENT, line.parse().unwrap());
        }
        client.append(TRACESTATE, "a=b".parse().unwrap());
        let mut headers = HeaderMap::new();
        set(&mut headers, accept(&client), "0190163d-8694-739b-aea5-966c26f8ad90");
        assert_eq!(
            headers.contains_key(TRACESTATE),
            headers[TRACEPARENT] == lines.first().copied().unwrap_or("")
        );
        headers[TRACEPARENT].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_valid_trace_is_passed_on() {
        assert_eq!(outcome(&[GOOD]), GOOD);
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes";
        assert_eq!(outcome(&[later]), later);
    }

    #[test]
    fn anything_else_is_replaced_by_one_that_carries_the_correlation_id() {
        let zero_trace = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let zero_span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
        let upper = GOOD.to_uppercase();
        let longer = format!("{GOOD}-x");
        let bad = [
            "",
            "x",
            zero_trace,
            zero_span,
            &upper,
            &longer,
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ];
        for lines in bad.iter().map(std::slice::from_ref).chain([&[GOOD, GOOD][..], &[]]) {
            let made = outcome(lines);
            assert!(made.starts_with("00-0190163d8694739baea5966c26f8ad90-"), "{lines:?}: {made}");
            assert!(is_valid(made.as_bytes()));
        }
    }

    #[test]
    fn an_id_that_is_no_uuid_makes_a_valid_trace_too() {
        assert!(is_valid(made("order.42").as_bytes()));
        assert!(is_valid(made("00000000-0000-0000-0000-000000000000").as_bytes()));
        assert_ne!(made("a"), made("b"));
    }
}
