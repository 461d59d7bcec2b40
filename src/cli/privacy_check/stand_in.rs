//! Stands in for every service of the operator's: no app of theirs hears of the run. It answers with canaries of its own, for
//! what an upstream says is nobody's log's business either.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::canary::of_place;

/// What marks its answers.
pub const MARK: &str = "x-stand-in";
/// In a request's query: the answer is no HTTP.
pub const GARBAGE: &str = "stand-in-garbage";
/// Its places; their numbers go on where those of the requests end.
pub const PLACES: [&str; 3] = ["upstream's header", "upstream's body", "upstream's malformed answer"];

/// Longest wait for a part of a request.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Most bytes of a request that are read.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Starts it on a port of its own; `first` is the number of its first place. Its thread ends with the process.
///
/// # Errors
/// No port, or no thread.
pub fn start(first: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let answers = Arc::new(answers(first));
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            // Where no thread can be had the connection closes: a failed upstream is a case too.
            thread::Builder::new().spawn(move || answer(stream, &answers)).ok();
        }
    };
    thread::Builder::new().name("stand-in".to_owned()).spawn(accept)?;
    Ok(address)
}

struct Answers {
    plain: Vec<u8>,
    garbage: Vec<u8>,
}

fn answers(first: usize) -> Answers {
    let text = |at: usize| {
        let all = of_place(PLACES[at], first + at);
        all.iter().map(|canary| canary.value.as_str()).collect::<Vec<_>>().join(" ")
    };
    let body = text(1);
    let plain = format!(
        "HTTP/1.1 200 OK\r\n{MARK}: 1\r\nX-Customer: {0}\r\nSet-Cookie: customer={1}\r\nContent-Type: text/plain\r\n\
         Content-Length: {2}\r\nConnection: close\r\n\r\n{body}",
        text(0),
        text(0).replace(' ', "|"),
        body.len()
    );
    Answers { plain: plain.into_bytes(), garbage: format!("HTTP/1.1 {}\r\n\r\n", text(2)).into_bytes() }
}

fn answer(mut stream: TcpStream, answers: &Answers) {
    stream.set_read_timeout(Some(WAIT_MAX)).ok();
    let mut read = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while read.len() < REQUEST_BYTES_MAX && !is_whole(&read) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => read.extend_from_slice(&chunk[..n]),
        }
    }
    let wants_garbage = read.windows(GARBAGE.len()).any(|window| window == GARBAGE.as_bytes());
    // Whoever asked may be gone.
    stream.write_all(if wants_garbage { &answers.garbage } else { &answers.plain }).ok();
}

fn is_whole(read: &[u8]) -> bool {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let value = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
    };
    if value("transfer-encoding:").is_some() {
        return read.windows(5).any(|window| window == b"0\r\n\r\n")
            || read.ends_with(b"\r\n\r\n") && read.len() > end + 4;
    }
    let length = value("content-length:").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    read.len() >= end + 4 + length
}
