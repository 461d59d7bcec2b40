//! Stage 12, for requests that ask for a WebSocket: is it a handshake, and may one stand here?

use crate::base::refusal::Refusal;
use crate::base::upgrade::asks_websocket;
use crate::config::Destination;
use crate::pipeline::authorise::Authorised;
use crate::proxy::websocket::{BadHandshake, Handshake};

/// The handshake of a request that is one. What the gateway answers itself opens no socket, and another `Upgrade` is about
/// something that is not spoken here: both are plain requests, whose `Upgrade` goes no further (RFC 9110 section 7.8).
///
/// # Errors
/// 403 where the route takes no WebSockets, 400 where the handshake is malformed, 426 where its version is another.
pub fn judge(request: &Authorised) -> Result<Option<Handshake>, Refusal> {
    let route = request.route().filter(|r| matches!(r.route.to, Destination::Service(_)));
    let Some(route) = route.filter(|_| asks_websocket(request.headers())) else { return Ok(None) };
    if !route.route.websocket {
        return Err(Refusal::Forbidden("This route takes no WebSockets."));
    }
    let version = request.parts().version;
    match Handshake::read(request.method(), version, request.has_body(), request.headers()) {
        Ok(handshake) => Ok(Some(handshake)),
        Err(BadHandshake::Malformed(why)) => Err(Refusal::BadRequest(why)),
        Err(BadHandshake::Version) => Err(Refusal::UpgradeRequired),
    }
}
