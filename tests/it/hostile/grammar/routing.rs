//! What a request is for: its target and its host.

use super::Kind;
use crate::hostile::case::unescape;

const TARGETS_FORMS: [&str; 24] = [
    "http://a.test/case",
    "http://a.test",
    "http://a.test?x",
    "http://b.test/case",
    "http://a.test:80/case",
    "http://a.test:81/case",
    "http://A.TEST/case",
    "http://a.test./case",
    "http://u@a.test/case",
    "http://a.test@b.test/case",
    "http://b.test@a.test/case",
    "http://a.test:80@b.test/case",
    "http:///case",
    "http:/case",
    "http:case",
    "http//a.test/case",
    "HTTP://a.test/case",
    "https://a.test/case",
    "ftp://a.test/case",
    "//a.test/case",
    "a.test:80",
    "a.test",
    "*",
    "http://a.test/../case",
];

const TARGETS_HOSTS: [&str; 12] = [
    "a.test",
    "A.test",
    "a.test:80",
    "a.test:443",
    "a.test.",
    "b.test",
    "b.test:80",
    "a.test:81",
    "",
    "a.test@b.test",
    "[::1]",
    "none",
];

/// Every byte in a path, a query and an authority, raw and escaped; the forms of a target with every host.
pub fn targets() -> Kind {
    let mut kind = Kind::new("target");
    let get = |target: &[u8]| [b"GET ", target, b" HTTP/1.1\r\nHost: a.test\r\n\r\n"].concat();
    for byte in 0..=0xff_u8 {
        let odd = &[byte][..];
        let escaped = format!("%{byte:02x}");
        kind.add(&format!("path-{byte:02x}"), get(&[b"/ca", odd, b"se"].concat()));
        kind.add(&format!("query-{byte:02x}"), get(&[b"/case?a", odd, b"b"].concat()));
        kind.add(&format!("authority-{byte:02x}"), get(&[b"http://a.te", odd, b"st/case"].concat()));
        kind.add(&format!("first-{byte:02x}"), get(&[odd, b"case"].concat()));
        kind.add(&format!("escaped-{byte:02x}"), get(format!("/x{escaped}y/{escaped}").as_bytes()));
        kind.add(&format!("dots-{byte:02x}"), get(format!("/x/..{escaped}/smuggled").as_bytes()));
    }
    for form in TARGETS_FORMS {
        for host in TARGETS_HOSTS {
            for method in ["GET", "OPTIONS", "CONNECT"] {
                let header = if host == "none" { String::new() } else { format!("Host: {host}\r\n") };
                kind.add(method, format!("{method} {form} HTTP/1.1\r\n{header}\r\n"));
            }
        }
    }
    kind
}

const HOSTS_HOSTS: [&str; 48] = [
    "",
    " ",
    ":",
    ":80",
    "a.test:",
    "a.test:0",
    "a.test:00080",
    "a.test:65536",
    "a.test:99999999999",
    "a.test:-1",
    "a.test:+80",
    "a.test:80:80",
    "a.test:8x",
    "a.test: 80",
    "a.test :80",
    "a..test",
    ".a.test",
    "a.test..",
    "..",
    "-",
    "_",
    "a b",
    "a\\tb",
    "a/b",
    "a/../b",
    "a\\\\b",
    "a?b",
    "a#b",
    "a%62",
    "a%00",
    "a@b",
    "u:p@a.test",
    "http://a.test",
    "a,b",
    "a.test, b.test",
    "a;b",
    "\"a\"",
    "<a>",
    "[::1]",
    "[::1]:80",
    "[::1",
    "::1",
    "[::1%25eth0]",
    "[::1]x",
    "\\xc3\\xa9.test",
    "a\\x00b",
    "a\\x0bb",
    "\\{300*a}.test",
];

/// Odd hosts, alone and twice, old version and new.
pub fn hosts() -> Kind {
    let mut kind = Kind::new("host");
    for host in HOSTS_HOSTS {
        let line = [b"Host: ", &unescape(host)[..], b"\r\n"].concat();
        let plain = &b"Host: a.test\r\n"[..];
        for version in ["1.0", "1.1"] {
            let first = format!("GET /case HTTP/{version}\r\n");
            let with = |parts: &[&[u8]]| [first.as_bytes(), &parts.concat(), b"\r\n"].concat();
            kind.add("alone", with(&[&line]));
            kind.add("after", with(&[plain, &line]));
            kind.add("before", with(&[&line, plain]));
            kind.add("apart", with(&[&line, b"X: y\r\n", &line]));
            kind.add("named-by-connection", with(&[&line, b"Connection: host\r\n"]));
        }
    }
    kind
}
