//! Lines: their ends, their continuation, and the first of them.

use super::{CHUNKED, Kind, SMUGGLED, odd, post, text};
use crate::hostile::case::unescape;

const LINE_ENDS_ENDS: [&str; 22] = [
    "\n", "\r", "", "\r\r\n", "\n\r", "\r\n\r", "\n\n", "\r\n\n", "\n\r\n", "\0\r\n", "\r\0\n", "\r \n",
    " \r\n", "\t\r\n", "\x0b\r\n", "\x0c\r\n", "\u{85}", "\u{2028}", "\r\t\n", "\rX\n", "\r\r", "\x1e\r\n",
];

const LINE_ENDS_LINES: [&str; 7] =
    ["POST /case HTTP/1.1", "Host: a.test", "X-First: 1", "Content-Length: 5", "X-Last: 2", "", "hello"];

/// Each line of a request, ended in an odd way.
pub fn line_ends() -> Kind {
    let mut kind = Kind::new("line-end");
    for end in LINE_ENDS_ENDS {
        for odd in 0..LINE_ENDS_LINES.len() {
            let mut bytes = String::new();
            for (at, line) in LINE_ENDS_LINES.iter().enumerate() {
                let usual = if at + 1 == LINE_ENDS_LINES.len() { "" } else { "\r\n" };
                bytes.extend([*line, if at == odd { end } else { usual }]);
            }
            kind.add(&format!("line-{odd}"), text(&[&bytes, SMUGGLED]));
        }
        let all = LINE_ENDS_LINES[..6].iter().fold(String::new(), |all, line| all + line + end);
        kind.add("every-line", text(&[&all, "hello", SMUGGLED]));
        let hidden = format!("POST /case HTTP/1.1\r\nHost: a.test\r\nX: y{end}Content-Length: 40\r\n\r\n");
        kind.add("hides-length", text(&[&hidden, SMUGGLED]));
        let hidden =
            format!("POST /case HTTP/1.1\r\nHost: a.test\r\nX: y{end}Transfer-Encoding: chunked\r\n\r\n");
        kind.add("hides-coding", text(&[&hidden, CHUNKED, SMUGGLED]));
        let hidden = format!("GET /case HTTP/1.1\r\nHost: a.test\r\nX: y{end}{end}{SMUGGLED}");
        kind.add("hides-request", text(&[&hidden]));
    }
    kind
}

const FOLDS_BLANKS: [&str; 10] = [" ", "\t", "  ", " \t ", "\x0b", "\x0c", "\u{a0}", "\0", "\x08", "\x1f"];

const FOLDS_HEADERS: [(&str, &str); 6] = [
    ("Content-Length", "5"),
    ("Transfer-Encoding", "chunked"),
    ("Host", "b.test"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("Cookie", "a=b"),
    ("Connection", "close"),
];

/// Headers continued on the next line.
pub fn folds() -> Kind {
    let mut kind = Kind::new("fold");
    for blank in FOLDS_BLANKS {
        for (name, value) in FOLDS_HEADERS {
            for line in [
                format!("{name}:\r\n{blank}{value}"),
                format!("{name}: {value}\r\n{blank}"),
                format!("{name}: {value}\r\n{blank}, {value}"),
                format!("{name}\r\n{blank}: {value}"),
                format!("X: y\r\n{blank}{name}: {value}"),
                format!("X: y\n{blank}{name}: {value}"),
                format!("X:\r\n{blank}\r\n{name}: {value}"),
            ] {
                kind.add(name, post(format!("{line}\r\n").as_bytes(), &text(&["hello", SMUGGLED])));
            }
            let first = format!(
                "POST /case HTTP/1.1\r\n{blank}{name}: {value}\r\nHost: a.test\r\n\r\nhello{SMUGGLED}"
            );
            kind.add("first", first);
        }
    }
    kind
}

const REQUEST_LINES_METHODS: [&str; 36] = [
    "",
    "get",
    "Get",
    "gET",
    "G",
    "GE",
    "GETT",
    "GET\\0",
    "GET\\t",
    "\\0GET",
    "\\tGET",
    " GET",
    "G ET",
    "G|T",
    "G=T",
    "G\"T",
    "G(T",
    "G/T",
    "G:T",
    "G@T",
    "G\\\\T",
    "G{T",
    "\\xc3\\x89",
    "GET:",
    "GET,POST",
    "TRACE",
    "TRACK",
    "CONNECT",
    "PRI",
    "PROPFIND",
    "PURGE",
    "M-SEARCH",
    "SOURCE",
    "X-\\{300*X}",
    "\\{9000*G}",
    "123",
];

const REQUEST_LINES_VERSIONS: [&str; 52] = [
    "",
    "HTTP",
    "HTTP/",
    "HTTP/1",
    "HTTP/1.",
    "HTTP/.1",
    "HTTP/1.1.",
    "HTTP/1.1.1",
    "HTTP/1.10",
    "HTTP/1.01",
    "HTTP/01.1",
    "HTTP/1.2",
    "HTTP/1.9",
    "HTTP/0.9",
    "HTTP/0.0",
    "HTTP/2",
    "HTTP/2.0",
    "HTTP/3",
    "HTTP/3.0",
    "HTTP/9.9",
    "HTTP/11.1",
    "HTTP/1.1x",
    "HTTP/1.1 x",
    "HTTP/1.1 HTTP/1.1",
    "HTTP/1.x",
    "HTTP/x.1",
    "HTTP/1,1",
    "HTTP/1 .1",
    "HTTP/1. 1",
    "HTTP /1.1",
    "HTTP/ 1.1",
    "HTTP//1.1",
    "HTTP\\\\1.1",
    "HTTP:1.1",
    "HTTP-1.1",
    "http/1.1",
    "Http/1.1",
    "hTTP/1.1",
    "HTTPS/1.1",
    "HTTQ/1.1",
    "XHTTP/1.1",
    "ICE/1.0",
    "RTSP/1.0",
    "SHTTP/1.3",
    "HTTP/-1.1",
    "HTTP/+1.1",
    "HTTP/1.+1",
    "HTTP/1.1\\0",
    "HTTP/1.1\\t",
    "HTTP/\\r\\r1.1",
    "HTTP/1\\xc2\\xb9.1",
    "HTTP/1.\\xc2\\xb9",
];

/// Methods, versions, and what stands between the words of a request line.
pub fn request_lines() -> Kind {
    let mut kind = Kind::new("request-line");
    let get = |line: &[u8]| [line, b"\r\nHost: a.test\r\n\r\n", SMUGGLED.as_bytes()].concat();
    for method in REQUEST_LINES_METHODS {
        kind.add("method", get(&[&unescape(method)[..], b" /case HTTP/1.1"].concat()));
        kind.add("method-1.0", get(&[&unescape(method)[..], b" /case HTTP/1.0"].concat()));
    }
    for version in REQUEST_LINES_VERSIONS {
        kind.add("version", get(&[b"GET /case ", &unescape(version)[..]].concat()));
        let chunked = [
            b"POST /case ",
            &unescape(version)[..],
            b"\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]
        .concat();
        kind.add("version-chunked", [&chunked[..], CHUNKED.as_bytes(), SMUGGLED.as_bytes()].concat());
    }
    for byte in odd() {
        let odd = &[byte][..];
        kind.add(&format!("gap-1-{byte:02x}"), get(&[b"GET", odd, b"/case HTTP/1.1"].concat()));
        kind.add(&format!("gap-2-{byte:02x}"), get(&[b"GET /case", odd, b"HTTP/1.1"].concat()));
        kind.add(&format!("more-1-{byte:02x}"), get(&[b"GET ", odd, b"/case HTTP/1.1"].concat()));
        kind.add(&format!("more-2-{byte:02x}"), get(&[b"GET /case ", odd, b"HTTP/1.1"].concat()));
        kind.add(&format!("after-{byte:02x}"), get(&[b"GET /case HTTP/1.1", odd].concat()));
        kind.add(&format!("before-{byte:02x}"), get(&[odd, b"GET /case HTTP/1.1"].concat()));
    }
    for lines in [1, 2, 3, 4, 5, 16, 200, 20_000] {
        kind.add("empty-lines", ["\r\n".repeat(lines).as_bytes(), &get(b"GET /case HTTP/1.1")].concat());
        kind.add("empty-lf", ["\n".repeat(lines).as_bytes(), &get(b"GET /case HTTP/1.1")].concat());
    }
    kind
}
