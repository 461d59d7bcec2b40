//! The request's side: what a client may say upstream, and what the gateway says itself.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::trace::{self, Trace};
use super::{Listed, listed, names};
use crate::base::ids::CorrelationId;
use crate::base::target::Ambiguous;
use crate::base::tls::ClientCertificate;

/// Longest text of an identity that is told upstream, in bytes; a longer one is left out.
const IDENTITY_BYTES_MAX: usize = 1_024;

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

/// The cookie that holds a sign-in at a provider together while it lasts: over https, and without. The gateway's own, as the
/// session cookie is.
pub const LOGIN_COOKIES: [&str; 2] = ["__Host-pm_login", "pm_login"];

/// The cookie of the console. Cookies know no ports: a browser on the gateway's machine sends it to the sites as well.
pub const CONSOLE_COOKIE: &str = "pm_console";

/// Whether a cookie is the gateway's own, whatever the session's is called: no upstream sees or sets it.
pub(super) fn is_own_cookie(name: &[u8]) -> bool {
    name == CONSOLE_COOKIE.as_bytes() || LOGIN_COOKIES.iter().any(|login| name == login.as_bytes())
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
    pub set: &'a [(String, String)],
}

/// Refuses a request whose headers can be read in two ways: a header twice that may stand once, or a `Connection`
/// header that names one which frames the message.
///
/// # Errors
/// A public sentence, for a 400.
pub fn check_request(headers: &HeaderMap) -> Result<(), Ambiguous> {
    // As many names as lines, in almost every request: none stands twice, and none need be looked for.
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
pub fn forward_request(client: HeaderMap, forward: &Forward<'_>) -> HeaderMap {
    let listed = listed(&client);
    let state = trace::state(&client, forward.trace);
    let mut headers = HeaderMap::with_capacity(client.len() + 10 + forward.set.len());
    let mut last = None;
    for (name, value) in client {
        // The map gives a name once and then only values.
        let name = match name {
            Some(name) => last.insert(name).clone(),
            None => match &last {
                Some(name) => name.clone(),
                None => continue,
            },
        };
        if passes(name.as_str(), &listed, forward.credentials) {
            if name == header::COOKIE {
                append_cookies(&mut headers, value, forward.session_cookie);
            } else {
                headers.append(name, value);
            }
        }
    }
    set_ours(&mut headers, forward, state);
    headers
}

fn passes(name: &str, listed: &Listed, credentials: &[Credential]) -> bool {
    let by_the_gateway = match name {
        "host" | "expect" | "traceparent" | "tracestate" => true,
        "authorization" => credentials.contains(&Credential::Authorization),
        "x-api-key" => credentials.contains(&Credential::ApiKey),
        _ => false,
    };
    let ends_here = !names::is_judged(name) && listed.has(name);
    !(by_the_gateway
        || ends_here
        || names::is_hop_by_hop(name)
        || names::is_spoofable(name)
        || !names::is_plain(name))
}

/// Passes on the cookies of one line without the session's; an untouched line stays as it is.
fn append_cookies(headers: &mut HeaderMap, line: HeaderValue, session: &str) {
    let is_session = |pair: &[u8]| {
        let name = pair.split(|b| *b == b'=').next().unwrap_or(pair).trim_ascii();
        name == session.as_bytes() || is_own_cookie(name)
    };
    if !line.as_bytes().split(|b| *b == b';').any(is_session) {
        headers.append(header::COOKIE, line);
        return;
    }
    let kept: Vec<&[u8]> =
        line.as_bytes().split(|b| *b == b';').filter(|p| !is_session(p)).map(<[u8]>::trim_ascii).collect();
    let kept = kept.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(&b"; "[..]);
    if !kept.is_empty()
        && let Ok(line) = HeaderValue::from_bytes(&kept)
    {
        headers.append(header::COOKIE, line);
    }
}

fn set_ours(headers: &mut HeaderMap, forward: &Forward<'_>, state: Vec<HeaderValue>) {
    let id = forward.request_id.as_str();
    set(headers, "x-request-id", HeaderValue::from_str(id).ok());
    set(headers, "x-forwarded-for", HeaderValue::try_from(forward.client.to_string()).ok());
    set(
        headers,
        "x-forwarded-proto",
        Some(HeaderValue::from_static(if forward.https { "https" } else { "http" })),
    );
    let host = HeaderValue::from_str(forward.host).ok().filter(|host| !host.is_empty());
    set(headers, "x-forwarded-host", host.clone());
    set(headers, "host", host);
    if let Some(who) = forward.identity {
        tell_identity(headers, who);
    }
    if let Some(certificate) = forward.certificate {
        set(headers, "x-client-cert-subject", HeaderValue::from_str(&certificate.subject).ok());
        set(headers, "x-client-cert-fingerprint", HeaderValue::from_str(&certificate.fingerprint).ok());
    }
    trace::set(headers, forward.trace, state);
    for (name, value) in forward.set {
        let Ok(name) = HeaderName::try_from(name.as_str()) else { continue };
        if !names::is_hop_by_hop(name.as_str()) && name != header::CONTENT_LENGTH {
            set(headers, name, HeaderValue::from_str(value).ok());
        }
    }
}

/// `X-Auth-Request-User`, `-Email` and `-Groups`: each where there is something to tell.
pub fn tell_identity(headers: &mut HeaderMap, who: Identity<'_>) {
    set(headers, "x-auth-request-user", told(who.user));
    set(headers, "x-auth-request-email", who.email.and_then(told));
    set(headers, "x-auth-request-groups", groups(who.groups));
}

fn set<K: http::header::IntoHeaderName>(headers: &mut HeaderMap, name: K, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

fn groups(groups: &[String]) -> Option<HeaderValue> {
    let told: Vec<Cow<'_, str>> = groups
        .iter()
        .map(|g| if g.contains(',') { g.replace(',', "%2C").into() } else { Cow::from(g) })
        .collect();
    if told.is_empty() { None } else { self::told(&told.join(",")) }
}

/// A text about a person as a header value: none where it is empty, too long, or holds a control character;
/// characters outside of ASCII are percent-encoded.
fn told(text: &str) -> Option<HeaderValue> {
    if text.is_empty() || text.len() > IDENTITY_BYTES_MAX || text.chars().any(char::is_control) {
        return None;
    }
    if text.is_ascii() {
        return HeaderValue::from_str(text).ok();
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
