//! Stage 12: the body. Its length is judged by declaration before a byte is read and by count while it streams; where
//! a schema or a plugin's `[body]` asks, it is buffered and judged whole. What is forwarded are the original bytes.

use std::ops::Deref;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;

use super::authorise::Authorised;
use super::endpoints::OWN_BODY_BYTES_MAX;
use super::http2::is_grpc;
use super::request_body::{Fault, Pace, Read, RequestBody, Watch};
use super::route::Way;
use super::step::Step;
use super::trail::Trail;
use super::websocket;
use crate::base::media_type::{fits, is_encoded, is_json};
use crate::base::refusal::Refusal;
use crate::config::{Destination, Protocol, Server};
use crate::live::routes::CompiledRoute;
use crate::live::snapshot::Snapshot;
use crate::proxy::websocket::Handshake;
use crate::schema;
use crate::script::BodyWish;

/// Proof that the body is within its limits, or will be cut where it is not.
pub struct Vetted {
    authorised: Authorised,
    body: RequestBody,
    watch: Watch,
    /// The WebSocket that is asked for.
    handshake: Option<Handshake>,
    /// For rules; nothing where nobody asks, or where the body is longer than anybody wants to see.
    seen: Option<Bytes>,
}

/// Judges the body, reading it only where somebody asked for it whole.
///
/// # Errors
/// The refusal of this stage.
pub async fn vet(
    authorised: Authorised,
    incoming: Incoming,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Step<Vetted> {
    let server = &snapshot.config.server;
    if authorised.asked().is_some() {
        // The body is with the proxy; what came of it is not read.
        let (_, watch) = RequestBody::stream(incoming, 0, Pace::of(server), trail.is_http2());
        let body = RequestBody::empty();
        return Ok(Vetted { authorised, body, watch, handshake: None, seen: None });
    }
    let handshake = websocket::judge(&authorised)?;
    let route = authorised.route().cloned();
    let limit = match &route {
        Some(route) => route.route.body_max.unwrap_or(server.body_max),
        None => server.body_max.min(OWN_BODY_BYTES_MAX),
    };
    if authorised.declared_length().is_some_and(|length| length > limit) {
        return Err(Refusal::TooLarge.into());
    }
    if let Some(route) = &route {
        check_type(&authorised, route)?;
    }
    let wish = trail.facts.as_deref().and_then(|facts| snapshot.rules.body_wish(facts));
    let wish = wish.filter(|w| !is_encoded(authorised.headers()) || w.enforced);
    if let Some(wish) = wish {
        check_wish(&authorised, wish)?;
    }
    let schema = route.as_ref().and_then(|r| r.schema.as_ref());
    let must_read = schema.is_some() && (authorised.has_body() || takes_body(authorised.method()));
    let (stream, watch) =
        RequestBody::stream(incoming, limit, pace(&authorised, snapshot, trail), trail.is_http2());
    trail.body = Some(watch.clone());
    let (body, seen) = match (schema.filter(|_| must_read), authorised.way()) {
        (Some(schema), _) => {
            let bytes = stream.collect().await.map_err(Fault::refusal)?;
            schema::check(&bytes, server.json_depth_max)
                .map_err(|why| Refusal::BadRequest(why.sentence()))?;
            schema.validate(&bytes).map_err(Refusal::InvalidInput)?;
            kept(bytes, wish)?
        }
        // What the gateway answers itself has no upstream that would read the body, so it is read here: its limits
        // hold all the same, and the connection stays usable.
        (None, Way::Own(_)) => kept(stream.collect().await.map_err(Fault::refusal)?, wish)?,
        (None, Way::Route(route)) => {
            let (body, seen) = match wish {
                Some(wish) => read(stream, wish, authorised.declared_length()).await?,
                None => (stream, None),
            };
            if matches!(route.route.to, Destination::Service(_)) {
                (body, seen)
            } else {
                body.discard().await.map_err(Fault::refusal)?;
                (RequestBody::empty(), seen)
            }
        }
    };
    check_json(&authorised, wish, seen.as_ref(), server)?;
    Ok(Vetted { authorised, body, watch, handshake, seen })
}

/// How fast the body must come. A stream of gRPC messages is quiet when there is nothing to say, in both directions: the
/// client's half may be so for as long as the answer.
fn pace(authorised: &Authorised, snapshot: &Snapshot, trail: &Trail) -> Pace {
    let usual = Pace::of(&snapshot.config.server);
    if !trail.is_http2() || !authorised.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
        return usual;
    }
    let Some(Destination::Service(name)) = authorised.route().map(|route| &route.route.to) else {
        return usual;
    };
    let service = snapshot.config.services.iter().find(|s| s.name == *name && s.protocol == Protocol::Http2);
    service.map_or(usual, |service| Pace {
        silence_max: usual.silence_max.max(service.stream_idle_timeout),
        rate_min: 0,
    })
}

/// Reads what plugins ask to see. A body that is longer than that is refused or streams on, as they say.
async fn read(
    stream: RequestBody,
    wish: BodyWish,
    declared: Option<u64>,
) -> Result<(RequestBody, Option<Bytes>), Refusal> {
    let most = wish.refuse_over.unwrap_or(wish.read_max);
    let is_longer = declared.is_some_and(|length| length > most);
    let read = if is_longer {
        Read::Longer(stream)
    } else {
        stream.read_up_to(most).await.map_err(Fault::refusal)?
    };
    match read {
        Read::Whole(bytes) => Ok((RequestBody::buffered(bytes.clone()), Some(bytes))),
        Read::Longer(_) if wish.refuse_over.is_some() => Err(Refusal::TooLarge),
        Read::Longer(body) => Ok((body, None)),
    }
}

/// A body that was read for another reason, and what plugins see of it.
fn kept(bytes: Bytes, wish: Option<BodyWish>) -> Result<(RequestBody, Option<Bytes>), Refusal> {
    let Some(wish) = wish else { return Ok((RequestBody::buffered(bytes), None)) };
    let is_over = |most: u64| u64::try_from(bytes.len()).is_ok_and(|length| length > most);
    if wish.refuse_over.is_some_and(is_over) {
        return Err(Refusal::TooLarge);
    }
    let seen = (!is_over(wish.read_max)).then(|| bytes.clone());
    Ok((RequestBody::buffered(bytes), seen))
}

/// What an enforcing plugin is to judge is not hidden from it: not by a compression (THREATS SL-08), and not by calling
/// JSON something else where JSON is all that is asked for.
fn check_wish(authorised: &Authorised, wish: BodyWish) -> Result<(), Refusal> {
    let needs_json = wish.json && !wish.other;
    let hides = is_encoded(authorised.headers()) || needs_json && !declares_json(authorised);
    if authorised.has_body() && wish.enforced && hides { Err(Refusal::UnsupportedMediaType) } else { Ok(()) }
}

/// JSON that an enforcing plugin reads is JSON that everybody reads alike.
fn check_json(
    authorised: &Authorised,
    wish: Option<BodyWish>,
    seen: Option<&Bytes>,
    server: &Server,
) -> Result<(), Refusal> {
    match seen.filter(|bytes| !bytes.is_empty()) {
        Some(bytes) if wish.is_some_and(|w| w.json) && declares_json(authorised) => {
            schema::check(bytes, server.json_depth_max).map_err(|why| Refusal::BadRequest(why.sentence()))
        }
        _ => Ok(()),
    }
}

fn declares_json(authorised: &Authorised) -> bool {
    authorised.text_header(CONTENT_TYPE).and_then(essence).is_some_and(|e| is_json(&e))
}

fn takes_body(method: &http::Method) -> bool {
    matches!(*method, http::Method::POST | http::Method::PUT | http::Method::PATCH)
}

/// A body must be of a type that the route lists; with a schema it must be JSON.
fn check_type(authorised: &Authorised, route: &CompiledRoute) -> Result<(), Refusal> {
    let listed = &route.route.content_types;
    let needs_json = route.schema.is_some();
    if !authorised.has_body() || (listed.is_empty() && !needs_json) {
        return Ok(());
    }
    let essence =
        authorised.text_header(CONTENT_TYPE).and_then(essence).ok_or(Refusal::UnsupportedMediaType)?;
    let in_list = listed.is_empty() || listed.iter().any(|pattern| fits(pattern, &essence));
    if !in_list || (needs_json && !is_json(&essence)) || (needs_json && is_encoded(authorised.headers())) {
        return Err(Refusal::UnsupportedMediaType);
    }
    Ok(())
}

/// `type/subtype` in lower case; JSON in another charset than UTF-8 is no JSON (RFC 8259 section 8.1).
fn essence(value: &str) -> Option<String> {
    let mut parts = value.split(';');
    let essence = parts.next()?.trim().to_ascii_lowercase();
    let (kind, sub) = essence.split_once('/')?;
    let token =
        |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    if !token(kind) || !token(sub) {
        return None;
    }
    let foreign_charset = parts.filter_map(|p| p.split_once('=')).any(|(n, v)| {
        n.trim().eq_ignore_ascii_case("charset") && !v.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    (!(foreign_charset && is_json(&essence))).then_some(essence)
}

impl Vetted {
    /// The WebSocket handshake, where the request is one.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// The bytes that rules may see, where one of them asks for them.
    pub fn seen(&self) -> Option<&Bytes> {
        self.seen.as_ref()
    }

    /// The body and what is known of its end; it is there once.
    pub fn take_body(&mut self) -> (RequestBody, Watch) {
        (std::mem::replace(&mut self.body, RequestBody::empty()), self.watch.clone())
    }
}

impl Deref for Vetted {
    type Target = Authorised;

    fn deref(&self) -> &Authorised {
        &self.authorised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn js_06_no_trick_with_the_type_gets_past_the_schema() {
        for bad in ["text/json", "application/json,text/html", "", "json", "application/json; charset=utf-7"]
        {
            assert!(!essence(bad).is_some_and(|e| is_json(&e)), "{bad}");
        }
        for good in [
            "application/json",
            "application/JSON",
            "application/problem+json",
            "application/json; charset=UTF-8",
        ] {
            assert!(essence(good).is_some_and(|e| is_json(&e)), "{good}");
        }
    }
}
