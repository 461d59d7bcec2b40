//! A case: bytes with a name, written as text in the files beside this one.

/// The hand-written cases, a file each.
const FILES: [(&str, &str); 8] = [
    ("good", include_str!("good.txt")),
    ("length", include_str!("length.txt")),
    ("coding", include_str!("coding.txt")),
    ("chunks", include_str!("chunks.txt")),
    ("lines", include_str!("lines.txt")),
    ("targets", include_str!("targets.txt")),
    ("hosts", include_str!("hosts.txt")),
    ("desync", include_str!("desync.txt")),
];

/// One connection's worth of bytes.
pub struct Case {
    /// Tells the case apart: where it comes from and which it is there.
    pub id: String,
    pub bytes: Vec<u8>,
    /// Whether every request in it must be answered with 200: what is refused too much is a fault as well.
    pub is_good: bool,
}

/// Every hand-written case.
pub fn written() -> Vec<Case> {
    FILES.iter().flat_map(|(name, text)| parse(name, text)).collect()
}

/// A line each: a name, blanks, the escaped bytes. A `+` before the name marks a good case; `#` begins a remark.
fn parse(file: &str, text: &str) -> Vec<Case> {
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    let case = |line: &str| {
        let (name, bytes) = line.split_once(' ').unwrap_or_else(|| panic!("{file}: {line}"));
        let is_good = name.starts_with('+');
        Case {
            id: format!("{file}/{}", name.trim_start_matches('+')),
            bytes: unescape(bytes.trim_start()),
            is_good,
        }
    };
    lines.map(case).collect()
}

/// `\r`, `\n`, `\t`, `\0`, `\\`, `\xNN`, and `\{12*ab}` for twelve times `ab`.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let mut used = 1;
        match escape.as_bytes().first() {
            Some(b'r') => bytes.push(b'\r'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'0') => bytes.push(0),
            Some(b'\\') => bytes.push(b'\\'),
            Some(b'x') => {
                bytes.push(u8::from_str_radix(&escape[1..3], 16).expect("two digits"));
                used = 3;
            }
            Some(b'{') => {
                let end = escape.find('}').expect("an end");
                let (count, what) = escape[1..end].split_once('*').expect("a count");
                let what = unescape(what);
                bytes.extend(what.repeat(count.parse().expect("a number")));
                used = end + 1;
            }
            _ => panic!("no such escape: {escape}"),
        }
        rest = &escape[used..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Bytes as a case writes them, cut where they are long.
pub fn escape(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 600;
    let mut text =
        bytes.iter().take(SHOWN_MAX).map(|b| std::ascii::escape_default(*b).to_string()).collect::<String>();
    text = text.replace("\\\"", "\"").replace("\\'", "'");
    if bytes.len() > SHOWN_MAX {
        text.push('…');
    }
    text
}
