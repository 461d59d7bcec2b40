//! Stage 5: cross-origin requests. Origins are compared byte by byte with the list and never reflected.
//!
//! # Source
//! Fetch standard, "CORS protocol"; THREATS section CO.

use std::ops::Deref;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Response, StatusCode};

use super::admission::Admitted;
use super::answer::Body;
use super::step::{Step, Stop};
use super::trail::Trail;
use crate::base::refusal::Refusal;
use crate::config::Cors;

/// Headers of an answer that pages of listed origins may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "X-Request-ID, Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining",
);

/// Proof that the origin was looked at and that this is no preflight.
pub struct Screened(Admitted);

/// Looks at the origin, and answers preflights.
///
/// # Errors
/// The refusal of this stage.
pub fn screen(admitted: Admitted, cors: &Cors, trail: &Trail) -> Step<Screened> {
    let headers = admitted.headers();
    // A proxy would take the answer to a preflight for leave to pass.
    if admitted.method() != Method::OPTIONS
        || !headers.contains_key(ORIGIN)
        || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        || admitted.asked().is_some()
    {
        return Ok(Screened(admitted));
    }
    if trail.cors_origin.is_none() {
        return Err(Refusal::OriginNotAllowed.into());
    }
    Err(Stop::Answered(Box::new(preflight(cors))))
}

/// The origin that asks, where it stands once and in the list.
pub fn listed<'a>(headers: &'a HeaderMap, cors: &Cors) -> Option<&'a HeaderValue> {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => Some(origin).filter(|o| is_listed(o, cors)),
        _ => None,
    }
}

/// Whether the origin stands in the list, byte by byte.
pub fn is_listed(origin: &HeaderValue, cors: &Cors) -> bool {
    cors.origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
}

fn preflight(cors: &Cors) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    let mut set = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    set(ACCESS_CONTROL_ALLOW_METHODS, cors.methods.join(", "));
    set(ACCESS_CONTROL_ALLOW_HEADERS, cors.headers.join(", "));
    set(ACCESS_CONTROL_MAX_AGE, cors.max_age.as_secs().to_string());
    answer
}

/// Stage 16: the CORS headers of an answer; an upstream's own are replaced.
pub fn decorate(headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
    vary_by_origin(headers);
    if let Some(origin) = origin {
        // `insert` takes the place of every line of the name.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    } else {
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
    }
}

fn vary_by_origin(headers: &mut HeaderMap) {
    let names_origin = |v: &HeaderValue| {
        v.to_str().is_ok_and(|t| t.split(',').any(|n| n.trim().eq_ignore_ascii_case("origin")))
    };
    if !headers.get_all(VARY).iter().any(names_origin) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

impl Deref for Screened {
    type Target = Admitted;

    fn deref(&self) -> &Admitted {
        &self.0
    }
}

impl Screened {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn cors() -> Cors {
        Cors {
            origins: vec!["https://app.example".into()],
            methods: vec!["GET".into(), "POST".into()],
            headers: vec!["Content-Type".into()],
            max_age: Duration::from_secs(600),
        }
    }

    #[test]
    fn co_01_and_co_02_only_the_exact_origin_is_listed() {
        assert!(is_listed(&HeaderValue::from_static("https://app.example"), &cors()));
        for other in [
            "null",
            "https://evilapp.example",
            "https://app.example.evil",
            "https://app.example:444",
            "http://app.example",
            "https://app.exampl e",
            "https://app.example/",
            "HTTPS://APP.EXAMPLE",
            "https://app_example",
            "https://app.example%60.evil",
            "https://sub.app.example",
            "*",
            "",
        ] {
            assert!(!is_listed(&HeaderValue::from_static(other), &cors()), "{other}");
        }
    }

    #[test]
    fn co_08_an_origin_that_stands_twice_is_not_listed() {
        let mut headers = HeaderMap::new();
        assert_eq!(listed(&headers, &cors()), None);
        headers.append(ORIGIN, HeaderValue::from_static("https://app.example"));
        assert!(listed(&headers, &cors()).is_some());
        headers.append(ORIGIN, HeaderValue::from_static("https://app.example"));
        assert_eq!(listed(&headers, &cors()), None);
    }

    #[test]
    fn co_07_an_upstreams_cors_headers_are_replaced_and_vary_is_kept() {
        let mut headers = HeaderMap::new();
        headers.append(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.append(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://evil.example"));
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        decorate(&mut headers, None);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(headers.get_all(VARY).iter().count(), 2);
        decorate(&mut headers, Some(&HeaderValue::from_static("https://app.example")));
        assert_eq!(headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().count(), 1);
        assert_eq!(headers.get_all(VARY).iter().count(), 2);
    }

    #[test]
    fn co_09_a_preflight_answer_names_configured_methods_and_never_a_private_network() {
        let answer = preflight(&cors());
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
        assert!(!answer.headers().contains_key("access-control-allow-private-network"));
    }
}
