//! Floor 0: words that everybody shares. No I/O, no async, no locks.

pub mod address;
pub mod clock;
pub mod document;
pub mod ids;
pub mod nearest;
pub mod problems;
pub mod refusal;
pub mod secret;
pub mod target;
pub mod units;
pub mod withheld;
