//! What must hold for any bytes. Each target panics where it does not, and says how many things it compared.

use super::strict;

pub mod answer;
pub mod connection;
pub mod cookie;
pub mod forwarded;
pub mod proxy_protocol;
pub mod target;
