//! Stages 15 and 16: rules on the response, then always, refusals too: the envelope, security headers, CORS headers and
//! the correlation id.

use std::sync::Arc;

use http::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION};

use super::answer::Body;
use super::closing::Closing;
use super::forwarded::in_a_proxys_words;
use super::gateway::Gateway;
use super::rules::ask;
use super::step::{Step, Stop};
use super::trail::Trail;
use super::trailers::announce;
use super::{Answer, Dropped, cors, on_deny, renewal};
use crate::base::refusal::Refusal;
use crate::config::RateLimit;
use crate::limiter::Limits;
use crate::live::hardening::Author;
use crate::live::snapshot::Snapshot;
use crate::script::{Hook, ResponseFacts};

/// Stage 15: asks `on_response`, which may change the head of the answer or refuse it.
///
/// # Errors
/// The refusal of a rule.
pub fn on_response(
    answer: Answer,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Result<Answer, Refusal> {
    if !snapshot.rules.interested(Hook::Response) || trail.facts.is_none() {
        return Ok(answer);
    }
    let (mut parts, body) = answer.response.into_parts();
    let mut facts = ResponseFacts {
        status: parts.status,
        size: declared_length(&parts.headers),
        headers: std::mem::take(&mut parts.headers),
        latency_ms: latency_ms(gateway, trail),
        body: None,
    };
    ask(Hook::Response, Some(&mut facts), gateway, snapshot, trail)?;
    parts.status = facts.status;
    parts.headers = facts.headers;
    Ok(Answer { response: Response::from_parts(parts, body), author: answer.author })
}

/// Milliseconds since the request came.
pub fn latency_ms(gateway: &Gateway, trail: &Trail) -> u64 {
    let took = gateway.clock.now().saturating_duration_since(trail.started);
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// What `Content-Length` says; 0 where it says nothing.
pub fn declared_length(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or_default()
}

/// Stage 16: turns what was decided into what goes out.
///
/// # Errors
/// [`Dropped`] when a rule wants the connection closed without an answer.
pub fn finish(
    outcome: Step<Answer>,
    mut closing: Box<Closing>,
    gateway: &Gateway,
    snapshot: &Arc<Snapshot>,
) -> Result<Response<Body>, Dropped> {
    if outcome.is_err() {
        charge(gateway, &snapshot.config.rate_limit, closing.trail());
    }
    let answer = match outcome {
        Ok(answer) => answer,
        Err(Stop::Answered(response)) => Answer { response: *response, author: Author::Gateway },
        Err(Stop::Refused(refusal)) => {
            let refusal = match closing.trail().asked {
                Some(_) => in_a_proxys_words(refusal),
                None => refusal,
            };
            if matches!(&refusal, Refusal::Rule(rule) if rule.silent) {
                closing.refused(&refusal);
                return Err(Dropped);
            }
            let (refusal, response) = on_deny::render(refusal, gateway, snapshot, closing.trail());
            closing.refused(&refusal);
            Answer { response, author: Author::Gateway }
        }
    };
    let Answer { mut response, author } = answer;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        closing.refused(&refusal);
    }
    decorate(response.headers_mut(), author, snapshot, closing.trail());
    announce(&mut response);
    closing.answered(response.status());
    if let Some(opened) = response.body_mut().take_opened() {
        return Ok(opened.settle(response, closing));
    }
    Ok(response.map(|body| body.closes(closing)))
}

/// A request that ends before it was metered, refused or sent to sign in, is charged to its address alone; own probes
/// are free.
fn charge(gateway: &Gateway, config: &RateLimit, trail: &mut Trail) {
    let Some(address) = trail.client.filter(|_| trail.stage.charges_address_alone() && !trail.probe) else {
        return;
    };
    let level = gateway.limiter.charge_ip(address, &Limits::general(config), trail.started);
    trail.level = Some(level);
    trail.charged.one(level);
}

/// About as many headers as are set here: room for them is made once.
const SET_MAX: usize = 16;

fn decorate(headers: &mut HeaderMap, author: Author, snapshot: &Snapshot, trail: &Trail) {
    headers.reserve(SET_MAX);
    snapshot.hardening.apply(headers, author, trail.secure);
    renewal::decorate(headers, trail.renewed.as_ref());
    cors::decorate(headers, trail.cors_origin.as_ref());
    if author == Author::Gateway && trail.leaves_body() && !trail.is_http2() {
        // What is left of the body must not be read as a next request (RFC 9112 section 9.6). HTTP/2 resets the stream.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(id) = HeaderValue::from_str(trail.id.as_str()) {
        headers.insert(super::arrival::X_REQUEST_ID, id);
    }
    if let Some(way) = &trail.sign_in {
        headers.insert(LOCATION, way.clone());
    }
    if let Some(level) = trail.level {
        for (name, value) in level.headers() {
            headers.insert(name, value);
        }
    }
}
