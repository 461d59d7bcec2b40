//! A whole connection's bytes at once: what would be let through of them. For fuzzing, and for tests that compare.

use std::ops::Range;
use std::sync::Arc;

use super::{At, Guard, Limits, Link, Step};
use crate::base::refusal::Refusal;

/// What is made of the bytes of a connection, in order.
#[derive(Clone, Debug)]
pub enum Judged {
    /// A request: where its head stands, with empty lines before it, and its body as it came, chunks and all.
    Request {
        /// The head.
        head: Range<usize>,
        /// The body, as far as it came.
        body: Range<usize>,
        /// Whether all of the body came.
        is_whole: bool,
    },
    /// A refusal; nothing follows.
    Refused(Refusal),
    /// The body of the request before it is malformed; nothing follows.
    Broken,
    /// A head that is incomplete, from there on; nothing follows.
    Incomplete(usize),
}

/// Judges the bytes of a connection as if each request were answered, and no upgrade granted.
pub fn judge_stream(bytes: &[u8], limits: Limits) -> Vec<Judged> {
    let link = Arc::new(Link::default());
    let mut guard = Guard::new(limits, Arc::clone(&link));
    let mut judged = Vec::new();
    let mut at = 0;
    loop {
        if matches!(guard.at, At::Undecided) {
            guard.asks_upgrade = false;
            guard.end_request();
        }
        match guard.step(&bytes[at..]) {
            Step::Head(length) => {
                let head = at..at + length;
                at = head.end;
                judged.push(Judged::Request { head, body: at..at, is_whole: is_between(&guard.at) });
            }
            Step::Body(length) => {
                at += length;
                if let Some(Judged::Request { body, is_whole, .. }) = judged.last_mut() {
                    body.end = at;
                    *is_whole = is_between(&guard.at);
                }
            }
            Step::On => {}
            Step::Stop => break,
        }
    }
    match (&guard.at, link.refusal()) {
        (_, Some(refusal)) => judged.push(Judged::Refused(refusal)),
        (At::Broken, _) => judged.push(Judged::Broken),
        (At::Head(heading), _) if heading.has_begun(&bytes[at..]) => judged.push(Judged::Incomplete(at)),
        _ => {}
    }
    judged
}

fn is_between(at: &At) -> bool {
    matches!(at, At::Head(_) | At::Undecided)
}
