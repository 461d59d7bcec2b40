//! The proxy against upstreams that the tests play by hand, byte for byte.

mod addresses;
mod encrypted;
mod faults;
mod framing;
mod health;
mod http2;
mod pooling;
mod server;
mod streams;
mod unix;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Limits, Pool, SendError, Service, Upload, UpstreamBody, UpstreamBodyError, Upstreams, send};
use crate::base::clock::Clock;
use crate::config;

/// No test takes this long; one that does has found a deadlock.
const TEST_MAX: Duration = Duration::from_secs(30);

/// A timeout that is not meant to end.
const LONG: Duration = Duration::from_secs(20);

/// A timeout that is meant to end.
const SHORT: Duration = Duration::from_millis(60);

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Runs a test as a worker runs requests: on one thread, with a `LocalSet`.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async { tokio::time::timeout(TEST_MAX, test).await.expect("the test hangs") });
}

/// A service with one upstream, whose socket the test holds.
struct Bench {
    listener: TcpListener,
    pool: Pool,
    clock: Clock,
    upstreams: Arc<Upstreams>,
    config: config::Service,
    silence_max: Duration,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut config::Service)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clock = Clock::manual(0);
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut config = config::Service::of("app", &[&url]);
        config.connect_timeout = LONG;
        config.response_timeout = LONG;
        config.idle_max = 8;
        change(&mut config);
        let upstreams = Arc::new(Upstreams::new(clock.clone()));
        upstreams.apply(std::slice::from_ref(&config));
        Self { listener, pool: Pool::new(clock.clone()), clock, upstreams, config, silence_max: LONG }
    }

    fn service(&self) -> Arc<Service> {
        self.upstreams.get("app").unwrap()
    }

    async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    async fn send(&self, request: Request<Upload>) -> Result<Response<UpstreamBody>, SendError> {
        let service = self.service();
        let head_max = service.config().response_timeout;
        let again = again(&request);
        let limits = Limits { silence_max: self.silence_max, head_max };
        send(&self.pool, &service, request, limits, &again).await
    }

    /// A GET, while the upstream reads one request on a new connection and writes `raw`; gives the connection too.
    async fn get(&self, raw: &[u8]) -> (Result<Response<UpstreamBody>, SendError>, TcpStream) {
        self.ask(get("/"), raw).await
    }

    async fn ask(
        &self,
        request: Request<Upload>,
        raw: &[u8],
    ) -> (Result<Response<UpstreamBody>, SendError>, TcpStream) {
        let upstream = async {
            let mut socket = self.accept().await;
            read_head(&mut socket).await;
            socket.write_all(raw).await.unwrap();
            socket
        };
        tokio::join!(self.send(request), upstream)
    }
}

/// Makes the head of a request once more.
fn again(request: &Request<Upload>) -> impl Fn() -> Option<Request<()>> + use<> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    move || Some(head.clone())
}

fn get(path: &str) -> Request<Upload> {
    Request::get(path).header("host", "app.example").body(Upload::none()).unwrap()
}

fn post(upload: Upload) -> Request<Upload> {
    Request::post("/").header("host", "app.example").body(upload).unwrap()
}

/// Reads to the end of a request head, and no further.
async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a request head"));
    }
    String::from_utf8(head).unwrap()
}

/// Whether the gateway has closed this connection; waits until it has.
async fn is_closed(socket: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset closes as well as an end.
    let _ = socket.read_to_end(&mut rest).await;
    true
}

async fn text(response: Response<UpstreamBody>) -> Result<String, UpstreamBodyError> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// A request body that the test feeds.
fn fed() -> (tokio::sync::mpsc::Sender<Result<Bytes, super::BoxError>>, Upload) {
    let (feed, rest) = tokio::sync::mpsc::channel(1);
    (feed, Upload::stream(Fed(rest)))
}

struct Fed(tokio::sync::mpsc::Receiver<Result<Bytes, super::BoxError>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = super::BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, super::BoxError>>> {
        self.0.poll_recv(cx).map(|item| item.map(|r| r.map(http_body::Frame::data)))
    }
}
