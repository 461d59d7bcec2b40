//! Floor 6: sockets, workers, connections, draining; the admin listener.

pub mod activation;
pub mod admin;
pub mod connection;
pub mod door;
pub mod drain;
pub mod explain;
pub mod front;
pub mod guard;
pub mod hot;
pub mod limits;
pub mod listen;
pub mod listener;
pub mod memory;
pub mod notify;
pub mod phase;
pub mod proxy_protocol;
pub mod reload;
pub mod remember;
pub mod schedules;
pub mod serve;
pub mod signals;
pub mod start;
pub mod tls;
pub mod upstream_numbers;
pub mod wire;
pub mod workers;
