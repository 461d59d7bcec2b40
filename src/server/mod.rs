//! Floor 6: sockets, workers, connections, draining; the admin listener.

pub mod admin;
pub mod connection;
pub mod drain;
pub mod explain;
pub mod http2;
mod http2_idle;
mod http2_streams;
pub mod listen;
pub mod notify;
pub mod phase;
mod preface;
pub mod raw;
pub mod reload;
pub mod remember;
pub mod schedules;
pub mod serve;
pub mod signals;
pub mod start;
pub mod tls;
pub mod wire;
pub mod workers;
