//! Stage 3, where TLS is spoken: plain requests are sent on to https, and a request that came over another host's
//! connection is turned away.

use http::header::{CACHE_CONTROL, HOST, HeaderValue, LOCATION};
use http::{Response, StatusCode};

use super::answer::Body;
use super::client::Located;
use super::step::{Step, Stop};
use super::trail::Trail;
use super::transport::Purpose;
use crate::base::refusal::Refusal;
use crate::base::target::Host;
use crate::live::snapshot::Snapshot;
use crate::live::tls::Tls;

/// How long a redirect to https may be kept, so that it can be taken back.
const KEEP: HeaderValue = HeaderValue::from_static("max-age=3600");

/// Sends on what came to the listener that only does that, and refuses what is plain where TLS is spoken and what was meant
/// for another host.
///
/// # Errors
/// The answer or the refusal of this stage.
pub fn check(located: &Located, snapshot: &Snapshot, trail: &mut Trail) -> Step<()> {
    match located.transport().purpose {
        Purpose::Serve => {}
        Purpose::SendToHttps => return Err(redirect(located, snapshot)),
        Purpose::AskForTls => {
            // The connection closes after it.
            trail.unread = true;
            return Err(Refusal::BadRequest("A plain HTTP request was sent to an HTTPS port.").into());
        }
    }
    match &snapshot.tls {
        Some(tls) if is_misdirected(located, tls) => Err(Refusal::Misdirected.into()),
        _ => Ok(()),
    }
}

/// 308 to the same address over https. The host must be one that is served here: this is no way to anywhere else.
fn redirect(located: &Located, snapshot: &Snapshot) -> Stop {
    let Some(tls) = &snapshot.tls else { return Refusal::Misdirected.into() };
    let Some(host) = own_host(located) else {
        return Refusal::BadRequest("The Host header is missing.").into();
    };
    if !tls.serves(host.name()) {
        return Refusal::Misdirected.into();
    }
    let port = tls.public_port().unwrap_or(snapshot.config.server.listen.port());
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let query = located.query().map_or_else(String::new, |query| format!("?{query}"));
    let target = format!("https://{}{port}{}{query}", host.name(), located.path().as_str());
    let Ok(location) = HeaderValue::try_from(target) else {
        return Refusal::BadRequest("The request target is not a path.").into();
    };
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
    answer.headers_mut().insert(LOCATION, location);
    answer.headers_mut().insert(CACHE_CONTROL, KEEP);
    Stop::Answered(Box::new(answer))
}

/// A client that reached this connection under one name and asks for another: it was shown a certificate that says nothing of
/// the other. A client that asked for no name has made no such promise, and a trusted proxy's connection is its own.
fn is_misdirected(located: &Located, tls: &Tls) -> bool {
    let asked = located.transport().tls.as_ref().and_then(|said| said.server_name.as_deref());
    match (asked, own_host(located)) {
        (Some(asked), Some(host)) if !located.via_proxy() => !tls.may_carry(asked, host.name()),
        _ => false,
    }
}

/// The host of the request itself, whatever a proxy says of another.
fn own_host(located: &Located) -> Option<Host> {
    located.text_header(HOST).and_then(|text| Host::parse(text).ok())
}
