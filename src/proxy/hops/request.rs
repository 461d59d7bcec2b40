//! The request's side: what a client may say upstream, and what the gateway says itself.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::cookies::append_cookies;
use super::trace::{self, Trace};
use super::{Listed, address, listed, names};
use crate::base::ids::CorrelationId;
use crate::base::target::Ambiguous;
use crate::base::tls::ClientCertificate;

/// Longest text of an identity that is told upstream, in bytes; a longer one is left out.
const IDENTITY_BYTES_MAX: usize = 1_024;

/// Headers that the gateway sets for every request beside `Host`, which came.
const ALWAYS: usize = 5;

/// A header that holds a credential of the gateway's own; such a one stays here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization`.
    Authorization,
    /// `X-Api-Key`.
    ApiKey,
}

/// Who is asking, told upstream as `X-Auth-Request-*`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// The opaque id.
    pub user: &'a str,
    /// The e-mail address, where the session knows one.
    pub email: Option<&'a str>,
    /// Roles or groups, joined by commas.
    pub groups: &'a [String],
}

/// What the gateway says upstream about a request.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// `X-Request-ID`.
    pub request_id: &'a CorrelationId,
    /// `X-Forwarded-For`: the client's address as the gateway judged it, alone.
    pub client: IpAddr,
    /// `X-Forwarded-Proto`: whether the client came over https.
    pub https: bool,
    /// `Host` and `X-Forwarded-Host`: the host that the client asked for, as policy saw it. Neither is set where it is empty.
    pub host: &'a str,
    /// `X-Auth-Request-User`, `-Email`, `-Groups`; none of them where nobody is known.
    pub identity: Option<Identity<'a>>,
    /// `X-Client-Cert-Subject` and `X-Client-Cert-Fingerprint`: of a certificate that was verified here.
    pub certificate: Option<&'a ClientCertificate>,
    /// The name of the session cookie, which stays here.
    pub session_cookie: &'a str,
    /// The headers that hold credentials of the gateway's own, which stay here.
    pub credentials: &'a [Credential],
    /// `traceparent` and `tracestate`.
    pub trace: Trace<'a>,
    /// The route's own headers, set last.
    pub set: &'a [(HeaderName, HeaderValue)],
}

/// Refuses a request whose headers can be read in two ways: a header twice that may stand once, or a `Connection`
/// header that names one which frames the message.
///
/// # Errors
/// A public sentence, for a 400.
pub fn check_request(headers: &HeaderMap) -> Result<(), Ambiguous> {
    // Mostly every name stands there once, and none has to be looked for.
    let repeats = headers.len() > headers.keys_len();
    if repeats && names::SINGLE.iter().any(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        return Err("A header that may stand once stands twice.");
    }
    if !headers.contains_key(header::CONNECTION) {
        return Ok(());
    }
    let listed = listed(headers);
    if names::FRAMING.iter().any(|name| listed.has(name)) {
        return Err("The Connection header names a header that must stay.");
    }
    Ok(())
}

/// The headers that go upstream, made from a client's: hop-by-hop and spoofable ones stay here, the session cookie
/// too, and then the gateway's are set, so that nothing a client sends can take their place.
///
/// `Content-Length` passes as it is; the sender of the body has the last word on framing.
pub fn forward_request(client: &HeaderMap, forward: &Forward<'_>) -> HeaderMap {
    let listed = listed(client);
    let told =
        if forward.identity.is_some() { 3 } else { 0 } + if forward.certificate.is_some() { 2 } else { 0 };
    let mut headers = HeaderMap::with_capacity(client.len() + ALWAYS + told + forward.set.len());
    for (name, value) in client {
        if !passes(name.as_str(), &listed, forward.credentials) {
            continue;
        }
        if name == header::COOKIE {
            append_cookies(&mut headers, value, forward.session_cookie);
        } else {
            headers.append(name, value.clone());
        }
    }
    set_ours(&mut headers, forward, client);
    headers
}

fn passes(name: &str, listed: &Listed, credentials: &[Credential]) -> bool {
    let by_the_gateway = match name {
        "host" | "expect" | "traceparent" | "tracestate" => true,
        "authorization" => credentials.contains(&Credential::Authorization),
        "x-api-key" => credentials.contains(&Credential::ApiKey),
        _ => false,
    };
    let ends_here = listed.has(name) && !names::is_judged(name);
    !(by_the_gateway
        || ends_here
        || names::is_hop_by_hop(name)
        || names::is_spoofable(name)
        || !names::is_plain(name))
}

fn set_ours(headers: &mut HeaderMap, forward: &Forward<'_>, client: &HeaderMap) {
    set(headers, names::X_REQUEST_ID, HeaderValue::from_str(forward.request_id.as_str()).ok());
    set(headers, names::X_FORWARDED_FOR, address::value(forward.client));
    let scheme = if forward.https { "https" } else { "http" };
    set(headers, names::X_FORWARDED_PROTO, Some(HeaderValue::from_static(scheme)));
    let host = host(forward.host, client);
    set(headers, names::X_FORWARDED_HOST, host.clone());
    set(headers, header::HOST, host);
    if let Some(who) = forward.identity {
        tell_identity(headers, who);
    }
    if let Some(certificate) = forward.certificate {
        set(headers, names::X_CLIENT_CERT_SUBJECT, HeaderValue::from_str(&certificate.subject).ok());
        let fingerprint = HeaderValue::from_str(&certificate.fingerprint).ok();
        set(headers, names::X_CLIENT_CERT_FINGERPRINT, fingerprint);
    }
    trace::set(headers, forward.trace, client);
    for (name, value) in forward.set {
        if !names::is_hop_by_hop(name.as_str()) && name != header::CONTENT_LENGTH {
            headers.insert(name, value.clone());
        }
    }
}

/// The host that was asked for; mostly the client wrote it in this form, and its own value does.
fn host(host: &str, client: &HeaderMap) -> Option<HeaderValue> {
    if host.is_empty() {
        return None;
    }
    let same = client.get(header::HOST).filter(|value| value.as_bytes() == host.as_bytes());
    same.cloned().or_else(|| HeaderValue::from_str(host).ok())
}

/// `X-Auth-Request-User`, `-Email` and `-Groups`: each where there is something to tell.
pub fn tell_identity(headers: &mut HeaderMap, who: Identity<'_>) {
    set(headers, names::X_AUTH_REQUEST_USER, told(who.user));
    set(headers, names::X_AUTH_REQUEST_EMAIL, who.email.and_then(told));
    set(headers, names::X_AUTH_REQUEST_GROUPS, groups(who.groups));
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

fn groups(groups: &[String]) -> Option<HeaderValue> {
    if let [one] = groups
        && !one.contains(',')
    {
        return told(one);
    }
    let told: Vec<Cow<'_, str>> = groups
        .iter()
        .map(|g| if g.contains(',') { g.replace(',', "%2C").into() } else { Cow::from(g) })
        .collect();
    if told.is_empty() { None } else { self::told(&told.join(",")) }
}

/// A text about a person as a header value: none where it is empty, too long, or holds a control character;
/// characters outside of ASCII are percent-encoded.
fn told(text: &str) -> Option<HeaderValue> {
    if text.is_empty() || text.len() > IDENTITY_BYTES_MAX {
        return None;
    }
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return HeaderValue::from_str(text).ok();
    }
    if text.chars().any(char::is_control) {
        return None;
    }
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(encoded).ok()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
