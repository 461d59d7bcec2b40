//! How many files and sockets the process may have open: as many as the system lets it, which is more than it is given.
//!
//! # Source
//! getrlimit(2), `RLIMIT_NOFILE`: the soft limit is 1,024 by custom, for the sake of select(2), which is not used here.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Server;

/// Sockets that one connection takes: the client's and the upstream's.
const PER_CONNECTION: u64 = 2;

/// Descriptors for everything else: the database, watches, runtimes, the admin listener.
const OTHERS: u64 = 256;

/// Raises the soft limit to the hard one, and says so where that is too little for the connections that may come.
pub fn raise(config: &Server) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
    let Some(open_max) = getrlimit(Resource::Nofile).current else { return };
    let connections_max = u64::try_from(config.connections_max).unwrap_or(u64::MAX);
    if connections_max.saturating_mul(PER_CONNECTION).saturating_add(OTHERS) > open_max {
        tracing::info!(
            open_max,
            connections_max,
            "the limit of open files may be reached before `server.connections_max`; connections wait then"
        );
    }
}
