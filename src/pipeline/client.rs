//! Stage 3: who asks, and for what. The address comes from the socket or, right to left, through trusted proxies;
//! the target is made canonical once.
//!
//! # Source
//! RFC 9112 section 3.2 (target forms), RFC 7239 section 5.2 (reading right to left); THREATS sections IP and RT.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use http::header::{HOST, HeaderMap, HeaderName};
use http::{Method, Response, StatusCode, Version};
use ipnet::IpNet;

use super::answer::Body;
use super::arrival::Arrival;
use super::step::{Step, Stop};
use super::trail::Trail;
use crate::base::address::canonical;
use crate::base::refusal::Refusal;
use crate::base::target::{CanonicalPath, Host};
use crate::config::{Config, Environment};
use crate::live::routes::USUAL_METHODS;

/// Most items of `X-Forwarded-For` that are read; a longer list ends at the peer.
pub const FORWARDED_ITEMS_MAX: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Proof that the request has one client address and one canonical target. In a box, for all later stages take it by value.
pub struct Located(Box<Place>);

struct Place {
    arrival: Arrival,
    address: IpAddr,
    path: CanonicalPath,
    query: Option<String>,
    host: Option<Host>,
    secure: bool,
    via_proxy: bool,
}

/// Finds out who asks and for what.
///
/// # Errors
/// The refusal of this stage.
pub fn locate(arrival: Arrival, trusted: &[IpNet], trail: &mut Trail) -> Step<Located> {
    let peer = canonical(arrival.peer().ip());
    let via_proxy = is_trusted(peer, trusted);
    let address = if via_proxy { walk(peer, arrival.headers(), trusted) } else { peer };
    trail.client = Some(address);
    let forwarded = via_proxy.then(|| last_item(arrival.headers(), &X_FORWARDED_PROTO)).flatten();
    // A trusted front's word is about its client; without one the client is the one that speaks to us.
    let secure = forwarded.map_or_else(|| arrival.transport().is_tls(), |scheme| scheme == "https");
    trail.secure = secure;
    let own_host = host_header(&arrival)?;
    let uri = &arrival.parts().uri;
    if uri.path() == "*" {
        return Err(asterisk(arrival.method()));
    }
    check_target_form(&arrival, own_host.as_ref(), secure, via_proxy)?;
    let path = CanonicalPath::parse(uri.path()).map_err(Refusal::BadRequest)?;
    let query = uri.query().map(str::to_owned);
    let host = match via_proxy.then(|| last_item(arrival.headers(), &X_FORWARDED_HOST)).flatten() {
        Some(forwarded) => Some(Host::parse(&forwarded).map_err(Refusal::BadRequest)?),
        None => own_host,
    };
    Ok(Located(Box::new(Place { arrival, address, path, query, host, secure, via_proxy })))
}

/// In production a plain-http request that a trusted proxy forwards is sent to https, or refused where that would lose
/// its body.
///
/// # Errors
/// The refusal of this stage.
pub fn require_https(located: &Located, config: &Config) -> Step<()> {
    let plain = located.0.via_proxy && !located.0.secure && located.headers().contains_key(X_FORWARDED_PROTO);
    if config.environment != Environment::Production || config.server.allow_http || !plain {
        return Ok(());
    }
    let may_redirect = located.asked().is_none_or(|asked| asked.redirect)
        && matches!(*located.method(), Method::GET | Method::HEAD);
    let host = located.0.host.as_ref().filter(|_| may_redirect);
    let query = located.query().map_or_else(String::new, |q| format!("?{q}"));
    let target = host.map(|h| format!("https://{}{}{query}", h.name(), located.0.path.as_str()));
    match target.and_then(|t| http::HeaderValue::try_from(t).ok()) {
        Some(location) => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
            answer.headers_mut().insert(http::header::LOCATION, location);
            Err(Stop::Answered(Box::new(answer)))
        }
        None => Err(Refusal::Forbidden("This site is served over https only.").into()),
    }
}

/// `OPTIONS *` asks about the server as a whole and is answered here (RFC 9110 section 9.3.7).
fn asterisk(method: &Method) -> Stop {
    if method != Method::OPTIONS {
        return Refusal::BadRequest("The request target is not a path.").into();
    }
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = USUAL_METHODS.join(", ").parse() {
        answer.headers_mut().insert(http::header::ALLOW, allow);
    }
    Stop::Answered(Box::new(answer))
}

fn host_header(arrival: &Arrival) -> Result<Option<Host>, Refusal> {
    match arrival.headers().get(HOST) {
        Some(value) => {
            let text =
                value.to_str().map_err(|_| Refusal::BadRequest("The Host header is not a host name."))?;
            Host::parse(text).map(Some).map_err(Refusal::BadRequest)
        }
        None if arrival.parts().version == Version::HTTP_10 => Ok(None),
        None => Err(Refusal::BadRequest("The Host header is missing.")),
    }
}

/// An absolute-form target, and any of HTTP/2, must name this host, over what the client came over, without user
/// information. A trusted front that speaks HTTP/2 may name what itself came over.
fn check_target_form(
    arrival: &Arrival,
    host: Option<&Host>,
    secure: bool,
    via_proxy: bool,
) -> Result<(), Refusal> {
    let uri = &arrival.parts().uri;
    let Some(authority) = uri.authority() else { return Ok(()) };
    let named = Host::parse(authority.as_str()).ok();
    let scheme = if secure { "https" } else { "http" };
    let by_front = via_proxy
        && arrival.parts().version == Version::HTTP_2
        && uri.scheme_str() == Some(if arrival.transport().is_tls() { "https" } else { "http" });
    let known_scheme = uri.scheme_str() == Some(scheme) || by_front;
    if !known_scheme || !named.is_some_and(|n| host.is_some_and(|h| n.is_same(h, secure))) {
        return Err(Refusal::BadRequest("The request target names another host."));
    }
    Ok(())
}

/// Whether `X-Forwarded-*` of this address is believed.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// Walks `X-Forwarded-For` from the right for as long as the hops are trusted. What cannot be read ends the walk at
/// the peer: nobody gets to choose an address by being unreadable.
fn walk(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut items = Vec::new();
    for line in headers.get_all(X_FORWARDED_FOR) {
        let Ok(line) = line.to_str() else { return peer };
        items.extend(line.split(','));
        if items.len() > FORWARDED_ITEMS_MAX {
            return peer;
        }
    }
    let mut client = peer;
    for item in items.iter().rev() {
        let Some(address) = forwarded_address(item) else { return peer };
        client = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    client
}

fn forwarded_address(item: &str) -> Option<IpAddr> {
    let item = item.trim().trim_matches('"');
    // A zone says which of a machine's own links, and is no part of anybody's address.
    if item.contains('%') {
        return None;
    }
    let address =
        item.parse::<IpAddr>().ok().or_else(|| item.parse::<SocketAddr>().ok().map(|s| s.ip())).or_else(
            || item.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
        )?;
    Some(canonical(address))
}

/// The item that the nearest proxy wrote: the last of the last line.
fn last_item(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(|item| item.trim().to_ascii_lowercase())
}

impl Located {
    /// The client's address.
    pub fn address(&self) -> IpAddr {
        self.0.address
    }

    /// The canonical path; this is what goes upstream.
    pub fn path(&self) -> &CanonicalPath {
        &self.0.path
    }

    /// The query as it came.
    pub fn query(&self) -> Option<&str> {
        self.0.query.as_deref()
    }

    /// The host that was asked for; absent only in HTTP/1.0.
    pub fn host(&self) -> Option<&Host> {
        self.0.host.as_ref()
    }

    /// The host's name, or nothing.
    pub fn host_name(&self) -> &str {
        self.0.host.as_ref().map_or("", Host::name)
    }

    /// Whether the client came over https, to us or by the word of a trusted proxy.
    pub fn secure(&self) -> bool {
        self.0.secure
    }

    /// Whether the peer is a trusted proxy.
    pub fn via_proxy(&self) -> bool {
        self.0.via_proxy
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.0.secure { "https" } else { "http" }
    }

    /// The serialised origin of this site, as this request sees it.
    pub fn own_origin(&self) -> Option<String> {
        Some(origin_of(self.scheme(), self.0.host.as_ref()?))
    }
}

/// The serialised origin of a site (RFC 6454 section 6.1): the scheme's own port is not in it.
pub(super) fn origin_of(scheme: &str, host: &Host) -> String {
    let default = if scheme == "https" { 443 } else { 80 };
    match host.port().filter(|p| *p != default) {
        Some(port) => format!("{scheme}://{}:{port}", host.name()),
        None => format!("{scheme}://{}", host.name()),
    }
}

impl Deref for Located {
    type Target = Arrival;

    fn deref(&self) -> &Arrival {
        &self.0.arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let headers: HeaderMap = lines.iter().map(|l| (X_FORWARDED_FOR, l.parse().unwrap())).collect();
        let peer = canonical(peer.parse().unwrap());
        let address = if is_trusted(peer, &trusted) { walk(peer, &headers, &trusted) } else { peer };
        address.to_string()
    }

    #[test]
    fn ip_01_a_peer_that_is_not_trusted_speaks_only_for_itself() {
        assert_eq!(client("192.0.2.1", &["1.2.3.4"]), "192.0.2.1");
    }

    #[test]
    fn ip_02_the_right_most_untrusted_address_is_the_client() {
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 1.2.3.4"]), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "1.2.3.4, 10.9.9.9"]), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &["10.0.0.5"]), "10.0.0.5");
        let long = vec!["1.2.3.4"; FORWARDED_ITEMS_MAX + 1].join(",");
        assert_eq!(client("10.0.0.1", &[&long]), "10.0.0.1");
    }

    #[test]
    fn ip_03_an_item_that_cannot_be_read_ends_the_walk_at_the_peer() {
        for bad in [
            "",
            "unknown",
            "_hidden",
            "1.2.3.4, ",
            "01.02.03.04",
            "0x7f.1",
            "127.1",
            "fe80::1%eth0",
            "[fe80::1%1]:80",
        ] {
            assert_eq!(client("10.0.0.1", &[bad]), "10.0.0.1", "{bad}");
        }
        assert_eq!(client("10.0.0.1", &["1.2.3.4:56"]), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
    }

    #[test]
    fn ip_04_mapped_addresses_are_folded_before_trust_is_asked() {
        assert_eq!(client("::ffff:10.0.0.1", &["::ffff:1.2.3.4"]), "1.2.3.4");
    }
}
