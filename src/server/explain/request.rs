//! A request as bytes, so that what is ambiguous about it stays so.

/// Largest request that is played, in bytes.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;

/// A request's head, line by line, and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRequest {
    head: Vec<Vec<u8>>,
    body: Vec<u8>,
}

/// Why a text is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// There is nothing.
    #[error("the request is empty: it begins with a line such as `GET /path HTTP/1.1`")]
    Empty,
    /// It is larger than `REQUEST_BYTES_MAX`.
    #[error("the request is larger than 16 MiB")]
    TooLarge,
    /// The body is shorter than it says.
    #[error(
        "`Content-Length` says {said} bytes, and {found} bytes of a body follow: the gateway would wait for the rest"
    )]
    Short {
        /// What the header says.
        said: usize,
        /// What is there.
        found: usize,
    },
}

impl RawRequest {
    /// Reads a request: its line, its headers, an empty line, its body. Line ends may be those of Unix, and what an editor
    /// makes of the end of a file is taken for what it is: without a body the empty line may be missing, a body without a
    /// length gets one, and a line end after the length that was said is dropped.
    ///
    /// # Errors
    /// It is no request, or the rest of its body is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRequest> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(BadRequest::TooLarge);
        }
        let (mut head, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            if line.is_empty() {
                break;
            }
            head.push(line.to_vec());
        }
        if head.is_empty() {
            return Err(BadRequest::Empty);
        }
        Self { head, body: rest.to_vec() }.framed()
    }

    /// A request of these parts; a body gets its length.
    pub fn new(line: &str, headers: &[(String, String)], body: Vec<u8>) -> Self {
        let headers = headers.iter().map(|(name, value)| format!("{name}: {value}").into_bytes());
        let head = std::iter::once(line.as_bytes().to_vec()).chain(headers).collect();
        let mut request = Self { head, body };
        if !request.body.is_empty() {
            request.say_length();
        }
        request
    }

    /// The method and the target as they were sent, for a person.
    pub fn line(&self) -> String {
        let line = String::from_utf8_lossy(&self.head[0]).into_owned();
        line.rsplit_once(" HTTP/").map_or(line.clone(), |(start, _)| start.to_owned())
    }

    fn framed(mut self) -> Result<Self, BadRequest> {
        let said = self.value("content-length").and_then(|text| text.parse::<usize>().ok());
        let found = self.body.len();
        match said {
            Some(said) if said > found => return Err(BadRequest::Short { said, found }),
            Some(said) if self.body[said..].iter().all(u8::is_ascii_whitespace) => self.body.truncate(said),
            None if self.body.iter().all(u8::is_ascii_whitespace) => self.body.clear(),
            None if self.value("transfer-encoding").is_none() => self.say_length(),
            _ => {}
        }
        Ok(self)
    }

    fn say_length(&mut self) {
        let length = self.body.len();
        if self.value("content-length").is_none() {
            self.head.push(format!("Content-Length: {length}").into_bytes());
        }
    }

    /// The first value of a header.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let line = self.head.iter().skip(1).find(|line| is_named(line, name))?;
        Some(String::from_utf8_lossy(&line[name.len() + 1..]).trim().to_owned())
    }

    /// Adds a header; a cookie joins those that are there.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        let cookies =
            (name == "Cookie").then(|| self.head.iter_mut().skip(1).find(|l| is_named(l, "cookie")));
        match cookies.flatten() {
            Some(line) => line.extend(format!("; {value}").into_bytes()),
            None => self.head.push(format!("{name}: {value}").into_bytes()),
        }
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.join(&b"\r\n"[..]);
        bytes.extend(b"\r\n\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

fn is_named(line: &[u8], name: &str) -> bool {
    line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
}
