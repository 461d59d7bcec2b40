//! The numbers of WebSockets.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

/// Why a WebSocket was closed: a closed label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// The client closed it, or is gone.
    Client,
    /// The upstream closed it, is gone, or sent what is no frame.
    Upstream,
    /// No byte went either way for too long.
    Idle,
    /// It was open for as long as any may be.
    Lifetime,
    /// Whoever opened it may not go on: signed out, revoked, disabled, expired, without the role.
    Session,
    /// The client sent a message that is too long.
    TooBig,
    /// The client sent what is no frame.
    Malformed,
    /// The process ended.
    Drain,
}

impl SocketEnd {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Client,
        Self::Upstream,
        Self::Idle,
        Self::Lifetime,
        Self::Session,
        Self::TooBig,
        Self::Malformed,
        Self::Drain,
    ];

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Session => "session",
            Self::TooBig => "message_too_big",
            Self::Malformed => "malformed",
            Self::Drain => "drain",
        }
    }
}

/// Counts open sockets, how they end, and what goes through them.
pub struct WebSocketMetrics {
    open: IntGauge,
    closed: IntCounterVec,
    up: IntCounter,
    down: IntCounter,
}

/// A socket that is counted as open.
pub struct OpenSocket<'a>(&'a WebSocketMetrics);

impl WebSocketMetrics {
    pub(super) fn new(open: IntGauge, closed: IntCounterVec, bytes: &IntCounterVec) -> Self {
        for end in SocketEnd::ALL {
            closed.with_label_values(&[end.label()]);
        }
        let [up, down] = ["up", "down"].map(|direction| bytes.with_label_values(&[direction]));
        Self { open, closed, up, down }
    }

    /// Counts a socket as open until the guard is dropped.
    pub fn opened(&self) -> OpenSocket<'_> {
        self.open.inc();
        OpenSocket(self)
    }

    /// Counts bytes from the client and from the upstream.
    pub fn bytes(&self, up: u64, down: u64) {
        self.up.inc_by(up);
        self.down.inc_by(down);
    }
}

impl OpenSocket<'_> {
    /// It is closed, and why.
    pub fn closed(self, end: SocketEnd) {
        self.0.closed.with_label_values(&[end.label()]).inc();
    }
}

impl Drop for OpenSocket<'_> {
    fn drop(&mut self) {
        self.0.open.dec();
    }
}
