//! Peels off what attackers wrap their texts in: percent-encoding in layers, entities, escapes, comments, quotes.

use crate::base::text::cut;

/// Layers of percent-encoding that are peeled off.
const LAYERS_MAX: usize = 3;
/// The longest text that is tried as Base64.
const BASE64_BYTES_MAX: usize = 8 << 10;

/// One text in the forms that the judges look at, all in lower case.
pub(super) struct Decoded {
    /// As it came.
    pub raw: String,
    /// Decoded, white space in runs of one blank, without what fences code off in Markdown.
    pub plain: String,
    /// The same with line feeds kept.
    pub lines: String,
    /// Without white space and control characters, for words that are torn apart.
    pub squeezed: String,
    /// With SQL comments taken out.
    pub sql: String,
    /// As a shell reads it: without quotes, escapes and empty variables.
    pub shell: String,
}

impl Decoded {
    /// `form` says whether a `+` is a blank.
    pub fn new(raw: &str, form: bool) -> Self {
        let percent = percent_decoded(raw, form);
        let text = unescaped(&entities_decoded(&percent)).to_ascii_lowercase();
        let text = text.replace("\\0", "");
        let text = without_inline_code(&without_fences(&text));
        let lines: String = text.chars().filter(|c| *c != '\0').collect();
        let plain = one_blank(&lines);
        let squeezed = plain.chars().filter(|c| !c.is_whitespace()).collect();
        Self {
            raw: raw.to_ascii_lowercase(),
            sql: if plain.contains("/*") { one_blank(&without_comments(&plain)) } else { plain.clone() },
            shell: as_shell_reads(&lines),
            squeezed,
            plain,
            lines,
        }
    }
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// Takes off layers of percent-encoding, `+` for a blank, `%uXXXX` and overlong dots and slashes.
fn percent_decoded(raw: &str, form: bool) -> String {
    let mut text = raw.to_owned();
    for layer in 0..LAYERS_MAX {
        if !text.contains('%') && (layer > 0 || !form || !text.contains('+')) {
            return text;
        }
        let next = percent_once(text.as_bytes(), form && layer == 0);
        if next == text {
            return text;
        }
        text = next;
    }
    text
}

fn percent_once(bytes: &[u8], form: bool) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let two = |at: usize| Some(hex(*bytes.get(at)?)? << 4 | hex(*bytes.get(at + 1)?)?);
        match bytes[at] {
            b'%' if matches!(bytes.get(at + 1), Some(b'u' | b'U')) => match two(at + 2).zip(two(at + 4)) {
                Some((high, low)) => {
                    let code = u32::from(high) << 8 | u32::from(low);
                    let folded = if (0xff01..=0xff5e).contains(&code) { code - 0xfee0 } else { code };
                    let c = match folded {
                        0x2215 => '/',
                        0x2216 => '\\',
                        other => char::from_u32(other).unwrap_or(' '),
                    };
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    at += 6;
                }
                None => {
                    out.push(b'%');
                    at += 1;
                }
            },
            b'%' => match two(at + 1) {
                Some(byte) => {
                    out.push(byte);
                    at += 3;
                }
                None => {
                    out.push(b'%');
                    at += 1;
                }
            },
            // A `+` between letters of a form is a blank; beside other signs it may well be a plus.
            b'+' if form => {
                out.push(b' ');
                at += 1;
            }
            other => {
                out.push(other);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&overlong_folded(&out)).into_owned()
}

/// Folds the dots and slashes that old readers take for such (RFC 3629 section 10).
fn overlong_folded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let folded = match (bytes[at], bytes.get(at + 1)) {
            (0xc0, Some(0xae)) => Some(b'.'),
            (0xc0, Some(0xaf)) => Some(b'/'),
            (0xc1, Some(0x9c)) => Some(b'\\'),
            _ => None,
        };
        out.push(folded.unwrap_or(bytes[at]));
        at += if folded.is_some() { 2 } else { 1 };
    }
    out
}

/// Decodes the entities that HTML readers decode in attributes.
fn entities_decoded(text: &str) -> String {
    const NAMED: [(&str, char); 13] = [
        ("lt", '<'),
        ("gt", '>'),
        ("amp", '&'),
        ("quot", '"'),
        ("apos", '\''),
        ("colon", ':'),
        ("equals", '='),
        ("lpar", '('),
        ("rpar", ')'),
        ("sol", '/'),
        ("tab", '\t'),
        ("newline", '\n'),
        ("grave", '`'),
    ];
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let entity = &rest[at + 1..];
        let end = entity.find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(entity.len());
        let most = if entity.starts_with('#') { 40 } else { 12 };
        let word = &entity[..end.min(most)];
        let found = match word.strip_prefix('#') {
            Some(number) => numeric(number),
            None => {
                let word = word.to_ascii_lowercase();
                NAMED.iter().find(|(name, _)| *name == word).map(|(name, c)| (*c, name.len()))
            }
        };
        match found {
            Some((c, length)) => {
                out.push(c);
                let used = if word.starts_with('#') { length + 1 } else { length };
                rest = entity[used..].strip_prefix(';').unwrap_or(&entity[used..]);
            }
            None => {
                out.push('&');
                rest = entity;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character of `65`, `x41` or `0000040`, and how many characters of the text it took.
fn numeric(number: &str) -> Option<(char, usize)> {
    let (digits, radix, before) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1),
        None => (number, 10, 0),
    };
    let zeros = digits.bytes().take_while(|b| *b == b'0').count();
    let digits = digits.get(zeros..)?;
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len()).min(7);
    let code = u32::from_str_radix(digits.get(..end)?, radix).ok()?;
    char::from_u32(code).map(|c| (c, end + before + zeros))
}

/// Decodes `\u0041` and `\x41`.
fn unescaped(text: &str) -> String {
    if !text.contains("\\u") && !text.contains("\\x") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let digits = match after.as_bytes().first() {
            Some(b'u') => after.get(1..5),
            Some(b'x') => after.get(1..3),
            _ => None,
        };
        let found =
            digits.and_then(|d| char::from_u32(u32::from_str_radix(d, 16).ok()?).map(|c| (c, d.len())));
        match found {
            Some((c, length)) => {
                out.push(c);
                rest = &after[1 + length..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Takes out blocks of code that Markdown fences off with lines of three backticks. An attack has no fences around it:
/// what reads it does not know them.
fn without_fences(text: &str) -> String {
    if !text.contains("```") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut fenced = false;
    for line in text.split_inclusive('\n') {
        let is_fence = line.trim_start().starts_with("```");
        // A fence within a line is no fence.
        let alone = is_fence && !line.trim_start()[3..].contains('`');
        if alone {
            fenced = !fenced;
            out.push('\n');
        } else if !fenced {
            out.push_str(line);
        }
    }
    if fenced { text.to_owned() } else { out }
}

/// Words beside a piece of code that make it a quotation.
const WORDS_MIN: usize = 3;

/// Takes out what Markdown shows as code within a line of prose: between single backticks that stand apart from words.
fn without_inline_code(text: &str) -> String {
    let words = || {
        text.split_whitespace()
            .filter(|w| w.chars().all(|c| c.is_alphabetic() || ".,;:!?'".contains(c)))
            .count()
    };
    if !text.contains('`') || words() < WORDS_MIN {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let apart = rest[..at]
            .chars()
            .next_back()
            .or(out.chars().next_back())
            .is_none_or(|c| c.is_whitespace() || c == '(');
        let after = &rest[at + 1..];
        let end = after.find('`').filter(|end| {
            let next = after[end + 1..].chars().next();
            apart && *end > 0 && next.is_none_or(|c| c.is_whitespace() || ".,;:!?)".contains(c))
        });
        out.push_str(&rest[..at]);
        match end {
            Some(end) => {
                out.push(' ');
                rest = &after[end + 1..];
            }
            None => {
                out.push('`');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

pub(super) fn one_blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || c == '\u{a0}' {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// SQL comments become blanks; what stands in a versioned comment stays.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        out.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let Some(end) = inside.find("*/") else {
            out.push_str(" /*");
            out.push_str(inside);
            return out;
        };
        out.push(' ');
        if let Some(versioned) = inside[..end].strip_prefix('!') {
            out.push_str(versioned.trim_start_matches(|c: char| c.is_ascii_digit()));
            out.push(' ');
        }
        rest = &inside[end + 2..];
    }
    out.push_str(rest);
    out
}

/// What a shell makes of a text before it looks for commands.
fn as_shell_reads(text: &str) -> String {
    let mut out = text.replace("\\\n", "");
    for (from, to) in [
        ("${ifs}", " "),
        ("$ifs$9", " "),
        ("$ifs", " "),
        ("$@", ""),
        ("$*", ""),
        ("''", ""),
        ("\"\"", ""),
        ("\\", ""),
        ("^", ""),
    ] {
        if out.contains(from) {
            out = out.replace(from, to);
        }
    }
    let mut plain = String::with_capacity(out.len());
    let bytes = out.as_bytes();
    let mut variable = false;
    for (at, c) in out.char_indices() {
        // A variable of one letter is empty: `/etc$u/passwd`.
        if std::mem::take(&mut variable) {
            continue;
        }
        let letter = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_alphabetic);
        if c == '$' && letter(at + 1) && !letter(at + 2) {
            variable = true;
            continue;
        }
        // A quote within a word vanishes: `c'a't`.
        let inside = |i: usize| bytes.get(i).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'/');
        let within = matches!(c, '\'' | '"') && at > 0 && inside(at - 1) && inside(at + 1);
        if !within {
            plain.push(c);
        }
    }
    plain
}

/// Whether a text has the alphabet and the look of Base64: capitals and small letters, no word.
pub(super) fn may_be_base64(bytes: &[u8]) -> bool {
    let body = bytes.iter().take_while(|b| **b != b'=');
    let mut kinds = [false; 3];
    let mut count = 0_usize;
    for b in body {
        match b {
            b'A'..=b'Z' => kinds[0] = true,
            b'a'..=b'z' => kinds[1] = true,
            b'0'..=b'9' | b'+' | b'/' | b'-' | b'_' => kinds[2] = true,
            _ => return false,
        }
        count += 1;
    }
    count >= 10 && kinds[0] && kinds[1]
}

/// The text inside Base64, where it is one.
pub(super) fn base64_text(raw: &str) -> Option<String> {
    use base64::Engine as _;
    let raw = raw.trim();
    let raw = if raw.contains('%') { percent_once(raw.as_bytes(), false) } else { raw.to_owned() };
    if raw.len() > BASE64_BYTES_MAX || !may_be_base64(raw.as_bytes()) {
        return None;
    }
    let body = raw.trim_end_matches('=').replace('-', "+").replace('_', "/");
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(body).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let printable = text.chars().all(|c| !c.is_control() || c.is_whitespace());
    printable.then(|| cut(&text, BASE64_BYTES_MAX).to_owned())
}
