//! The real binary on loopback, one file per stage.

mod admin;
mod cli;
mod client;
mod cors;
mod drain;
mod envelope;
mod harness;
mod metrics;
mod rate_limit;
mod reload;
mod route;
mod rules;
mod storage;
