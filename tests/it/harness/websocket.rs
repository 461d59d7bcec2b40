//! WebSockets by hand: a client that sends exactly the frames it is told to, and an upstream that sends them back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;

use super::client::{Answer, compose, parse};
use super::upstream::Upstream;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A key that every handshake may use.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The headers of a handshake.
pub const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
];

/// One frame: the first byte, and the payload without its mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub u8, pub Vec<u8>);

impl Frame {
    /// The code of a close frame.
    pub fn code(&self) -> u16 {
        assert_eq!(self.0, 0x88, "{self:?}");
        u16::from_be_bytes(self.1[..2].try_into().expect("a code"))
    }
}

/// One end of an open socket.
pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    masks: bool,
}

impl Socket {
    /// Opens one with further headers.
    ///
    /// # Errors
    /// The answer, where it is no 101.
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<(Self, Answer), Answer> {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        let mut socket = Self { stream, buffer: Vec::new(), masks: true };
        let all: Vec<_> = HANDSHAKE.iter().chain(headers).copied().collect();
        socket.stream.write_all(&compose(&format!("GET {path}"), &all, b"")).expect("the gateway reads");
        let head = socket.head().expect("an answer");
        let mut answer = parse(&head);
        if answer.status == 101 {
            return Ok((socket, answer));
        }
        let length = answer.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        answer.body = socket.exactly(length).expect("a body");
        Err(answer)
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a text message.
    pub fn say(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes()).expect("the other end reads");
    }

    /// Sends one frame.
    pub fn frame(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        let bytes = frame(first, payload, self.masks);
        self.send(&bytes)
    }

    /// The next frame; none at the end of the connection.
    pub fn next(&mut self) -> Option<Frame> {
        let head = self.exactly(2)?;
        let length = match head[1] & 0x7f {
            126 => usize::from(u16::from_be_bytes(self.exactly(2)?.try_into().ok()?)),
            127 => usize::try_from(u64::from_be_bytes(self.exactly(8)?.try_into().ok()?)).ok()?,
            short => usize::from(short),
        };
        let mask = if head[1] & 0x80 == 0 { vec![0; 4] } else { self.exactly(4)? };
        let payload = self.exactly(length)?;
        Some(Frame(head[0], payload.iter().enumerate().map(|(n, b)| b ^ mask[n % 4]).collect()))
    }

    /// Says something and waits until it has come back.
    pub fn echo(&mut self, text: &str) {
        self.say(text);
        assert_eq!(self.next(), Some(Frame(0x81, text.as_bytes().to_vec())));
    }

    /// Reads and throws away what has come; false at the end of the connection.
    pub fn waste(&mut self) -> bool {
        self.buffer.clear();
        self.stream.read(&mut vec![0; 256 * 1024]).is_ok_and(|n| n > 0)
    }

    fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.exactly(1)?);
        }
        head.truncate(head.len() - 4);
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(n @ 1..) => self.buffer.extend_from_slice(&chunk[..n]),
                Ok(_) => return None,
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("nothing within {PATIENCE:?}")
                }
                Err(_) => return None,
            }
        }
        Some(self.buffer.drain(..length).collect())
    }
}

/// A frame; its mask is no zero where it has one.
pub fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = vec![first];
    let bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..=125 => bytes.push(bit | u8::try_from(short).expect("short")),
        middle @ 126..=0xffff => {
            bytes.push(bit | 0x7e);
            bytes.extend(u16::try_from(middle).expect("in range").to_be_bytes());
        }
        long => {
            bytes.push(bit | 0x7f);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    if masked {
        bytes.extend(mask);
    }
    bytes.extend(payload.iter().enumerate().map(|(n, b)| if masked { b ^ mask[n % 4] } else { *b }));
    bytes
}

/// The proof that a key was read.
pub fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::prelude::BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// The 101 that answers a handshake, with further header lines.
pub fn switching(head: &str, more: &str) -> String {
    let line = head.lines().find(|l| l.to_ascii_lowercase().starts_with("sec-websocket-key:"));
    let key = line.and_then(|l| l.split_once(':')).map(|(_, v)| v.trim()).unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{more}\r\n",
        accept(key)
    )
}

/// What an upstream has seen.
#[derive(Clone, Default)]
pub struct Seen {
    /// Every head, in order.
    pub heads: Arc<Mutex<Vec<String>>>,
    /// How each socket ended: the last frame, or none where the connection just ended.
    pub ends: Arc<Mutex<Vec<Option<Frame>>>>,
}

impl Seen {
    /// Every head so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }

    /// How sockets ended so far.
    pub fn ends(&self) -> Vec<Option<Frame>> {
        self.ends.lock().expect("no panic").clone()
    }
}

/// An upstream that takes every handshake and sends every message back.
pub fn echo() -> (Upstream, Seen) {
    answering(|head| switching(head, ""))
}

/// An upstream that answers a head with these bytes, and where they are a 101 sends every message back.
pub fn answering<A: AsRef<[u8]>>(answer: impl Fn(&str) -> A + Send + Sync + 'static) -> (Upstream, Seen) {
    let seen = Seen::default();
    let record = seen.clone();
    let upstream = Upstream::raw(move |stream| {
        stream.set_nodelay(true).ok();
        let mut socket = Socket { stream, buffer: Vec::new(), masks: false };
        while let Some(head) = socket.head() {
            record.heads.lock().expect("no panic").push(head.clone());
            let answer = answer(&head);
            if socket.send(answer.as_ref()).is_err() {
                return;
            }
            if answer.as_ref().starts_with(b"HTTP/1.1 101") {
                let end = serve(&mut socket);
                record.ends.lock().expect("no panic").push(end);
                return;
            }
        }
    });
    (upstream, seen)
}

fn serve(socket: &mut Socket) -> Option<Frame> {
    while let Some(Frame(first, payload)) = socket.next() {
        match first {
            0x88 => {
                socket.frame(first, &payload).ok();
                return Some(Frame(first, payload));
            }
            0x89 => socket.frame(0x8a, &payload).ok()?,
            0x8a => {}
            _ if payload == b"be gone" => return None,
            _ => socket.frame(first, &payload).ok()?,
        }
    }
    None
}
