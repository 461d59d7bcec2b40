//! Text that cannot break a line, a terminal or a JSON document.

/// Whether a character must not stand raw in a log: C0 and C1 controls, and the invisible characters that
/// break lines or turn the reading direction (the ones that terminals and viewers act on).
pub fn is_hazard(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Appends a JSON string with its quotes; hazards become `\uXXXX`.
///
/// # Source
/// RFC 8259 section 7.
pub fn push_json(out: &mut String, text: &str) {
    out.push('"');
    push_json_inner(out, text);
    out.push('"');
}

/// Appends what stands between the quotes of a JSON string.
pub fn push_json_inner(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hazard(c) => push_code(out, c),
            c => out.push(c),
        }
    }
}

/// Appends text for a reader at a terminal: hazards as `\uXXXX`, nothing else changed.
pub fn push_text(out: &mut String, text: &str) {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        if is_hazard(c) { push_code(out, c) } else { out.push(c) }
    }
}

/// Appends the `\uXXXX` form of a hazard; all of them are in the basic plane.
pub fn push_code(out: &mut String, c: char) {
    out.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        out.push(char::from_digit(u32::from(c) >> shift & 15, 16).unwrap_or('0'));
    }
}

/// Printable ASCII without a quote or a backslash: nearly every value there is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lg_01_hostile_characters_stay_inside_their_json_string() {
        let naughty = "a\r\nb\u{1b}[2J\u{1b}]0;x\u{7}\0\u{2028}\u{202e}\u{80}\u{9f}\"\\\tü漢\u{feff}";
        let mut out = String::new();
        push_json(&mut out, naughty);
        assert!(!out.chars().any(is_hazard), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), naughty);
    }

    #[test]
    fn lg_01_hostile_characters_do_not_reach_a_terminal() {
        let mut out = String::new();
        push_text(&mut out, "ok ü \u{1b}[31m\nnext\u{85}");
        assert_eq!(out, "ok ü \\u001b[31m\\u000anext\\u0085");
    }
}
