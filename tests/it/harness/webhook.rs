//! A receiver of alerts: it keeps what it is sent, and answers, fails or hangs as the test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::upstream::Upstream;

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(30);
/// In place of a status: no answer.
pub const HANG: u16 = 0;

/// A receiver on a free port. It lives as long as the test process.
pub struct Webhook {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _upstream: Upstream,
}

struct Shared {
    status: AtomicU16,
    messages: Mutex<Vec<Message>>,
    came: Condvar,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Request line and headers.
    pub head: String,
    /// The body as it came.
    pub body: String,
}

impl Webhook {
    /// Answers every message with that status, or [`HANG`]s.
    pub fn answering(status: u16) -> Self {
        let shared = Arc::new(Shared {
            status: AtomicU16::new(status),
            messages: Mutex::default(),
            came: Condvar::new(),
        });
        let record = Arc::clone(&shared);
        let upstream = Upstream::with(move |request, stream| {
            // Before anybody knows that it came, and says what comes next.
            let status = record.status.load(Ordering::SeqCst);
            let (head, body) = request.split_once("\r\n\r\n").expect("a head");
            let message = Message { head: head.to_owned(), body: body.to_owned() };
            record.messages.lock().expect("no panic").push(message);
            record.came.notify_all();
            match status {
                // Until the other end gives up.
                HANG => drop(std::io::Read::read(stream, &mut [0; 1])),
                status => {
                    let answer =
                        format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    std::io::Write::write_all(stream, answer.as_bytes()).ok();
                }
            }
            false
        });
        Self { address: upstream.address, shared, _upstream: upstream }
    }

    /// From now on it answers with that status.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// Its address as the configuration names it.
    pub fn url(&self) -> String {
        format!("http://{}/hook?key=hook-key-canary", self.address)
    }

    /// What came so far.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.messages.lock().expect("no panic").clone()
    }

    /// Waits until that many have come, and gives them.
    pub fn wait_for(&self, number: usize) -> Vec<Message> {
        let deadline = Instant::now() + PATIENCE;
        let mut messages = self.shared.messages.lock().expect("no panic");
        while messages.len() < number {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{number} messages did not come: {messages:?}");
            messages = self.shared.came.wait_timeout(messages, left).expect("no panic").0;
        }
        messages.clone()
    }
}

impl Message {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}
