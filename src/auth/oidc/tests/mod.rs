//! The trade as a whole, against a provider that the tests play.

mod cached;
mod code_flow;
mod discovery;
mod exchange;
mod fake;
mod jwk;
mod jwt_security;
mod signer;

use super::*;
use crate::base::clock::Clock;
use crate::outbound::{Limits, Trust};

/// The time of these tests, in seconds since 1970-01-01 UTC.
const NOW: u64 = 1_800_000_000;
const CLIENT_ID: &str = "our-client";

fn clock() -> Clock {
    Clock::manual(i64::try_from(NOW).unwrap() * 1_000)
}

fn client() -> Client {
    Client::new(Trust::built_in(), Limits::default())
}
