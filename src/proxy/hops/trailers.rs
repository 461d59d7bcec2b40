//! What an upstream may say after the body of a response.

use http::{HeaderMap, HeaderName};

use super::names;

/// Removes from a response's trailers what may only stand before the body, for nobody would look at it in time, and what
/// is the gateway's to say. What stays, such as `grpc-status`, speaks about the message that has just ended.
///
/// # Source
/// RFC 9110 section 6.5.1.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| !may_trail(name)).cloned().collect();
    for name in doomed {
        trailers.remove(name);
    }
}

/// Whether a field may stand after the body.
pub fn may_trail(name: &HeaderName) -> bool {
    let name = name.as_str();
    let frames = names::FRAMING.contains(&name) || name.starts_with("content-");
    let controls = matches!(
        name,
        "age"
            | "alt-svc"
            | "authorization"
            | "cache-control"
            | "clear-site-data"
            | "cookie"
            | "date"
            | "expires"
            | "location"
            | "max-forwards"
            | "pragma"
            | "permissions-policy"
            | "referrer-policy"
            | "refresh"
            | "retry-after"
            | "server"
            | "set-cookie"
            | "strict-transport-security"
            | "vary"
            | "warning"
            | "www-authenticate"
            | "x-content-type-options"
            | "x-frame-options"
    ) || name.starts_with("access-control-")
        || name.starts_with("cross-origin-");
    let of_the_gateway =
        names::is_hop_by_hop(name) || names::is_gateways_word(name) || names::is_spoofable(name);
    !(frames || controls || of_the_gateway || !is_plain(name))
}

/// gRPC's own names have dashes alone, an application's may have `_` and `.`; none is read as a header by anybody.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_speaks_of_the_message_stays_and_what_steers_it_goes() {
        let kept = [
            "grpc-status",
            "grpc-message",
            "grpc-status-details-bin",
            "server-timing",
            "x-checksum",
            "digest",
        ];
        let gone = [
            "content-length",
            "content-type",
            "content-encoding",
            "transfer-encoding",
            "host",
            "connection",
            "te",
            "trailer",
            "set-cookie",
            "authorization",
            "www-authenticate",
            "cache-control",
            "location",
            "x-request-id",
            "x-auth-user",
            "x-forwarded-for",
            "strict-transport-security",
            "access-control-allow-origin",
            "server",
        ];
        let mut trailers = HeaderMap::new();
        for name in kept.iter().chain(&gone) {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        clean_trailers(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let mut expected = kept.to_vec();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }
}
