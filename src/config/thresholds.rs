//! `[thresholds]`: what sums of `score()` lead to.

/// Sums that decide; 0 is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// At this sum the request is refused with 403.
    pub deny: i64,
}
