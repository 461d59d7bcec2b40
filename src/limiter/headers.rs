//! The response headers that describe a bucket.
//!
//! The limit that they name is what the bucket holds when full; the window is the time in which it fills.
//!
//! # Source
//! draft-ietf-httpapi-ratelimit-headers-10; the `X-RateLimit-*` names are common practice.

use std::cell::RefCell;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Kind, Level};
use crate::base::digits::{DIGITS_MAX, decimal};

impl Kind {
    /// The word in headers, metrics and `explain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Ip => "ip",
        }
    }
}

impl Level {
    /// `RateLimit-Policy`, `RateLimit`, `X-RateLimit-Limit` and `X-RateLimit-Remaining`.
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 4] {
        let Said { policy, capacity, .. } = self.said_before();
        let mut state = Line::quoting(self.kind);
        state.text(";r=").number(self.remaining.into()).text(";t=").number(seconds(self.reset));
        let mut remaining = Line::new();
        remaining.number(self.remaining.into());
        [(POLICY, policy), (STATE, state.value()), (LIMIT, capacity), (REMAINING, remaining.value())]
    }

    /// What says the limit is the same with every answer, so each thread keeps the last of each kind.
    fn said_before(&self) -> Said {
        thread_local! {
            static LAST: RefCell<[Option<Said>; 2]> = const { RefCell::new([None, None]) };
        }
        LAST.with_borrow_mut(|last| {
            let [user, ip] = last;
            let last = match self.kind {
                Kind::User => user,
                Kind::Ip => ip,
            };
            match last {
                Some(said) if said.limit == self.limit && said.window == self.window => said.clone(),
                _ => last.insert(Said::new(self)).clone(),
            }
        })
    }
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// The two values that say the limit.
#[derive(Clone)]
struct Said {
    limit: u32,
    window: Duration,
    policy: HeaderValue,
    capacity: HeaderValue,
}

impl Said {
    fn new(level: &Level) -> Self {
        let mut policy = Line::quoting(level.kind);
        policy.text(";q=").number(level.limit.into()).text(";w=").number(seconds(level.window));
        let (policy, capacity) = (policy.value(), HeaderValue::from(level.limit));
        Self { limit: level.limit, window: level.window, policy, capacity }
    }
}

/// A value under way, on the stack: it goes out with every answer, and `format!` costs several times as much. The longest
/// is `"user";q=` and ten digits, `;w=` and twenty.
struct Line {
    bytes: [u8; 48],
    length: usize,
}

impl Line {
    fn new() -> Self {
        Self { bytes: [0; 48], length: 0 }
    }

    fn quoting(kind: Kind) -> Self {
        let mut line = Self::new();
        line.text("\"").text(kind.as_str()).text("\"");
        line
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.put(decimal(number, &mut [0; DIGITS_MAX]))
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.put(text.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
        self
    }

    fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.bytes[..self.length])
            .expect("letters, digits and punctuation in ASCII are a header value")
    }
}

/// Whole seconds, rounded up.
fn seconds(d: Duration) -> u64 {
    d.as_secs().saturating_add(u64::from(d.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_limit_is_said_at_once() {
        let level = |kind, limit, s| Level {
            kind,
            limit,
            remaining: 1,
            window: Duration::from_secs(s),
            reset: Duration::ZERO,
        };
        for (level, policy) in [
            (level(Kind::User, 5, 60), "\"user\";q=5;w=60"),
            (level(Kind::Ip, 5, 60), "\"ip\";q=5;w=60"),
            (level(Kind::User, 5, 60), "\"user\";q=5;w=60"),
            (level(Kind::User, 6, 60), "\"user\";q=6;w=60"),
            (level(Kind::User, 6, 61), "\"user\";q=6;w=61"),
        ] {
            let shown = level.headers();
            assert_eq!((&shown[0].1, &shown[2].1), (&policy.parse().unwrap(), &level.limit.into()));
        }
    }

    #[test]
    fn the_largest_numbers_have_room() {
        let level = Level {
            kind: Kind::User,
            limit: u32::MAX,
            remaining: u32::MAX,
            window: Duration::MAX,
            reset: Duration::from_secs(u64::MAX),
        };
        let shown = level.headers();
        assert_eq!(shown[0].1, "\"user\";q=4294967295;w=18446744073709551615");
        assert_eq!(shown[1].1, "\"user\";r=4294967295;t=18446744073709551615");
    }

    #[test]
    fn the_four_headers_describe_one_bucket() {
        let level = Level {
            kind: Kind::User,
            limit: 120,
            remaining: 12,
            window: Duration::from_secs(120),
            reset: Duration::from_millis(107_001),
        };
        let shown: Vec<_> =
            level.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        assert_eq!(
            shown,
            [
                "ratelimit-policy: \"user\";q=120;w=120",
                "ratelimit: \"user\";r=12;t=108",
                "x-ratelimit-limit: 120",
                "x-ratelimit-remaining: 12",
            ]
        );
    }
}
