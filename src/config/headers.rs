//! `[headers]`: the security headers.

use std::time::Duration;

use crate::base::document::Table;

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

impl Headers {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let override_upstream =
            table.flag("override", false, "Whether the gateway's values win over an upstream's own.");
        let frame_options =
            header(&mut table, "frame_options", "DENY", "`X-Frame-Options`; empty: not sent.");
        let referrer_policy = header(
            &mut table,
            "referrer_policy",
            "strict-origin-when-cross-origin",
            "`Referrer-Policy`; empty: not sent.",
        );
        let permissions_policy = header(
            &mut table,
            "permissions_policy",
            "geolocation=(), microphone=(), camera=()",
            "`Permissions-Policy`; empty: not sent.",
        );
        let hsts_max_age = table.duration(
            "hsts_max_age",
            "365d",
            Duration::ZERO,
            "`max-age` of `Strict-Transport-Security`, which is sent in production over https.",
        );
        table.finish();
        Self { override_upstream, frame_options, referrer_policy, permissions_policy, hsts_max_age }
    }
}

fn header(table: &mut Table<'_>, key: &'static str, default: &'static str, doc: &'static str) -> String {
    table.parsed(key, "header value", default, doc, parse_header_value).unwrap_or_default()
}

/// Reads a header value: visible ASCII and spaces, so that it can be sent as it stands.
pub(super) fn parse_header_value(text: &str) -> Result<String, String> {
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) && text.trim() == text {
        Ok(text.to_owned())
    } else {
        Err("is not a header value: only visible ASCII, no space at its ends".to_owned())
    }
}
