//! The systematic cases: every odd byte at every place where one has fooled some server, every odd value of what frames a
//! message. The lists name techniques that public suites try (README.md beside this file says which).

mod chunks;
mod framing;
mod lines;
mod routing;
mod sequences;

use super::case::Case;

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
        framing::odd_bytes(),
        framing::codings(),
        framing::lengths(),
        lines::line_ends(),
        lines::folds(),
        lines::request_lines(),
        routing::targets(),
        routing::hosts(),
        chunks::chunk_heads(),
        chunks::chunk_ends(),
        sequences::pipelines(),
        sequences::cut_short(),
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
