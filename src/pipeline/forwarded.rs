//! Stage 3, for `/auth/verify` alone: a proxy in front asks whether a request may pass that it has and we do not
//! (forward-auth). From a trusted peer that request takes the place of the one that asks, so that every stage and every
//! rule judges it as if it had come here; only the end differs: a verdict in place of an answer.
//!
//! The proxy's own reading of the target goes to the app, not ours, so what has no one canonical reading is refused.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::answer::Body;
use super::arrival::Arrival;
use super::client::is_trusted;
use super::endpoints::Own;
use super::rules::Examined;
use super::step::{Step, Stop};
use super::trail::Trail;
use crate::base::address::canonical;
use crate::base::refusal::Refusal;
use crate::base::return_to::is_local;
use crate::base::target::{CanonicalPath, query_value};
use crate::config::{Config, Credential};
use crate::live::snapshot::Snapshot;
use crate::telemetry::access::known_method;

const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");

/// What is said of a request that has no one reading.
const UNREADABLE: Refusal = Refusal::Forbidden("The forwarded request cannot be judged.");

/// How a proxy asks about a request of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `?redirect=1`: the proxy hands answers on as they are, so a browser may be sent to sign in.
    pub redirect: bool,
}

/// Puts the request that a trusted proxy asks about in the place of the one that asks. Any other request stays as it is,
/// whatever `X-Forwarded-*` it carries.
///
/// # Errors
/// 403 where the forwarded request has no one reading.
pub fn adopt(arrival: Arrival, config: &Config, trail: &mut Trail) -> Step<Arrival> {
    if !arrival.headers().contains_key(X_FORWARDED_URI) || !asks(&arrival, config) {
        return Ok(arrival);
    }
    let asked = Asked { redirect: wants_redirect(arrival.parts().uri.query()) };
    trail.asked = Some(asked);
    let method = method(arrival.headers())?;
    let uri = uri(arrival.headers(), config.server.target_max)?;
    trail.method = known_method(method.as_str());
    Ok(arrival.about(method, uri, asked))
}

fn asks(arrival: &Arrival, config: &Config) -> bool {
    let peer = canonical(arrival.peer().ip());
    let path = CanonicalPath::parse(arrival.parts().uri.path());
    is_trusted(peer, &config.server.trusted_proxies)
        && Own::Verify.takes(arrival.method().as_str())
        && path.is_ok_and(|p| Own::find(p.as_str(), &config.gateway.prefix, &[]) == Some(Own::Verify))
}

/// Whether the query says `redirect=1`.
pub fn wants_redirect(query: Option<&str>) -> bool {
    query.and_then(|q| query_value(q, "redirect")).is_some_and(|v| v == "1")
}

fn method(headers: &HeaderMap) -> Result<Method, Refusal> {
    let Some(value) = only(headers, &X_FORWARDED_METHOD)? else { return Ok(Method::GET) };
    match Method::from_bytes(value.as_bytes()) {
        Ok(method) if method != Method::CONNECT && method != Method::TRACE => Ok(method),
        _ => Err(UNREADABLE),
    }
}

/// A path with or without a query, as in a request line (RFC 9112 section 3.2.1). A `#` ends the target for some readers
/// and not for others.
fn uri(headers: &HeaderMap, bytes_max: u64) -> Result<Uri, Refusal> {
    let text = only(headers, &X_FORWARDED_URI)?.and_then(|v| v.to_str().ok()).ok_or(UNREADABLE)?;
    let fits = u64::try_from(text.len()).is_ok_and(|n| n <= bytes_max);
    if !fits || !text.starts_with('/') || text.contains('#') {
        return Err(UNREADABLE);
    }
    text.parse().map_err(|_| UNREADABLE)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(UNREADABLE),
    }
}

/// A refusal in the two words that proxies know: 401 and 403 say what they say anywhere; what has no route for this method
/// or cannot be read is 403. A rule's own status and 429, 5xx stay: every proxy refuses on them.
pub fn in_a_proxys_words(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::BadRequest(why) => Refusal::Forbidden(why),
        Refusal::NotFound | Refusal::MethodNotAllowed { .. } => {
            Refusal::Forbidden("No route takes the forwarded request.")
        }
        other => other,
    }
}

/// Nobody is known, and somebody must be: 401, or where the proxy asks for it the way to the sign-in page. The 401 names
/// that way too, in `Location`, for nginx, which makes the redirect itself.
pub fn unknown(examined: &Examined, asked: Asked, snapshot: &Snapshot, trail: &mut Trail) -> Stop {
    // Where sessions do not count, signing in leads back to the same refusal.
    let way = sign_in(examined, snapshot).filter(|_| examined.accepts(Credential::Session));
    let Some(way) = way else { return Refusal::Unauthenticated.into() };
    if asked.redirect && takes_page(examined) {
        return Stop::Answered(Box::new(found(way)));
    }
    trail.sign_in = Some(way);
    Refusal::Unauthenticated.into()
}

/// Only reading a page can be taken up again after signing in.
fn takes_page(examined: &Examined) -> bool {
    let accept = examined.text_header(http::header::ACCEPT).map(str::to_ascii_lowercase);
    matches!(*examined.method(), Method::GET | Method::HEAD)
        && accept.is_none_or(|a| a.contains("text/html") || a.contains("*/*"))
}

/// The sign-in page of the forwarded site, absolute: Traefik would read a path as one of the gateway's own address.
fn sign_in(examined: &Examined, snapshot: &Snapshot) -> Option<HeaderValue> {
    let site = examined.own_origin()?;
    let query = examined.query().map_or_else(String::new, |q| format!("?{q}"));
    let back = format!("{}{query}", examined.path().as_str());
    let is_read = matches!(*examined.method(), Method::GET | Method::HEAD);
    let back = if is_read && is_local(&back) { back } else { "/".to_owned() };
    let page = super::identity::sign_in_page(snapshot, Some(&back));
    HeaderValue::try_from(format!("{site}{page}")).ok()
}

/// 302, kept by nobody.
pub fn found(location: HeaderValue) -> http::Response<Body> {
    let mut answer = http::Response::new(Body::empty());
    *answer.status_mut() = http::StatusCode::FOUND;
    answer.headers_mut().insert(http::header::LOCATION, location);
    answer.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (name.clone(), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn a_forwarded_method_is_get_unless_it_is_said_once() {
        let read = |values: &[&str]| method(&headers(&X_FORWARDED_METHOD, values));
        assert_eq!(read(&[]).unwrap(), Method::GET);
        assert_eq!(read(&["DELETE"]).unwrap(), Method::DELETE);
        for bad in [&["GET", "POST"][..], &["CONNECT"], &["TRACE"], &[""], &["GET POST"]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_forwarded_target_is_one_path_without_a_fragment() {
        let read = |values: &[&str]| uri(&headers(&X_FORWARDED_URI, values), 20);
        assert_eq!(read(&["/a?b=1"]).unwrap().to_string(), "/a?b=1");
        let long = format!("/{}", "a".repeat(20));
        for bad in
            [&["/a", "/b"][..], &[], &["*"], &["a"], &[""], &["http://a/b"], &["/a#b"], &["/a b"], &[&long]]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_proxy_hears_401_or_403_where_a_client_would_hear_400_404_or_405() {
        for refusal in
            [Refusal::BadRequest("x"), Refusal::NotFound, Refusal::MethodNotAllowed { allow: "GET".into() }]
        {
            assert_eq!(in_a_proxys_words(refusal).code(), "FORBIDDEN");
        }
        assert_eq!(in_a_proxys_words(Refusal::Unauthenticated).code(), "AUTHENTICATION_REQUIRED");
    }

    #[test]
    fn only_redirect_1_asks_for_a_redirect() {
        assert!(wants_redirect(Some("redirect=1")));
        for other in [None, Some(""), Some("redirect=0"), Some("redirect"), Some("x=1")] {
            assert!(!wants_redirect(other), "{other:?}");
        }
    }
}
