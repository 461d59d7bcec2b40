//! One way to say no: every refusal, its status, its code and its public sentence, in one table.
//!
//! # Source
//! CONTRACT section 5; statuses as in RFC 9110 section 15 and RFC 6585.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

/// Why a request was refused. Closed: a new reason is a new variant and a new row of `Refusal::row`.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The request is malformed or ambiguous; the sentence is public and holds nothing of the request.
    BadRequest(&'static str),
    /// No valid credential: missing, expired, forged and revoked are one and the same.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden(&'static str),
    /// The origin of a cross-origin or unsafe request is not this site's nor a listed one.
    OriginNotAllowed,
    /// The address or the user is banned.
    Banned,
    /// The gateway is in lockdown.
    Lockdown {
        /// When it ends by itself; absent where somebody has to end it.
        retry_after: Option<Duration>,
    },
    /// No route, or nothing behind it.
    NotFound,
    /// The route does not take this method; `allow` is the `Allow` header.
    MethodNotAllowed {
        /// Methods that the resource takes, comma separated.
        allow: String,
    },
    /// Part of a request came, the rest did not.
    RequestTimeout,
    /// The body is longer than the limit.
    TooLarge,
    /// The request target is longer than the limit.
    UriTooLong,
    /// The body is of a type that the route does not take.
    UnsupportedMediaType,
    /// The protocol is asked for in a version that is not spoken here.
    UpgradeRequired,
    /// An `Expect` that the gateway does not know.
    ExpectationFailed,
    /// The body does not fit its schema; the details name places and rules, never values.
    InvalidInput(Vec<Detail>),
    /// The request head is larger than the limit.
    HeadersTooLarge,
    /// A bucket is empty.
    RateLimited {
        /// Time until the bucket that denied has a token again.
        retry_after: Duration,
    },
    /// A rule decided.
    Rule(Arc<RuleRefusal>),
    /// A rule that must not fail open failed.
    PluginFault,
    /// A defect of the gateway.
    Internal,
    /// The upstream refused, reset or was unreadable before its response head.
    UpstreamUnreachable,
    /// Something that the answer needs is not there now.
    Unavailable {
        /// When it is worth trying again.
        retry_after: Option<Duration>,
    },
    /// The upstream took too long.
    UpstreamTimeout,
    /// The request came to a listener that does not serve this host.
    Misdirected,
}

/// What a rule decided, in words the rule's author wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRefusal {
    /// 400 to 599, or 302 with `location`.
    pub status: u16,
    /// The literal code of the verb.
    pub code: Arc<str>,
    /// For the client.
    pub message: String,
    /// `Retry-After`, from `throttle`.
    pub retry_after: Option<Duration>,
    /// `Location`, from `redirect` and `challenge`.
    pub location: Option<String>,
    /// Close the connection without an answer, from `drop`.
    pub silent: bool,
    /// A person is to be sent to sign in, from `challenge`.
    pub sign_in: bool,
}

/// One finding of body validation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Detail {
    /// JSON Pointer (RFC 6901) to the place in the body.
    pub path: String,
    /// Which rule of the schema was broken, without the value that broke it.
    pub message: String,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Rule(rule) => StatusCode::from_u16(rule.status).unwrap_or(StatusCode::FORBIDDEN),
            other => other.row().0,
        }
    }

    /// The machine-readable code of the envelope.
    pub fn code(&self) -> &str {
        match self {
            Self::Rule(rule) => &rule.code,
            other => other.row().1,
        }
    }

    /// The sentence for the client.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Rule(rule) => Cow::Borrowed(&rule.message),
            Self::BadRequest(why) | Self::Forbidden(why) => Cow::Borrowed(why),
            other => Cow::Borrowed(other.row().2),
        }
    }

    /// The findings of body validation; empty for every other refusal.
    pub fn details(&self) -> &[Detail] {
        match self {
            Self::InvalidInput(details) => details,
            _ => &[],
        }
    }

    /// `Retry-After` in whole seconds, rounded up, at least one.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let wait = match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::Unavailable { retry_after } | Self::Lockdown { retry_after } => *retry_after,
            Self::Rule(rule) => rule.retry_after,
            _ => None,
        }?;
        Some(retry_after(wait))
    }

    /// One of each that the gateway itself makes, in the order of the enumeration; what a rule says is its author's.
    pub fn every() -> [Self; 23] {
        let soon = Duration::from_secs(1);
        [
            Self::BadRequest("The sentence says what is malformed or ambiguous."),
            Self::Unauthenticated,
            Self::Forbidden("The sentence says what is missing: a role, a known origin, https."),
            Self::OriginNotAllowed,
            Self::Banned,
            Self::Lockdown { retry_after: None },
            Self::NotFound,
            Self::MethodNotAllowed { allow: String::new() },
            Self::RequestTimeout,
            Self::TooLarge,
            Self::UriTooLong,
            Self::UnsupportedMediaType,
            Self::UpgradeRequired,
            Self::ExpectationFailed,
            Self::InvalidInput(Vec::new()),
            Self::HeadersTooLarge,
            Self::RateLimited { retry_after: soon },
            Self::PluginFault,
            Self::Internal,
            Self::UpstreamUnreachable,
            Self::Unavailable { retry_after: None },
            Self::UpstreamTimeout,
            Self::Misdirected,
        ]
    }

    /// Status, code and public sentence of every refusal that the gateway itself makes.
    fn row(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest(_) => (S::BAD_REQUEST, "BAD_REQUEST", ""),
            Self::Unauthenticated => {
                (S::UNAUTHORIZED, "AUTHENTICATION_REQUIRED", "Sign in, or send a valid credential.")
            }
            Self::Forbidden(_) => (S::FORBIDDEN, "FORBIDDEN", ""),
            Self::OriginNotAllowed => {
                (S::FORBIDDEN, "ORIGIN_NOT_ALLOWED", "Requests from this origin are not allowed.")
            }
            Self::Banned => (S::FORBIDDEN, "BANNED", "Access denied."),
            Self::Lockdown { .. } => (S::FORBIDDEN, "LOCKDOWN", "The site is closed for the moment."),
            Self::NotFound => (S::NOT_FOUND, "NOT_FOUND", "There is nothing here."),
            Self::MethodNotAllowed { .. } => {
                (S::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "This method is not allowed here.")
            }
            Self::RequestTimeout => {
                (S::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", "The request did not arrive in time.")
            }
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE", "The request body is too large."),
            Self::UriTooLong => (S::URI_TOO_LONG, "URI_TOO_LONG", "The request target is too long."),
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                "This content type is not accepted here.",
            ),
            Self::UpgradeRequired => {
                (S::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", "This version of WebSocket is not spoken here.")
            }
            Self::ExpectationFailed => {
                (S::EXPECTATION_FAILED, "EXPECTATION_FAILED", "This expectation cannot be met.")
            }
            Self::InvalidInput(_) => {
                (S::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "The body does not have the expected shape.")
            }
            Self::HeadersTooLarge => (
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "HEADERS_TOO_LARGE",
                "The request headers are too large.",
            ),
            Self::RateLimited { .. } => {
                (S::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", "Too many requests. Try again later.")
            }
            Self::Rule(_) => (S::FORBIDDEN, "FORBIDDEN", ""),
            Self::PluginFault => {
                (S::SERVICE_UNAVAILABLE, "PLUGIN_FAULT", "The request could not be checked.")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "INTERNAL", "Something went wrong on our side."),
            Self::UpstreamUnreachable => {
                (S::BAD_GATEWAY, "UPSTREAM_UNREACHABLE", "The service cannot be reached.")
            }
            Self::Unavailable { .. } => {
                (S::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "The service is not available right now.")
            }
            Self::UpstreamTimeout => {
                (S::GATEWAY_TIMEOUT, "UPSTREAM_TIMEOUT", "The service took too long to answer.")
            }
            Self::Misdirected => {
                (S::MISDIRECTED_REQUEST, "MISDIRECTED_REQUEST", "This host is not served here.")
            }
        }
    }
}

/// A wait as `Retry-After` says it: whole seconds, rounded up, at least one (RFC 9110 section 10.2.3).
pub fn retry_after(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        let wait = |ms| Refusal::RateLimited { retry_after: Duration::from_millis(ms) }.retry_after_seconds();
        assert_eq!(wait(0), Some(1));
        assert_eq!(wait(1_000), Some(1));
        assert_eq!(wait(1_001), Some(2));
    }

    #[test]
    fn the_list_has_one_of_each_but_a_rules() {
        let kinds: std::collections::HashSet<_> =
            Refusal::every().iter().map(std::mem::discriminant).collect();
        // One that is added has to be named here, and then in the list.
        let known = |refusal: &Refusal| match refusal {
            Refusal::BadRequest(_) | Refusal::Unauthenticated | Refusal::Forbidden(_) => 0,
            Refusal::OriginNotAllowed | Refusal::Banned | Refusal::Lockdown { .. } | Refusal::NotFound => 0,
            Refusal::MethodNotAllowed { .. } | Refusal::RequestTimeout | Refusal::TooLarge => 0,
            Refusal::UriTooLong | Refusal::UnsupportedMediaType | Refusal::UpgradeRequired => 0,
            Refusal::ExpectationFailed | Refusal::InvalidInput(_) | Refusal::HeadersTooLarge => 0,
            Refusal::RateLimited { .. } | Refusal::Rule(_) | Refusal::PluginFault | Refusal::Internal => 0,
            Refusal::UpstreamUnreachable | Refusal::Unavailable { .. } | Refusal::UpstreamTimeout => 0,
            Refusal::Misdirected => 0,
        };
        assert_eq!(Refusal::every().iter().map(known).sum::<i32>(), 0);
        assert_eq!(kinds.len(), Refusal::every().len());
    }

    #[test]
    fn a_rule_speaks_with_its_own_status_code_and_sentence() {
        let rule = RuleRefusal {
            status: 418,
            code: "tea.pot".into(),
            message: "Short and stout.".into(),
            retry_after: None,
            location: None,
            silent: false,
            sign_in: false,
        };
        let refusal = Refusal::Rule(Arc::new(rule));
        assert_eq!(refusal.status().as_u16(), 418);
        assert_eq!(refusal.code(), "tea.pot");
        assert_eq!(refusal.message(), "Short and stout.");
    }
}
