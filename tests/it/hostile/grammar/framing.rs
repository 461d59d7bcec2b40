//! What frames a message: `Content-Length` and `Transfer-Encoding`, and an odd byte anywhere near them.

use super::{CHUNKED, Kind, SMUGGLED, odd, post, text};
use crate::hostile::case::unescape;

/// An odd byte before, within and after the name and the value of a header that frames or routes a request.
pub fn odd_bytes() -> Kind {
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

const CODINGS_LINES: [&str; 78] = [
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

/// Odd names and values of `Transfer-Encoding`, alone and beside a length in either order.
pub fn codings() -> Kind {
    let mut kind = Kind::new("coding");
    let smuggling = text(&[CHUNKED, SMUGGLED]);
    let long = format!("Content-Length: {}", smuggling.len());
    for line in CODINGS_LINES {
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

const LENGTHS_VALUES: [&str; 66] = [
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

/// Odd values of `Content-Length`, alone, repeated, and beside a coding.
pub fn lengths() -> Kind {
    let mut kind = Kind::new("length");
    let body = text(&["hello", SMUGGLED]);
    for value in LENGTHS_VALUES {
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
