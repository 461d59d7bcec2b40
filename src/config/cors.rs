//! `[cors]`: which other sites' pages may read answers.

use std::time::Duration;

/// The origins and what they may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Serialised origins (`https://app.example`), compared byte by byte.
    pub origins: Vec<String>,
    /// Methods that a preflight may ask for.
    pub methods: Vec<String>,
    /// Headers that a preflight may ask for.
    pub headers: Vec<String>,
    /// How long a preflight may be cached.
    pub max_age: Duration,
}
