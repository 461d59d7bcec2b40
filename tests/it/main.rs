//! The real binary on loopback, one file per stage.

mod body;
mod client;
mod cors;
mod envelope;
mod forward;
mod harness;
mod origin;
mod rate_limit;
mod route;
mod rules;
mod session;
mod session_end;
mod session_token;
mod sign_in;
