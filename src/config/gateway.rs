//! `[gateway]`: where the gateway's own endpoints stand.

use crate::base::document::Table;
use crate::base::target::CanonicalPath;

use super::origin;

/// The gateway's own paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPaths {
    /// Moves all own endpoints below a prefix; empty or `/x` without a trailing slash.
    pub prefix: String,
    /// The site as browsers know it, `https://app.example`: absolute addresses that the gateway gives away begin with
    /// it, and never with what a request says.
    pub public_url: Option<String>,
}

impl OwnPaths {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let prefix = table.text(
            "prefix",
            "",
            "Moves all own endpoints (`/auth/…`, `/ready`, …) below a prefix such as `/gate`.",
        );
        let canonical = CanonicalPath::parse(&prefix).is_ok_and(|p| p.as_str() == prefix);
        if !prefix.is_empty() && (!canonical || prefix.ends_with('/') || prefix.contains(['*', '%', ';'])) {
            table.report(
                table
                    .problem("prefix", format!("`gateway.prefix`: `{prefix}` is not a path such as `/gate`")),
            );
        }
        let public_url = table.parsed(
            "public_url",
            "origin",
            "",
            "The site as browsers know it, such as `https://app.example`; sign-in at a provider comes back to it.",
            origin::parse_origin,
        );
        table.finish();
        Self { prefix, public_url }
    }

    /// Whether a path is one of the gateway's own endpoints.
    pub fn owns(&self, path: &str) -> bool {
        let Some(own) = path.strip_prefix(self.prefix.as_str()) else { return false };
        own.starts_with("/auth/") || OWN.contains(&own)
    }
}

/// The gateway's own endpoints outside `/auth/`.
pub const OWN: [&str; 8] = [
    "/.well-known/pluginmind/jwks.json",
    "/me/usage",
    "/live",
    "/ready",
    "/health",
    "/version",
    "/services",
    "/services/health",
];
