//! PluginMind: a security gateway in one binary, scripted with Rhai rules that reload while it runs.
//!
//! The code is a house of floors. Imports go down only, and neighbours on one floor do not know each
//! other; `tests/architecture.rs` proves both.
//!
//! ```text
//! 7 cli         what a person can ask for
//! 6 server      sockets, connections, draining; the admin listener
//! 5 pipeline    one request, start to end: the only place that knows every trade
//! 4 live        snapshots: build whole, swap, or keep the last good one
//! 3 limiter | proxy | script | store | auth | schema | geo    the trades, each alone with its craft
//! 2 telemetry | outbound    logs, metrics, the access line | requests of the gateway's own
//! 1 config      config.toml, one table a file
//! 0 base        words everybody shares; no I/O, no async, no locks
//! ```

pub mod alert;
pub mod auth;
pub mod bans;
pub mod base;
pub mod cli;
pub mod config;
pub mod geo;
pub mod limiter;
pub mod live;
pub mod outbound;
pub mod pipeline;
pub mod proxy;
pub mod schema;
pub mod script;
pub mod server;
pub mod store;
pub mod telemetry;
