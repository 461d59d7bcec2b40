//! Lists of header names. All comparisons are with lower-case names. Where every header of a message is looked for in a
//! list, its first letter is looked at first: most names are in none.

use http::HeaderName;

/// What the gateway tells an upstream.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub const X_AUTH_REQUEST_USER: HeaderName = HeaderName::from_static("x-auth-request-user");
pub const X_AUTH_REQUEST_EMAIL: HeaderName = HeaderName::from_static("x-auth-request-email");
pub const X_AUTH_REQUEST_GROUPS: HeaderName = HeaderName::from_static("x-auth-request-groups");
pub const X_CLIENT_CERT_SUBJECT: HeaderName = HeaderName::from_static("x-client-cert-subject");
pub const X_CLIENT_CERT_FINGERPRINT: HeaderName = HeaderName::from_static("x-client-cert-fingerprint");

/// Headers that speak about one connection, whether `Connection` lists them or not.
pub fn is_hop_by_hop(name: &str) -> bool {
    if !matches!(name.as_bytes(), [b'c' | b'h' | b'k' | b'p' | b't' | b'u', ..]) {
        return false;
    }
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-authentication-info"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Headers that an upstream may take for the gateway's word: who the client is, where it is, what it asked for.
/// A client's own copies are never passed on.
pub fn is_spoofable(name: &str) -> bool {
    const PREFIXES: [&str; 9] = [
        "x-auth-",
        "x-user-",
        "x-forwarded-",
        "x-remote-",
        "x-webauth-",
        "x-authenticated-",
        "x-pluginmind-",
        "x-ssl-client-",
        "x-client-cert-",
    ];
    let first = name.as_bytes().first();
    if !matches!(first, Some(b'c' | b'f' | b'p' | b'r' | b't' | b'x')) {
        return false;
    }
    matches!(
        name,
        "forwarded"
            | "x-forwarded"
            | "x-real-ip"
            | "true-client-ip"
            | "cf-connecting-ip"
            | "cf-connecting-ipv6"
            | "fastly-client-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-envoy-external-address"
            | "client-ip"
            | "x-rewrite-url"
            | "x-original-url"
            | "x-original-uri"
            | "x-original-host"
            | "x-original-method"
            | "x-original-forwarded-for"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-request-id"
            | "x-user"
            | "x-auth"
            | "remote-user"
            | "remote-groups"
            | "remote-name"
            | "remote-email"
            | "remote-addr"
            | "proxy"
            | "client-cert"
            | "client-cert-chain"
    ) || (first == Some(&b'x') && PREFIXES.iter().any(|p| name.starts_with(p)))
}

/// Headers that a client may take for the gateway's word; an upstream's own are never passed back.
pub fn is_gateways_word(name: &str) -> bool {
    name.starts_with('x')
        && (name == "x-request-id" || name.starts_with("x-auth-") || name.starts_with("x-pluginmind-"))
}

/// Whether a name is one that no server reads as another: `X_Auth_User` and `X.Auth.User` reach some as `X-Auth-User`.
pub fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Headers of which a request has one or none; two would let policy read one and the upstream the other.
pub const SINGLE: [&str; 15] = [
    "host",
    "authorization",
    "content-type",
    "content-length",
    "content-encoding",
    "origin",
    "referer",
    "user-agent",
    "x-api-key",
    "sec-fetch-site",
    "access-control-request-method",
    "range",
    "if-range",
    "if-modified-since",
    "if-unmodified-since",
];

/// Headers that a `Connection` list may not name at all: they frame the message.
pub const FRAMING: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// Headers that stay although a `Connection` list names them: policy has judged them, so they are what is forwarded.
pub fn is_judged(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "cookie"
            | "content-type"
            | "content-encoding"
            | "origin"
            | "referer"
            | "x-api-key"
            | "range"
    )
}

/// Headers of a response that a `Connection` list does not remove: without them it would mean something else.
pub fn is_meaning(name: &str) -> bool {
    matches!(
        name,
        "content-type"
            | "content-length"
            | "content-encoding"
            | "content-security-policy"
            | "content-disposition"
            | "set-cookie"
            | "location"
            | "cache-control"
            | "vary"
            | "www-authenticate"
            | "x-frame-options"
            | "referrer-policy"
            | "permissions-policy"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the lists hold, read off the source, so that no name is in a list and behind a letter that hides it.
    #[test]
    fn no_first_letter_hides_a_name_of_its_list() {
        let source = include_str!("names.rs");
        let list = |function: &str, end: &str| {
            let body = source.split(function).nth(1).unwrap().split(end).next().unwrap();
            body.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let hops = list("pub fn is_hop_by_hop", "\n}\n");
        let spoofable = list("pub fn is_spoofable", "\n}\n");
        assert!(hops.len() == 11 && spoofable.len() == 40, "{} {}", hops.len(), spoofable.len());
        assert!(hops.iter().all(|name| is_hop_by_hop(name)));
        assert!(spoofable.iter().all(|name| is_spoofable(name)));
        let words = list("pub fn is_gateways_word", "\n}\n");
        assert!(words.len() == 3 && words.iter().all(|name| is_gateways_word(name)));
    }
}
