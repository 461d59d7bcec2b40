//! An upstream that keeps the raw bytes of every connection, and tells the requests among them apart by the reference
//! reader. Its answer to each is a mark: which connection, which request on it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::strict::{self, Message, Stop};

/// A recording upstream on a free port. It lives as long as the test process; its threads end with it.
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Recorded>>,
    open: AtomicUsize,
    told: AtomicUsize,
}

impl Shared {
    fn record(&self, number: usize, bytes: &[u8], requests: Vec<Message>, stop: Stop) {
        let mut connections = self.connections.lock().expect("no panic");
        let recorded = &mut connections[number];
        recorded.bytes.extend_from_slice(bytes);
        let place = |message| (self.told.fetch_add(1, Ordering::SeqCst), message);
        recorded.requests.extend(requests.into_iter().map(place));
        recorded.stop = stop;
    }
}

/// What came over one connection.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Every byte.
    pub bytes: Vec<u8>,
    /// The whole requests among them, each with its place among all that came.
    pub requests: Vec<(usize, Message)>,
    /// Why there are no more: the end, or a request that was broken off, or bytes that are none.
    pub stop: Stop,
}

impl Recorder {
    /// Listens, and answers every whole request with `mark CONNECTION.REQUEST USER`: the user is the one that the gateway names.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let record = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&record);
                shared.open.fetch_add(1, Ordering::SeqCst);
                let number = {
                    let mut all = shared.connections.lock().expect("no panic");
                    all.push(Recorded { bytes: Vec::new(), requests: Vec::new(), stop: Stop::End });
                    all.len() - 1
                };
                std::thread::spawn(move || {
                    serve(stream, number, &shared);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    /// A service and a route for every path, for the config. Further keys of the route are `more`.
    pub fn config(&self, more: &str) -> String {
        format!(
            "[[services]]\nname = \"up\"\nurls = [\"http://{}\"]\n[[routes]]\nname = \"up\"\npath = \"/*\"\nservice = \"up\"\n{more}\n",
            self.address
        )
    }

    /// Everything so far, a connection each.
    pub fn connections(&self) -> Vec<Recorded> {
        self.shared.connections.lock().expect("no panic").clone()
    }

    /// Every whole request so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Message> {
        let mut all: Vec<_> = self.connections().into_iter().flat_map(|c| c.requests).collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, message)| message).collect()
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// What was not well formed, in words; empty where all was.
    pub fn faults(&self) -> Vec<String> {
        let fault = |c: &Recorded| match c.stop {
            Stop::End | Stop::Incomplete => None,
            stop => Some(format!("{stop:?} in {:?}", String::from_utf8_lossy(&c.bytes))),
        };
        let all = self.connections();
        let requests = all.iter().flat_map(|c| &c.requests);
        all.iter()
            .filter_map(fault)
            .chain(requests.filter_map(|(_, m)| misfit(m).map(|f| format!("{f} in {m:?}"))))
            .collect()
    }
}

/// What a gateway must not say upstream, though it be well formed.
pub fn misfit(message: &Message) -> Option<&'static str> {
    const HOPS: [&str; 8] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "http2-settings",
    ];
    if HOPS.iter().any(|name| !message.all(name).is_empty()) {
        return Some("a hop-by-hop header");
    }
    if message.all("x-request-id").len() != 1 || message.all("x-forwarded-for").len() != 1 {
        return Some("not one id and one client");
    }
    if message.headers.iter().any(|(name, _)| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
        return Some("a name that upstreams read in several ways");
    }
    None
}

fn serve(mut stream: TcpStream, number: usize, shared: &Shared) {
    stream.set_nodelay(true).ok();
    let mut chunk = [0; 16 * 1024];
    let (mut answered, mut pending) = (0, Vec::new());
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        pending.extend_from_slice(&chunk[..n]);
        let reading = strict::read(&pending);
        pending.drain(..reading.used);
        let mut answers = Vec::new();
        for message in &reading.requests {
            answers.extend(answer(message, number, answered));
            answered += 1;
        }
        shared.record(number, &chunk[..n], reading.requests, reading.stop);
        if stream.write_all(&answers).is_err() || matches!(reading.stop, Stop::Malformed(_) | Stop::Closed) {
            return;
        }
    }
}

fn answer(message: &Message, connection: usize, request: usize) -> Vec<u8> {
    let user = message.header("x-auth-request-user").unwrap_or_else(|| "nobody".to_owned());
    let body = format!("mark {connection}.{request} {user}");
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
    if message.method == "HEAD" { head.into_bytes() } else { (head + &body).into_bytes() }
}
