//! Carrying messages out: one at a time to each receiver, signed, with a few tries, and no receiver waits for another.

mod courier;
mod lanes;
mod shape;
mod sign;

pub use courier::{Courier, Undelivered};
pub use lanes::{Fate, LANE_MAX, LANES_MAX, Lanes, PAUSES};
pub use sign::{EVENT_ID, SIGNATURE, signature};

#[cfg(test)]
mod tests;
