//! WebSockets: the handshake judged on both sides, then bytes both ways, of which only the frames' headers are read.
//!
//! - [`Handshake`] is a client's opening request that holds; it also judges the upstream's 101.
//! - [`Frames`] follows the frames of one direction, without keeping any of them.
//! - [`Relay`] moves the bytes.
//!
//! # Source
//! RFC 6455; THREATS rows WS-01 to WS-06, SM-28, SM-29.

mod close;
mod frames;
mod handshake;
mod relay;

pub use close::{Code, close_frame};
pub use frames::{Frames, Side, Violation};
pub use handshake::{BadHandshake, Handshake, VERSION, change_protocol};
pub use relay::{Ended, Relay, Tally};
