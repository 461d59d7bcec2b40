//! `[server]`: the public listener and what it takes.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

/// The public listener and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Address and port of the public listener.
    pub listen: SocketAddr,
    /// Networks whose `X-Forwarded-*` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Longest request body, in bytes.
    pub body_max: u64,
    /// Longest request target, in bytes.
    pub target_max: u64,
    /// Largest request head (names and values of all headers), in bytes.
    pub header_max: u64,
    /// Most request headers.
    pub headers_max: usize,
    /// Longest wait for a request head, from accept to its last byte.
    pub header_timeout: Duration,
    /// Longest silence between two bytes of a body.
    pub body_timeout: Duration,
    /// Longest wait for requests in flight at the end.
    pub drain_timeout: Duration,
    /// Most connections at a time.
    pub connections_max: usize,
    /// Worker threads; 0 is one a core.
    pub workers: usize,
    /// Deepest nesting of a JSON body.
    pub json_depth_max: usize,
    /// Refuse routes that take bodies without a schema.
    pub require_schema: bool,
    /// In production, let plain http through that a trusted proxy forwards.
    pub allow_http: bool,
}
