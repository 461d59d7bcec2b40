//! Stage 14: who is asking, signed for the one service that the request goes to, where that service wants it.

use http::{HeaderMap, HeaderName};

use super::gateway::Gateway;
use super::identity::Identified;
use crate::auth::Moment;
use crate::auth::assertion::Subject;
use crate::base::refusal::Refusal;
use crate::config;

/// The header. A client's own copy never gets this far: `X-PluginMind-*` is removed.
const ASSERTION: HeaderName = HeaderName::from_static("x-pluginmind-assertion");

/// Sets the assertion where the service wants one and somebody is known.
///
/// # Errors
/// 503 where it cannot be signed: an app that counts on it must not get the request without.
pub fn set(
    headers: &mut HeaderMap,
    service: &config::Service,
    request: &Identified,
    gateway: &Gateway,
) -> Result<(), Refusal> {
    let (true, Some(holder)) = (service.assertion, request.identity().holder()) else { return Ok(()) };
    let Some((user, email)) = request.identity().person(gateway) else { return Ok(()) };
    let roles = request.identity().roles();
    let subject = Subject { holder, user: &user, email: email.as_deref(), roles: &roles };
    let service = &service.name;
    let value = gateway.assertions.sign(subject, service, Moment::of(&gateway.clock)).map_err(|error| {
        tracing::error!(%error, service, "a request went nowhere for want of its assertion");
        Refusal::Unavailable { retry_after: None }
    })?;
    headers.insert(ASSERTION, value);
    Ok(())
}
