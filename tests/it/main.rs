//! The real binary on loopback, one file per stage.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(clippy::float_cmp, reason = "the numbers that are compared are counts")]

mod admin;
mod assertion;
mod body;
mod cli;
mod client;
mod cors;
mod definitions;
mod drain;
mod envelope;
mod explain;
mod forget;
mod forward;
mod geo;
mod guide;
mod harness;
mod hooks;
mod hostile_answers;
mod jwt_security;
mod keys;
mod listen;
mod lockout;
mod metrics;
#[path = "../../src/geo/tests/writer.rs"]
mod mmdb;
mod oidc;
mod oidc_code_flow;
mod origin;
mod plugins;
mod privacy;
mod promote;
mod rate_limit;
mod reload;
mod reload_whole;
mod renew;
mod review;
mod rotate;
mod route;
mod rules;
mod rules_of_one_line;
mod session;
mod session_end;
mod shadow;
mod sign_in;
mod state;
mod storage;
mod stream;
mod tls;
mod tools;
mod upstreams;
mod verify;
