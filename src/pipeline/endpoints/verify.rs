//! `/auth/verify`: the verdict that a proxy in front asks for (forward-auth). Whoever comes this far may pass: every stage
//! has judged the forwarded request, or, where there is none, only who is asking is judged.

use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};

use crate::base::refusal::Refusal;
use crate::config::Destination;
use crate::live::snapshot::Snapshot;
use crate::pipeline::answer::Body;
use crate::pipeline::assertion;
use crate::pipeline::forwarded::{found, wants_redirect};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::identity::{Identified, sign_in_page};
use crate::pipeline::step::{Step, Stop};
use crate::proxy::hops;

/// 204, and who it is; never kept by anybody.
///
/// # Errors
/// 401 where nobody is known and nothing was forwarded; 503 where the assertion cannot be signed.
pub fn verify(request: &Identified, gateway: &Gateway, snapshot: &Snapshot) -> Step<Response<Body>> {
    if request.asked().is_none() && !request.identity().is_known() {
        return Err(unknown(request, snapshot));
    }
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let groups = request.identity().roles();
    if let Some((user, email)) = request.identity().person(gateway) {
        hops::tell_identity(
            headers,
            hops::Identity { user: &user, email: email.as_deref(), groups: &groups },
        );
    }
    if let Some(Destination::Service(name)) = request.route().map(|r| &r.route.to)
        && let Some(service) = gateway.upstreams.get(name)
    {
        assertion::set(headers, service.config(), request, gateway)?;
    }
    Ok(answer)
}

fn unknown(request: &Identified, snapshot: &Snapshot) -> Stop {
    if !wants_redirect(request.query()) {
        return Refusal::Unauthenticated.into();
    }
    HeaderValue::try_from(sign_in_page(snapshot, None))
        .map_or_else(|_| Refusal::Unauthenticated.into(), |way| Stop::Answered(Box::new(found(way))))
}
