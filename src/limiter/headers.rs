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
        let kind = self.kind.as_str();
        let policy = format!("\"{kind}\";q={};w={}", self.limit, seconds(self.window));
        let state = format!("\"{kind}\";r={};t={}", self.remaining, seconds(self.reset));
        [
            (HeaderName::from_static("ratelimit-policy"), visible(policy)),
            (HeaderName::from_static("ratelimit"), visible(state)),
            (HeaderName::from_static("x-ratelimit-limit"), HeaderValue::from(self.limit)),
            (HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from(self.remaining)),
        ]
    }
}

fn visible(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("letters, digits and punctuation in ASCII are a header value")
}

/// Whole seconds, rounded up.
fn seconds(d: Duration) -> u64 {
    d.as_secs() + u64::from(d.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
