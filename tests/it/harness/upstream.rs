//! An upstream that records every byte it is sent, and answers with what the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

/// A recording upstream on a free port. It lives as long as the test process; its thread ends with it.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Answers every request with the same bytes.
    pub fn answering(answer: &'static str) -> Self {
        Self::with(move |_, stream| {
            stream.write_all(answer.as_bytes()).ok();
            !answer.to_ascii_lowercase().contains("connection: close")
        })
    }

    /// 200 with the body `hello`.
    pub fn hello() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
    }

    /// Calls `answer` with each whole request; it says whether the connection goes on.
    pub fn with(answer: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (record, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (record, answer) = (Arc::clone(&record), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &record, &*answer));
            }
        });
        Self { address, seen }
    }

    /// Hands each connection over as it is; nothing is recorded.
    pub fn raw(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let handle = Arc::new(handle);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let handle = Arc::clone(&handle);
                std::thread::spawn(move || handle(stream));
            }
        });
        Self { address, seen: Arc::default() }
    }

    /// Answers nothing and tells what came on each connection once the other end has closed it.
    pub fn silent() -> (Self, Receiver<String>) {
        let (tell, hear) = channel();
        let upstream = Self::raw(move |mut stream| {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).ok();
            tell.send(String::from_utf8_lossy(&bytes).into_owned()).ok();
        });
        (upstream, hear)
    }

    /// A service and a route `/up/*` without auth, for the config.
    pub fn config(&self) -> String {
        format!(
            "[[services]]\nname = \"up\"\nurls = [\"http://{}\"]\n[[routes]]\nname = \"up\"\npath = \"/up/*\"\nservice = \"up\"\nauth = \"none\"\n",
            self.address
        )
    }

    /// Every request so far, head and body.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }

    /// The one request that came.
    pub fn only(&self) -> String {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

fn serve(mut stream: TcpStream, record: &Mutex<Vec<String>>, answer: &dyn Fn(&str, &mut TcpStream) -> bool) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer) {
        record.lock().expect("no panic").push(request.clone());
        if !answer(&request, &mut stream) {
            return;
        }
    }
}

/// One request with its body; what came of an unfinished one is recorded as nothing.
fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(length) = whole(buffer) {
            return Some(String::from_utf8_lossy(&buffer.drain(..length).collect::<Vec<_>>()).into_owned());
        }
        let mut chunk = [0; 16 * 1024];
        let n = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        buffer.extend_from_slice(&chunk[..n]);
    }
}

/// The length of the first request in the buffer, once it is all there.
fn whole(buffer: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(buffer).into_owned();
    let head = text.find("\r\n\r\n")? + 4;
    let lower = text[..head].to_ascii_lowercase();
    if lower.contains("transfer-encoding: chunked") {
        return chunked_end(buffer, head);
    }
    let length = lower.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let end = head + length.unwrap_or(0);
    (buffer.len() >= end).then_some(end)
}

/// Where a chunked body that begins at `at` ends, once it is all there.
fn chunked_end(buffer: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = buffer[at..].windows(2).position(|w| w == b"\r\n")?;
        let digits = String::from_utf8_lossy(&buffer[at..at + line]).into_owned();
        let size = usize::from_str_radix(&digits, 16).expect("a chunk size");
        at = at.checked_add(line + 2 + size + 2)?;
        if buffer.len() < at {
            return None;
        }
        if size == 0 {
            return Some(at);
        }
    }
}
