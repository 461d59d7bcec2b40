//! Floor 3: who is kept out, and incident mode. Asked on every request and changed seldom: as long as there is no ban and
//! no lockdown, each question costs one atomic load.
//!
//! What keeps people out wins where storage is in doubt: a ban that the disk did not take is in force until the process
//! ends, and one whose end the disk did not take stays.

mod ban;
mod durable;
#[cfg(test)]
mod fake_log;
mod lockdown;
mod networks;
mod table;
#[cfg(test)]
mod tests;

pub use ban::{Ban, BanError, MADE_BY_CLI, REASON_CHARS_MAX, Target, is_too_wide, parse_network, reason_of};
pub use durable::{BanLog, Unavailable, Written};
pub use lockdown::{Lockdown, LockdownState};
pub use table::Bans;
