//! A strict reader of one answer, written for the tests alone: it shares no line with the gateway, so that what both
//! agree on is what the words of RFC 9112 say.

/// What bytes are, read to the end of their connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// One answer.
    Whole(Answer),
    /// The head of one, and not all of its body.
    Cut,
    /// Not even a whole head, and nothing wrong so far.
    Incomplete,
    /// Something that may be read in two ways, or in none.
    Bad,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Bytes after its end.
    pub left_over: usize,
    /// Whether another answer may follow on its connection.
    pub stays: bool,
    /// Whether its end is the connection's.
    pub until_close: bool,
}

type Headers = Vec<(String, String)>;

impl Answer {
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }
}

/// Reads an answer to a GET, or to a HEAD. Interim answers before it are skipped, as many as 8.
pub fn read(bytes: &[u8], head_only: bool) -> Reading {
    let mut rest = bytes;
    for _ in 0..=8 {
        let (head, after) = match head(rest) {
            Ok(Some(split)) => split,
            Ok(None) => return Reading::Incomplete,
            Err(()) => return Reading::Bad,
        };
        let Some((version, status, headers)) = parse(head) else { return Reading::Bad };
        if status == 101 || headers.len() > 100 || bytes.len() - after.len() > 65_536 {
            return Reading::Bad;
        }
        if status >= 200 {
            return answer(version, status, headers, after, head_only);
        }
        let framed =
            headers.iter().any(|(n, v)| n == "transfer-encoding" || (n == "content-length" && v != "0"));
        if framed {
            return Reading::Bad;
        }
        rest = after;
    }
    Reading::Bad
}

/// The bytes of a head without its last line, and what follows.
fn head(bytes: &[u8]) -> Result<Option<(&[u8], &[u8])>, ()> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let seen = &bytes[..end.map_or(bytes.len(), |end| end + 4)];
    let bare = |(i, b): (usize, &u8)| match b {
        b'\n' => i == 0 || seen[i - 1] != b'\r',
        b'\r' => seen.get(i + 1).is_some_and(|next| *next != b'\n'),
        b'\t' => false,
        b => *b < b' ' || *b == 0x7f,
    };
    let prefix = &b"HTTP/1."[..seen.len().min(7)];
    if seen.iter().enumerate().any(bare) || !seen.starts_with(prefix) || seen.len() > 65_536 {
        return Err(());
    }
    Ok(end.map(|end| (&bytes[..end + 2], &bytes[end + 4..])))
}

fn parse(head: &[u8]) -> Option<(u8, u16, Headers)> {
    // One character a byte, so that no byte is lost.
    let text: String = head.iter().map(|b| char::from(*b)).collect();
    let mut lines = text.split_terminator("\r\n");
    let first = lines.next()?;
    let version = match first.get(..9)? {
        "HTTP/1.0 " => 0,
        "HTTP/1.1 " => 1,
        _ => return None,
    };
    let (code, reason) = first[9..].split_at_checked(3)?;
    if !code.bytes().all(|b| b.is_ascii_digit()) || !(reason.is_empty() || reason.starts_with(' ')) {
        return None;
    }
    let status = code.parse().ok().filter(|s| (100..600).contains(s))?;
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':')?;
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let good = !name.is_empty() && name.chars().all(token);
        good.then(|| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
    });
    Some((version, status, headers.collect::<Option<Headers>>()?))
}

fn answer(version: u8, status: u16, headers: Headers, after: &[u8], head_only: bool) -> Reading {
    let all =
        |name: &str| headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    let length = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => None,
        ([one], []) => match number(one) {
            Some(length) => Some(length),
            None => return Reading::Bad,
        },
        ([], [one]) if one.eq_ignore_ascii_case("chunked") && version == 1 => None,
        _ => return Reading::Bad,
    };
    let chunked = !codings.is_empty();
    let bodiless = head_only || matches!(status, 204 | 304);
    let read = if bodiless {
        Ok(Some((Vec::new(), after)))
    } else if chunked {
        chunks(after)
    } else if let Some(length) = length {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(after.split_at_checked(length).map(|(body, rest)| (body.to_vec(), rest)))
    } else {
        Ok(Some((after.to_vec(), &[][..])))
    };
    let until_close = !bodiless && !chunked && length.is_none();
    let doubtful = status == 204 && (chunked || length.is_some_and(|l| l > 0));
    let close = |v: &&str| v.split(',').any(|o| o.trim().eq_ignore_ascii_case("close"));
    let stays = version == 1 && !until_close && !doubtful && !all("connection").iter().any(close);
    match read {
        Ok(Some((body, rest))) => {
            Reading::Whole(Answer { status, headers, body, left_over: rest.len(), stays, until_close })
        }
        Ok(None) => Reading::Cut,
        Err(()) => Reading::Bad,
    }
}

/// Digits without a zero in front, below 2^63.
fn number(text: &str) -> Option<u64> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    text.parse().ok().filter(|n| plain && i64::try_from(*n).is_ok())
}

type Split<'a> = Option<(Vec<u8>, &'a [u8])>;

fn chunks(mut bytes: &[u8]) -> Result<Split<'_>, ()> {
    let mut body = Vec::new();
    let mut extensions = 0;
    loop {
        let Some((line, rest)) = line(bytes)? else { return Ok(None) };
        let (size, extension) = match line.iter().position(|b| *b == b';') {
            // White space may stand before an extension, and nowhere else (RFC 9112 section 7.1.1).
            Some(at) => (line[..at].trim_ascii_end(), &line[at..]),
            None => (line, &[][..]),
        };
        extensions += extension.len().saturating_sub(1);
        let quotes = extension.iter().filter(|b| **b == b'"').count();
        let odd = size.is_empty() || size.len() > 16 || !size.iter().all(u8::is_ascii_hexdigit);
        if odd
            || quotes % 2 == 1
            || extensions > 8 * 1024
            || !extension.iter().all(|b| *b == b'\t' || (b' '..0x7f).contains(b))
        {
            return Err(());
        }
        let size = u64::from_str_radix(std::str::from_utf8(size).map_err(|_| ())?, 16).map_err(|_| ())?;
        if i64::try_from(size).is_err() {
            return Err(());
        }
        bytes = rest;
        if size == 0 {
            return Ok(trailers(bytes)?.map(|rest| (body, rest)));
        }
        let size = usize::try_from(size).map_err(|_| ())?;
        let Some((data, rest)) = bytes.split_at_checked(size) else { return Ok(None) };
        body.extend_from_slice(data);
        bytes = match rest {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Ok(None),
            _ => return Err(()),
        };
    }
}

fn trailers(mut bytes: &[u8]) -> Result<Option<&[u8]>, ()> {
    let (mut size, mut count) = (0, 0);
    loop {
        let Some((line, rest)) = line(bytes)? else { return Ok(None) };
        bytes = rest;
        if line.is_empty() {
            return Ok(Some(bytes));
        }
        size += line.len() + 1;
        count += 1;
        let whole = [b"HTTP/1.1 200\r\n", line, b"\r\n"].concat();
        if parse(&whole).is_none() || size > 8 * 1024 || count > 64 {
            return Err(());
        }
    }
}

/// The next line, without its end; no control character may stand in it.
fn line(bytes: &[u8]) -> Result<Option<(&[u8], &[u8])>, ()> {
    match bytes.iter().position(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f) {
        None if bytes.len() > 8 * 1024 + 64 => Err(()),
        None => Ok(None),
        Some(at) => match &bytes[at..] {
            [b'\r', b'\n', rest @ ..] => Ok(Some((&bytes[..at], rest))),
            [b'\r'] => Ok(None),
            _ => Err(()),
        },
    }
}
