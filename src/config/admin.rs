//! `[admin]`: the listener for metrics and the admin API.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Address and port; loopback by default.
    pub listen: SocketAddr,
    /// A file that holds the token for writes; absent: `admin.token` in the data folder, made at start.
    pub token_file: Option<PathBuf>,
    /// Host names that the admin API answers to, besides loopback names.
    pub hosts: Vec<String>,
}
