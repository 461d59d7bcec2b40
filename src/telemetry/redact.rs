//! The last net: what must never be in a line is taken out just before it is written.
//!
//! No line should need it; the design is that personal data has no `Display`. The net runs on the writing thread,
//! works word by word in one pass, and knows JSON escapes, so that a JSON line stays JSON. A line with nothing in it
//! costs one look at each byte and one copy.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::escape::{is_hazard, push_code};

/// What stands in the place of what was taken out.
pub const REDACTED: &str = "«redacted»";

/// Shortest parts of a dotted word that begins like a token; `{"alg":"none"}` has 19 characters of base64url.
const JWT_PART_MIN: usize = 10;

/// Shortest parts of a dotted word that is taken for a token though it does not begin like one.
const OPAQUE_PART_MIN: usize = 20;

/// Shortest beginning of a token that was cut before its second part.
const CUT_MIN: usize = 40;

/// Fewest digits of an API key's secret that are taken for one.
const KEY_SECRET_MIN: usize = 20;

/// The scheme of a bearer credential, in any case (RFC 6750).
const BEARER: &str = "bearer";

/// How `{"` and `{` before a line end begin in base64url.
const JOSE: [&str; 2] = ["eyJ", "ewo"];

/// The net, with a count of what it caught.
#[derive(Debug, Default)]
pub struct Net {
    caught: u64,
}

/// One line on its way through.
struct Pass<'a> {
    line: &'a str,
    out: &'a mut String,
    /// Everything before has been appended.
    copied: usize,
    caught: u64,
    /// The word before was `Bearer`: whatever comes now is a credential.
    after_bearer: bool,
}

impl Net {
    /// Appends the line to `out` without what must not be in it.
    pub fn pass(&mut self, line: &str, out: &mut String) {
        let (copied, caught) = scan(line, out);
        out.push_str(&line[copied..]);
        self.caught += caught;
    }

    /// Words and tokens taken out since the start.
    pub fn caught(&self) -> u64 {
        self.caught
    }
}

/// Whether a text is one short word of letters, digits and dashes: nothing that the net looks for, and nothing that has to be
/// escaped. Such are the names and codes of most lines; one look at each byte tells, and no look is taken before it.
pub(super) fn is_plain_word(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    text.len() < CUT_MIN && text.as_bytes().iter().fold(true, |all, byte| all & plain(byte))
}

/// The text without what must not be in a line; nothing is copied when nothing is found.
pub fn clean(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    match scan(text, &mut out) {
        (0, 0) => Cow::Borrowed(text),
        (copied, _) => {
            out.push_str(&text[copied..]);
            Cow::Owned(out)
        }
    }
}

/// Appends the line up to the last thing that was taken out of it; how far that is, and how much it was.
fn scan(line: &str, out: &mut String) -> (usize, u64) {
    let mut pass = Pass { line, out, copied: 0, caught: 0, after_bearer: false };
    let mut at = 0;
    while at < line.len() {
        let start = at;
        let sum = pass.word_end(&mut at);
        if at > start {
            pass.word(start..at, sum);
        }
        if at < line.len() {
            at = pass.separator(at);
        }
    }
    (pass.copied, pass.caught)
}

impl Pass<'_> {
    /// Moves `at` to the end of the word that begins there; the weights of its bytes.
    fn word_end(&self, at: &mut usize) -> u64 {
        let bytes = self.line.as_bytes();
        let mut sum = 0;
        while let Some(byte) = bytes.get(*at) {
            match WEIGHT[usize::from(*byte)] {
                END => break,
                WIDE => match self.line[*at..].chars().next() {
                    Some(c) if !is_hazard(c) => *at += c.len_utf8(),
                    _ => break,
                },
                weight => {
                    sum += weight;
                    *at += 1;
                }
            }
        }
        sum
    }

    /// Passes the separator at `at`, an escape as a whole; the place after it.
    fn separator(&mut self, at: usize) -> usize {
        let byte = self.line.as_bytes()[at];
        if byte == b' ' {
            return at + 1;
        }
        self.after_bearer = false;
        if byte.is_ascii_graphic() && byte != b'\\' {
            return at + 1;
        }
        let rest = &self.line[at..];
        let length = match rest.as_bytes() {
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|h| h.is_ascii_hexdigit()) => 6,
            [b'\\', next, ..] if (b' '..0x7f).contains(next) => 2,
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        if let Some(hazard) = rest.chars().next().filter(|c| is_hazard(*c)) {
            self.out.push_str(&self.line[self.copied..at]);
            push_code(self.out, hazard);
            self.copied = at + length;
        }
        at + length
    }

    fn word(&mut self, range: Range<usize>, sum: u64) {
        let bearer = std::mem::take(&mut self.after_bearer);
        if sum == 0 && !bearer && range.len() != BEARER.len() && range.len() < CUT_MIN {
            return;
        }
        let word = &self.line[range.clone()];
        let token = || range.len() >= 2 * JWT_PART_MIN && is_jwt_like(word);
        if bearer || count(sum, AT) > 0 && has_mail(word) || token() || has_key(word) {
            self.take(range);
        } else if count(sum, DOT) >= 3 || count(sum, COLON) >= 2 {
            self.runs(range);
        } else {
            self.after_bearer = word.eq_ignore_ascii_case(BEARER);
        }
    }

    /// Looks for addresses in a word, by runs of the characters that they are made of.
    fn runs(&mut self, range: Range<usize>) {
        let bytes = self.line.as_bytes();
        let mut at = range.start;
        while at < range.end {
            let start = at;
            while at < range.end && is_address_byte(bytes[at]) {
                at += 1;
            }
            if at > start {
                let before = start > range.start && is_letter(bytes[start - 1]);
                let after = at < range.end && is_letter(bytes[at]);
                self.run(start..at, before || after);
            }
            at += 1;
        }
    }

    /// One run of hexadecimal digits, dots and colons; `glued` when a letter touches it.
    fn run(&mut self, range: Range<usize>, glued: bool) {
        let run = &self.line[range.clone()];
        let core = run.trim_end_matches(['.', ':']);
        if !glued && is_ipv6(core) {
            return self.take(range.start..range.start + core.len());
        }
        let mut at = range.start;
        for piece in run.split(':') {
            let core = piece.trim_start_matches('.');
            let start = at + piece.len() - core.len();
            let core = core.trim_end_matches('.');
            if is_ipv4(core) {
                self.take(start..start + core.len());
            }
            at += piece.len() + 1;
        }
    }

    /// Takes a range out.
    fn take(&mut self, range: Range<usize>) {
        self.out.push_str(&self.line[self.copied..range.start]);
        self.out.push_str(REDACTED);
        self.copied = range.end;
        self.caught += 1;
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
    if word.len() < 3 * OPAQUE_PART_MIN && !JOSE.iter().any(|start| word.contains(start)) {
        return false;
    }
    let token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    word.split(|c| !token(c)).any(|piece| {
        let parts = || piece.trim_matches('.').split('.');
        let long = |min: usize| parts().take(3).filter(|part| part.len() >= min).count();
        let jose = JOSE.iter().any(|start| piece.starts_with(start));
        (jose && (long(JWT_PART_MIN) >= 2 || piece.len() >= CUT_MIN))
            || (parts().count() >= 3 && long(OPAQUE_PART_MIN) == 3)
    })
}

/// An API key, `pm_<id>_<secret>`, whole or cut within its secret.
fn has_key(word: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    word.split("pm_").skip(1).any(|rest| match rest.split_once('_') {
        Some((id, secret)) => digits(id) == id.len() && digits(secret) >= KEY_SECRET_MIN,
        None => false,
    })
}

/// Four decimal numbers up to 255, also written with leading zeros.
fn is_ipv4(text: &str) -> bool {
    (7..=15).contains(&text.len())
        && (text.parse::<Ipv4Addr>().is_ok()
            || text.split('.').count() == 4
                && text.split('.').all(|part| part.len() <= 3 && part.parse::<u8>().is_ok()))
}

/// An address with at least one digit: `::` alone names nobody.
fn is_ipv6(text: &str) -> bool {
    (3..=45).contains(&text.len())
        && text.bytes().filter(|b| *b == b':').take(2).count() == 2
        && text.parse::<Ipv6Addr>().is_ok()
}

fn is_address_byte(b: u8) -> bool {
    b.is_ascii_hexdigit() || b == b'.' || b == b':'
}

fn is_letter(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

/// Weights add up to counts in fields of 16 bits: a line is shorter than that counts to.
const DOT: u32 = 0;
const COLON: u32 = 16;
const AT: u32 = 32;

const _: () = assert!(super::sink::LINE_BYTES_MAX < 1 << 16, "a count fits its field");

/// The byte ends a word.
const END: u64 = u64::MAX;

/// The byte begins a character that may have to be escaped.
const WIDE: u64 = u64::MAX - 1;

/// How often a byte of this field was in the word.
fn count(sum: u64, field: u32) -> u64 {
    sum >> field & 0xffff
}

/// What each byte means to a word.
static WEIGHT: [u64; 256] = weights();

const fn weights() -> [u64; 256] {
    let mut table = [0; 256];
    let ends = b"\"\\,;=/()[]{}<>|&'`?!#*^$~ \x7f";
    let mut i = 0;
    while i < 0x20 {
        table[i] = END;
        i += 1;
    }
    i = 0;
    while i < ends.len() {
        table[ends[i] as usize] = END;
        i += 1;
    }
    // The lead bytes of C1, U+061C, U+2000 to U+2FFF and U+FEFF.
    let wide = [0xc2, 0xd8, 0xe2, 0xef];
    i = 0;
    while i < wide.len() {
        table[wide[i]] = WIDE;
        i += 1;
    }
    table[b'.' as usize] = 1 << DOT;
    table[b':' as usize] = 1 << COLON;
    table[b'@' as usize] = 1 << AT;
    // As `%40`.
    table[b'%' as usize] = 1 << AT;
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
    fn lg_02_an_api_key_does_not_get_through_and_its_id_does() {
        let (id, secret) = ("0123456789abcdef", "0123456789abcdef".repeat(4));
        for line in [
            format!("pm_{id}_{secret}"),
            format!("x-pm_{id}_{secret}."),
            format!("a=pm_{id}_{}", &secret[..20]),
        ] {
            assert!(pass(&line).contains(REDACTED), "{line}");
            assert!(!pass(&line).contains(&secret[..20]), "{line}");
        }
        for line in [format!("pm_{id}"), "pm_session".to_owned(), format!("{id}_{secret}")] {
            assert_eq!(pass(&line), line);
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
        assert_eq!(pass("peer:10.0.0.1."), "peer:«redacted».");
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

    #[test]
    fn a_clean_value_is_not_copied() {
        assert!(matches!(clean("0192f0c4-7c1e-7a3b-9d2f-1c2b3a4d5e6f"), Cow::Borrowed(_)));
        assert_eq!(clean("x 10.0.0.1 y"), "x «redacted» y");
        assert_eq!(clean("\u{1b}y"), "\\u001by");
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
