//! What single bytes may be.

/// Bit of [`CLASSES`]: may stand in a token (RFC 9110 section 5.6.2).
const TOKEN: u8 = 1;
/// Bit of [`CLASSES`]: may stand in the path of a request target.
const PATH: u8 = 2;
/// Bit of [`CLASSES`]: may stand in the query of a request target.
const QUERY: u8 = 4;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte: u8 = 0x21;
    while byte < 0x7f {
        let mut class = 0;
        let marks = matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        if byte.is_ascii_alphanumeric() || marks {
            class |= TOKEN;
        }
        // Browsers and applications send bytes that RFC 3986 wants escaped. What is let pass here is what the `http`
        // crate takes, but for the fragment, which it cuts without a word.
        if !matches!(byte, b'"' | b'#' | b'<' | b'>') {
            class |= QUERY;
        }
        if !matches!(byte, b'#' | b'<' | b'>' | b'`' | b'?') {
            class |= PATH;
        }
        classes[byte as usize] = class;
        byte += 1;
    }
    classes
}

/// Whether the bytes are one token.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| has(*b, TOKEN))
}

/// How many bytes at the front are of a token.
pub(super) fn token_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| !has(*b, TOKEN)).unwrap_or(bytes.len())
}

/// Whether path and query hold nothing that may not stand there.
pub(super) fn is_path_and_query(bytes: &[u8]) -> bool {
    let path = bytes.iter().position(|b| !has(*b, PATH)).unwrap_or(bytes.len());
    match bytes[path..].split_first() {
        None => true,
        Some((b'?', query)) => query.iter().all(|b| has(*b, QUERY)),
        Some(_) => false,
    }
}

fn has(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether a line holds a byte that no line may hold: anything below a space but TAB, or DEL. Without an exit in its
/// middle, so that it is done sixteen and more bytes at a time.
pub(super) fn holds_control(line: &[u8]) -> bool {
    let is_control = |b: u8| u8::from(b < b' ' && b != b'\t' || b == 0x7f);
    line.iter().fold(0, |found, b| found | is_control(*b)) != 0
}

/// The bytes without spaces and tabs around them (RFC 9110 section 5.6.3).
pub(super) fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
