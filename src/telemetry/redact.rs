//! The last net: what must never be in a line is taken out just before it is written.
//!
//! No line should need it; the design is that personal data has no `Display`. The net runs on the writing thread,
//! works word by word in one pass, and knows JSON escapes, so that a JSON line stays JSON.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::escape::{is_hazard, push_code};

/// What stands in the place of what was taken out.
pub const REDACTED: &str = "«redacted»";

/// Shortest first part of three that makes a dotted word a token; `{"alg":"none"}` has 19 characters of base64url.
const JWT_PART_MIN: usize = 10;

/// Shortest parts of a dotted word that is taken for a token though it does not begin like one.
const OPAQUE_PART_MIN: usize = 20;

/// The net, with a count of what it caught.
#[derive(Debug, Default)]
pub struct Net {
    caught: u64,
    /// The word before was `Bearer`: whatever comes now is a credential.
    after_bearer: bool,
}

impl Net {
    /// Appends the line to `out` without what must not be in it.
    pub fn pass(&mut self, line: &str, out: &mut String) {
        self.after_bearer = false;
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let (start, mut kinds) = (at, 0);
            while at < bytes.len() && CLASS[usize::from(bytes[at])] & END == 0 {
                kinds |= CLASS[usize::from(bytes[at])];
                at += 1;
            }
            if at > start {
                self.word(&line[start..at], kinds, out);
            }
            if at < bytes.len() {
                at = self.separator(line, at, out);
            }
        }
    }

    /// Words and tokens taken out since the start.
    pub fn caught(&self) -> u64 {
        self.caught
    }

    /// Appends the separator at `at`, an escape as a whole; the place after it.
    fn separator(&mut self, line: &str, at: usize, out: &mut String) -> usize {
        let rest = &line[at..];
        let length = match rest.as_bytes() {
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|h| h.is_ascii_hexdigit()) => 6,
            [b'\\', next, ..] if next.is_ascii() => 2,
            _ => 1,
        };
        if !rest.starts_with(' ') {
            self.after_bearer = false;
        }
        for c in rest[..length].chars() {
            if is_hazard(c) { push_code(out, c) } else { out.push(c) }
        }
        at + length
    }

    fn word(&mut self, word: &str, kinds: u8, out: &mut String) {
        let bearer = std::mem::take(&mut self.after_bearer);
        if bearer {
            return self.replace(out);
        }
        if word.len() == 6 && word.eq_ignore_ascii_case("bearer") {
            self.after_bearer = true;
        }
        if kinds & (AT | DOT | COLON | PERCENT | WIDE | TOKEN) == 0 {
            return out.push_str(word);
        }
        if kinds & (AT | PERCENT) != 0 && has_mail(word) {
            return self.replace(out);
        }
        if kinds & (DOT | COLON | TOKEN) != 0 && word.len() >= MEANINGFUL {
            return self.runs(word, out);
        }
        push_visible(out, word);
    }

    /// Looks into a word for addresses and tokens, by runs of the characters that they are made of.
    fn runs(&mut self, word: &str, out: &mut String) {
        if is_jwt_like(word) {
            return self.replace(out);
        }
        let bytes = word.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            while at < bytes.len() && is_address_byte(bytes[at]) {
                at += 1;
            }
            if at == start {
                at += 1;
                while at < bytes.len() && !is_address_byte(bytes[at]) {
                    at += 1;
                }
                push_visible(out, &word[start..at]);
                continue;
            }
            let glued = start > 0 && is_letter(bytes[start - 1]) || at < bytes.len() && is_letter(bytes[at]);
            self.run(&word[start..at], glued, out);
        }
    }

    /// One run of hexadecimal digits, dots and colons; `glued` when a letter touches it.
    fn run(&mut self, run: &str, glued: bool, out: &mut String) {
        let core = run.trim_end_matches(['.', ':']);
        let tail = &run[core.len()..];
        if !glued && is_ipv6(core) {
            self.replace(out);
            return out.push_str(tail);
        }
        for (i, piece) in run.split(':').enumerate() {
            if i > 0 {
                out.push(':');
            }
            let core = piece.trim_matches('.');
            if is_ipv4(core) { self.replace(out) } else { out.push_str(piece) }
        }
    }

    fn replace(&mut self, out: &mut String) {
        self.caught += 1;
        out.push_str(REDACTED);
    }
}

/// Shorter words hold nothing that has a form: `::1` is the shortest.
const MEANINGFUL: usize = 3;

fn push_visible(out: &mut String, text: &str) {
    if text.is_ascii() || !text.contains(is_hazard) {
        return out.push_str(text);
    }
    for c in text.chars() {
        if is_hazard(c) { push_code(out, c) } else { out.push(c) }
    }
}

/// `name@host`, also with the at sign percent-encoded.
fn has_mail(word: &str) -> bool {
    let sides = |(name, host): (&str, &str)| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_-+.".contains(c));
        ends(name.chars().next_back()) && ends(host.chars().next())
    };
    word.split_once('@').is_some_and(sides) || word.split_once("%40").is_some_and(sides)
}

/// Three or more dotted parts of base64url, of which the first looks like a JOSE header or all are long;
/// or the beginning of one that was cut.
fn is_jwt_like(word: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    word.split(|c| !token(c)).any(|piece| {
        let parts = || piece.trim_matches('.').split('.');
        let long = |min: usize| parts().take(3).filter(|part| part.len() >= min).count();
        let jose = piece.starts_with("eyJ") || piece.starts_with("ewo");
        (jose && (long(JWT_PART_MIN) >= 2 || piece.len() >= 2 * OPAQUE_PART_MIN))
            || (parts().count() >= 3 && long(OPAQUE_PART_MIN) == 3)
    })
}

/// Four decimal numbers up to 255, also written with leading zeros.
fn is_ipv4(text: &str) -> bool {
    if text.len() < 7 || text.len() > 15 {
        return false;
    }
    text.parse::<Ipv4Addr>().is_ok()
        || text.split('.').count() == 4
            && text.split('.').all(|part| part.len() <= 3 && part.parse::<u8>().is_ok())
}

/// An address with at least one digit: `::` alone names nobody.
fn is_ipv6(text: &str) -> bool {
    text.len() >= 3 && text.len() <= 45 && text.bytes().filter(|b| *b == b':').take(2).count() == 2 && {
        text.parse::<Ipv6Addr>().is_ok()
    }
}

fn is_address_byte(b: u8) -> bool {
    b.is_ascii_hexdigit() || b == b'.' || b == b':'
}

fn is_letter(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

const END: u8 = 1;
const AT: u8 = 2;
const DOT: u8 = 4;
const COLON: u8 = 8;
const PERCENT: u8 = 16;
const WIDE: u8 = 32;
const TOKEN: u8 = 64;

/// What each byte means to a word: the end of it, or a hint of what it may be.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = match i {
            0..=0x20 | 0x7f => END,
            0x80.. => WIDE,
            _ => 0,
        };
        i += 1;
    }
    let ends = b"\"\\,;=/()[]{}<>|&'`?!#*^$~";
    i = 0;
    while i < ends.len() {
        table[ends[i] as usize] = END;
        i += 1;
    }
    table[b'@' as usize] = AT;
    table[b'.' as usize] = DOT;
    table[b':' as usize] = COLON;
    table[b'%' as usize] = PERCENT;
    // Every base64url JOSE header holds a `J` or a `w` near its start.
    table[b'J' as usize] = TOKEN;
    table[b'w' as usize] = TOKEN;
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(line: &str) -> String {
        let mut out = String::new();
        Net::default().pass(line, &mut out);
        out
    }

    #[test]
    fn lg_02_addresses_mails_and_tokens_do_not_get_through() {
        for secret in [
            "alice@example.com",
            "a.b+c@mail.example.co.uk",
            "jürgen@exämple.de",
            "alice%40example.com",
            "10.0.0.1",
            "203.0.113.255",
            "010.001.000.001",
            "::1",
            "2001:db8::1",
            "fe80::1",
            "::ffff:203.0.113.9",
            "2001:0db8:0000:0000:0000:0000:0000:0001",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0.",
            "YWJjZGVmZ2hpamtsbW5vcA-_.YWJjZGVmZ2hpamtsbW5vcA-_.YWJjZGVmZ2hpamtsbW5vcA-_",
        ] {
            for line in [
                secret.to_owned(),
                format!("from {secret} to"),
                format!("{{\"message\":\"x {secret}\",\"n\":1}}"),
                format!("key={secret}, next"),
                format!("\\n{secret}\\u2028{secret}"),
                format!("<{secret}>"),
                format!("({secret})."),
                format!("http://{secret}/path?q={secret}&r"),
            ] {
                let out = pass(&line);
                assert!(!out.contains(secret), "{line} -> {out}");
                assert!(out.contains(REDACTED), "{line} -> {out}");
            }
        }
    }

    #[test]
    fn lg_02_a_bearer_credential_does_not_get_through_whatever_its_form() {
        assert_eq!(pass("authorization: Bearer pm_abc123"), "authorization: Bearer «redacted»");
        assert_eq!(pass("bearer  x;y"), "bearer  «redacted»;y");
        assert_eq!(pass("{\"m\":\"Bearer\",\"n\":\"word\"}"), "{\"m\":\"Bearer\",\"n\":\"word\"}");
    }

    #[test]
    fn an_address_with_a_port_a_zone_or_a_mask_is_still_an_address() {
        assert_eq!(pass("10.0.0.1:8080"), "«redacted»:8080");
        assert_eq!(pass("[2001:db8::1]:443"), "[«redacted»]:443");
        assert_eq!(pass("fe80::1%eth0"), "«redacted»%eth0");
        assert_eq!(pass("10.0.0.0/8"), "«redacted»/8");
        assert_eq!(pass("peer:10.0.0.1."), "peer:«redacted»");
    }

    #[test]
    fn what_only_looks_like_an_address_stays() {
        for line in [
            "version 1.27.0",
            "2024-02-29T12:34:56.789Z",
            "12:34:56",
            "0192f0c4-7c1e-7a3b-9d2f-1c2b3a4d5e6f",
            "took 1.234 ms, 99.9 % of 0.005",
            "pluginmind::server::workers",
            "req::deny at plugins/honeypot/main.rhai:12:5",
            "www.example.com",
            "http.response.status_code",
            "aa:bb:cc:dd:ee:ff",
            "1.2.3.4.5",
            "999.1.1.1",
            "a@ b @c @",
            "50% of 100%",
            "d41d8cd98f00b204e9800998ecf8427e",
            "config.toml:3:14 did you mean `burst`?",
            "[::]:8080",
            "new JWT was written",
        ] {
            assert_eq!(pass(line), line);
        }
    }

    #[test]
    fn lg_01_control_characters_do_not_reach_the_stream() {
        let out = pass("a\u{1b}[2Jb\u{0}c\u{85}d\u{2028}e\u{202e}f\tg");
        assert_eq!(out, "a\\u001b[2Jb\\u0000c\\u0085d\\u2028e\\u202ef\\u0009g");
    }

    #[test]
    fn a_json_line_stays_json() {
        let values = [
            "\\nbob@example.com",
            "\n10.0.0.1",
            "\u{1}::1\u{1}",
            "\"Bearer abc\"",
            "\\\\x@y.z",
            "tab\tx@y.zz",
        ];
        for value in values {
            let line = serde_json::json!({ "message": value, "10.0.0.1": 1 }).to_string();
            let out = pass(&line);
            let read: serde_json::Value = serde_json::from_str(&out).expect(&out);
            assert!(read["message"].as_str().unwrap().contains("«redacted»"), "{out}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_json_string_stays_json_and_nothing_raw_is_left(value in ".*") {
            let line = serde_json::json!({ "v": value }).to_string();
            let out = pass(&line);
            proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
            proptest::prop_assert!(!out.contains(is_hazard));
        }
    }
}
