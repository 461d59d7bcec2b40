//! The systematic cases: every odd byte at every place where one has fooled some server, every odd value of what frames a
//! message. The lists name techniques that public suites try (README.md beside this file says which).

use super::case::{Case, unescape};

/// A request that must never be seen: it stands where only a reader that was fooled finds one.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A chunked body that ends at once, with the request that must not be seen behind it.
const CHUNKED: &str = "1\r\nZ\r\n0\r\n\r\n";

/// The cases of one kind, numbered.
pub struct Kind {
    name: &'static str,
    cases: Vec<Case>,
}

impl Kind {
    pub fn new(name: &'static str) -> Self {
        Self { name, cases: Vec::new() }
    }

    pub fn add(&mut self, what: &str, bytes: impl Into<Vec<u8>>) {
        let id = format!("{}/{:04}-{what}", self.name, self.cases.len());
        self.cases.push(Case { id, bytes: bytes.into(), is_good: false });
    }

    pub fn done(self) -> Vec<Case> {
        self.cases
    }
}

/// Every systematic case.
pub fn all() -> Vec<Case> {
    let kinds = [
        odd_bytes(),
        codings(),
        lengths(),
        line_ends(),
        folds(),
        request_lines(),
        targets(),
        hosts(),
        chunk_heads(),
        chunk_ends(),
        pipelines(),
        cut_short(),
    ];
    kinds.into_iter().flat_map(Kind::done).collect()
}

/// The bytes that are blank, or end something, for some reader: controls, DEL, everything beyond ASCII.
fn odd() -> impl Iterator<Item = u8> {
    (0..=b' ').chain(0x7f..=0xff)
}

/// A request with these raw header bytes after `Host`, and this body.
fn post(headers: &[u8], body: &[u8]) -> Vec<u8> {
    [b"POST /case HTTP/1.1\r\nHost: a.test\r\n", headers, b"\r\n", body].concat()
}

fn text(parts: &[&str]) -> Vec<u8> {
    parts.concat().into_bytes()
}

/// An odd byte before, within and after the name and the value of a header that frames or routes a request.
fn odd_bytes() -> Kind {
    let mut kind = Kind::new("odd-byte");
    let smuggling = text(&[CHUNKED, SMUGGLED]);
    let length = format!("Content-Length: {}\r\n", smuggling.len());
    let framing = [
        ("te", "Transfer-Encoding", "chunked", "", smuggling.clone()),
        ("cl-te", "Transfer-Encoding", "chunked", length.as_str(), smuggling),
        ("cl", "Content-Length", "40", "", text(&[SMUGGLED])),
        ("te-cl", "Content-Length", "5", "Transfer-Encoding: chunked\r\n", text(&[CHUNKED, SMUGGLED])),
        ("connection", "Connection", "close", "", Vec::new()),
    ];
    for byte in odd() {
        for (what, name, value, before, body) in &framing {
            for (place, line) in places(name, value, byte) {
                let headers = [before.as_bytes(), &line, b"\r\n"].concat();
                kind.add(&format!("{what}-{place}-{byte:02x}"), post(&headers, body));
            }
        }
        for (place, line) in places("Host", "a.test", byte) {
            kind.add(
                &format!("host-{place}-{byte:02x}"),
                [b"GET /case HTTP/1.1\r\n", &line[..], b"\r\n\r\n"].concat(),
            );
        }
    }
    kind
}

fn places(name: &str, value: &str, byte: u8) -> [(&'static str, Vec<u8>); 6] {
    let line = |parts: [&[u8]; 5]| parts.concat();
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let ((name_a, name_b), (value_a, value_b)) = (name.split_at(2), value.split_at(1));
    let odd = &[byte][..];
    [
        ("before-name", line([odd, name, b": ", value, b""])),
        ("in-name", line([name_a, odd, name_b, b": ", value])),
        ("after-name", line([name, odd, b": ", value, b""])),
        ("before-value", line([name, b":", odd, value, b""])),
        ("in-value", line([name, b": ", value_a, odd, value_b])),
        ("after-value", line([name, b": ", value, odd, b""])),
    ]
}

/// Odd names and values of `Transfer-Encoding`, alone and beside a length in either order.
fn codings() -> Kind {
    const LINES: [&str; 78] = [
        "Transfer-Encoding: chunked",
        "transfer-encoding: CHUNKED",
        "TRANSFER-ENCODING:chunked",
        "Transfer-Encoding:\\tchunked\\t",
        "Transfer-Encoding:  chunked  ",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: chunk",
        "Transfer-Encoding: chunked;",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunked ;a=b",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: [chunked]",
        "Transfer-Encoding: (a)chunked",
        "Transfer-Encoding: chunked (a)",
        "Transfer-Encoding: ",
        "Transfer-Encoding:",
        "Transfer-Encoding: ,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: chunked,,",
        "Transfer-Encoding: , chunked ,",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity chunked",
        "Transfer-Encoding: identity, chunked, identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip;q=0.5, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: compress, chunked",
        "Transfer-Encoding: deflate, gzip, chunked",
        "Transfer-Encoding: trailers, chunked",
        "Transfer-Encoding: cow",
        "Transfer-Encoding: cow, chunked",
        "Transfer-Encoding: chunked, cow",
        "Transfer-Encoding: cow chunked bar",
        "Transfer-Encoding: c\\x68unked\\x20\\x09",
        "Transfer-Encoding: chun\\x00ked",
        "Transfer-Encoding: ch\\x96nked",
        "Transfer-Encoding: chunKED\\xe2\\x84\\xaa",
        "Transfer-Encoding: chun\\xe2\\x84\\xaaed",
        "Transfer-Encoding: \\xef\\xbb\\xbfchunked",
        "Transfer-Encoding: chunked\\r\\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity\\r\\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\\r\\nTransfer-Encoding: identity",
        "Transfer-Encoding: cow\\r\\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\\r\\nTransfer-Encoding: cow",
        "Transfer-Encoding: chunked\\r\\nTransfer-Encoding:",
        "Transfer-Encoding:\\r\\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\\r\\ntransfer-encoding: gzip",
        "Transfer_Encoding: chunked",
        "Transfer Encoding: chunked",
        "Transfer-Encoding chunked",
        "Transfer-Encoding; chunked",
        "Transfer-Encoding=chunked",
        "Transfer-Encoding x: chunked",
        "Transfer\\\\Encoding: chunked",
        "Transfer.Encoding: chunked",
        "Transfer-%45ncoding: chunked",
        "Transf\\x82r-Encoding: chunked",
        "\"Transfer-Encoding\": chunked",
        "Transfer-Encoding:: chunked",
        ":Transfer-Encoding: chunked",
        "Content-Encoding: chunked",
        "Connection: Transfer-Encoding\\r\\nTransfer-Encoding: chunked",
        "TE: chunked",
        "TE: trailers\\r\\nTransfer-Encoding: chunked",
        "X: X\\rTransfer-Encoding: chunked",
        "X: X\\nTransfer-Encoding: chunked",
        "X: X\\r\\n\\rTransfer-Encoding: chunked",
        "X: X\\0Transfer-Encoding: chunked",
        "X:\\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\\r\\nX: \\{300*chunked,}",
    ];
    let mut kind = Kind::new("coding");
    let smuggling = text(&[CHUNKED, SMUGGLED]);
    let long = format!("Content-Length: {}", smuggling.len());
    for line in LINES {
        let line = unescape(line);
        let with = |parts: &[&[u8]]| post(&parts.concat(), &smuggling);
        kind.add("alone", with(&[&line, b"\r\n"]));
        for (what, length) in
            [("short", "Content-Length: 4"), ("long", &long), ("empty", "Content-Length: 0")]
        {
            kind.add(&format!("after-{what}"), with(&[length.as_bytes(), b"\r\n", &line, b"\r\n"]));
            kind.add(&format!("before-{what}"), with(&[&line, b"\r\n", length.as_bytes(), b"\r\n"]));
        }
        let old = [
            b"POST /case HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n",
            &line[..],
            b"\r\n\r\n",
            &smuggling,
        ]
        .concat();
        kind.add("1.0", old);
    }
    kind
}

/// Odd values of `Content-Length`, alone, repeated, and beside a coding.
fn lengths() -> Kind {
    const VALUES: [&str; 66] = [
        "",
        " ",
        "\\t",
        "0",
        "00",
        "000005",
        "5",
        "+5",
        "-5",
        "-0",
        "+0",
        "--5",
        "5+",
        "5-",
        "0x5",
        "0X5",
        "5h",
        "0b101",
        "0o5",
        "1_0",
        "5_",
        "_5",
        "5.0",
        "5.",
        ".5",
        "5e0",
        "1e3",
        "5,",
        ",5",
        "5,5",
        "5, 5",
        "5, 6",
        "5 5",
        "5;5",
        "5; x=y",
        "5/1",
        "\"5\"",
        "'5'",
        "(5)",
        "five",
        "Z",
        "5Z",
        "Z5",
        "5\\x00",
        "\\x005",
        "5\\x0b",
        "\\x0b5",
        "\\x0c5",
        "5\\xa0",
        "\\xa05",
        "\\xef\\xbc\\x95",
        "\\xd9\\xa5",
        "5\\r",
        "5\\n",
        "5\\r\\n 5",
        "5\\r\\n\\t",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551621",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "4294967301",
        "99999999999999999999",
        "\\{400*9}",
        "\\{400*0}5",
    ];
    let mut kind = Kind::new("length");
    let body = text(&["hello", SMUGGLED]);
    for value in VALUES {
        let odd = [b"Content-Length:", &unescape(value)[..], b"\r\n"].concat();
        let plain = &b"Content-Length: 5\r\n"[..];
        let zero = &b"Content-Length: 0\r\n"[..];
        let coding = &b"Transfer-Encoding: chunked\r\n"[..];
        kind.add("alone", post(&odd, &body));
        kind.add("after-5", post(&[plain, &odd].concat(), &body));
        kind.add("before-5", post(&[&odd, plain].concat(), &body));
        kind.add("after-0", post(&[zero, &odd].concat(), &body));
        kind.add("beside-chunked", post(&[coding, &odd].concat(), &text(&[CHUNKED, SMUGGLED])));
        for method in ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"] {
            let head = format!("{method} /case HTTP/1.1\r\nHost: a.test\r\n");
            kind.add(method, [head.as_bytes(), &odd, b"\r\n", &body].concat());
        }
    }
    kind
}

/// Each line of a request, ended in an odd way.
fn line_ends() -> Kind {
    const ENDS: [&str; 22] = [
        "\n", "\r", "", "\r\r\n", "\n\r", "\r\n\r", "\n\n", "\r\n\n", "\n\r\n", "\0\r\n", "\r\0\n", "\r \n",
        " \r\n", "\t\r\n", "\x0b\r\n", "\x0c\r\n", "\u{85}", "\u{2028}", "\r\t\n", "\rX\n", "\r\r",
        "\x1e\r\n",
    ];
    const LINES: [&str; 7] =
        ["POST /case HTTP/1.1", "Host: a.test", "X-First: 1", "Content-Length: 5", "X-Last: 2", "", "hello"];
    let mut kind = Kind::new("line-end");
    for end in ENDS {
        for odd in 0..LINES.len() {
            let mut bytes = String::new();
            for (at, line) in LINES.iter().enumerate() {
                let usual = if at + 1 == LINES.len() { "" } else { "\r\n" };
                bytes.extend([*line, if at == odd { end } else { usual }]);
            }
            kind.add(&format!("line-{odd}"), text(&[&bytes, SMUGGLED]));
        }
        let all = LINES[..6].iter().fold(String::new(), |all, line| all + line + end);
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

/// Headers continued on the next line.
fn folds() -> Kind {
    const BLANKS: [&str; 10] = [" ", "\t", "  ", " \t ", "\x0b", "\x0c", "\u{a0}", "\0", "\x08", "\x1f"];
    const HEADERS: [(&str, &str); 6] = [
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Host", "b.test"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Cookie", "a=b"),
        ("Connection", "close"),
    ];
    let mut kind = Kind::new("fold");
    for blank in BLANKS {
        for (name, value) in HEADERS {
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

/// Methods, versions, and what stands between the words of a request line.
fn request_lines() -> Kind {
    const METHODS: [&str; 36] = [
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
    const VERSIONS: [&str; 52] = [
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
    let mut kind = Kind::new("request-line");
    let get = |line: &[u8]| [line, b"\r\nHost: a.test\r\n\r\n", SMUGGLED.as_bytes()].concat();
    for method in METHODS {
        kind.add("method", get(&[&unescape(method)[..], b" /case HTTP/1.1"].concat()));
        kind.add("method-1.0", get(&[&unescape(method)[..], b" /case HTTP/1.0"].concat()));
    }
    for version in VERSIONS {
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

/// Every byte in a path, a query and an authority, raw and escaped; the forms of a target with every host.
fn targets() -> Kind {
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
    const FORMS: [&str; 24] = [
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
    const HOSTS: [&str; 12] = [
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
    for form in FORMS {
        for host in HOSTS {
            for method in ["GET", "OPTIONS", "CONNECT"] {
                let header = if host == "none" { String::new() } else { format!("Host: {host}\r\n") };
                kind.add(method, format!("{method} {form} HTTP/1.1\r\n{header}\r\n"));
            }
        }
    }
    kind
}

/// Odd hosts, alone and twice, old version and new.
fn hosts() -> Kind {
    const HOSTS: [&str; 48] = [
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
    let mut kind = Kind::new("host");
    for host in HOSTS {
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

/// Odd chunk sizes and extensions.
fn chunk_heads() -> Kind {
    const HEADS: [&str; 70] = [
        "",
        " ",
        "\\t",
        "0x1",
        "0X1",
        "x1",
        "1x",
        "1h",
        "+1",
        "-1",
        "-0",
        "+0",
        "1_0",
        "_1",
        "1.",
        "1.0",
        "1e0",
        "1 1",
        "1,1",
        "1;",
        "1; ",
        "1;;",
        "1;a",
        "1;a=b",
        "1;a=\"b\"",
        "1;a=\"b",
        "1;a=\"b;c\"",
        "1;a=\"\\\\\"",
        "1 ;a",
        "1\\t;a",
        "1 ;a=b ",
        "1 a",
        "1 a;b",
        "1\\x00",
        "\\x001",
        " 1",
        "\\t1",
        "1 ",
        "1\\t",
        "1  ",
        "1\\x0b",
        "\\x0b1",
        "1\\x0c",
        "1\\xa0",
        "\\xa01",
        "1\\r",
        "1\\n",
        "1\\n\\r",
        "1\\r\\r",
        "1;a\\n",
        "1;a\\r",
        "1;a\\nZ",
        "1;a\\r\\r",
        "1;\\x00",
        "1;\\x7f",
        "1;\\x0b",
        "1;a=\\xe9",
        "01",
        "0001",
        "\\{15*0}1",
        "\\{16*0}1",
        "\\{400*0}1",
        "1\\{16*0}",
        "ffffffffffffffff",
        "fffffffffffffffe",
        "8000000000000000",
        "7fffffffffffffff",
        "100000001",
        "g",
        "\\{20000*;}",
    ];
    let mut kind = Kind::new("chunk-head");
    let coded = |body: &[u8]| post(b"Transfer-Encoding: chunked\r\n", body);
    for head in HEADS {
        let head = unescape(head);
        let more = format!("\r\n0\r\n\r\n{SMUGGLED}");
        kind.add("first", coded(&[&head[..], b"\r\nZ", more.as_bytes()].concat()));
        kind.add("second", coded(&[b"2\r\nab\r\n", &head[..], b"\r\nZ", more.as_bytes()].concat()));
        let last: Vec<u8> = head.iter().map(|b| if *b == b'1' { b'0' } else { *b }).collect();
        kind.add("last", coded(&[b"1\r\nZ\r\n", &last[..], b"\r\n\r\n", SMUGGLED.as_bytes()].concat()));
        let get = [
            b"GET /case HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
            &head[..],
            b"\r\nZ",
            more.as_bytes(),
        ]
        .concat();
        kind.add("get", get);
    }
    for byte in odd() {
        let odd = &[byte][..];
        let more = format!("\r\nZ\r\n0\r\n\r\n{SMUGGLED}");
        kind.add(&format!("before-{byte:02x}"), coded(&[odd, b"1", more.as_bytes()].concat()));
        kind.add(&format!("after-{byte:02x}"), coded(&[b"1", odd, more.as_bytes()].concat()));
        kind.add(&format!("extension-{byte:02x}"), coded(&[b"1;a", odd, b"b", more.as_bytes()].concat()));
    }
    kind
}

/// Odd ends of a chunk, of the last chunk, of the trailers.
fn chunk_ends() -> Kind {
    const ENDS: [&str; 18] = [
        "",
        "\\n",
        "\\r",
        "XX",
        "\\n\\r",
        "\\r\\r\\n",
        " \\r\\n",
        "\\r\\n\\r\\n",
        "\\r\\n\\n",
        "\\rX\\n",
        "\\0\\n",
        "X\\r\\n",
        "\\r\\n ",
        "\\x0b\\r\\n",
        "\\x85",
        ";\\r\\n",
        "0\\r\\n",
        "\\n\\n",
    ];
    const TRAILERS: [&str; 34] = [
        "X: y\\r\\n",
        "X:y\\r\\n",
        "X : y\\r\\n",
        " X: y\\r\\n",
        "X: y\\n",
        "X: y\\r",
        "X y\\r\\n",
        ": y\\r\\n",
        "X\\r\\n",
        "X: y\\r\\n z\\r\\n",
        "X: a\\0b\\r\\n",
        "X: a\\rb\\r\\n",
        "X\\x00: y\\r\\n",
        "\\x80: y\\r\\n",
        "Content-Length: 5\\r\\n",
        "Transfer-Encoding: chunked\\r\\n",
        "Host: evil.test\\r\\n",
        "X-Auth-Request-User: admin\\r\\n",
        "Cookie: a=b\\r\\n",
        "Authorization: Bearer x\\r\\n",
        "Connection: close\\r\\n",
        "Trailer: X\\r\\n",
        "GET /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\n",
        "X: GET /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\n",
        "\\n",
        "\\r",
        "\\r\\r\\n",
        "\\0\\r\\n",
        "X: \\{9000*a}\\r\\n",
        "\\{200*X: y\\r\\n}",
        "\\{3000*X: y\\r\\n}",
        "X: y\\r\\nX: y\\r\\n",
        "X:\\r\\n",
        "__proto__: x\\r\\n",
    ];
    let mut kind = Kind::new("chunk-end");
    let coded = |body: &[u8]| post(b"Transfer-Encoding: chunked\r\n", body);
    for end in ENDS {
        let end = unescape(end);
        kind.add("data", coded(&[b"1\r\nZ", &end[..], b"0\r\n\r\n", SMUGGLED.as_bytes()].concat()));
        kind.add("head", coded(&[b"1", &end[..], b"Z\r\n0\r\n\r\n", SMUGGLED.as_bytes()].concat()));
        kind.add("last", coded(&[b"1\r\nZ\r\n0", &end[..], b"\r\n", SMUGGLED.as_bytes()].concat()));
        kind.add("whole", coded(&[b"1\r\nZ\r\n0\r\n", &end[..], SMUGGLED.as_bytes()].concat()));
    }
    for trailer in TRAILERS {
        let trailer = unescape(trailer);
        kind.add(
            "trailer",
            coded(&[b"1\r\nZ\r\n0\r\n", &trailer[..], b"\r\n", SMUGGLED.as_bytes()].concat()),
        );
        kind.add("only-trailer", coded(&[b"0\r\n", &trailer[..], b"\r\n", SMUGGLED.as_bytes()].concat()));
    }
    kind
}

/// Requests behind one another: what is wrong with one must not become part of another.
fn pipelines() -> Kind {
    const BAD: [&str; 20] = [
        "garbage\\r\\n\\r\\n",
        "GET\\r\\n\\r\\n",
        "\\0\\0\\0\\0",
        "GET /smuggled\\r\\n\\r\\n",
        "GET /smuggled HTTP/1.1\\r\\n\\r\\n",
        "GET /smuggled HTTP/1.1\\nHost: a.test\\n\\n",
        "GET /smuggled HTTP/1.1\\r\\nHost : a.test\\r\\n\\r\\n",
        "GET /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\nHost: b.test\\r\\n\\r\\n",
        "xGET /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\n\\r",
        "\\nGET /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\n\\r\\n",
        "POST /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\nContent-Length: x\\r\\n\\r\\n",
        "HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n",
        "\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc\\x03\\x03",
        "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\\r\\n",
        "GET http://b.test/smuggled HTTP/1.1\\r\\nHost: a.test\\r\\n\\r\\n",
        "POST /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\nTransfer-Encoding: chunked\\r\\nContent-Length: 0\\r\\n\\r\\n",
        "CONNECT a.test:80 HTTP/1.1\\r\\nHost: a.test\\r\\n\\r\\n",
        "TRACE /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\n\\r\\n",
        "POST /smuggled HTTP/1.1\\r\\nHost: a.test\\r\\nExpect: x\\r\\nContent-Length: 3\\r\\n\\r\\nabc",
    ];
    const GOOD: [&str; 6] = [
        "GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc",
        "POST /first HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HEAD /first HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /first HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        "GET /first HTTP/1.0\r\nHost: a.test\r\n\r\n",
    ];
    let mut kind = Kind::new("pipeline");
    for bad in BAD {
        let bad = unescape(bad);
        kind.add("alone", bad.clone());
        kind.add("then-good", [&bad[..], SMUGGLED.as_bytes()].concat());
        for good in GOOD {
            kind.add("after-good", [good.as_bytes(), &bad, SMUGGLED.as_bytes()].concat());
            kind.add("after-two", [good.as_bytes(), good.as_bytes(), &bad].concat());
        }
    }
    for first in GOOD {
        for second in GOOD {
            kind.add("good-good", text(&[first, second, first]));
        }
        kind.add("many", first.repeat(30));
    }
    kind
}

/// Requests that stop before their end.
fn cut_short() -> Kind {
    let mut kind = Kind::new("cut-short");
    let whole = post(b"Transfer-Encoding: chunked\r\n", CHUNKED.as_bytes());
    for length in (0..whole.len()).step_by(3) {
        kind.add("chunked", &whole[..length]);
    }
    let whole = post(b"Content-Length: 20\r\n", b"ten bytes.");
    for length in (0..=whole.len()).step_by(7) {
        kind.add("length", &whole[..length]);
    }
    kind
}
