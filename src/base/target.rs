//! The request target, made canonical once: what policy judges is what is forwarded.
//!
//! # Source
//! RFC 3986 section 6.2.2 (normalisation), RFC 9112 section 3.2 (target forms); THREATS section RT.

use std::fmt::Write as _;

/// Why a target or a host was refused. The sentences are public and hold nothing of the request.
pub type Ambiguous = &'static str;

/// Whether `%2F` and `%5C` may stand in a path: the route says so with `encoded_slashes = "keep"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EncodedSlashes {
    /// Refuse the request.
    #[default]
    Refuse,
    /// Keep them encoded.
    Keep,
}

/// A path in its one canonical form: absolute, unreserved characters decoded, other escapes in upper case, no
/// dot segments, no empty segments but the last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalPath {
    text: String,
    has_encoded_slash: bool,
}

impl CanonicalPath {
    /// Canonicalises the path of a request target.
    ///
    /// # Errors
    /// A public sentence when the path could mean different things to different readers.
    pub fn parse(raw: &str) -> Result<Self, Ambiguous> {
        if !raw.starts_with('/') {
            return Err("The request target is not a path.");
        }
        if is_plain(raw.as_bytes()) {
            return Ok(Self { text: raw.to_owned(), has_encoded_slash: false });
        }
        let (text, has_encoded_slash) = decode_unreserved(raw)?;
        check_segments(&text)?;
        Ok(Self { text, has_encoded_slash })
    }

    /// The canonical text; this is what goes upstream.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Refuses an encoded slash or backslash, unless the route keeps them.
    ///
    /// # Errors
    /// A public sentence.
    pub fn check_slashes(&self, policy: EncodedSlashes) -> Result<(), Ambiguous> {
        if self.has_encoded_slash && policy == EncodedSlashes::Refuse {
            return Err("The path holds an encoded slash.");
        }
        Ok(())
    }

    /// The path with every escape decoded, for reading only.
    pub fn decoded(&self) -> String {
        percent_decode(&self.text)
    }
}

/// Whether a path is its own canonical form at a first look, as almost every path is: nothing escaped, nothing that must
/// be, no empty segment, and no segment that begins with a dot. All others are read with care.
fn is_plain(path: &[u8]) -> bool {
    let mut before = b' ';
    for &byte in path {
        let begins_oddly = before == b'/' && matches!(byte, b'/' | b'.');
        if begins_oddly || !matches!(byte, b'!'..=b'~') || matches!(byte, b'%' | b'\\' | b'#' | b'?') {
            return false;
        }
        before = byte;
    }
    true
}

/// Decodes escapes of unreserved characters once and refuses what is ambiguous.
fn decode_unreserved(raw: &str) -> Result<(String, bool), Ambiguous> {
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(raw.len());
    let mut decoded = Vec::new();
    let mut has_encoded_slash = false;
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'%' => {
                let value = escape_at(bytes, i).ok_or("The path holds a bad escape.")?;
                match value {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        out.push(char::from(value));
                    }
                    0..=0x1f | 0x7f => return Err("The path holds an encoded control character."),
                    b'%' if bytes.get(i + 3..i + 5).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)) => {
                        return Err("The path is encoded twice.");
                    }
                    _ => {
                        has_encoded_slash |= matches!(value, b'/' | b'\\');
                        push_escape(&mut out, value);
                    }
                }
                decoded.push(value);
                i += 3;
            }
            b'\\' => return Err("The path holds a backslash."),
            0..=b' ' | 0x7f.. => return Err("The path holds a character that must be escaped."),
            b'#' | b'?' => return Err("The path holds a reserved character."),
            _ => {
                out.push(char::from(b));
                decoded.push(b);
                i += 1;
            }
        }
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err("The path is not UTF-8.");
    }
    Ok((out, has_encoded_slash))
}

fn check_segments(path: &str) -> Result<(), Ambiguous> {
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err("The path holds an empty segment.");
        }
        let name = segment.split(';').next().unwrap_or(segment);
        if matches!(name, "." | "..") {
            return Err("The path holds a dot segment.");
        }
    }
    Ok(())
}

fn escape_at(bytes: &[u8], i: usize) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(bytes.get(i + 1)?)? << 4 | digit(bytes.get(i + 2)?)?)
}

fn push_escape(out: &mut String, value: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(value >> 4)]));
    out.push(char::from(HEX[usize::from(value & 15)]));
}

/// Decodes every valid escape; what is no escape stays; what is no UTF-8 becomes U+FFFD.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        match (b, escape_at(bytes, i)) {
            (b'%', Some(value)) => {
                out.push(value);
                i += 3;
            }
            _ => {
                out.push(b);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Escapes everything but unreserved characters and slashes, as a query value needs it (RFC 3986 section 3.4).
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            push_escape(&mut out, byte);
        }
    }
    out
}

/// The value of a query parameter, form-decoded (`+` is a space): `None` where it is absent, the first where it repeats.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    query_pairs(query).find(|(n, _)| n == name).map(|(_, v)| v)
}

/// The parameters of a query, form-decoded, in order.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let decode = |part: &str| percent_decode(&part.replace('+', " "));
    query.split('&').filter(|p| !p.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// A `Host` in canonical form: lower case, without a trailing dot, the port apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// Name and port.
    text: String,
    name_length: usize,
    port: Option<u16>,
}

/// The longest host name, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

impl Host {
    /// Reads the value of a `Host` header.
    ///
    /// # Errors
    /// A public sentence when it is no host with an optional port.
    pub fn parse(text: &str) -> Result<Self, Ambiguous> {
        const BAD: Ambiguous = "The Host header is not a host name.";
        let (mut text, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (inside, after) = rest.split_once(']').ok_or(BAD)?;
                let v6: std::net::Ipv6Addr = inside.parse().map_err(|_| BAD)?;
                let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(BAD)?) };
                (format!("[{v6}]"), port)
            }
            None => {
                let (name, port) = text.split_once(':').map_or((text, None), |(n, p)| (n, Some(p)));
                let name = name.strip_suffix('.').unwrap_or(name);
                if name.len() > HOST_BYTES_MAX || !is_labels(name.as_bytes()) {
                    return Err(BAD);
                }
                (name.to_ascii_lowercase(), port)
            }
        };
        let port = match port {
            None => None,
            Some(p) if !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()) => {
                Some(p.parse::<u16>().ok().filter(|p| *p != 0).ok_or(BAD)?)
            }
            Some(_) => return Err(BAD),
        };
        let name_length = text.len();
        if let Some(port) = port {
            let _ = write!(text, ":{port}");
        }
        Ok(Self { text, name_length, port })
    }

    /// The name or bracketed address, without the port.
    pub fn name(&self) -> &str {
        &self.text[..self.name_length]
    }

    /// The port, where one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether both name the same place; a port that is not written is the scheme's own.
    pub fn is_same(&self, other: &Self, secure: bool) -> bool {
        let default = if secure { 443 } else { 80 };
        self.name() == other.name() && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }

    /// Name and port as a `Host` header has them.
    pub fn authority(&self) -> &str {
        &self.text
    }
}

/// Whether a name is labels of letters, digits, `-` and `_` with a dot between each two: one look at each byte.
fn is_labels(name: &[u8]) -> bool {
    let mut is_label_empty = true;
    for byte in name {
        match byte {
            b'.' if is_label_empty => return false,
            b'.' => is_label_empty = true,
            b'-' | b'_' => is_label_empty = false,
            _ if byte.is_ascii_alphanumeric() => is_label_empty = false,
            _ => return false,
        }
    }
    !is_label_empty
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> Result<String, Ambiguous> {
        CanonicalPath::parse(raw).map(|p| p.as_str().to_owned())
    }

    #[test]
    fn a_plain_path_stays_as_it_is() {
        for plain in ["/", "/a", "/a/b/", "/a;x=y", "/caf%C3%A9", "/a%20b", "/a.b", "/..a", "/a..", "/%25"] {
            assert_eq!(path(plain).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn rt_01_dot_segments_are_refused_in_every_spelling() {
        for bad in [
            "/public/../admin",
            "/public/%2e%2e/admin",
            "/public/.%2e/admin",
            "/%2e%2e/",
            "/./a",
            "/a/.",
            "/..",
        ] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rt_02_encoded_slashes_need_the_routes_word() {
        for slash in ["/admin%2fusers", "/a%5cb", "/public%2f..%2fadmin"] {
            let p = CanonicalPath::parse(slash).unwrap();
            assert!(p.check_slashes(EncodedSlashes::Refuse).is_err(), "{slash}");
            assert!(p.check_slashes(EncodedSlashes::Keep).is_ok(), "{slash}");
        }
        assert!(path("/a\\b").is_err());
    }

    #[test]
    fn rt_03_empty_segments_are_refused() {
        for bad in ["//admin", "/public//../admin", "///", "/a//b"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rt_04_path_parameters_never_hide_a_dot_segment() {
        for bad in ["/..;/admin", "/public/..;/admin", "/.;x/a"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rt_05_what_is_encoded_twice_is_refused() {
        for bad in ["/%252e%252e/admin", "/%2561dmin"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rt_06_unreserved_escapes_are_decoded_once_and_case_is_kept() {
        assert_eq!(path("/%61dmin").as_deref(), Ok("/admin"));
        assert_eq!(path("/ADMIN").as_deref(), Ok("/ADMIN"));
        assert_eq!(path("/a%c3%a9").as_deref(), Ok("/a%C3%A9"));
    }

    #[test]
    fn rt_07_bad_escapes_and_bad_text_are_refused() {
        for bad in ["/%00", "/%0d%0a", "/é", "/%c0%ae", "/%ff", "/%zz", "/%2", "/%", "/a b", "/\u{7f}"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rt_13_only_hosts_are_hosts() {
        for bad in [
            "",
            "a b",
            "a/../",
            "a:99999",
            "a:80:80",
            "[::1%25eth0]",
            "a:",
            "a:0",
            "u@a",
            ".",
            "a..b",
            "[::1",
        ] {
            assert!(Host::parse(bad).is_err(), "{bad}");
        }
        assert!(Host::parse(&"a".repeat(300)).is_err());
        assert_eq!(Host::parse("[::1]:80").unwrap().authority(), "[::1]:80");
    }

    #[test]
    fn rt_14_case_and_one_trailing_dot_do_not_matter() {
        assert_eq!(Host::parse("A.Example.").unwrap().name(), "a.example");
        assert_eq!(Host::parse("a.example:8080").unwrap().port(), Some(8080));
    }

    #[test]
    fn queries_are_form_decoded() {
        assert_eq!(query_value("a=1&b=x+y%21&a=2", "b").as_deref(), Some("x y!"));
        assert_eq!(query_value("a=1&a=2", "a").as_deref(), Some("1"));
        assert_eq!(query_value("flag", "flag").as_deref(), Some(""));
        assert_eq!(query_value("a=1", "b"), None);
    }

    proptest::proptest! {
        #[test]
        fn the_first_look_at_a_path_says_what_care_says(raw in "/[a/.;%2eE#? -]{0,12}") {
            let with_care = decode_unreserved(&raw)
                .and_then(|(text, slash)| check_segments(&text).map(|()| (text, slash)));
            if is_plain(raw.as_bytes()) {
                proptest::prop_assert_eq!(with_care, Ok((raw, false)));
            }
        }

        #[test]
        fn labels_are_what_is_left_between_dots(name in "[aZ0_.: -]{0,8}") {
            let clean = |label: &str| {
                !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            };
            proptest::prop_assert_eq!(is_labels(name.as_bytes()), name.split('.').all(clean));
        }

        #[test]
        fn a_canonical_path_is_its_own_canonical_form(raw in "/[ -~]{0,40}") {
            if let Ok(once) = path(&raw) {
                proptest::prop_assert_eq!(path(&once), Ok(once.clone()));
            }
        }
    }
}
