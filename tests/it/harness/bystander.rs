//! Somebody who only wants an answer, again and again, while others misbehave (THREATS section 0.1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::{Connection, compose};

/// A client that asks for `path` on one connection until it is told to stop.
pub struct Bystander {
    over: Arc<AtomicBool>,
    asking: JoinHandle<Seen>,
}

/// What the bystander saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// How long each answer took, in ascending order.
    pub waits: Vec<Duration>,
    /// Statuses that were not 200; 0 is a connection that was closed.
    pub odd: Vec<u16>,
}

impl Seen {
    /// The wait that 99 of 100 did not exceed.
    pub fn p99(&self) -> Duration {
        self.waits.get(self.waits.len() * 99 / 100).copied().unwrap_or(Duration::MAX)
    }
}

impl Bystander {
    /// Begins to ask; the connection is there when this returns.
    pub fn begin(address: SocketAddr, path: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (ends, request) = (Arc::clone(&over), compose(&format!("GET {path}"), &[], b""));
        let mut connection = Connection::open(address);
        let asking = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                let answer = connection.send(&request).ok().and_then(|()| connection.read());
                seen.waits.push(began.elapsed());
                match answer {
                    Some(answer) if answer.status == 200 => {}
                    Some(answer) => seen.odd.push(answer.status),
                    None => {
                        seen.odd.push(0);
                        connection = Connection::open(address);
                    }
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
            seen.waits.sort_unstable();
            seen
        });
        Self { over, asking }
    }

    /// Stops and tells; there must have been at least one answer.
    pub fn end(self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.asking.join().expect("the bystander does not panic");
        assert!(!seen.waits.is_empty(), "the bystander never had an answer");
        seen
    }
}
