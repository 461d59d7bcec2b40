//! The real binary on loopback, one file per stage.

mod body;
mod client;
mod cors;
mod envelope;
mod forward;
mod harness;
mod metrics;
mod origin;
mod privacy;
mod rate_limit;
mod reload;
mod route;
mod rules;
mod session;
mod storage;
