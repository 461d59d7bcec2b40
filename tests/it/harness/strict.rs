//! A second reader of HTTP/1 requests: it takes what RFC 9112 says a sender must write and nothing else. It shares no line
//! with the gateway, so that what both agree on is agreed on for two reasons.
//!
//! # Source
//! RFC 9112 sections 2.2, 3, 5, 6, 7; RFC 9110 section 5; RFC 3986 section 6.2.2.

/// Empty lines that are skipped in front of a request (RFC 9112 section 2.2 asks for at least one).
const EMPTY_LINES_MAX: usize = 4;

/// Longest run of digits of a length that is read: more overflow 64 bits.
const LENGTH_DIGITS_MAX: usize = 19;

/// Longest name of a host (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// One whole request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub method: String,
    /// As it was sent.
    pub target: String,
    /// The digit after `HTTP/1.`.
    pub minor: u8,
    /// Names in lower case, values without the blanks around them.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// Why there is no further request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The bytes end with the last request.
    End,
    /// The last request said that it is the last; what follows is nobody's.
    Closed,
    /// A request began and did not end.
    Incomplete,
    /// What follows is not one request, whatever it is.
    Malformed(&'static str),
}

/// What one step of the reading gives, or why it stops.
pub type Step<T> = Result<T, Stop>;

impl Message {
    /// Every value of a header; the name in lower case.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_slice()).collect()
    }

    /// The first value of a header as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.all(name).first().map(|v| String::from_utf8_lossy(v).into_owned())
    }

    /// Whether a comma-separated header has this member.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        let all = self.all(name);
        all.iter()
            .any(|v| v.split(|b| *b == b',').any(|m| m.trim_ascii().eq_ignore_ascii_case(member.as_bytes())))
    }

    fn is_last(&self) -> bool {
        self.lists("connection", "close") || (self.minor == 0 && !self.lists("connection", "keep-alive"))
    }
}

/// What a connection's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The whole requests.
    pub requests: Vec<Message>,
    /// How many bytes they are.
    pub used: usize,
    /// Why there are no more.
    pub stop: Stop,
}

/// Reads a connection from its first byte.
pub fn read(bytes: &[u8]) -> Reading {
    let (mut requests, mut rest) = (Vec::new(), bytes);
    let stop = loop {
        match request(rest) {
            Ok((message, after)) => {
                rest = after;
                let is_last = message.is_last();
                requests.push(message);
                if is_last {
                    break if rest.is_empty() { Stop::End } else { Stop::Closed };
                }
            }
            Err(stop) => break stop,
        }
    };
    Reading { requests, used: bytes.len() - rest.len(), stop }
}

/// One request and what follows it.
fn request(mut bytes: &[u8]) -> Step<(Message, &[u8])> {
    for _ in 0..EMPTY_LINES_MAX {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    }
    if bytes.is_empty() {
        return Err(Stop::End);
    }
    let (first, mut rest) = line(bytes)?;
    let mut message = request_line(first)?;
    (message.headers, rest) = fields(rest)?;
    check_host(&message)?;
    let framing = framing(&message)?;
    (message.body, rest) = match framing {
        Framing::Length(length) if rest.len() < length => return Err(Stop::Incomplete),
        Framing::Length(length) => (rest[..length].to_vec(), &rest[length..]),
        Framing::Chunked => chunked(rest)?,
    };
    Ok((message, rest))
}

/// A line that ends with CR LF and holds neither before.
fn line(bytes: &[u8]) -> Step<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| matches!(b, b'\r' | b'\n')).ok_or(Stop::Incomplete)?;
    match bytes[end..] {
        [b'\r', b'\n', ..] => Ok((&bytes[..end], &bytes[end + 2..])),
        [b'\r'] => Err(Stop::Incomplete),
        [b'\r', ..] => Err(Stop::Malformed("a bare CR")),
        _ => Err(Stop::Malformed("a bare LF")),
    }
}

fn request_line(line: &[u8]) -> Step<Message> {
    const BAD: Stop = Stop::Malformed("no request line");
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD);
    };
    let minor = match version {
        b"HTTP/1.0" => 0,
        b"HTTP/1.1" => 1,
        _ => return Err(Stop::Malformed("an unknown version")),
    };
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err(BAD);
    }
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Stop::Malformed("a target that is no text"));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Message { method: text(method), target: text(target), minor, ..Message::default() })
}

/// Names in lower case, with their values.
pub type Fields = Vec<(String, Vec<u8>)>;

/// Header or trailer fields with the empty line after them.
fn fields(mut rest: &[u8]) -> Step<(Fields, &[u8])> {
    let mut fields = Vec::new();
    loop {
        let (line, after) = line(rest)?;
        rest = after;
        if line.is_empty() {
            return Ok((fields, rest));
        }
        let colon = line.iter().position(|b| *b == b':').ok_or(Stop::Malformed("a field without a colon"))?;
        let (name, value) = (&line[..colon], trim_blanks(&line[colon + 1..]));
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return Err(Stop::Malformed("a field name that is no token"));
        }
        if value.iter().any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f) {
            return Err(Stop::Malformed("a control character in a field"));
        }
        fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
    }
}

/// Without the blanks and tabs around it; other white space is none.
fn trim_blanks(whole: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = whole.iter().position(|b| !is_blank(b)).unwrap_or(whole.len());
    let end = whole.iter().rposition(|b| !is_blank(b)).map_or(start, |at| at + 1);
    &whole[start..end]
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn check_host(message: &Message) -> Step<()> {
    match message.all("host")[..] {
        [] if message.minor == 0 => Ok(()),
        [host] if authority(&String::from_utf8_lossy(host)).is_some() => Ok(()),
        [_] => Err(Stop::Malformed("a host that is none")),
        _ => Err(Stop::Malformed("not one host")),
    }
}

/// Name and port of an authority without a user: the name in lower case, without a trailing dot.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let (name, port) = match text.find(']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|p| *p > 0)?)
        }
        _ => return None,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let is_name = name.len() <= HOST_BYTES_MAX
        && name.split('.').all(|label| !label.is_empty() && label.bytes().all(fits));
    let inside = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_v6 = inside.is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok());
    (is_name || is_v6).then_some((name, port))
}

enum Framing {
    Length(usize),
    Chunked,
}

fn framing(message: &Message) -> Step<Framing> {
    let (codings, lengths) = (message.all("transfer-encoding"), message.all("content-length"));
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([], [digits]) => {
            let text = std::str::from_utf8(digits).unwrap_or_default();
            let fits =
                (1..=LENGTH_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let length = text.parse().ok().filter(|_| fits);
            length.map(Framing::Length).ok_or(Stop::Malformed("a length that is no number"))
        }
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") && message.minor == 1 => {
            Ok(Framing::Chunked)
        }
        _ => Err(Stop::Malformed("more than one framing, or an unknown one")),
    }
}

/// A chunked body with its trailers, which are read and dropped.
fn chunked(mut rest: &[u8]) -> Step<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (head, after) = line(rest)?;
        rest = after;
        let size = chunk_size(head)?;
        if size == 0 {
            return Ok((body, fields(rest)?.1));
        }
        if rest.len() < size {
            return Err(Stop::Incomplete);
        }
        body.extend_from_slice(&rest[..size]);
        rest = match &rest[size..] {
            [b'\r', b'\n', after @ ..] => after,
            [] | [b'\r'] => return Err(Stop::Incomplete),
            _ => return Err(Stop::Malformed("a chunk that does not end")),
        };
    }
}

fn chunk_size(head: &[u8]) -> Step<usize> {
    const BAD: Stop = Stop::Malformed("no chunk size");
    let digits = head.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let extension = trim_blanks(&head[digits..]);
    let is_extension =
        extension.starts_with(b";") && extension.iter().all(|b| *b == b'\t' || *b >= b' ' && *b != 0x7f);
    if digits == 0 || digits > 16 || !(head.len() == digits || is_extension) {
        return Err(BAD);
    }
    usize::from_str_radix(&String::from_utf8_lossy(&head[..digits]), 16).map_err(|_| BAD)
}

/// The head at the beginning of an answer's bytes: its status and fields.
///
/// # Errors
/// Why it is none.
pub fn answer_head(bytes: &[u8]) -> Step<(u16, Fields)> {
    const BAD: Stop = Stop::Malformed("no status line");
    let (first, rest) = line(bytes)?;
    let text = first.strip_prefix(b"HTTP/1.1 ").or(first.strip_prefix(b"HTTP/1.0 ")).ok_or(BAD)?;
    let (digits, reason) = text.split_at(text.len().min(3));
    let is_number = digits.len() == 3 && digits.iter().all(u8::is_ascii_digit) && digits[0] != b'0';
    let is_text = reason.iter().all(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7f));
    if !is_number || !is_text || !(reason.is_empty() || reason[0] == b' ') {
        return Err(BAD);
    }
    let (fields, _) = fields(rest)?;
    let count = |name: &str| fields.iter().filter(|(n, _)| n == name).count();
    let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
    if lengths > 1 || codings > 1 || lengths + codings > 1 {
        return Err(Stop::Malformed("more than one framing"));
    }
    let status = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    Ok((status, fields))
}

/// What a target asks for once the path is canonical; `None` where two readers could read two things, or where nothing
/// may go upstream.
pub fn canonical_target(message: &Message) -> Option<String> {
    let target = message.target.as_str();
    let origin = match target.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let named = authority(&rest[..end])?;
            let asked = message.header("host").map_or(Some(named.clone()), |host| authority(&host))?;
            let default = if scheme.len() == 5 { 443 } else { 80 };
            let of = |(name, port): (String, Option<u16>)| (name, port.unwrap_or(default));
            if of(named) != of(asked) {
                return None;
            }
            if rest[end..].starts_with('/') { rest[end..].to_owned() } else { format!("/{}", &rest[end..]) }
        }
        _ => target.to_owned(),
    };
    if !origin.starts_with('/') || origin.contains('#') {
        return None;
    }
    let (path, query) = origin.split_at(origin.find('?').unwrap_or(origin.len()));
    Some(canonical_path(path)? + query)
}

/// The path with unreserved characters decoded once and other escapes in capitals; `None` where it is ambiguous.
pub fn canonical_path(raw: &str) -> Option<String> {
    let mut parts = raw.split('%');
    let mut path = parts.next()?.to_owned();
    let mut plain = path.clone().into_bytes();
    for part in parts {
        let digits = part.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        let hides = part.as_bytes().get(2..4).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit));
        if byte < b' ' || byte == 0x7f || b"/\\".contains(&byte) || (byte == b'%' && hides) {
            return None;
        }
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push_str(&digits.to_ascii_uppercase());
        }
        path.push_str(&part[2..]);
        plain.push(byte);
        plain.extend_from_slice(&part.as_bytes()[2..]);
    }
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let is_dots = |s: &&str| matches!(s.split(';').next(), Some("." | ".."));
    let has_empty = segments.iter().rev().skip(1).any(|s| s.is_empty());
    let is_text =
        path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') && std::str::from_utf8(&plain).is_ok();
    (is_text && !has_empty && !segments.iter().any(is_dots)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "POST /a HTTP/1.1\r\nHost: a\r\n";

    fn stop(rest: &str) -> Stop {
        read(format!("{HEAD}{rest}").as_bytes()).stop
    }

    #[test]
    fn the_reference_reader_takes_what_a_sender_must_write() {
        for (rest, bodies) in [
            ("\r\n", vec![""]),
            ("Content-Length: 3\r\n\r\nabc", vec!["abc"]),
            ("Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n", vec!["abc"]),
            ("Content-Length:1\r\n\r\na\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", vec!["a", ""]),
        ] {
            let all = read(format!("{HEAD}{rest}").as_bytes());
            let told: Vec<_> =
                all.requests.iter().map(|m| String::from_utf8_lossy(&m.body).into_owned()).collect();
            assert_eq!(
                (told, all.stop),
                (bodies.into_iter().map(str::to_owned).collect(), Stop::End),
                "{rest:?}"
            );
        }
    }

    #[test]
    fn the_reference_reader_takes_nothing_else() {
        for rest in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content-Length: +3\r\n\r\nabc",
            "Content-Length : 3\r\n\r\nabc",
            "Content-Length:\x0b3\r\n\r\nabc",
            "X: a\r\n b\r\n\r\n",
            "X: a\n\r\n",
            "X: a\rb\r\n\r\n",
            "X: a\0\r\n\r\n",
            "Host: b\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ] {
            assert!(matches!(stop(rest), Stop::Malformed(_)), "{rest:?}: {:?}", stop(rest));
        }
        assert_eq!(stop("Content-Length: 3\r\n\r\nab"), Stop::Incomplete);
        assert_eq!(stop("Connection: close\r\n\r\nGET"), Stop::Closed);
    }

    #[test]
    fn the_reference_target_is_canonical_or_nothing() {
        let canonical_of = |target: &str| {
            let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            read(text.as_bytes()).requests.first().and_then(canonical_target)
        };
        for (target, canonical) in [
            ("/%61%2d%c3%a9?%61//..", Some("/a-%C3%A9?%61//..")),
            ("http://A:80/x", Some("/x")),
            ("http://a?q", Some("/?q")),
            ("http://b/x", None),
            ("http://u@a/x", None),
            ("/a/../b", None),
            ("/a//b", None),
            ("/%252e", None),
            ("/a%2fb", None),
            ("a", None),
            ("*", None),
            ("/#", None),
        ] {
            assert_eq!(canonical_of(target).as_deref(), canonical, "{target}");
        }
    }
}
