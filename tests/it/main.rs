//! The real binary on loopback, one file per stage.
#![expect(clippy::panic, reason = "a panic is how a test fails")]
#![expect(clippy::needless_raw_string_hashes, reason = "scripts and configurations are quoted alike")]

mod client;
mod cors;
mod envelope;
mod harness;
mod rate_limit;
mod route;
mod rules;
