//! How large a head may be.

use crate::config::Server;

/// Longest target that hyper reads, in bytes; the configuration may say more.
const TARGET_BYTES_MAX: usize = 65_534;

/// The limits of a head, as they were when the connection was accepted. The pipeline asks the snapshot of each request
/// again, so a limit that became smaller holds at once, and one that became larger with the next connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request target, in bytes.
    pub target: usize,
    /// Most bytes of all names and values.
    pub fields: usize,
    /// Most header lines.
    pub count: usize,
}

impl Limits {
    /// The limits of `[server]`.
    pub fn of(config: &Server) -> Self {
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            target: bytes(config.target_max).min(TARGET_BYTES_MAX),
            fields: bytes(config.header_max),
            count: config.headers_max,
        }
    }

    /// Most bytes of the header lines as they come: each has a colon, a space and its end besides its name and value.
    pub(super) fn lines(&self) -> usize {
        self.fields.saturating_add(self.count.saturating_mul(4))
    }

    /// Most bytes of a head as it comes, in any form that is accepted.
    pub fn head(&self) -> usize {
        self.lines().saturating_add(self.target).saturating_add(256)
    }
}
