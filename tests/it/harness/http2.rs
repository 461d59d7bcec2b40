//! HTTP/2 clients: one that speaks it well (the `h2` crate), and one that sends exactly the frames it is given.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};

/// Longest wait for anything from the gateway.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an HTTP/2 client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The kinds of frames (RFC 9113 section 6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// One whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of the envelope.
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Runs a test that uses the client; one that hangs fails.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") })
}

/// Connects with prior knowledge.
pub async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(address).await.expect("the gateway listens");
    let (client, connection) =
        h2::client::Builder::new().handshake::<_, Bytes>(stream).await.expect("a connection");
    tokio::task::spawn_local(connection);
    client
}

/// A request without a body.
pub fn get(path: &str) -> Request<()> {
    Request::get(format!("http://localhost{path}")).body(()).expect("a request")
}

/// A request with a body to come.
pub fn post(path: &str) -> Request<()> {
    Request::post(format!("http://localhost{path}")).body(()).expect("a request")
}

/// Sends the head of a request whose body follows.
pub async fn begin(client: &SendRequest<Bytes>, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
    let mut client = client.clone().ready().await.expect("the connection takes requests");
    client.send_request(request, false).expect("a request that h2 sends")
}

/// Sends a request and reads the whole answer.
pub async fn ask(client: &SendRequest<Bytes>, request: Request<()>, body: &[u8]) -> Result<Reply, h2::Error> {
    let mut client = client.clone().ready().await?;
    let (response, mut sink) = client.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        sink.send_data(Bytes::copy_from_slice(body), true)?;
    }
    read(response).await
}

/// Reads a whole answer.
pub async fn read(response: ResponseFuture) -> Result<Reply, h2::Error> {
    let (parts, mut incoming) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = incoming.data().await {
        body.extend_from_slice(&take(&mut incoming, data?));
    }
    let trailers = incoming.trailers().await?;
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body, trailers })
}

/// Takes a piece of a body and makes room for the next.
pub fn take(incoming: &mut RecvStream, data: Bytes) -> Bytes {
    incoming.flow_control().release_capacity(data.len()).ok();
    data
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection that sends the frames it is given.
pub struct Frames {
    stream: TcpStream,
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header block of literals that nobody indexes or compresses (RFC 7541 section 6.2.2); lengths up to 126 bytes.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            bytes.push(u8::try_from(text.len()).expect("a short text"));
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// The headers of a GET, and more.
pub fn get_block(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path)];
    block(&[&usual[..], more].concat())
}

impl Frames {
    /// Connects and sends the preface and empty settings.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        let mut frames = Self { stream };
        frames.send(PREFACE).expect("the gateway reads");
        frames.send(&frame(kind::SETTINGS, 0, 0, &[])).expect("the gateway reads");
        frames
    }

    /// Reads and writes a connection that has begun.
    pub fn of(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are. An error means that the other end is gone, which some tests expect.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads a frame; `None` when the connection is over.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.fill(&mut head)?;
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).expect("24 bits");
        let mut payload = vec![0; length];
        self.fill(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("nothing came within {PATIENCE:?}")
            }
            Err(_) => None,
        }
    }

    /// Reads up to the first frame that fits; `None` when the connection is over before.
    pub fn until(&mut self, fits: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.read()?;
            if fits(&frame) {
                return Some(frame);
            }
        }
    }

    /// Reads to the end of the connection and gives the reason of its GOAWAY.
    pub fn goes_away(&mut self) -> Option<u32> {
        let mut reason = None;
        while let Some(frame) = self.read() {
            if frame.kind == kind::GOAWAY {
                reason = Some(u32::from_be_bytes(frame.payload[4..8].try_into().expect("four bytes")));
            }
        }
        reason
    }

    /// What became of a stream: the reason of its reset, or of the connection's end; nothing where it was answered.
    pub fn refusal_of(&mut self, stream: u32) -> Option<u32> {
        let wanted = self.until(|f| {
            f.kind == kind::GOAWAY
                || (f.stream == stream && matches!(f.kind, kind::HEADERS | kind::RST_STREAM))
        })?;
        let at = if wanted.kind == kind::GOAWAY { 4..8 } else { 0..4 };
        (wanted.kind != kind::HEADERS)
            .then(|| u32::from_be_bytes(wanted.payload[at].try_into().expect("four bytes")))
    }
}
