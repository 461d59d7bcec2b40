//! Stage 9: which site's page sent this. A session cookie rides along with requests that other sites make a browser
//! send, so an unsafe request with one must come from this site or a listed one.
//!
//! # Source
//! RFC 6454 (origins), Fetch metadata (`Sec-Fetch-Site`); THREATS rows CS-02, CS-03, CS-04, CO-10.

use std::ops::Deref;

use http::Method;
use http::header::{HeaderValue, ORIGIN, REFERER, UPGRADE};

use super::cors::is_listed;
use super::identity::Identified;
use super::step::Step;
use crate::base::refusal::Refusal;
use crate::base::target::Host;
use crate::config::Cors;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Proof that the request was not forged by another site's page.
pub struct SameSite(Identified);

/// Checks where an unsafe request comes from.
///
/// # Errors
/// The refusal of this stage.
pub fn check(who: Identified, cors: &Cors) -> Step<SameSite> {
    if must_be_judged(&who) && !comes_from_here(&who, cors) {
        return Err(Refusal::OriginNotAllowed.into());
    }
    Ok(SameSite(who))
}

fn must_be_judged(who: &Identified) -> bool {
    let safe = matches!(*who.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let upgrade = who.headers().contains_key(UPGRADE);
    if who.has_session_cookie() {
        return !safe || upgrade;
    }
    let browser = who.headers().contains_key(ORIGIN) || who.headers().contains_key(SEC_FETCH_SITE);
    !safe && browser && who.own_endpoint().is_some_and(super::endpoints::Own::is_auth)
}

/// `Origin` decides; where it is absent `Sec-Fetch-Site`; where that is absent too, `Referer`.
fn comes_from_here(who: &Identified, cors: &Cors) -> bool {
    if let Some(origin) = who.headers().get(ORIGIN) {
        return is_ours(origin, who, cors);
    }
    if let Some(site) = who.headers().get(SEC_FETCH_SITE) {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    who.text_header(REFERER)
        .and_then(origin_of)
        .and_then(|o| HeaderValue::try_from(o).ok())
        .is_some_and(|o| is_ours(&o, who, cors))
}

fn is_ours(origin: &HeaderValue, who: &Identified, cors: &Cors) -> bool {
    is_listed(origin, cors) || who.own_origin().is_some_and(|own| own.as_bytes() == origin.as_bytes())
}

/// The serialised origin of an absolute http(s) address.
fn origin_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = Host::parse(authority).ok()?;
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    Some(match host.port().filter(|p| *p != default) {
        Some(port) => format!("{scheme}://{}:{port}", host.name()),
        None => format!("{scheme}://{}", host.name()),
    })
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
