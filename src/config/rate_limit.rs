//! `[rate_limit]`: the two token buckets.

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
