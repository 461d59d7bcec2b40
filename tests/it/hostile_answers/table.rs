//! Reads the table of cases.

const TABLE: &str = include_str!("cases.txt");

/// One case.
pub struct Case {
    pub line: usize,
    pub expected: Expected,
    pub method: String,
    pub answer: Vec<u8>,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    Refused,
    Cut,
    Answer(u16, Vec<u8>),
}

/// Every case of the table.
pub fn cases() -> Vec<Case> {
    let lines = TABLE.lines().enumerate().map(|(i, line)| (i + 1, line));
    lines.filter(|(_, l)| !l.is_empty() && !l.starts_with(['#', ';'])).map(|(n, l)| case(n, l)).collect()
}

fn case(line: usize, text: &str) -> Case {
    let mut fields = text.splitn(3, '|');
    let mut next = || fields.next().unwrap_or_else(|| panic!("line {line} has three fields"));
    let (expected, method, answer) = (next().trim(), next().trim(), next());
    let expected = match expected.split_once(' ').unwrap_or((expected, "")) {
        ("502", "") => Expected::Refused,
        ("cut", "") => Expected::Cut,
        (status, body) => Expected::Answer(status.parse().expect("a status"), bytes(body)),
    };
    let answer = bytes(answer.strip_prefix(' ').unwrap_or(answer));
    Case { line, expected, method: method.to_owned(), answer }
}

/// `\r \n \t \\ \xNN`, and `{n:text}` for n times text.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((times, inner, after)) = repeated(rest) {
            out.extend(bytes(inner).repeat(times));
            rest = after;
        } else if let Some(escape) = rest.strip_prefix('\\') {
            let (byte, used) = match escape.as_bytes() {
                [b'r', ..] => (b'\r', 1),
                [b'n', ..] => (b'\n', 1),
                [b't', ..] => (b'\t', 1),
                [b'\\', ..] => (b'\\', 1),
                [b'x', ..] => (u8::from_str_radix(&escape[1..3], 16).expect("two hex digits"), 3),
                _ => panic!("an unknown escape: {rest}"),
            };
            out.push(byte);
            rest = &escape[used..];
        } else {
            out.extend_from_slice(&rest.as_bytes()[..c.len_utf8()]);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// `{n:text}` at the front, `text` with such in it.
fn repeated(text: &str) -> Option<(usize, &str, &str)> {
    let (times, rest) = text.strip_prefix('{')?.split_once(':')?;
    let times = times.parse().ok()?;
    let mut depth = 1;
    for (i, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((times, &rest[..i], &rest[i + 1..]));
        }
    }
    None
}
