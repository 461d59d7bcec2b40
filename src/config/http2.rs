//! `[server] http2…`: HTTP/2 from clients.

use crate::base::document::Table;

/// HTTP/2 from clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// It is offered over TLS.
    pub over_tls: bool,
    /// It is taken on plain connections from clients that begin with it (prior knowledge).
    pub over_plain: bool,
    /// Most requests at a time on one connection.
    pub streams_max: u32,
}

impl Http2 {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            over_tls: table.flag("http2", true, "Offer HTTP/2 to clients over TLS."),
            over_plain: table.flag(
                "h2c",
                false,
                "Take HTTP/2 on plain connections, from clients that begin with it (prior knowledge).",
            ),
            streams_max: u32::try_from(table.integer(
                "http2_streams_max",
                100,
                (1, 10_000),
                "Most requests at a time on one HTTP/2 connection.",
            ))
            .unwrap_or(u32::MAX),
        }
    }
}
