//! `[server] websocket_…`: limits of open WebSockets.

use std::time::Duration;

use crate::base::document::Table;

use super::count;

/// Limits of open WebSockets. They hold for sockets that are open already, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocket {
    /// Longest time without a byte in either direction.
    pub idle_timeout: Duration,
    /// Longest message that a client may send, in bytes.
    pub message_max: u64,
    /// Longest life; zero is without end.
    pub lifetime_max: Duration,
    /// Most open at a time of one user, or of one address where nobody is known.
    pub per_user_max: usize,
}

impl WebSocket {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            idle_timeout: table.duration(
                "websocket_idle_timeout",
                "5m",
                Duration::from_millis(100),
                "Longest time that a WebSocket stays open without a byte in either direction; pings count.",
            ),
            message_max: table.size(
                "websocket_message_max",
                "16 MiB",
                "Longest WebSocket message that a client may send, all its frames together.",
            ),
            lifetime_max: table.duration(
                "websocket_lifetime_max",
                "0s",
                Duration::ZERO,
                "Longest time that a WebSocket stays open, whatever goes through it; 0 is without end.",
            ),
            per_user_max: count(table.integer(
                "websocket_per_user_max",
                64,
                (1, 1_000_000),
                "Most open WebSockets of one user, or of one address where nobody is known.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::check::{dev, finds};

    #[test]
    fn the_limits_have_a_unit_and_a_least() {
        finds(&dev("[server]\nwebsocket_idle_timeout = \"1ms\"\n"), "must be at least 100ms");
        finds(&dev("[server]\nwebsocket_message_max = \"16 XB\"\n"), "`16 XB` needs a unit");
        finds(&dev("[server]\nwebsocket_per_user_max = 0\n"), "0 is not between");
        assert_eq!(dev("[server]\nwebsocket_lifetime_max = \"0s\"\nwebsocket_message_max = 1_024\n"), "");
    }
}
