//! An open WebSocket, from the 101 to its end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::task::coop::unconstrained;

use super::plan::Opened;
use super::watch::Watch;
use crate::pipeline::closing::Closing;
use crate::proxy::websocket::{Code, Ended, Relay, Side, Violation};
use crate::telemetry::websocket_metrics::SocketEnd;

/// Longest farewell: shorter than what workers give connections that are cut.
const FAREWELL_MAX: Duration = Duration::from_millis(300);

/// A client's connection and an upstream's that are to be joined. The request that opened it is over when it is dropped.
pub struct Tunnel {
    upgrade: OnUpgrade,
    opened: Opened,
    closing: Box<Closing>,
}

impl Tunnel {
    pub(super) fn new(upgrade: OnUpgrade, opened: Opened, closing: Box<Closing>) -> Self {
        Self { upgrade, opened, closing }
    }

    /// Joins both and sees the socket to its end; `cut` is ready when the process waits no longer.
    pub async fn run(self, cut: impl Future<Output = ()>) {
        let Self { upgrade, opened, mut closing } = self;
        let Ok(client) = upgrade.await else {
            // The client went away before its 101 was written.
            closing.was_cut();
            return;
        };
        let Opened { upstream, reserved_bits, vigil, seat } = opened;
        let gateway = Arc::clone(closing.gateway());
        let message_max = closing.snapshot().config.server.websocket.message_max;
        let mut relay =
            Relay::new(TokioIo::new(client), upstream.socket, &upstream.early, reserved_bits, message_max);
        let open = gateway.metrics.websockets.opened();
        let mut watch = Watch::new(Arc::clone(&gateway), vigil);
        let mut cut = pin!(unconstrained(cut));
        let (end, ended) = poll_fn(|cx| {
            if let Poll::Ready(ended) = relay.poll(cx) {
                return Poll::Ready((end_of(ended), Some(ended)));
            }
            if let Poll::Ready(end) = watch.poll(&mut relay, cx) {
                return Poll::Ready((end, None));
            }
            cut.as_mut().poll(cx).map(|()| (SocketEnd::Drain, None))
        })
        .await;
        let tally = relay.tally();
        watch.note(tally);
        closing.carried(tally.up, tally.down);
        if let Some(code) = code_of(end, relay.is_closed_by(Side::Server)) {
            closing.ended_as(code);
        }
        let (to_client, to_upstream) = farewell(end, ended);
        relay.close(to_client, to_upstream, FAREWELL_MAX).await;
        open.closed(end);
        drop(seat);
    }
}

fn end_of(ended: Ended) -> SocketEnd {
    match ended {
        Ended::By(Side::Client) => SocketEnd::Client,
        Ended::By(Side::Server) | Ended::Violation(Side::Server, _) => SocketEnd::Upstream,
        Ended::Violation(Side::Client, Violation::Malformed) => SocketEnd::Malformed,
        Ended::Violation(Side::Client, Violation::TooBig) => SocketEnd::TooBig,
    }
}

/// What the access line says of an end that neither side wanted.
fn code_of(end: SocketEnd, upstream_said_so: bool) -> Option<&'static str> {
    match end {
        SocketEnd::Client => None,
        SocketEnd::Upstream => (!upstream_said_so).then_some("RESPONSE_CUT"),
        SocketEnd::Idle => Some("IDLE_TIMEOUT"),
        SocketEnd::Lifetime => Some("LIFETIME_OVER"),
        SocketEnd::Session => Some("SESSION_ENDED"),
        SocketEnd::TooBig => Some("MESSAGE_TOO_BIG"),
        SocketEnd::Malformed => Some("MALFORMED_FRAME"),
        SocketEnd::Drain => Some("DRAINED"),
    }
}

/// What the client and the upstream are told.
fn farewell(end: SocketEnd, ended: Option<Ended>) -> (Option<Code>, Option<Code>) {
    let gone = Some(Code::GoingAway);
    match end {
        SocketEnd::Client => (None, gone),
        SocketEnd::Upstream if matches!(ended, Some(Ended::Violation(..))) => {
            (Some(Code::InternalError), Some(Code::ProtocolError))
        }
        SocketEnd::Upstream => (Some(Code::InternalError), None),
        SocketEnd::Idle | SocketEnd::Lifetime | SocketEnd::Drain => (gone, gone),
        SocketEnd::Session => (Some(Code::PolicyViolation), gone),
        SocketEnd::TooBig => (Some(Code::TooBig), gone),
        SocketEnd::Malformed => (Some(Code::ProtocolError), gone),
    }
}
