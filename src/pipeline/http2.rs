//! Stage 1 for requests that came over HTTP/2: made what every later stage knows from HTTP/1.1, or refused where the two
//! versions would be read differently.
//!
//! # Source
//! RFC 9113 sections 8.2.1 (values), 8.2.3 (cookies) and 8.3.1 (`:authority`); THREATS rows H2-10, H2-11, H2-14.

use http::header::{COOKIE, HOST, HeaderMap, HeaderValue};
use http::request::Parts;

use crate::base::refusal::Refusal;

/// Whether the value of the media type says gRPC.
///
/// # Source
/// gRPC over HTTP/2, `Content-Type`: `application/grpc`, alone or followed by `+` or `;`.
pub fn is_grpc(kind: &HeaderValue) -> bool {
    let name = b"application/grpc";
    let kind = kind.as_bytes();
    let begins = kind.get(..name.len()).is_some_and(|k| k.eq_ignore_ascii_case(name));
    begins && matches!(kind.get(name.len()), None | Some(b'+' | b';'))
}

/// Puts the authority where HTTP/1.1 has it and the crumbs of the cookie together. Whether a `Host` beside the authority
/// names the same host is judged with the target, as in HTTP/1.1.
///
/// # Errors
/// A value that begins or ends with white space: some servers would trim it, and some would not.
pub fn translate(parts: &mut Parts) -> Result<(), Refusal> {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let padded = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        is_space(bytes.first()) || is_space(bytes.last())
    };
    if parts.headers.values().any(padded) {
        return Err(Refusal::BadRequest("A header value begins or ends with a space."));
    }
    if let Some(authority) = parts.uri.authority().filter(|_| !parts.headers.contains_key(HOST)) {
        let host = HeaderValue::from_str(authority.as_str());
        let host = host.map_err(|_| Refusal::BadRequest("The authority is not a host name."))?;
        parts.headers.insert(HOST, host);
    }
    join_cookies(&mut parts.headers);
    Ok(())
}

fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    // Two values joined by what may stand in a value are one value.
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(uri: &str, headers: &[(&'static str, &str)]) -> Result<HeaderMap, Refusal> {
        let mut parts = http::Request::get(uri).body(()).unwrap().into_parts().0;
        for (name, value) in headers {
            parts.headers.append(*name, value.parse().unwrap());
        }
        translate(&mut parts).map(|()| parts.headers)
    }

    #[test]
    fn h2_11_the_authority_stands_in_for_a_host_that_is_not_there_and_never_over_one() {
        assert_eq!(translated("http://a.example:81/", &[]).unwrap()[HOST], "a.example:81");
        assert_eq!(translated("http://a.example/", &[("host", "b.example")]).unwrap()[HOST], "b.example");
        assert!(!translated("/", &[]).unwrap().contains_key(HOST));
    }

    #[test]
    fn h2_14_the_crumbs_of_a_cookie_are_one_line() {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")];
        let headers = translated("http://a/", &crumbs).unwrap();
        let lines: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(lines, ["a=1; b=2; c=3; d=4"]);
    }

    #[test]
    fn h2_10_values_do_not_begin_or_end_with_white_space() {
        for bad in [" a", "a ", "\ta", "a\t", " "] {
            let mut parts = http::Request::get("http://a/").body(()).unwrap().into_parts().0;
            parts.headers.insert("x-a", HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert!(translate(&mut parts).is_err(), "{bad:?}");
        }
        assert!(translated("http://a/", &[("x-a", "a b\tc"), ("x-b", "")]).is_ok());
    }

    #[test]
    fn grpc_is_told_by_its_media_type() {
        let says = |kind: &'static str| is_grpc(&HeaderValue::from_static(kind));
        assert!(says("application/grpc") && says("application/grpc+proto") && says("Application/GRPC; a=b"));
        assert!(!says("application/grpc-web") && !says("application/json") && !says("application/grpcx"));
    }
}
