//! Who may speak to the API: which host was meant, which site's page sent it, and who holds the token.
//!
//! # Source
//! CONTRACT section 10; THREATS rows AD-01 and AD-02.

use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};

use super::Admin;
use super::endpoint::Find;
use crate::base::refusal::Refusal;
use crate::base::target::Host;
use crate::pipeline::arrival::Arrival;

/// Names that a browser cannot be made to send for another machine's sake.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Probes and metrics are asked by monitors, under whatever name they know; they show nothing that is secret.
pub(super) fn is_exempt(found: &Find) -> bool {
    match found {
        Find::Endpoint(endpoint) => !endpoint.is_api(),
        Find::OtherMethod { api, .. } => !api,
        Find::Nothing => false,
    }
}

/// The Host must be a loopback name or a listed one: a page whose name was pointed at this machine has another (AD-02).
pub(super) fn host(head: &Arrival, listed: &[String]) -> Result<(), Refusal> {
    let host = named(head).ok_or(Refusal::Misdirected)?;
    // An absolute-form target that names another host would have two readers disagree.
    let target = head.parts().uri.authority();
    if target.is_some_and(|target| Host::parse(target.as_str()).ok().as_ref() != Some(&host)) {
        return Err(Refusal::BadRequest("The request target and the Host header name different hosts."));
    }
    let known = LOOPBACK.contains(&host.name()) || listed.iter().any(|own| is_same_name(own, &host));
    if known { Ok(()) } else { Err(Refusal::Misdirected) }
}

/// A request of a page must come from this listener's own pages.
pub(super) fn origin(head: &Arrival) -> Result<(), Refusal> {
    let mut origins = head.headers().get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return site(head) };
    let own = named(head).map(|host| host.authority().to_owned()).unwrap_or_default();
    // Behind a TLS proxy the page's scheme is https; the name is what was checked.
    let ours = origins.next().is_none()
        && origin.to_str().is_ok_and(|o| {
            ["http://", "https://"]
                .iter()
                .any(|scheme| o.strip_prefix(scheme).is_some_and(|rest| rest == own))
        });
    if ours { Ok(()) } else { Err(Refusal::OriginNotAllowed) }
}

/// Whether a browser goes to a page, from wherever: a link in a message leads to the console too. Another site's script
/// cannot read such an answer, no frame shows it, and it does nothing but show: the cookie does not even come with it.
///
/// # Source
/// Fetch Metadata Request Headers, sections 2.1 to 2.3.
pub(super) fn is_visit(head: &Arrival) -> bool {
    let says = |name: &str, value: &str| head.text_header(name) == Some(value);
    head.method() == Method::GET
        && !head.headers().contains_key(ORIGIN)
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
}

/// Without an Origin, a browser still says when another site is behind it.
fn site(head: &Arrival) -> Result<(), Refusal> {
    match head.headers().get("sec-fetch-site") {
        Some(site) if !matches!(site.as_bytes(), b"same-origin" | b"none") => Err(Refusal::OriginNotAllowed),
        _ => Ok(()),
    }
}

/// The token must be there, once, in its header: never in the query (AD-01).
pub(super) fn token(head: &Arrival, admin: &Admin) -> Result<(), Refusal> {
    let now = admin.gateway.clock.now();
    let peer = head.peer().ip();
    admin.lockout.borrow_mut().check(peer, now)?;
    let mut given = head.headers().get_all(AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else { return Err(Refusal::Unauthenticated) };
    let bearer =
        given.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    let Some((_, token)) = bearer else { return Err(Refusal::Unauthenticated) };
    if admin.token.is(token) {
        return Ok(());
    }
    admin.lockout.borrow_mut().wrong(peer, now);
    Err(Refusal::Unauthenticated)
}

/// A page of another site can send a form or plain text without asking; JSON it cannot.
pub(super) fn json(head: &Arrival) -> Result<(), Refusal> {
    let kind = head.text_header(CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Refusal::UnsupportedMediaType) }
}

/// The one Host that the request names.
fn named(head: &Arrival) -> Option<Host> {
    let mut hosts = head.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    Host::parse(host.to_str().ok()?).ok()
}

/// Listed names are compared without their port: the name is what an attacker cannot choose.
fn is_same_name(listed: &str, host: &Host) -> bool {
    Host::parse(listed).is_ok_and(|listed| {
        listed.name() == host.name() && listed.port().is_none_or(|port| host.port() == Some(port))
    })
}
