//! Floor 0: words that everybody shares. No I/O, no async, no locks.

pub mod address;
pub mod clock;
pub mod cookies;
pub mod digits;
pub mod document;
pub mod head;
pub mod ids;
pub mod location;
pub mod media_type;
pub mod memory;
pub mod metadata;
pub mod nearest;
pub mod problems;
pub mod random_key;
pub mod refusal;
pub mod return_to;
pub mod secret;
pub mod target;
pub mod text;
pub mod tls;
pub mod trace_context;
pub mod units;
pub mod upgrade;
pub mod uuid_v7;
pub mod withheld;
