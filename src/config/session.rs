//! `[session]`: the session cookie and how long it lives.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::secret::Secret;

/// `SameSite` of the session cookie (RFC 6265bis section 5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent on same-site requests and top-level navigations.
    Lax,
    /// Sent on same-site requests only.
    Strict,
    /// Sent always; needs `Secure`.
    None,
}

/// The session cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The cookie's name.
    pub cookie_name: String,
    /// The cookie's `Domain`, without a leading dot.
    pub cookie_domain: Option<String>,
    /// Absolute lifetime.
    pub ttl: Duration,
    /// Lifetime without a request.
    pub idle: Duration,
    /// `SameSite`.
    pub same_site: SameSite,
    /// Most sessions of one user; the oldest ends.
    pub per_user_max: usize,
    /// Most sessions altogether.
    pub sessions_max: usize,
    /// The secret itself, from the file or the environment; outranks `secret_file`.
    pub secret: Option<Secret<String>>,
    /// Whether `secret` came from the environment.
    pub secret_from_environment: bool,
    /// A file with one secret a line: the first signs, the rest only verify.
    pub secret_file: Option<PathBuf>,
    /// The keys in force, the signing one first: from `secret`, `secret_file`, or (development) the data folder.
    /// Empty only when none is given in development and none was made yet.
    pub keys: Vec<Secret<Vec<u8>>>,
}
