//! Every place that a request has for something personal, and the bytes of a request that has the canaries there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::canary::{Canary, Kind, of_place};
use crate::base::target::percent_encode;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The method that the route takes.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// What `Host` says.
    pub host: String,
    /// The name of the session cookie.
    pub cookie: String,
}

/// One place: its name, and how the request is written.
pub struct Place {
    /// As the report says it.
    pub name: &'static str,
    write: Write,
}

/// How the canaries come into the request.
#[derive(Clone, Copy)]
enum Write {
    /// After the path.
    Path,
    /// After the path, every byte that may be escaped is.
    EscapedPath,
    /// After the `?`; how it is written around the values.
    Query(&'static str, &'static str),
    /// In place of the whole target.
    WholeTarget(&'static str, &'static str),
    /// The value of a header, with what stands before it.
    Header(&'static str, &'static str),
    /// One header for each of these kinds, with nothing but it.
    Alone(&'static str, &'static [Kind]),
    /// The name of a header.
    HeaderName,
    /// `Cookie`, each under a name of its own.
    Cookies,
    /// The session cookie.
    SessionCookie,
    /// `Authorization: Basic`.
    Basic,
    /// A body: media type, what stands before and after each value.
    Body(&'static str, fn(&[Canary]) -> Vec<u8>),
    /// A chunked body as it is on the wire.
    Chunked(fn(&str) -> String),
    /// The whole request as it is on the wire.
    Raw(fn(&Target, &str) -> Vec<u8>),
}

/// The target and the headers of a sound request.
const HEADS: [(&str, Write); 28] = [
    ("path", Write::Path),
    ("path, escaped", Write::EscapedPath),
    ("query, name", Write::Query("", "=1")),
    ("query, value", Write::Query("value=", "")),
    ("fragment", Write::Query("a=1#", "")),
    ("target with user and password", Write::WholeTarget("http://", "@example.org/")),
    ("header, name", Write::HeaderName),
    ("header, value", Write::Header("X-Customer", "")),
    ("Cookie", Write::Cookies),
    ("session cookie", Write::SessionCookie),
    ("Authorization: Bearer", Write::Alone("Authorization", &[Kind::Token, Kind::Jwt, Kind::Email])),
    ("Authorization: Basic", Write::Basic),
    ("Authorization, unknown scheme", Write::Header("Authorization", "Custom ")),
    ("X-Api-Key", Write::Alone("X-Api-Key", &[Kind::Token, Kind::Jwt, Kind::Email])),
    ("Host", Write::Alone("Host", &[Kind::Email, Kind::Token, Kind::Ipv4])),
    ("Referer", Write::Header("Referer", "https://example.org/?value=")),
    ("Origin", Write::Header("Origin", "https://example.org ")),
    ("User-Agent", Write::Header("User-Agent", "Browser/1.0 ")),
    ("Accept-Language", Write::Header("Accept-Language", "")),
    ("X-Forwarded-For", Write::Alone("X-Forwarded-For", &[Kind::Ipv4, Kind::Ipv6, Kind::Email])),
    ("Forwarded", Write::Header("Forwarded", "for=")),
    ("X-Real-IP", Write::Alone("X-Real-IP", &[Kind::Ipv4, Kind::Ipv6])),
    ("X-Forwarded-Host", Write::Header("X-Forwarded-Host", "")),
    ("X-Forwarded-Uri", Write::Header("X-Forwarded-Uri", "/?value=")),
    ("X-Request-ID", Write::Header("X-Request-ID", "")),
    ("traceparent", Write::Header("traceparent", "00-")),
    ("tracestate", Write::Header("tracestate", "vendor=")),
    ("Content-Type", Write::Header("Content-Type", "text/")),
];

/// Bodies.
const BODIES: [(&str, Write); 9] = [
    ("body, JSON", Write::Body("application/json", json)),
    (
        "body, broken JSON",
        Write::Body("application/json", |of| {
            json(of).split_last().map_or_else(Vec::new, |(_, rest)| rest.to_vec())
        }),
    ),
    ("body, JSON keys", Write::Body("application/json", json_keys)),
    ("body, form", Write::Body("application/x-www-form-urlencoded", form)),
    ("body, multipart", Write::Body("multipart/form-data; boundary=frontier", multipart)),
    (
        "body, text",
        Write::Body("text/plain", |of| {
            of.iter().map(|c| c.value.as_str()).collect::<Vec<_>>().join(" ").into()
        }),
    ),
    ("chunk extension", Write::Chunked(|text| format!("2;note=\"{text}\"\r\nok\r\n0\r\n\r\n"))),
    ("trailer", Write::Chunked(|text| format!("2\r\nok\r\n0\r\nX-Note: {text}\r\n\r\n"))),
    ("chunk size, malformed", Write::Chunked(|text| format!("{text}\r\nok\r\n0\r\n\r\n"))),
];

/// What the parser or the head guard refuses, and the way to a socket.
const MALFORMED: [(&str, Write); 10] = [
    (
        "method",
        Write::Raw(|target, text| {
            format!("{} {} HTTP/1.1\r\nHost: {}\r\n\r\n", one_word(text), target.path, target.host).into()
        }),
    ),
    (
        "version",
        Write::Raw(|target, text| {
            format!("GET {} {}\r\nHost: {}\r\n\r\n", target.path, one_word(text), target.host).into()
        }),
    ),
    ("request line, malformed", Write::Raw(|_, text| format!("{text}\r\n\r\n").into())),
    (
        "header, malformed name",
        Write::Raw(|target, text| {
            format!("GET {} HTTP/1.1\r\nHost: {}\r\n{text}: 1\r\n\r\n", target.path, target.host).into()
        }),
    ),
    (
        "header, malformed value",
        Write::Raw(|target, text| {
            format!("GET {} HTTP/1.1\r\nHost: {}\r\nX-Note: {text}\0\r\n\r\n", target.path, target.host)
                .into()
        }),
    ),
    (
        "header, too long",
        Write::Raw(|target, text| {
            format!(
                "GET {} HTTP/1.1\r\nHost: {}\r\nX-Note: {}\r\n\r\n",
                target.path,
                target.host,
                format!("{text} ").repeat(600)
            )
            .into()
        }),
    ),
    (
        "path, too long",
        Write::Raw(|target, text| {
            format!(
                "GET {}/{} HTTP/1.1\r\nHost: {}\r\n\r\n",
                target.path,
                format!("{}/", one_word(text)).repeat(400),
                target.host
            )
            .into()
        }),
    ),
    (
        "Content-Length, malformed",
        Write::Raw(|target, text| {
            format!(
                "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {text}\r\n\r\n",
                target.path, target.host
            )
            .into()
        }),
    ),
    ("WebSocket target", Write::Raw(websocket)),
    ("Expect", Write::Header("Expect", "")),
];

/// Every place. The order counts: a canary's number is its place's.
pub fn places() -> Vec<Place> {
    let parts: [&[(&'static str, Write)]; 3] = [&HEADS, &BODIES, &MALFORMED];
    parts.iter().flat_map(|part| part.iter()).map(|&(name, write)| Place { name, write }).collect()
}

impl Place {
    /// The requests that have the canaries in this place, the `nth`.
    pub fn requests(&self, nth: usize, target: &Target) -> Vec<Vec<u8>> {
        let canaries = of_place(self.name, nth);
        let text = canaries.iter().map(|canary| canary.value.as_str()).collect::<Vec<_>>().join(" ");
        let Target { method, path, host, cookie } = target;
        let plain = |target: &str, headers: &str| request(method, target, host, headers, b"");
        let escaped = percent_encode(&text).replace("%20", "/");
        match self.write {
            Write::Path => vec![plain(&format!("{path}/{}", text.replace(' ', "/")), "")],
            Write::EscapedPath => vec![plain(&format!("{path}/{escaped}"), "")],
            Write::Query(before, after) => {
                let pairs: Vec<_> =
                    canaries.iter().map(|c| format!("{before}{}{after}", percent_encode(&c.value))).collect();
                vec![plain(&format!("{path}?{}", pairs.join("&")), "")]
            }
            Write::WholeTarget(before, after) => {
                let user = percent_encode(&Kind::Email.value(nth));
                vec![plain(&format!("{before}{user}:{}{after}", Kind::Password.value(nth)), "")]
            }
            Write::Header(name, before) => vec![plain(path, &format!("{name}: {before}{text}\r\n"))],
            Write::Alone("Host", kinds) => {
                kinds.iter().map(|kind| request(method, path, &kind.value(nth), "", b"")).collect()
            }
            Write::Alone(name, kinds) => {
                let scheme = if name == "Authorization" { "Bearer " } else { "" };
                let header = |kind: &Kind| format!("{name}: {scheme}{}\r\n", kind.value(nth));
                kinds.iter().map(|kind| plain(path, &header(kind))).collect()
            }
            Write::HeaderName => vec![plain(path, &format!("X-{}: 1\r\n", Kind::Token.value(nth)))],
            Write::Cookies => {
                let pairs: Vec<_> =
                    canaries.iter().enumerate().map(|(at, c)| format!("c{at}={}", c.value)).collect();
                vec![plain(path, &format!("Cookie: {}\r\n", pairs.join("; ")))]
            }
            Write::SessionCookie => [Kind::Jwt, Kind::Token, Kind::Email]
                .map(|kind| plain(path, &format!("Cookie: {cookie}={}\r\n", kind.value(nth))))
                .into(),
            Write::Basic => {
                let pair = format!("{}:{}", Kind::Email.value(nth), Kind::Password.value(nth));
                vec![plain(path, &format!("Authorization: Basic {}\r\n", STANDARD.encode(pair)))]
            }
            Write::Body(media_type, body) => {
                let body = body(&canaries);
                vec![request("POST", path, host, &format!("Content-Type: {media_type}\r\n"), &body)]
            }
            Write::Chunked(body) => {
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\
                     Connection: close\r\n\r\n"
                );
                vec![format!("{head}{}", body(&text)).into_bytes()]
            }
            Write::Raw(write) => vec![write(target, &text)],
        }
    }
}

/// A request with one header too many for nobody: what a proxy in front would say.
fn request(method: &str, target: &str, host: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}{length}\r\n");
    [head.as_bytes(), body].concat()
}

fn one_word(text: &str) -> String {
    text.replace(' ', "")
}

fn json(canaries: &[Canary]) -> Vec<u8> {
    let list: Vec<&str> = canaries.iter().map(|canary| canary.value.as_str()).collect();
    serde_json::json!({ "message": list.join(" "), "list": list }).to_string().into_bytes()
}

fn json_keys(canaries: &[Canary]) -> Vec<u8> {
    let map: serde_json::Map<_, _> = canaries.iter().map(|canary| (canary.value.clone(), 1.into())).collect();
    serde_json::Value::Object(map).to_string().into_bytes()
}

fn form(canaries: &[Canary]) -> Vec<u8> {
    let pairs: Vec<_> =
        canaries.iter().enumerate().map(|(at, c)| format!("f{at}={}", percent_encode(&c.value))).collect();
    pairs.join("&").into_bytes()
}

fn multipart(canaries: &[Canary]) -> Vec<u8> {
    let part = |canary: &Canary| {
        format!(
            "--frontier\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{0}\"\r\n\r\n{0}\r\n",
            canary.value
        )
    };
    let parts: String = canaries.iter().map(part).collect();
    format!("{parts}--frontier--\r\n").into_bytes()
}

fn websocket(target: &Target, text: &str) -> Vec<u8> {
    let Target { path, host, .. } = target;
    let query = percent_encode(text);
    format!(
        "GET {path}?token={query} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        one_word(text).replace(['@', ':', '+', '!'], "")
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::canary::PLACES_MAX;
    use super::super::searcher::Searcher;
    use super::*;

    #[test]
    fn every_place_has_a_name_of_its_own_and_a_canary_in_its_request() {
        let places = places();
        assert!(places.len() < PLACES_MAX);
        assert_eq!(places.iter().map(|place| place.name).collect::<BTreeSet<_>>().len(), places.len());
        let target = Target {
            method: "GET".to_owned(),
            path: "/x".to_owned(),
            host: "localhost".to_owned(),
            cookie: "pm_session".to_owned(),
        };
        let all = (0..).zip(&places).flat_map(|(nth, place)| of_place(place.name, nth)).collect();
        let searcher = Searcher::new(all);
        for (nth, place) in places.iter().enumerate() {
            let requests = place.requests(nth, &target);
            let found: BTreeSet<_> = requests
                .iter()
                .flat_map(|request| searcher.search(request))
                .map(|canary| (canary.place, canary.kind))
                .collect();
            assert!(!found.is_empty() || place.name == "Authorization: Basic", "{}", place.name);
            assert!(found.iter().all(|(name, _)| *name == place.name), "{}: {found:?}", place.name);
        }
    }
}
