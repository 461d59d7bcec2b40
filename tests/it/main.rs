//! The real binary on loopback, one file per stage.

mod client;
mod cors;
mod envelope;
mod harness;
mod rate_limit;
mod review;
mod route;
mod rules;
