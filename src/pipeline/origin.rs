//! Stage 9: which site's page sent this. A session cookie rides along with requests that other sites make a browser
//! send, so an unsafe request with one must come from this site or a listed one.
//!
//! # Source
//! RFC 6454 (origins), Fetch metadata (`Sec-Fetch-Site`); THREATS rows CS-02, CS-03, CS-04, CO-10.

use std::ops::Deref;

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, UPGRADE};

use super::cors::is_listed;
use super::identity::Identified;
use super::step::Step;
use crate::base::refusal::Refusal;
use crate::base::target::Host;
use crate::config::Cors;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Proof that the request was not forged by another site's page.
pub struct SameSite(Identified);

/// Checks where an unsafe request comes from.
///
/// # Errors
/// The refusal of this stage.
pub fn check(who: Identified, cors: &Cors) -> Step<SameSite> {
    let sender = Sender {
        method: who.method(),
        headers: who.headers(),
        has_session_cookie: who.has_session_cookie(),
        signs_in_or_out: who.own_endpoint().is_some_and(super::endpoints::Own::is_auth),
        own_origin: &|| who.own_origin(),
    };
    if !sender.may_send(cors) {
        return Err(Refusal::OriginNotAllowed.into());
    }
    Ok(SameSite(who))
}

/// What is known of a request's sender.
pub(super) struct Sender<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub has_session_cookie: bool,
    /// Whether the request is for an endpoint of the gateway below `/auth/`.
    pub signs_in_or_out: bool,
    pub own_origin: &'a dyn Fn() -> Option<String>,
}

impl Sender<'_> {
    /// Whether the request need not be judged, or comes from this site or a listed one.
    pub(super) fn may_send(&self, cors: &Cors) -> bool {
        !self.must_be_judged() || self.comes_from_here(cors)
    }

    fn must_be_judged(&self) -> bool {
        let safe = matches!(*self.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if self.has_session_cookie {
            return !safe || self.headers.contains_key(UPGRADE);
        }
        !safe
            && self.signs_in_or_out
            && (self.headers.contains_key(ORIGIN) || self.headers.contains_key(SEC_FETCH_SITE))
    }

    /// `Origin` decides; where it is absent `Sec-Fetch-Site`; where that is absent too, `Referer`.
    fn comes_from_here(&self, cors: &Cors) -> bool {
        if let Some(origin) = self.headers.get(ORIGIN) {
            return self.is_ours(origin, cors);
        }
        if let Some(site) = self.headers.get(SEC_FETCH_SITE) {
            return matches!(site.as_bytes(), b"same-origin" | b"none");
        }
        let referer = self.headers.get(REFERER).and_then(|value| value.to_str().ok());
        let origin = referer.and_then(origin_of).and_then(|o| HeaderValue::try_from(o).ok());
        origin.is_some_and(|o| self.is_ours(&o, cors))
    }

    fn is_ours(&self, origin: &HeaderValue, cors: &Cors) -> bool {
        is_listed(origin, cors) || (self.own_origin)().is_some_and(|own| own.as_bytes() == origin.as_bytes())
    }
}

/// The serialised origin of an absolute http(s) address.
fn origin_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = Host::parse(authority).ok()?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    Some(super::client::origin_of(scheme, &host))
}

impl Deref for SameSite {
    type Target = Identified;

    fn deref(&self) -> &Identified {
        &self.0
    }
}

impl SameSite {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_referer_is_its_scheme_host_and_port() {
        assert_eq!(origin_of("https://a.example/x?y").as_deref(), Some("https://a.example"));
        assert_eq!(origin_of("http://A.example:8080").as_deref(), Some("http://a.example:8080"));
        for bad in ["about:blank", "//a", "ftp://a/x", "https://u@a/", ""] {
            assert_eq!(origin_of(bad), None, "{bad}");
        }
    }
}
