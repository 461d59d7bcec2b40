//! The session cookie among others: found once or not at all, and never left for the upstream.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use pluginmind::auth::cookie::{CookieFound, find, strip};

const NAME: &str = "pm_session";

/// The bytes are the lines of the header, one a line.
pub fn run(data: &[u8]) -> usize {
    let mut headers = HeaderMap::new();
    for line in data.split(|b| *b == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(COOKIE, line);
    }
    let pairs = pairs(&headers);
    let named: Vec<&Vec<u8>> = pairs.iter().filter(|pair| is_named(pair)).collect();
    match find(&headers, NAME) {
        CookieFound::Absent => assert!(named.is_empty(), "{headers:?}"),
        CookieFound::Many => assert!(named.len() > 1, "{headers:?}"),
        CookieFound::Malformed => assert_eq!(named.len(), 1, "{headers:?}"),
        CookieFound::One(value) => {
            assert_eq!(named.len(), 1, "{headers:?}");
            let pair = format!("{NAME}={value}");
            assert_eq!(named[0].trim_ascii(), pair.as_bytes(), "{headers:?}");
        }
    }
    strip(&mut headers, NAME);
    assert_eq!(find(&headers, NAME), CookieFound::Absent, "{headers:?}");
    let left = self::pairs(&headers);
    let blank = |pair: &&Vec<u8>| !pair.trim_ascii().is_empty();
    let kept = pairs.iter().filter(|pair| !is_named(pair)).filter(blank).map(|p| p.trim_ascii());
    assert!(kept.eq(left.iter().filter(blank).map(|p| p.trim_ascii())), "others stay: {headers:?}");
    pairs.len()
}

fn pairs(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = headers.get_all(COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|b| *b == b';').map(<[u8]>::to_vec)).collect()
}

/// Whether some reader takes the pair for the session cookie.
fn is_named(pair: &[u8]) -> bool {
    let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
    let start = name.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(name.len());
    let end = name.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(start, |at| at + 1);
    &name[start..end.max(start)] == NAME.as_bytes()
}
