//! Many raw connections at once. Each comes from a loopback address of its own, by which its requests are known upstream.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::case::Case;
use crate::harness::strict::{self, Reading, Stop};

/// Longest wait for the gateway to answer or to hang up; its own timeouts are far shorter.
const PATIENCE: Duration = Duration::from_secs(60);

/// The request that is sent once the case was answered and the connection is still open.
pub const FOLLOW_UP: &[u8] =
    b"POST /follow-up HTTP/1.1\r\nHost: a.test\r\nAuthorization: canary-credential\r\nContent-Length: 4\r\n\r\nlast";

/// One answer of the gateway.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came of a case.
pub struct Outcome {
    /// Where it came from.
    pub source: Ipv4Addr,
    /// What the reference reader makes of the bytes sent, the follow-up included.
    pub reading: Reading,
    pub answers: Vec<Answer>,
    /// Bytes after the last whole answer.
    pub rest: Vec<u8>,
    /// Whether the gateway hung up in time.
    pub closed: bool,
    /// Whether the follow-up was sent.
    pub followed: bool,
}

impl Answer {
    /// The first value of a header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn is_last(&self) -> bool {
        self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }
}

struct Wire {
    stream: TcpStream,
    methods: Vec<String>,
    buffer: Vec<u8>,
    answers: Vec<Answer>,
    ended: bool,
}

/// The address of the case with that number.
pub fn source(number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).expect("some thousand cases");
    Ipv4Addr::from(0x7f01_0001 + number)
}

/// How the bytes of a case are cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// All at once.
    Whole,
    /// A few bytes at a time, so that what a reader must see together comes apart.
    Pieces,
}

/// Most pieces of a case.
const PIECES_MAX: usize = 96;

/// Between two pieces, so that they are not read as one.
const PAUSE: Duration = Duration::from_millis(1);

/// Sends a case and says what came of it.
pub async fn run(gateway: SocketAddr, number: usize, case: &Case, manner: Manner) -> Outcome {
    let source = source(number);
    let mut sent = case.bytes.clone();
    let reading = strict::read(&sent);
    let mut wire = Wire::open(gateway, source, &reading).await;
    if wire.methods.is_empty() && sent.starts_with(b"HEAD ") {
        wire.methods.push("HEAD".to_owned());
    }
    let piece = match manner {
        Manner::Whole => sent.len().max(1),
        Manner::Pieces => (1 + number % 7).max(sent.len() / PIECES_MAX),
    };
    for (at, piece) in sent.chunks(piece).enumerate() {
        if at > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        wire.send(piece).await;
    }
    let expected = reading.requests.len();
    wire.until(|w| w.answers.len() >= expected).await;
    let mut followed = false;
    match reading.stop {
        Stop::End if expected > 0 && !wire.ended && !wire.answers.last().is_some_and(Answer::is_last) => {
            followed = true;
            wire.methods.push("POST".to_owned());
            sent.extend_from_slice(FOLLOW_UP);
            wire.send(FOLLOW_UP).await;
            wire.until(|w| w.answers.len() > expected).await;
        }
        // The gateway's own timeouts end what is not whole, and what it takes for not whole.
        Stop::Incomplete | Stop::Malformed(_) => wire.until(|w| w.answers.len() > expected).await,
        Stop::End | Stop::Closed => {}
    }
    wire.stream.shutdown().await.ok();
    wire.until(|_| false).await;
    let reading = strict::read(&sent);
    Outcome { source, reading, answers: wire.answers, rest: wire.buffer, closed: wire.ended, followed }
}

impl Wire {
    async fn open(gateway: SocketAddr, source: Ipv4Addr, reading: &Reading) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((source, 0).into()).expect("a loopback address");
        let stream = socket.connect(gateway).await.expect("the gateway listens");
        stream.set_nodelay(true).ok();
        let methods = reading.requests.iter().map(|m| m.method.clone()).collect();
        Self { stream, methods, buffer: Vec::new(), answers: Vec::new(), ended: false }
    }

    /// An error says that the gateway hung up, which it may; what it had said before is read all the same.
    async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.map(Result::ok).ok();
    }

    /// Reads answers until there are enough of them, the connection ends, or it takes too long.
    async fn until(&mut self, enough: impl Fn(&Self) -> bool) {
        let reading = async {
            while !self.ended && !enough(self) {
                if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                    self.ended = true;
                }
                self.parse();
            }
        };
        timeout(PATIENCE, reading).await.ok();
    }

    fn parse(&mut self) {
        loop {
            let is_head = self.methods.get(self.answers.len()).is_some_and(|m| m == "HEAD");
            let Some((answer, used)) = answer(&self.buffer, is_head, self.ended) else { return };
            self.buffer.drain(..used);
            if !(100..200).contains(&answer.status) {
                self.answers.push(answer);
            }
        }
    }
}

/// The first whole answer and its length. The body of one that closes goes to the end of the connection at most: a
/// refusal of what could not be read may be one to a HEAD.
fn answer(bytes: &[u8], is_head: bool, ended: bool) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end - 4]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let headers = lines
        .map(|line| line.split_once(": ").unwrap_or((line, "")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    if is_head || (100..200).contains(&status) || matches!(status, 204 | 304) {
        return Some((answer, end));
    }
    let length = answer.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let rest = &bytes[end..];
    if rest.len() < length && !ended {
        return None;
    }
    answer.body = rest[..length.min(rest.len())].to_vec();
    let used = end + answer.body.len();
    Some((answer, used))
}
