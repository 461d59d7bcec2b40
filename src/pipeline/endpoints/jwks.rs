//! `/.well-known/pluginmind/jwks.json`: the public key that apps verify assertions with.

use http::Response;
use http::header::{CACHE_CONTROL, HeaderValue};

use super::json;
use crate::base::refusal::Refusal;
use crate::live::snapshot::Snapshot;
use crate::pipeline::answer::Body;
use crate::pipeline::gateway::Gateway;

/// The key set; not found while no service has assertions on.
///
/// # Errors
/// 404.
pub fn jwks(gateway: &Gateway, snapshot: &Snapshot) -> Result<Response<Body>, Refusal> {
    let is_on = snapshot.config.services.iter().any(|s| s.assertion);
    let set = gateway.assertions.jwks().filter(|_| is_on).ok_or(Refusal::NotFound)?;
    let mut answer = json(&set);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(answer)
}
