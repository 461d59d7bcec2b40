//! `[[services]]`: the upstreams.

use std::time::Duration;

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name that routes use.
    pub name: String,
    /// Base addresses: `http://host:port`, no path.
    pub urls: Vec<String>,
    /// The path of its health check.
    pub health: Option<String>,
    /// How often the health check is asked.
    pub health_interval: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a response head.
    pub response_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Most unused connections kept by one worker.
    pub idle_max: usize,
    /// Whether `/ready` is 503 while this service is down.
    pub required: bool,
}
