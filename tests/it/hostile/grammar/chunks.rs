//! Chunked bodies.

use super::{Kind, SMUGGLED, odd, post};
use crate::hostile::case::unescape;

const CHUNK_HEADS_HEADS: [&str; 70] = [
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

/// Odd chunk sizes and extensions.
pub fn chunk_heads() -> Kind {
    let mut kind = Kind::new("chunk-head");
    let coded = |body: &[u8]| post(b"Transfer-Encoding: chunked\r\n", body);
    for head in CHUNK_HEADS_HEADS {
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

const CHUNK_ENDS_ENDS: [&str; 18] = [
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

const CHUNK_ENDS_TRAILERS: [&str; 34] = [
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

/// Odd ends of a chunk, of the last chunk, of the trailers.
pub fn chunk_ends() -> Kind {
    let mut kind = Kind::new("chunk-end");
    let coded = |body: &[u8]| post(b"Transfer-Encoding: chunked\r\n", body);
    for end in CHUNK_ENDS_ENDS {
        let end = unescape(end);
        kind.add("data", coded(&[b"1\r\nZ", &end[..], b"0\r\n\r\n", SMUGGLED.as_bytes()].concat()));
        kind.add("head", coded(&[b"1", &end[..], b"Z\r\n0\r\n\r\n", SMUGGLED.as_bytes()].concat()));
        kind.add("last", coded(&[b"1\r\nZ\r\n0", &end[..], b"\r\n", SMUGGLED.as_bytes()].concat()));
        kind.add("whole", coded(&[b"1\r\nZ\r\n0\r\n", &end[..], SMUGGLED.as_bytes()].concat()));
    }
    for trailer in CHUNK_ENDS_TRAILERS {
        let trailer = unescape(trailer);
        kind.add(
            "trailer",
            coded(&[b"1\r\nZ\r\n0\r\n", &trailer[..], b"\r\n", SMUGGLED.as_bytes()].concat()),
        );
        kind.add("only-trailer", coded(&[b"0\r\n", &trailer[..], b"\r\n", SMUGGLED.as_bytes()].concat()));
    }
    kind
}
