//! The gateway's own endpoints: sign-in and sign-out, what a page may know of its session, and probes.

mod credentials;
mod jwks;
mod own;
mod page;
mod probes;
mod provider;
mod session;
mod sign_in;
mod verify;

pub use credentials::OWN_BODY_BYTES_MAX;
pub use own::Own;

use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::Answer;
use super::answer::Body;
use super::gateway::Gateway;
use super::step::Step;
use super::thresholds::Cleared;
use crate::live::hardening::Author;
use crate::live::snapshot::Snapshot;

/// Answers one of the own endpoints.
///
/// # Errors
/// The refusal of this stage.
pub async fn answer(own: Own, request: Cleared, gateway: &Gateway, snapshot: &Snapshot) -> Step<Answer> {
    let response = match own {
        Own::Login if request.method() == http::Method::POST => {
            sign_in::post(request, gateway, snapshot).await?
        }
        Own::Login => sign_in::page(&request, snapshot)?,
        // On the heap: what a provider is asked with is large, and every request would carry room for it.
        Own::ProviderLogin => Box::pin(provider::begin(&request, gateway, snapshot)).await?,
        Own::ProviderCallback => Box::pin(provider::finish(&request, gateway, snapshot)).await?,
        Own::ProviderExchange => Box::pin(provider::exchange(request, gateway, snapshot)).await?,
        Own::Logout => session::logout(&request, gateway, snapshot).await?,
        Own::LogoutAll => session::logout_all(&request, gateway, snapshot).await?,
        Own::Session => session::session(&request, gateway),
        Own::Me => session::me(&request, gateway)?,
        Own::Verify => verify::verify(&request, gateway, snapshot)?,
        Own::Jwks => jwks::jwks(gateway, snapshot)?,
        Own::Live => probes::live(),
        Own::Ready => probes::ready(gateway),
        Own::Health => probes::health(gateway),
        Own::Version => probes::version(),
        Own::Services => probes::services(snapshot),
        Own::ServicesHealth => probes::services_health(gateway),
    };
    Ok(Answer { response, author: Author::Gateway })
}

/// A JSON answer that nobody may keep.
fn json(value: &impl Serialize) -> Response<Body> {
    let mut answer = Response::new(Body::full(serde_json::to_vec(value).unwrap_or_default()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
