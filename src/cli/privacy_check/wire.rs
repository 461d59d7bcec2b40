//! One exchange over a plain socket: bytes as they are, malformed ones too, and what comes back.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for a part of an answer. Some requests have no answer.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status; 0 where there is none.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| named(line)).and_then(|line| Some(line.split_once(':')?.1.trim()))
    }
}

/// Sends bytes and reads one answer.
///
/// # Errors
/// Nobody listens there.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    // Refused half-way, the rest cannot be sent; the answer is there all the same.
    stream.write_all(bytes).ok();
    let mut read = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while read.len() < ANSWER_BYTES_MAX && !is_whole(&read) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => read.extend_from_slice(&chunk[..n]),
        }
    }
    Ok(parse(&read))
}

/// Whether the head is there, and as much body as it says; where it says nothing, the end says it.
fn is_whole(read: &[u8]) -> bool {
    let answer = parse(read);
    match answer.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => answer.body.len() >= length,
        None => matches!(answer.status, 101 | 204 | 304),
    }
}

fn parse(read: &[u8]) -> Answer {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Answer::default();
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head, body: read[end + 4..].to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let whole = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Request-ID: a1\r\n\r\nno";
        assert!(is_whole(whole) && !is_whole(&whole[..whole.len() - 1]) && !is_whole(b""));
        let answer = parse(whole);
        assert_eq!(
            (answer.status, answer.header("x-request-id"), &*answer.body),
            (403, Some("a1"), &b"no"[..])
        );
    }
}
