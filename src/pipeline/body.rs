//! Stage 12: the body. Its length is judged by declaration before a byte is read and by count while it streams; where
//! a schema asks, it is buffered and judged whole. What is forwarded are the original bytes.

use std::ops::Deref;

use http::header::CONTENT_TYPE;
use hyper::body::Incoming;

use super::authorise::Authorised;
use super::endpoints::OWN_BODY_BYTES_MAX;
use super::request_body::{Fault, RequestBody, Watch};
use super::route::Way;
use super::step::Step;
use super::trail::Trail;
use crate::base::refusal::Refusal;
use crate::config::{Destination, Server};
use crate::live::routes::CompiledRoute;
use crate::schema;

/// Proof that the body is within its limits, or will be cut where it is not.
pub struct Vetted {
    authorised: Authorised,
    body: RequestBody,
    watch: Watch,
}

/// Judges the body, reading it only where somebody asked for it whole.
///
/// # Errors
/// The refusal of this stage.
pub async fn vet(
    authorised: Authorised,
    incoming: Incoming,
    server: &Server,
    trail: &mut Trail,
) -> Step<Vetted> {
    if authorised.asked().is_some() {
        // The body is with the proxy; what came of it is not read.
        let (_, watch) = RequestBody::stream(incoming, 0, server.body_timeout);
        return Ok(Vetted { authorised, body: RequestBody::empty(), watch });
    }
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
    let schema = route.as_ref().and_then(|r| r.schema.as_ref());
    let must_read = schema.is_some() && (authorised.has_body() || takes_body(authorised.method()));
    let (stream, watch) = RequestBody::stream(incoming, limit, server.body_timeout);
    trail.body = Some(watch.clone());
    let body = match (schema.filter(|_| must_read), authorised.way()) {
        (Some(schema), _) => {
            let bytes = stream.collect().await.map_err(Fault::refusal)?;
            schema::check(&bytes, server.json_depth_max)
                .map_err(|why| Refusal::BadRequest(why.sentence()))?;
            schema.validate(&bytes).map_err(Refusal::InvalidInput)?;
            RequestBody::buffered(bytes)
        }
        // What the gateway answers itself has no upstream that would read the body, so it is read here: its limits
        // hold all the same, and the connection stays usable.
        (None, Way::Own(_)) => RequestBody::buffered(stream.collect().await.map_err(Fault::refusal)?),
        (None, Way::Route(route)) if matches!(route.route.to, Destination::Respond(_)) => {
            stream.discard().await.map_err(Fault::refusal)?;
            RequestBody::empty()
        }
        (None, Way::Route(_)) => stream,
    };
    Ok(Vetted { authorised, body, watch })
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
    let in_list = listed.is_empty() || listed.iter().any(|pattern| matches(pattern, &essence));
    if !in_list || (needs_json && !is_json(&essence)) || has_encoding(authorised, needs_json) {
        return Err(Refusal::UnsupportedMediaType);
    }
    Ok(())
}

/// A body that must be judged is not judged through a compression (THREATS SL-08).
fn has_encoding(authorised: &Authorised, needs_json: bool) -> bool {
    needs_json && authorised.headers().get(http::header::CONTENT_ENCODING).is_some_and(|v| v != "identity")
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

fn is_json(essence: &str) -> bool {
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn matches(pattern: &str, essence: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => essence.split_once('/').is_some_and(|(k, _)| k.eq_ignore_ascii_case(kind)),
        None => pattern.eq_ignore_ascii_case(essence),
    }
}

impl Vetted {
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

    #[test]
    fn a_listed_type_may_be_a_whole_kind() {
        assert!(matches("text/*", "text/plain"));
        assert!(!matches("text/*", "image/png"));
        assert!(matches("*/*", "image/png"));
    }
}
