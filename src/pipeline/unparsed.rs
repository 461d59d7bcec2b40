//! Heads that never became requests: what the framing guard refused before hyper saw it. They are answered, logged and
//! counted as any other refusal, in their turn, and then the connection closes.

use super::trail::Trail;
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;

/// What is known of a head that was refused. It travels as an extension of the request that stands in its place; nothing
/// else of that request is the client's.
#[derive(Clone, Debug)]
pub struct Unparsed {
    /// Why.
    pub refusal: Refusal,
    /// The client's id where it could be read and is one, a new one otherwise.
    pub id: CorrelationId,
    /// The method where it could be read and is known, or `OTHER`.
    pub method: &'static str,
}

impl Unparsed {
    /// Writes on the trail what is known of it.
    pub(super) fn describe(&self, trail: &mut Trail, is_tls: bool) {
        trail.method = self.method;
        trail.secure = is_tls;
        trail.cors_origin = None;
        // Nothing of what follows can be read any more (RFC 9112 section 9.6).
        trail.unread = true;
    }
}
