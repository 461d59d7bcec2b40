//! Requests behind one another, and requests that stop.

use super::{CHUNKED, Kind, SMUGGLED, post, text};
use crate::hostile::case::unescape;

const PIPELINES_BAD: [&str; 20] = [
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

const PIPELINES_GOOD: [&str; 6] = [
    "GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc",
    "POST /first HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "HEAD /first HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "GET /first HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
    "GET /first HTTP/1.0\r\nHost: a.test\r\n\r\n",
];

/// Requests behind one another: what is wrong with one must not become part of another.
pub fn pipelines() -> Kind {
    let mut kind = Kind::new("pipeline");
    for bad in PIPELINES_BAD {
        let bad = unescape(bad);
        kind.add("alone", bad.clone());
        kind.add("then-good", [&bad[..], SMUGGLED.as_bytes()].concat());
        for good in PIPELINES_GOOD {
            kind.add("after-good", [good.as_bytes(), &bad, SMUGGLED.as_bytes()].concat());
            kind.add("after-two", [good.as_bytes(), good.as_bytes(), &bad].concat());
        }
    }
    for first in PIPELINES_GOOD {
        for second in PIPELINES_GOOD {
            kind.add("good-good", text(&[first, second, first]));
        }
        kind.add("many", first.repeat(30));
    }
    kind
}

/// Requests that stop before their end.
pub fn cut_short() -> Kind {
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
