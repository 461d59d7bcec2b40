//! A raw HTTP/1.1 client: it sends exactly the bytes it is given and reads one answer at a time.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for anything from the gateway.
const PATIENCE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// One connection to the gateway.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Answer {
    /// The first value of a header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    /// The code of the envelope.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// `name=value` of the cookie that the answer sets.
    pub fn cookie(&self) -> Option<String> {
        self.header("set-cookie").and_then(|line| line.split(';').next()).map(str::to_owned)
    }
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, buffer: Vec::new() }
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are. An error means that the other end is gone, which some tests expect.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Reads one answer; `None` when the connection closed before one had begun.
    pub fn read(&mut self) -> Option<Answer> {
        self.read_answer(false)
    }

    /// Reads one answer to a HEAD request.
    pub fn read_head(&mut self) -> Option<Answer> {
        self.read_answer(true)
    }

    fn read_answer(&mut self, head_only: bool) -> Option<Answer> {
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                    break end;
                }
                if !self.fill() {
                    return None;
                }
            };
            let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            self.buffer.drain(..end + 4);
            let mut answer = parse(&head);
            if (100..200).contains(&answer.status) {
                continue;
            }
            if !head_only && !matches!(answer.status, 204 | 304) {
                answer.body = self.body(&answer);
            }
            return Some(answer);
        }
    }

    /// Reads until these bytes have come, and takes them and all before them out; an answer's head, part of a body, a 100.
    pub fn read_until(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = find(&self.buffer, wanted.as_bytes()) {
                let taken: Vec<u8> = self.buffer.drain(..at + wanted.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            assert!(self.fill(), "closed before {wanted:?} came: {}", String::from_utf8_lossy(&self.buffer));
        }
    }

    /// Everything up to the end of the connection, as it came.
    pub fn read_rest(&mut self) -> String {
        while self.fill() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Reads to the end of the connection; `true` when it ended in time.
    pub fn closes(&mut self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return false;
                }
                Err(_) => return true,
            }
        }
    }

    fn body(&mut self, answer: &Answer) -> Vec<u8> {
        if answer.header("transfer-encoding").is_some() {
            return self.chunked();
        }
        if let Some(length) = answer.header("content-length").and_then(|l| l.parse::<usize>().ok()) {
            return self.exactly(length);
        }
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                assert!(self.fill(), "the connection closed inside a chunked body");
            };
            let size = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            self.buffer.drain(..end + 2);
            let size =
                usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16).expect("a chunk size");
            body.extend(self.exactly(size));
            self.exactly(2);
            if size == 0 {
                return body;
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill(), "the connection closed {} bytes early", length - self.buffer.len());
        }
        self.buffer.drain(..length).collect()
    }

    fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("no answer within {PATIENCE:?}")
            }
            Err(_) => false,
        }
    }
}

/// Sends one request on a connection of its own. `head` is the request line and headers, without `Host`.
pub fn request(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut connection = Connection::open(address);
    connection.send(compose(line, headers, body)).expect("the gateway reads");
    let answer = if line.starts_with("HEAD ") { connection.read_head() } else { connection.read() };
    answer.expect("an answer")
}

/// The bytes of a request; `Host: localhost` and `Content-Length` are added where they are not given.
pub fn compose(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut head = format!("{line} HTTP/1.1\r\n");
    if !has("host") {
        head.push_str("Host: localhost\r\n");
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !body.is_empty() && !has("content-length") && !has("transfer-encoding") {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Reads a head without its last empty line.
pub fn parse(head: &str) -> Answer {
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).expect("a status line");
    let headers = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
        .collect();
    Answer { status, headers, body: Vec::new() }
}
