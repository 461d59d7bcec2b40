//! Stage 14, for handshakes: what is needed to open a socket, and whether the upstream's 101 opens it.

use std::time::Duration;

use http::header::{
    CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::response::Parts;
use http::{Response, StatusCode};

use super::seats::Seat;
use super::tunnel::Tunnel;
use crate::base::refusal::Refusal;
use crate::live::snapshot::Snapshot;
use crate::pipeline::answer::Body;
use crate::pipeline::closing::Closing;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::thresholds::Cleared;
use crate::pipeline::trail::Trail;
use crate::pipeline::vigil::Vigil;
use crate::proxy::websocket::{Handshake, change_protocol};
use crate::proxy::{self, UpstreamBody, hops};

/// When it is worth trying again for somebody who has all the sockets that they may have.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// A handshake that may go upstream.
pub struct Plan {
    handshake: Handshake,
    seat: Seat,
    vigil: Vigil,
}

/// A socket that the upstream has opened and the client has not heard of yet. Dropped, it closes the upstream's.
pub struct Opened {
    pub(super) upstream: proxy::Tunnel,
    pub(super) reserved_bits: u8,
    pub(super) vigil: Vigil,
    /// Held until the socket is closed.
    pub(super) seat: Seat,
}

impl Plan {
    /// The plan of a request that is a handshake, on a connection that can become a tunnel.
    ///
    /// # Errors
    /// 429 where whoever asks has as many sockets as they may have.
    pub fn of(
        request: &Cleared,
        gateway: &std::sync::Arc<Gateway>,
        snapshot: &Snapshot,
        trail: &Trail,
    ) -> Result<Option<Self>, Refusal> {
        let Some(handshake) = request.handshake().filter(|_| trail.switch.is_some()).cloned() else {
            return Ok(None);
        };
        let most = snapshot.config.server.websocket.per_user_max;
        let seat = gateway.seats.take(trail.user.clone(), request.address(), most);
        let seat = seat.ok_or(Refusal::RateLimited { retry_after: RETRY_AFTER })?;
        let vigil = Vigil::over(request, gateway);
        Ok(Some(Self { handshake, seat, vigil }))
    }

    /// Writes the handshake into the request that goes upstream.
    pub fn tell(&self, headers: &mut HeaderMap) {
        self.handshake.tell(headers);
    }

    /// Judges the upstream's 101, and makes of its head what the client gets.
    ///
    /// # Errors
    /// 502 where it answers another question; the upstream's connection is closed then.
    pub fn opened(
        self,
        head: &mut Parts,
        body: UpstreamBody,
        session_cookie: &str,
    ) -> Result<Box<Opened>, Refusal> {
        let agreed = self.handshake.is_answered_by(&head.headers).ok_or(Refusal::UpstreamUnreachable)?;
        let upstream = body.into_tunnel().ok_or(Refusal::UpstreamUnreachable)?;
        hops::clean_response(head.status, &mut head.headers, session_cookie);
        change_protocol(&mut head.headers);
        let reserved_bits = agreed.reserved_bits();
        Ok(Box::new(Opened { upstream, reserved_bits, vigil: self.vigil, seat: self.seat }))
    }
}

impl Opened {
    /// Leaves the tunnel to whoever serves the client's connection; the request lasts until it is closed. Where a rule has
    /// made another answer of the 101, there is no tunnel.
    pub fn settle(self, mut response: Response<Body>, mut closing: Box<Closing>) -> Response<Body> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(switch) = closing.trail().switch.take()
        {
            switch.hand_over(|upgrade| Tunnel::new(upgrade, self, closing));
            return response;
        }
        for name in
            [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS]
        {
            response.headers_mut().remove(name);
        }
        response.map(|body| body.closes(closing))
    }
}
