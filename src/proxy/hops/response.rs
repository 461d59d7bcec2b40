//! The response's side: what an upstream may say to a client.

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::cookies::is_own_cookie;
use super::{Listed, listed, names};

/// Removes from an upstream's response what ends at this hop and what is the gateway's to say: hop-by-hop headers,
/// `Server`, CORS, HSTS, `X-Content-Type-Options`, `Alt-Svc`, identity headers, and any `Set-Cookie` of the session
/// cookie's name or of another of the gateway's. A 204 loses its `Content-Length`.
pub fn clean_response(status: StatusCode, headers: &mut HeaderMap, session_cookie: &str) {
    let listed = listed(headers);
    let doomed: Vec<HeaderName> =
        headers.keys().filter(|name| ends_here(name.as_str(), &listed)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
    if status == StatusCode::NO_CONTENT {
        headers.remove(header::CONTENT_LENGTH);
    }
    remove_own_cookies(headers, session_cookie);
}

fn ends_here(name: &str, listed: &Listed) -> bool {
    let ours = matches!(name.as_bytes(), [b'a' | b's' | b'x', ..])
        && (matches!(name, "server" | "alt-svc" | "strict-transport-security" | "x-content-type-options")
            || name.starts_with("access-control-"));
    let by_list = listed.has(name) && !names::is_meaning(name);
    ours || by_list || names::is_hop_by_hop(name) || names::is_gateways_word(name)
}

fn remove_own_cookies(headers: &mut HeaderMap, session_cookie: &str) {
    let is_own = |line: &http::HeaderValue| {
        let pair = line.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
        let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
        // A browser takes `=name=value` for a cookie without a name whose value a server may read as one.
        let nameless = pair.trim_ascii().strip_prefix(b"=").is_some_and(|rest| {
            starts_with(rest, session_cookie)
                || is_own_cookie(rest.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii())
        });
        name.trim_ascii() == session_cookie.as_bytes() || is_own_cookie(name.trim_ascii()) || nameless
    };
    if !headers.get_all(header::SET_COOKIE).iter().any(is_own) {
        return;
    }
    let header::Entry::Occupied(lines) = headers.entry(header::SET_COOKIE) else { return };
    let kept: Vec<_> = lines.remove_entry_mult().1.filter(|line| !is_own(line)).collect();
    for line in kept {
        headers.append(header::SET_COOKIE, line);
    }
}

fn starts_with(text: &[u8], name: &str) -> bool {
    text.trim_ascii_start().starts_with(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(status: u16, lines: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        clean_response(StatusCode::from_u16(status).unwrap(), &mut headers, "pm_session");
        let mut left: Vec<String> =
            headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort();
        left
    }

    #[test]
    fn hb_09_what_is_the_gateways_to_say_is_not_the_upstreams() {
        let left = cleaned(
            200,
            &[
                ("Server", "nginx/1.2"),
                ("X-Auth-User", "admin"),
                ("X-Auth-Request-User", "admin"),
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Allow-Credentials", "true"),
                ("Strict-Transport-Security", "max-age=0"),
                ("X-Content-Type-Options", "sniff"),
                ("Alt-Svc", "h3=\":443\""),
                ("X-Request-Id", "theirs"),
                ("Content-Security-Policy", "default-src 'self'"),
                ("Content-Type", "text/html"),
            ],
        );
        assert_eq!(left, ["content-security-policy: default-src 'self'", "content-type: text/html"]);
    }

    #[test]
    fn hb_09_the_gateways_cookies_cannot_be_set_by_an_upstream() {
        let left = cleaned(
            200,
            &[
                ("Set-Cookie", "pm_console=evil; Path=/"),
                ("Set-Cookie", "=pm_console=evil"),
                ("Set-Cookie", "pm_login=evil"),
                ("Set-Cookie", "a=1; Path=/"),
                ("Set-Cookie", "pm_session=evil; Path=/"),
                ("Set-Cookie", " pm_session =evil"),
                ("Set-Cookie", "pm_session"),
                ("Set-Cookie", "=pm_session=evil"),
                ("Set-Cookie", "pm_session_2=fine"),
                ("Set-Cookie", "b=pm_session=1"),
            ],
        );
        assert_eq!(
            left,
            ["set-cookie: a=1; Path=/", "set-cookie: b=pm_session=1", "set-cookie: pm_session_2=fine"]
        );
    }

    #[test]
    fn hop_by_hop_headers_end_here_and_a_list_cannot_take_what_carries_meaning() {
        let left = cleaned(
            200,
            &[
                ("Connection", "keep-alive, X-Hop, Set-Cookie, Content-Type"),
                ("Connection", "x-other"),
                ("Keep-Alive", "timeout=5"),
                ("Proxy-Authenticate", "Basic"),
                ("Transfer-Encoding", "chunked"),
                ("Trailer", "X-T"),
                ("Upgrade", "h2c"),
                ("X-Hop", "1"),
                ("X-Other", "1"),
                ("X-Kept", "1"),
                ("Set-Cookie", "a=1"),
                ("Content-Type", "text/plain"),
            ],
        );
        assert_eq!(left, ["content-type: text/plain", "set-cookie: a=1", "x-kept: 1"]);
    }

    #[test]
    fn up_11_a_204_has_no_length_and_a_304_keeps_its_own() {
        assert_eq!(cleaned(204, &[("Content-Length", "5")]), Vec::<String>::new());
        assert_eq!(cleaned(304, &[("Content-Length", "5")]), ["content-length: 5"]);
    }
}
