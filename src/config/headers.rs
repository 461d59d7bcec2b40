//! `[headers]`: the security headers.

use std::time::Duration;

/// Values of the security headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Whether the gateway's values win over an upstream's own.
    pub override_upstream: bool,
    /// `X-Frame-Options`.
    pub frame_options: String,
    /// `Referrer-Policy`.
    pub referrer_policy: String,
    /// `Permissions-Policy`.
    pub permissions_policy: String,
    /// `Strict-Transport-Security` `max-age`; sent in production over https.
    pub hsts_max_age: Duration,
}
