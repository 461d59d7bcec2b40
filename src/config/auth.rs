//! `[auth]`: who may sign in, and how.

/// Ways to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Whether local accounts may sign in.
    pub local_enabled: bool,
    /// Shortest password that `users add|passwd` takes, in characters.
    pub password_min: usize,
    /// Most password checks at a time; each takes 19 MiB.
    pub password_checks_max: usize,
}
