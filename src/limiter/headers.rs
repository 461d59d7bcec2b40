//! The response headers that describe a bucket.
//!
//! The limit that they name is what the bucket holds when full; the window is the time in which it fills.
//!
//! # Source
//! draft-ietf-httpapi-ratelimit-headers-10; the `X-RateLimit-*` names are common practice.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Kind, Level};

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
        let policy = Line::new(self.kind).part(";q=", self.limit.into()).part(";w=", seconds(self.window));
        let state = Line::new(self.kind).part(";r=", self.remaining.into()).part(";t=", seconds(self.reset));
        [
            (POLICY, policy.value()),
            (STATE, state.value()),
            (LIMIT, HeaderValue::from(self.limit)),
            (REMAINING, HeaderValue::from(self.remaining)),
        ]
    }
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// A value under way, on the stack: it goes out with every answer, and `format!` costs ten times as much. The longest is
/// `"user";q=` and ten digits, `;w=` and twenty.
struct Line {
    bytes: [u8; 48],
    length: usize,
}

impl Line {
    fn new(kind: Kind) -> Self {
        let line = Self { bytes: [0; 48], length: 0 };
        line.text("\"").text(kind.as_str()).text("\"")
    }

    fn part(self, name: &str, number: u64) -> Self {
        let mut line = self.text(name);
        let mut digits = [0; 20];
        let mut first = digits.len();
        let mut rest = number;
        loop {
            first -= 1;
            digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        line.put(&digits[first..]);
        line
    }

    fn text(mut self, text: &str) -> Self {
        self.put(text.as_bytes());
        self
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn value(self) -> HeaderValue {
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
