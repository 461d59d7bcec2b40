//! Floor 6: sockets, workers, connections, draining; the admin listener.

pub mod admin;
pub mod connection;
pub mod drain;
pub mod explain;
pub mod guard;
pub mod listen;
pub mod notify;
pub mod phase;
pub mod reload;
pub mod remember;
pub mod schedules;
pub mod serve;
pub mod signals;
pub mod start;
pub mod wire;
pub mod workers;
