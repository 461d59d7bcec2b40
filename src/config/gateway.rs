//! `[gateway]`: where the gateway's own endpoints stand.

/// The gateway's own paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPaths {
    /// Moves all own endpoints below a prefix; empty or `/x` without a trailing slash.
    pub prefix: String,
}
