//! `[rate_limit]`: the two token buckets.

use crate::base::document::Table;

use super::count;

/// Rates and sizes of the buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Tokens a minute that flow into a user's bucket.
    pub user_per_minute: u32,
    /// Tokens that a user's bucket holds.
    pub user_burst: u32,
    /// Tokens a minute that flow into an address's bucket.
    pub ip_per_minute: u32,
    /// Tokens that an address's bucket holds.
    pub ip_burst: u32,
    /// Most buckets of each kind; new keys share an overflow bucket then.
    pub keys_max: usize,
}

/// Range of rates and bursts.
pub(super) const TOKENS: (i64, i64) = (1, 1_000_000);

impl RateLimit {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let user_per_minute =
            table.integer("user_per_minute", 60, TOKENS, "Requests a minute that flow into a user's bucket.");
        let user_burst = table.integer("user_burst", 120, TOKENS, "Requests that a user's bucket holds.");
        let ip_per_minute = table.integer(
            "ip_per_minute",
            300,
            TOKENS,
            "Requests a minute that flow into an address's bucket.",
        );
        let ip_burst = table.integer("ip_burst", 600, TOKENS, "Requests that an address's bucket holds.");
        let keys_max = table.integer(
            "keys_max",
            1_000_000,
            (1, 100_000_000),
            "Most buckets of each kind; new keys share an overflow bucket then.",
        );
        table.finish();
        Self {
            user_per_minute: tokens(user_per_minute),
            user_burst: tokens(user_burst),
            ip_per_minute: tokens(ip_per_minute),
            ip_burst: tokens(ip_burst),
            keys_max: count(keys_max),
        }
    }
}

/// A number within [`TOKENS`].
pub(super) fn tokens(n: i64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
