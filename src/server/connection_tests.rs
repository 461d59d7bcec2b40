use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream as Client};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::pipeline::unparsed::Unparsed;
use crate::server::drain::{Drained, drain};
use crate::server::listen::listen;
use crate::server::workers::{Options, Workers};
use crate::telemetry::metrics::Metrics;

const LONG: Duration = Duration::from_secs(20);

pub(in crate::server) fn limits() -> Server {
    Server {
        listen: "127.0.0.1:0".parse().unwrap(),
        trusted_proxies: Vec::new(),
        body_max: 1_000_000,
        target_max: 8 * 1024,
        header_max: 32 * 1024,
        headers_max: 100,
        header_timeout: LONG,
        body_timeout: LONG,
        idle_timeout: LONG,
        body_rate_min: 0,
        drain_timeout: LONG,
        connections_max: 100,
        connections: crate::config::Connections::default(),
        workers: 1,
        json_depth_max: 64,
        require_schema: false,
        allow_http: false,
        http2: crate::config::Http2 { over_tls: true, over_plain: false, streams_max: 100 },
        tls: None,
        websocket: crate::config::WebSocket {
            idle_timeout: LONG,
            message_max: 1_000_000,
            lifetime_max: Duration::ZERO,
            per_user_max: 100,
        },
    }
}

/// The drain's time, and the second signal.
type Stop = tokio::sync::oneshot::Sender<(Duration, tokio::sync::oneshot::Receiver<()>)>;

/// A gateway in small: `/echo` reads the body, `/refuse` does not, `/hang` waits for ever, `/panic` panics, `/tunnel` is one
/// that sends back what it gets.
struct Bench {
    address: SocketAddr,
    endings: mpsc::Receiver<Ending>,
    /// One message for each request that has begun.
    begun: mpsc::Receiver<String>,
    stop: std::cell::Cell<Option<Stop>>,
    drained: mpsc::Receiver<Drained>,
}

async fn answer(
    mut request: Request<Incoming>,
    begun: mpsc::Sender<String>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let respond =
        |status: u16, text: Bytes| Ok(Response::builder().status(status).body(Full::new(text)).unwrap());
    if let Some(unparsed) = request.extensions().get::<Unparsed>() {
        let status = unparsed.refusal.status();
        let text = format!("{} {}", unparsed.method, unparsed.refusal.message());
        let answer = Response::builder().status(status).header("connection", "close");
        return Ok(answer.body(Full::new(text.into())).unwrap());
    }
    let path = request.uri().path().to_owned();
    begun.send(path.clone()).ok();
    match path.as_str() {
        "/echo" => respond(
            200,
            request
                .into_body()
                .collect()
                .await
                .map_or_else(|_| "broken".into(), http_body_util::Collected::to_bytes),
        ),
        "/refuse" => respond(403, "no".into()),
        "/hang" => std::future::pending().await,
        "/large" => respond(200, vec![b'x'; 64 << 20].into()),
        "/panic" => panic!("a defect"),
        "/tunnel" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let mut bytes = [0; 64];
                while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                    stream.write_all(&bytes[..n]).await.unwrap();
                }
                stream.shutdown().await.ok();
            });
            let answer =
                Response::builder().status(101).header("connection", "upgrade").header("upgrade", "x");
            Ok(answer.body(Full::default()).unwrap())
        }
        _ => respond(200, path.clone().into()),
    }
}

impl Bench {
    fn new(config: &Server) -> Self {
        let http = Http::new(config);
        let listener = listen(config.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let (ended, endings) = mpsc::channel();
        let (tell_begun, begun) = mpsc::channel();
        let (stop, stopped) =
            tokio::sync::oneshot::channel::<(Duration, tokio::sync::oneshot::Receiver<()>)>();
        let (tell, drained) = mpsc::channel();
        let options =
            Options { name: "worker", workers: config.workers, connections_max: config.connections_max };
        let workers = Workers::start(
            options,
            Arc::new(Metrics::new("test")),
            |_| Rc::new(()),
            move |_, stream, _, shutdown| {
                let (http, ended, tell_begun) = (http.clone(), ended.clone(), tell_begun.clone());
                async move {
                    let service = service_fn(move |request| answer(request, tell_begun.clone()));
                    let ending = http.serve(stream, &shutdown, service).await;
                    ended.send(ending).ok();
                }
            },
        )
        .unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let gate = workers.gate();
                let (mut within, mut force) = (Duration::ZERO, None);
                let stop = async {
                    if let Ok((time, forced)) = stopped.await {
                        (within, force) = (time, Some(forced));
                    }
                };
                gate.accept(listener, stop).await.unwrap();
                let force = async {
                    match force {
                        Some(force) => drop(force.await),
                        None => std::future::pending().await,
                    }
                };
                tell.send(drain(vec![workers], within, force).await).ok();
            });
        });
        Self { address, endings, begun, stop: std::cell::Cell::new(Some(stop)), drained }
    }

    /// Begins the drain; what is returned forces its end when it is sent or dropped.
    fn stop(&self, within: Duration) -> tokio::sync::oneshot::Sender<()> {
        let (force, forced) = tokio::sync::oneshot::channel();
        self.stop.take().unwrap().send((within, forced)).unwrap();
        force
    }

    fn connect(&self) -> Client {
        let client = Client::connect(self.address).unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        client.set_write_timeout(Some(LONG)).unwrap();
        client
    }

    fn send(&self, text: &str) -> Client {
        let mut client = self.connect();
        client.write_all(text.as_bytes()).unwrap();
        client
    }

    fn ending(&self) -> Ending {
        self.endings.recv_timeout(LONG).unwrap()
    }

    fn begun(&self) -> String {
        self.begun.recv_timeout(LONG).unwrap()
    }
}

/// Everything until the other side closes; a reset fails.
fn all(client: &mut Client) -> String {
    let mut out = Vec::new();
    client.read_to_end(&mut out).expect("closed, not reset");
    String::from_utf8(out).unwrap()
}

/// One answer with a body of a known length.
fn one(client: &mut Client) -> String {
    let mut out = String::new();
    let mut byte = [0];
    while !out.ends_with("\r\n\r\n") {
        client.read_exact(&mut byte).unwrap();
        out.push(char::from(byte[0]));
    }
    let length = out
        .to_ascii_lowercase()
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let mut body = vec![0; length];
    client.read_exact(&mut body).unwrap();
    out + std::str::from_utf8(&body).unwrap()
}

#[test]
fn requests_follow_one_another_and_may_be_sent_ahead() {
    let bench = Bench::new(&limits());
    let mut client = bench.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(one(&mut client).ends_with("/a"));
    assert!(one(&mut client).ends_with("/b"));
    client
        .write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc")
        .unwrap();
    let last = all(&mut client);
    assert!(last.ends_with("abc") && last.contains("connection: close"), "{last}");
    assert_eq!(bench.ending(), Ending::Closed);
}

#[test]
fn sl_02_a_connection_that_says_nothing_is_closed_silently_at_the_header_timeout() {
    let bench = Bench::new(&Server { header_timeout: Duration::from_millis(100), ..limits() });
    assert_eq!(all(&mut bench.connect()), "");
    assert_eq!(bench.ending(), Ending::Closed);
}

#[test]
fn sl_01_half_a_head_is_answered_408_at_the_header_timeout() {
    let bench = Bench::new(&Server { header_timeout: Duration::from_millis(100), ..limits() });
    let mut client = bench.send("GET / HTTP/1.1\r\nhost:");
    let answer = all(&mut client);
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.ends_with("GET The request did not arrive in time.")
    );
    drop(client);
    assert_eq!(bench.ending(), Ending::Closed);
}

#[test]
fn sl_03_an_idle_connection_is_closed_silently_after_its_request() {
    let bench = Bench::new(&Server { idle_timeout: Duration::from_millis(100), ..limits() });
    let mut client = bench.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(all(&mut client).ends_with("/a"));
    assert_eq!(bench.ending(), Ending::Closed);
    let asks = "POST /echo HTTP/1.1\r\nhost: x\r\nupgrade: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let mut client = bench.send(asks);
    assert!(all(&mut client).ends_with("abc"), "also where it asked for an upgrade and got none");
    assert_eq!(bench.ending(), Ending::Closed);
}

#[test]
fn the_answer_to_a_refused_upload_can_be_read() {
    let bench = Bench::new(&limits());
    let mut client = bench.send("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n");
    client.peek(&mut [0]).unwrap();
    // The answer is there, and the client sends on without looking.
    for _ in 0..20 {
        client.write_all(&[b'x'; 10_000]).unwrap();
        let closed = bench.endings.recv_timeout(Duration::from_millis(5));
        assert!(closed.is_err(), "closed while the client sends: {closed:?}");
    }
    let answer = all(&mut client);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.ends_with("no"), "{answer}");
    drop(client);
    assert_eq!(bench.ending(), Ending::Closed);
}

/// What became a request on a connection whose client goes on a while after the first answer, and whether it ended.
fn left_alone_after(first: &str) -> (Vec<String>, bool) {
    let bench = Bench::new(&limits());
    let mut client = bench.send(first);
    assert!(one(&mut client).contains("HTTP/1.1 "));
    // Longer than it takes to rest, shorter than a close may linger.
    let soon = bench.endings.recv_timeout(Duration::from_millis(1_200)).is_ok();
    client.write_all(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n").ok();
    let ended = soon || bench.endings.recv_timeout(Duration::from_secs(3)).is_ok();
    (bench.begun.try_iter().collect(), ended)
}

#[test]
fn sm_24_a_body_that_nobody_read_is_never_read_as_requests_however_long_its_connection_stays_open() {
    let inner = "GET /inner HTTP/1.1\r\nhost: x\r\n\r\n";
    let results = std::thread::scope(|scope| {
        // What is short is read to its end, and the connection goes on; what is long closes it.
        let of = |bytes: usize| {
            let body = inner.repeat(bytes / inner.len());
            let length = body.len();
            format!("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
        };
        let tries =
            [4_000, 16_000, 24_000, 31_000].map(|bytes| scope.spawn(move || left_alone_after(&of(bytes))));
        tries.map(|one| one.join().unwrap())
    });
    for (begun, ended) in &results {
        let kept = ["/refuse", "/late"];
        assert_eq!(begun, if *ended { &kept[..1] } else { &kept[..] });
    }
    assert!(
        results.iter().any(|(_, ended)| *ended) && results.iter().any(|(_, ended)| !ended),
        "{results:?}"
    );
}

#[test]
fn a_connection_that_said_close_takes_no_further_request_and_lingers_no_longer_than_it_may() {
    // Something comes before it is closed, and so more is waited for.
    let first = "GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n\r\n";
    assert_eq!(left_alone_after(first), (vec!["/a".to_owned()], true));
}

#[test]
fn an_upload_without_end_is_cut_after_the_refusal() {
    let bench = Bench::new(&limits());
    let mut client = bench.send("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n");
    let chunk = vec![b'x'; 1 << 20];
    let sent = (0..500).take_while(|_| client.write_all(&chunk).is_ok()).count();
    assert!(sent < 100, "{sent} MiB were taken");
}

#[test]
fn sl_09_a_head_that_is_too_large_is_refused_readably() {
    let bench = Bench::new(&limits());
    let mut client = bench.connect();
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-large: ").unwrap();
    client.write_all(&vec![b'x'; 200_000]).unwrap();
    assert!(all(&mut client).starts_with("HTTP/1.1 431"));
    drop(client);
    assert_eq!(bench.ending(), Ending::Closed);
    let many = "x: y\r\n".repeat(101);
    let mut client = bench.send(&format!("GET / HTTP/1.1\r\n{many}\r\n"));
    assert!(all(&mut client).starts_with("HTTP/1.1 431"));
    let mut client = bench.send(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(9_000)));
    assert!(all(&mut client).starts_with("HTTP/1.1 414"));
    let mut client = bench.send("NOT HTTP\r\n");
    assert!(all(&mut client).starts_with("HTTP/1.1 400"));
}

#[test]
fn sl_05_a_client_that_does_not_read_is_given_up() {
    let bench = Bench::new(&Server { body_timeout: Duration::from_millis(100), ..limits() });
    let _client = bench.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(bench.ending(), Ending::Broken);
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    let bench = Bench::new(&limits());
    let client = bench.send("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n");
    bench.begun();
    drop(client);
    assert_eq!(bench.ending(), Ending::Broken);
}

#[test]
fn a_panic_ends_its_connection_and_no_other() {
    let bench = Bench::new(&limits());
    let mut other = bench.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
    one(&mut other);
    let mut client = bench.send("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut out = Vec::new();
    client.read_to_end(&mut out).ok();
    assert_eq!(out, b"");
    other.write_all(b"GET /b HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(one(&mut other).ends_with("/b"));
}

#[test]
fn sm_28_after_a_101_the_bytes_are_a_tunnels_and_after_another_answer_a_requests() {
    let bench = Bench::new(&Server { idle_timeout: Duration::from_millis(100), ..limits() });
    let asks =
        |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    let next = "GET /next HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut client = bench.send(&(asks("/plain") + next));
    assert!(one(&mut client).ends_with("/plain"));
    assert!(one(&mut client).ends_with("/next"));
    client.write_all(asks("/tunnel").as_bytes()).unwrap();
    client.write_all(b"not HTTP\n").unwrap();
    let mut out = vec![0; 4_096];
    let mut filled = 0;
    while !out[..filled].ends_with(b"not HTTP\n") {
        filled += client.read(&mut out[filled..]).unwrap();
    }
    assert!(out.starts_with(b"HTTP/1.1 101"));
    assert_eq!(bench.ending(), Ending::Tunnelled);
    assert!(bench.endings.recv_timeout(Duration::from_millis(200)).is_err(), "nothing else has ended");
    client.write_all(b"\0\n").unwrap();
    client.read_exact(&mut out[..2]).expect("no timer of HTTP ends a tunnel");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(all(&mut client), "");
}

#[test]
fn the_answer_to_a_refused_upload_can_be_read_where_it_asked_for_an_upgrade_too() {
    let bench = Bench::new(&limits());
    let mut client =
        bench.send("POST /refuse HTTP/1.1\r\nhost: x\r\nupgrade: x\r\ncontent-length: 200000\r\n\r\n");
    client.peek(&mut [0]).unwrap();
    for _ in 0..20 {
        client.write_all(&[b'x'; 10_000]).unwrap();
    }
    let answer = all(&mut client);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.ends_with("no"), "{answer}");
    drop(client);
    assert_eq!(bench.ending(), Ending::Closed);
}

#[test]
fn pr_01_a_head_that_has_begun_is_a_request_that_the_drain_finishes() {
    let bench = Bench::new(&limits());
    let mut client = bench.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HT");
    assert!(one(&mut client).ends_with("/a"));
    let _force = bench.stop(LONG);
    assert!(bench.drained.recv_timeout(Duration::from_millis(100)).is_err(), "it waits for the rest");
    client.write_all(b"TP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(all(&mut client).ends_with("/b"));
    drop(client);
    assert_eq!(bench.drained.recv_timeout(LONG).unwrap(), Drained::Finished);
}

#[test]
fn pr_01_a_drain_finishes_what_is_in_flight_and_closes_what_is_idle() {
    let bench = Bench::new(&limits());
    let mut idle = bench.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
    one(&mut idle);
    let mut fresh = bench.connect();
    let mut busy = bench.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n");
    assert_eq!((bench.begun(), bench.begun()), ("/a".into(), "/echo".into()));
    let _force = bench.stop(LONG);
    assert_eq!((all(&mut idle).as_str(), all(&mut fresh).as_str()), ("", ""));
    assert!(Client::connect(bench.address).is_err(), "nothing is accepted any more");
    busy.write_all(b"abc").unwrap();
    let last = all(&mut busy);
    assert!(last.ends_with("abc") && last.contains("connection: close"), "{last}");
    drop(busy);
    assert_eq!(bench.drained.recv_timeout(LONG).unwrap(), Drained::Finished);
}

#[test]
fn pr_01_what_takes_too_long_is_cut_when_the_time_is_over() {
    let bench = Bench::new(&limits());
    let _hung = bench.send("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n");
    bench.begun();
    let _force = bench.stop(Duration::from_millis(50));
    assert_eq!(bench.drained.recv_timeout(LONG).unwrap(), Drained::Cut(1));
    assert_eq!(bench.ending(), Ending::Cut);
}

#[test]
fn pr_01_a_second_signal_cuts_at_once() {
    let bench = Bench::new(&limits());
    let _hung = bench.send("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n");
    bench.begun();
    drop(bench.stop(Duration::from_secs(3_600)));
    assert_eq!(bench.drained.recv_timeout(LONG).unwrap(), Drained::Cut(1));
}
