//! WebSockets through the pipeline: a handshake passes every stage as any request does, and only then, and only where the
//! upstream's 101 answers it, the client's connection becomes a tunnel.
//!
//! - [`judge`] tells a handshake from a plain request (stage 12).
//! - [`Plan`] is what opening it needs: a seat, and a vigil over whoever opens it (stage 14).
//! - [`Tunnel`] is the open socket. It is handed over through [`Handoff`] to whoever serves the connection.
//!
//! # Source
//! THREATS rows WS-01 to WS-06, SM-28, SM-29; docs/decisions/0015.

mod handoff;
mod judge;
mod plan;
mod seats;
mod tunnel;
mod watch;

pub use handoff::{Handoff, Switch};
pub use judge::judge;
pub use plan::{Opened, Plan};
pub use seats::{Seat, Seats};
pub use tunnel::Tunnel;
