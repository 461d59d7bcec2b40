//! The real binary on loopback, one file per stage.
#![expect(clippy::panic, reason = "a panic is how a test fails")]
#![expect(clippy::needless_raw_string_hashes, reason = "scripts and configurations are quoted alike")]

mod body;
mod client;
mod cors;
mod drain;
mod envelope;
mod forget;
mod forward;
mod harness;
mod lockout;
mod origin;
mod rate_limit;
mod reload;
mod renew;
mod rotate;
mod route;
mod rules;
mod session;
mod session_end;
mod session_token;
mod sign_in;
mod storage;
