//! The session cookie: found strictly, kept from the upstream, set and cleared with the same attributes.
//!
//! # Source
//! RFC 6265 sections 4.1 and 4.2; RFC 6265bis section 5.6.7 (`SameSite`).

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderValue};

use crate::base::cookies::pairs;
use crate::config::{self, SameSite};

/// What a request says about a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieFound<'a> {
    /// It is not there.
    Absent,
    /// It is there once.
    One(&'a str),
    /// It is there more than once: which one a browser or an attacker meant cannot be known, so it is no session.
    Many,
    /// It is there once, and not in the form of a cookie; no session either.
    Malformed,
}

/// Looks for the cookie `name` in all `Cookie` lines. Names are compared byte by byte; there is no `$Version` mode,
/// quotes are part of the value, and nothing but spaces and tabs around a pair is trimmed.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> CookieFound<'a> {
    let mut found = CookieFound::Absent;
    for line in headers.get_all(COOKIE) {
        for pair in pairs(line.as_bytes()) {
            let Some((key, value)) = named(pair, name) else { continue };
            if found != CookieFound::Absent {
                return CookieFound::Many;
            }
            found = match value.and_then(octets) {
                Some(text) if key == Key::Exact => CookieFound::One(text),
                _ => CookieFound::Malformed,
            };
        }
    }
    found
}

/// Takes every cookie that is or could be read as `name` out of the `Cookie` lines; all others stay byte for byte.
pub fn strip(headers: &mut HeaderMap, name: &str) {
    let holds = |line: &HeaderValue| pairs(line.as_bytes()).any(|pair| named(pair, name).is_some());
    if !headers.get_all(COOKIE).iter().any(holds) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| if holds(line) { without(line, name) } else { Some(line.clone()) })
        .collect();
    headers.remove(COOKIE);
    for line in kept {
        headers.append(COOKIE, line);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Exact,
    /// Blanks before the `=`: some parsers trim them, so it counts as this cookie, but not as a valid one.
    Padded,
}

/// Whether a pair is the cookie `name`, and its value if there is a `=`.
fn named<'a>(pair: &'a [u8], name: &str) -> Option<(Key, Option<&'a [u8]>)> {
    let equals = memchr::memchr(b'=', pair);
    let key = trim_start(&pair[..equals.unwrap_or(pair.len())]);
    let value = equals.map(|at| trim_end(&pair[at + 1..]));
    if key == name.as_bytes() {
        Some((Key::Exact, value))
    } else if trim_end(key) == name.as_bytes() {
        Some((Key::Padded, value))
    } else {
        None
    }
}

/// A value of visible ASCII; the token's reader judges the rest.
fn octets(value: &[u8]) -> Option<&str> {
    // Without an early end, so that it goes over many bytes at a time: a token is some 300.
    let graphic = value.iter().fold(true, |so_far, b| so_far & b.is_ascii_graphic());
    graphic.then(|| std::str::from_utf8(value).ok()).flatten()
}

fn without(line: &HeaderValue, name: &str) -> Option<HeaderValue> {
    let mut kept = Vec::with_capacity(line.len());
    for pair in pairs(line.as_bytes()).filter(|pair| named(pair, name).is_none()) {
        if kept.is_empty() {
            kept.extend_from_slice(trim_start(pair));
        } else {
            kept.push(b';');
            kept.extend_from_slice(pair);
        }
    }
    if trim_start(&kept).is_empty() { None } else { HeaderValue::from_bytes(&kept).ok() }
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &bytes[blank..]
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &bytes[..bytes.len() - blank]
}

/// How the session cookie is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    name: String,
    attributes: String,
}

impl Shape {
    /// The cookie `name` for this host or, with `domain`, for the domain and all below it; always `Path=/`, `HttpOnly`
    /// and an explicit `SameSite` (left out, Chrome would send the cookie with cross-site POSTs for two minutes).
    pub fn new(name: &str, domain: Option<&str>, same_site: SameSite, secure: bool) -> Self {
        let mut attributes = "; Path=/; HttpOnly; SameSite=".to_owned();
        attributes.push_str(match same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        });
        if secure {
            attributes.push_str("; Secure");
        }
        if let Some(domain) = domain {
            let _ = write!(attributes, "; Domain={domain}");
        }
        Self { name: name.to_owned(), attributes }
    }

    /// As configured; `secure` in production or over https.
    pub fn of(config: &config::Session, secure: bool) -> Self {
        Self::new(&config.cookie_name, config.cookie_domain.as_deref(), config.same_site, secure)
    }

    /// The cookie's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `Set-Cookie` with a value that lasts for `max_age`; a part of a second is dropped.
    pub fn set(&self, value: &str, max_age: Duration) -> HeaderValue {
        self.line(value, max_age.as_secs())
    }

    /// `Set-Cookie` that removes the cookie: the same attributes, or a browser would keep it.
    pub fn clear(&self) -> HeaderValue {
        self.line("", 0)
    }

    fn line(&self, value: &str, max_age_s: u64) -> HeaderValue {
        let line = format!("{}={value}{}; Max-Age={max_age_s}", self.name, self.attributes);
        let mut line = HeaderValue::try_from(line)
            .expect("name, token and attributes are visible ASCII by construction");
        line.set_sensitive(true);
        line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        map
    }

    fn found(lines: &[&[u8]], expected: CookieFound<'_>) {
        let map = headers(lines);
        assert_eq!(find(&map, "pm_session"), expected, "{lines:?}");
    }

    fn stripped(lines: &[&[u8]], expected: &[&[u8]]) {
        let mut map = headers(lines);
        strip(&mut map, "pm_session");
        let left: Vec<&[u8]> = map.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(left, expected, "{lines:?}");
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        found(&[], CookieFound::Absent);
        found(&[b"a=1; pm_session=A; b=2"], CookieFound::One("A"));
        found(&[b"a=1", b"pm_session=A"], CookieFound::One("A"));
        found(&[b"pm_session=a=b"], CookieFound::One("a=b"));
        found(&[b"pm_session="], CookieFound::One(""));
        found(&[b"a=1;pm_session=A"], CookieFound::One("A"));
    }

    #[test]
    fn cs_08_two_session_cookies_are_no_session() {
        found(&[b"pm_session=A; pm_session=B"], CookieFound::Many);
        found(&[b"pm_session=A", b"x=1; pm_session=A"], CookieFound::Many);
        found(&[b"pm_session=A; pm_session =B"], CookieFound::Many);
        found(&[b"pm_session=A; pm_session"], CookieFound::Many);
    }

    #[test]
    fn cs_08_lookalikes_are_not_the_cookie() {
        found(&[b"pm_session =A"], CookieFound::Malformed);
        found(&[b"pm_session"], CookieFound::Malformed);
        found(&["\u{2000}pm_session=A".as_bytes()], CookieFound::Absent);
        found(&[b"PM_SESSION=A"], CookieFound::Absent);
        found(&[b"__Host-pm_session=A"], CookieFound::Absent);
        found(&[b"pm_session=\xffA"], CookieFound::Malformed);
        found(&[b"pm_session=A B"], CookieFound::Malformed);
    }

    #[test]
    fn cs_08_quotes_and_commas_are_part_of_the_value_and_there_is_no_version_mode() {
        found(&[b"pm_session=\"A\""], CookieFound::One("\"A\""));
        found(&[b"$Version=1; pm_session=\"A; x\""], CookieFound::One("\"A"));
        found(&[b"pm_session=A,B"], CookieFound::One("A,B"));
        found(&[b"a=1, pm_session=A"], CookieFound::Absent);
    }

    #[test]
    fn cs_09_many_and_large_cookies_are_read_in_one_pass() {
        let mut line: Vec<u8> = (0..200).flat_map(|i| format!("c{i}=v; ").into_bytes()).collect();
        line.extend_from_slice(b"pm_session=A");
        found(&[&line], CookieFound::One("A"));
        let large = [b"pm_session=".as_slice(), &vec![b'x'; 1 << 20]].concat();
        assert!(matches!(find(&headers(&[&large]), "pm_session"), CookieFound::One(v) if v.len() == 1 << 20));
        found(&[&vec![b';'; 1 << 20]], CookieFound::Absent);
    }

    #[test]
    fn the_upstream_sees_every_cookie_but_the_session() {
        stripped(&[b"a=1; b=2"], &[b"a=1; b=2"]);
        stripped(&[b"pm_session=A"], &[]);
        stripped(&[b"pm_session=A; a=1"], &[b"a=1"]);
        stripped(&[b"a=1; pm_session=A"], &[b"a=1"]);
        stripped(&[b"a=\"x y\";b=\xe9 ;  pm_session=A;c=3 "], &[b"a=\"x y\";b=\xe9 ;c=3 "]);
        stripped(&[b"a=1", b"pm_session=A", b"b=2"], &[b"a=1", b"b=2"]);
    }

    #[test]
    fn cs_08_no_form_of_the_session_cookie_reaches_the_upstream() {
        stripped(&[b"pm_session=A; pm_session=B"], &[]);
        stripped(&[b"a=1; pm_session =A; pm_session; b=2"], &[b"a=1; b=2"]);
        stripped(&[b"$Version=1; a=\"x; pm_session=A; b=y\""], &[b"$Version=1; a=\"x; b=y\""]);
    }

    proptest! {
        #[test]
        fn cs_08_what_is_stripped_is_not_found_and_the_rest_is_the_same(
            lines in prop::collection::vec("(pm_session|a|b)?[ \\t]?=?[a-z\"; =,]{0,12}(; pm_session=x)?", 0..4)
        ) {
            let before = headers(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
            let mut after = before.clone();
            strip(&mut after, "pm_session");
            prop_assert_eq!(find(&after, "pm_session"), CookieFound::Absent);
            let others = |map: &HeaderMap| -> Vec<Vec<u8>> {
                let pairs = map.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
                let kept = pairs.filter(|pair| named(pair, "pm_session").is_none());
                kept.map(|pair| trim_start(pair).to_vec()).filter(|pair| !pair.is_empty()).collect()
            };
            prop_assert_eq!(others(&before), others(&after));
        }
    }

    #[test]
    fn cs_01_set_cookie_is_httponly_with_an_explicit_samesite_and_path() {
        let line = |domain, same_site, secure| {
            Shape::new("pm_session", domain, same_site, secure).set("T", Duration::from_millis(86_400_999))
        };
        assert_eq!(
            line(None, SameSite::Lax, true),
            "pm_session=T; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=86400"
        );
        assert_eq!(
            line(Some("example.org"), SameSite::Strict, false),
            "pm_session=T; Path=/; HttpOnly; SameSite=Strict; Domain=example.org; Max-Age=86400"
        );
        assert!(line(None, SameSite::None, true).is_sensitive());
    }

    #[test]
    fn cs_15_the_cookie_is_cleared_with_the_attributes_it_was_set_with() {
        let shape = Shape::new("pm_session", Some("example.org"), SameSite::None, true);
        let text = |line: HeaderValue| line.to_str().unwrap().to_owned();
        let (set, clear) = (text(shape.set("T", Duration::from_secs(60))), text(shape.clear()));
        assert_eq!(set.replace("=T;", "=;").replace("Max-Age=60", "Max-Age=0"), clear);
    }
}
