//! Stage 14: upstreams that answer badly, early, never, or too much. Every upstream numbers its connections and the
//! requests on each, so that a test sees which connection an answer came over.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose, request};

const PATIENCE: Duration = Duration::from_secs(20);

/// The longest time in which an upstream must hear that nobody wants its answer any more.
const CANCELLED_MAX: Duration = Duration::from_secs(1);

/// Growth of the process that no answer may cause, in KiB.
const GROWTH_MAX: u64 = 32 * 1024;

/// A request as an upstream sees it.
struct Seen {
    /// Which connection since the start, from 1.
    connection: usize,
    /// Which request on it, from 1.
    request: usize,
    head: String,
}

impl Seen {
    fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// An answer that says where it comes from.
    fn mark(&self, stream: &mut TcpStream) -> bool {
        let body = format!("{}.{}", self.connection, self.request);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).is_ok()
    }
}

/// An upstream that numbers; `answer` says whether the connection goes on. Bodies are for `answer` to read.
fn numbered(answer: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Upstream {
    let connections = AtomicUsize::new(0);
    Upstream::raw(move |mut stream| {
        stream.set_read_timeout(Some(PATIENCE)).ok();
        // What is written has come when the next request goes out, or no test could tell what comes unasked.
        stream.set_nodelay(true).ok();
        let connection = connections.fetch_add(1, Ordering::SeqCst) + 1;
        for request in 1.. {
            let Some(head) = read_head(&mut stream) else { return };
            if !answer(&Seen { connection, request, head }, &mut stream) {
                return;
            }
        }
    })
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read(&mut byte).ok().filter(|n| *n == 1)?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// One worker, so that every request shares the connections of those before it, and a breaker that never opens: each
/// request is judged by the answer it got, not by how many others failed sooner.
fn gateway(upstream: &Upstream) -> Gateway {
    let config =
        upstream.config().replace("urls", "response_timeout = \"1s\"\nbreaker_failures = 1000\nurls");
    let limits = "[rate_limit]\nip_burst = 1000000\n";
    Setup::new(&format!("[server]\nworkers = 1\nbody_timeout = \"20s\"\n{limits}{config}")).start()
}

fn open(gateway: &Gateway, line: &str, headers: &[(&str, &str)]) -> Connection {
    let mut connection = Connection::open(gateway.public);
    connection.send(compose(line, headers, b"")).expect("the gateway reads");
    connection
}

fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket option");
}

/// Lets time pass between two pieces of a slow answer; nothing is decided by it.
fn pace(time: Duration) {
    let (_keep, never) = channel::<()>();
    never.recv_timeout(time).ok();
}

/// Waits until the other end has closed, and says how long that took.
fn until_closed(stream: &mut TcpStream) -> Duration {
    let began = Instant::now();
    let mut rest = vec![0; 64 * 1024];
    while stream.read(&mut rest).is_ok_and(|n| n > 0) {}
    began.elapsed()
}

fn status_of(gateway: &Gateway, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("it runs");
    let line = status.lines().find(|l| l.starts_with(name)).expect("a line of that name");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

fn files_of(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("it runs").count()
}

fn is_refused(gateway: SocketAddr, path: &str, within: Duration) {
    let began = Instant::now();
    let answer = request(gateway, &format!("GET {path}"), &[], b"");
    assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"), "{path}");
    assert!(began.elapsed() < within, "{path} took {:?}", began.elapsed());
}

#[test]
fn up_04_an_upstream_that_never_answers_is_a_504_and_its_connection_is_closed() {
    let (tell, hear) = channel();
    let upstream = numbered(move |seen, stream| {
        if seen.path() == "/up/never" {
            until_closed(stream);
            tell.send(seen.connection).ok();
            return false;
        }
        seen.mark(stream)
    });
    let gateway = gateway(&upstream);
    let answer = gateway.get("/up/never");
    assert_eq!((answer.status, answer.code().as_str()), (504, "UPSTREAM_TIMEOUT"));
    assert_eq!(hear.recv_timeout(PATIENCE), Ok(1));
    assert_eq!(gateway.get("/up/next").text(), "2.1");
    // A head that comes byte by byte and never ends is no answer either.
    let slow = numbered(|_, stream| {
        for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().copied().chain(std::iter::repeat(b'a')) {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            pace(Duration::from_millis(50));
        }
        false
    });
    assert_eq!(self::gateway(&slow).get("/up/a").status, 504);
}

#[test]
fn up_05_a_reset_before_or_inside_the_head_is_a_502_and_a_get_over_a_kept_connection_is_sent_again() {
    let upstream = numbered(|seen, stream| {
        match seen.path() {
            "/up/warm" => return seen.mark(stream),
            // A connection that was kept turns out to be dead; on a new one all is well.
            "/up/stale" if seen.request > 1 => {}
            "/up/stale" => return seen.mark(stream),
            "/up/inside" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-").unwrap_or_default(),
            _ => {}
        }
        reset(stream);
        false
    });
    let gateway = gateway(&upstream);
    for path in ["/up/before", "/up/inside"] {
        is_refused(gateway.public, path, PATIENCE);
    }
    assert_eq!(gateway.get("/up/warm").text(), "3.1");
    assert_eq!(gateway.get("/up/stale").text(), "4.1", "sent again, over a new connection");
    let post = gateway.send("POST /up/stale", &[], b"");
    assert_eq!(post.status, 502, "what may have been done is not asked twice");
    assert_eq!(gateway.get("/up/warm").text(), "5.1");
    assert_eq!(gateway.get("/up/inside").status, 502, "nor what was half answered");
}

#[test]
fn up_05_a_reset_in_the_middle_of_a_body_is_never_a_clean_end() {
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked", "X-Until: close"] {
        let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
        let half = if framing.ends_with("chunked") { "4\r\nhalf\r\n" } else { "half" };
        let (release, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let upstream = numbered(move |seen, stream| {
            if seen.path() != "/up/half" {
                return seen.mark(stream);
            }
            stream.write_all(format!("{head}{half}").as_bytes()).ok();
            wait.lock().expect("no panic").recv_timeout(PATIENCE).ok();
            reset(stream);
            false
        });
        let gateway = gateway(&upstream);
        let mut connection = open(&gateway, "GET /up/half", &[]);
        connection.read_until("half");
        release.send(()).unwrap();
        let rest = connection.read_rest();
        assert!(matches!(rest.as_str(), "" | "\r\n"), "{framing}: {rest:?}");
        assert_eq!(gateway.get("/up/next").text(), "2.1", "{framing}");
    }
}

#[test]
fn up_06_a_connection_with_anything_left_over_is_never_used_again() {
    let cases: [(&str, &str, &str, u16, &str); 16] = [
        ("bytes after a length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokevil", 200, "ok"),
        (
            "a second answer",
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            200,
            "ok",
        ),
        (
            "a line after chunks",
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n",
            200,
            "ok",
        ),
        (
            "an answer after chunks",
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            200,
            "ok",
        ),
        ("a body on 204", "GET", "HTTP/1.1 204 No Content\r\n\r\nevil", 204, ""),
        ("a length on 204", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", 204, ""),
        (
            "chunks on 204",
            "GET",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            204,
            "",
        ),
        ("a body on 304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", 304, ""),
        ("a body on HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 200, ""),
        ("chunks on HEAD", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, ""),
        ("close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        (
            "close in a list",
            "GET",
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            200,
            "ok",
        ),
        ("HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        (
            "HTTP/1.0 that stays",
            "GET",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            200,
            "ok",
        ),
        (
            "two lengths",
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nevil",
            502,
            "-",
        ),
        (
            "a bad chunk",
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
            502,
            "-",
        ),
    ];
    let answers = cases.map(|case| case.2);
    let upstream = numbered(move |seen, stream| match seen.path().strip_prefix("/up/case/") {
        Some(n) => stream.write_all(answers[n.parse::<usize>().unwrap()].as_bytes()).is_ok(),
        None => seen.mark(stream),
    });
    let gateway = gateway(&upstream);
    for (n, (name, method, _, status, body)) in cases.iter().enumerate() {
        // Every case comes over a connection that another request has left in good order.
        let connection = 2 * n + 1;
        assert_eq!(
            gateway.get("/up/warm").text(),
            format!("{connection}.{}", if n == 0 { 1 } else { 2 }),
            "{name}"
        );
        let answer = gateway.send(&format!("{method} /up/case/{n}"), &[], b"");
        assert_eq!(answer.status, *status, "{name}");
        assert!(*body == "-" || answer.text() == *body, "{name}: {}", answer.text());
        assert_eq!(
            gateway.get("/up/next").text(),
            format!("{}.1", connection + 1),
            "{name}: a fresh connection"
        );
        // Nor by whoever comes later; then that connection is taken out of the way.
        assert_eq!(gateway.get("/up/later").text(), format!("{}.2", connection + 1), "{name}");
        assert_eq!(gateway.send("GET /up/case/10", &[], b"").status, 200);
        assert_eq!(gateway.get("/up/first").text(), format!("{}.1", connection + 2), "{name}");
    }
}

#[test]
fn up_06_bytes_that_come_while_nobody_asks_are_nobodys_answer() {
    let (tell, hear) = channel();
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = numbered(move |seen, stream| {
        let goes_on = seen.mark(stream);
        if seen.path() == "/up/later" {
            wait.lock().expect("no panic").recv_timeout(PATIENCE).ok();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").ok();
            tell.send(()).ok();
        }
        goes_on
    });
    let gateway = gateway(&upstream);
    for round in 0..5 {
        assert_eq!(gateway.get("/up/later").text(), format!("{}.1", 2 * round + 1));
        release.send(()).unwrap();
        hear.recv_timeout(PATIENCE).unwrap();
        assert_eq!(gateway.get("/up/next").text(), format!("{}.1", 2 * round + 2), "a fresh connection");
        // Out of the way.
        assert_eq!(gateway.get("/up/later").text(), format!("{}.2", 2 * round + 2));
        release.send(()).unwrap();
        hear.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn up_09_heads_without_end_are_refused_at_a_limit_and_memory_stays_flat() {
    let upstream = numbered(|seen, stream| {
        let piece: Vec<u8> = match seen.path() {
            "/up/fields" => b"X: a\r\n".repeat(1_000),
            "/up/value" => vec![b'a'; 6_000],
            "/up/interim" => b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(200),
            _ => return seen.mark(stream),
        };
        match seen.path() {
            "/up/fields" => stream.write_all(b"HTTP/1.1 200 OK\r\n").ok(),
            "/up/value" => stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").ok(),
            _ => None,
        };
        // 64 MiB at most, should nobody stop it.
        for _ in 0..(64 << 20) / piece.len() {
            if stream.write_all(&piece).is_err() {
                break;
            }
        }
        false
    });
    let gateway = gateway(&upstream);
    is_refused(gateway.public, "/up/fields", PATIENCE);
    let before = status_of(&gateway, "VmRSS");
    std::thread::scope(|scope| {
        for path in ["/up/fields", "/up/value", "/up/interim"].repeat(8) {
            let gateway = gateway.public;
            scope.spawn(move || is_refused(gateway, path, PATIENCE));
        }
    });
    let grown = status_of(&gateway, "VmHWM").saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} KiB");
    assert_eq!(gateway.get("/up/next").status, 200);
}

#[test]
fn up_10_interim_answers_without_end_are_refused_at_once_and_nobody_else_waits() {
    let upstream = numbered(|seen, stream| {
        if seen.path() != "/up/flood" {
            return seen.mark(stream);
        }
        let piece = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(2_000);
        for _ in 0..200 {
            if stream.write_all(&piece).is_err() {
                break;
            }
        }
        false
    });
    let gateway = gateway(&upstream);
    for _ in 0..5 {
        // Sooner than the time-out: it is the count that ends it.
        is_refused(gateway.public, "/up/flood", Duration::from_millis(900));
        assert_eq!(gateway.get("/up/next").status, 200);
    }
    let few = Upstream::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = self::gateway(&few);
    let mut connection = open(&gateway, "GET /up/a", &[]);
    let head = connection.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("</a>"), "{head}");
}

#[test]
fn sm_29_another_protocol_is_never_spoken_unasked_and_its_connection_ends() {
    let (tell, hear) = channel();
    let upstream = numbered(move |seen, stream| {
        if !seen.path().starts_with("/up/switch") {
            return seen.mark(stream);
        }
        let upgrade =
            if seen.path().ends_with("bare") { "" } else { "Connection: upgrade\r\nUpgrade: foo\r\n" };
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\n{upgrade}\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        );
        stream.write_all(head.as_bytes()).ok();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        tell.send(rest).ok();
        false
    });
    let gateway = gateway(&upstream);
    for (n, headers) in [vec![], vec![("Connection", "Upgrade"), ("Upgrade", "foo")]].into_iter().enumerate()
    {
        for path in ["GET /up/switch", "GET /up/switch/bare"] {
            let mut connection = open(&gateway, path, &headers);
            connection.send("smuggled").ok();
            let answer = connection.read().expect("an answer");
            assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"), "{n} {path}");
            assert!(
                hear.recv_timeout(PATIENCE).expect("its connection ends").is_empty(),
                "nothing goes through"
            );
            assert!(!gateway.get("/up/next").text().contains("evil"));
        }
    }
}

#[test]
fn up_12_a_client_that_ends_its_side_is_gone_and_an_upstream_that_ends_its_own_has_answered() {
    let (tell, hear) = channel();
    let upstream = numbered(move |seen, stream| match seen.path() {
        "/up/slow" => {
            tell.send(Duration::MAX).ok();
            tell.send(until_closed(stream)).ok();
            false
        }
        "/up/half" => {
            seen.mark(stream);
            stream.shutdown(Shutdown::Write).ok();
            until_closed(stream);
            false
        }
        _ => seen.mark(stream),
    });
    let gateway = gateway(&upstream);
    // Nobody can tell this client from one that has died: its request is cancelled, not answered late.
    let connection = open(&gateway, "GET /up/slow", &[]);
    assert_eq!(hear.recv_timeout(PATIENCE), Ok(Duration::MAX), "the request has come");
    connection.stream().shutdown(Shutdown::Write).unwrap();
    let took = hear.recv_timeout(PATIENCE).expect("its connection ends");
    assert!(took < CANCELLED_MAX, "{took:?}");
    assert_eq!(gateway.get("/up/half").text(), "2.1");
    assert_eq!(gateway.get("/up/next").text(), "3.1");
}

/// An upstream that tells, for each request whose client left, how long it took to hear of it.
fn abandoned() -> (Upstream, Receiver<Instant>) {
    let (tell, hear) = channel();
    let tell: Mutex<Sender<Instant>> = Mutex::new(tell);
    let upstream = numbered(move |seen, stream| {
        match seen.path() {
            "/up/download" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").ok();
                let piece = [b'x'; 16 * 1024];
                while stream.write_all(&piece).is_ok() {}
            }
            "/up/upload" | "/up/wait" => {
                until_closed(stream);
            }
            _ => return seen.mark(stream),
        }
        tell.lock().expect("no panic").send(Instant::now()).ok();
        false
    });
    (upstream, hear)
}

#[test]
fn up_13_a_thousand_clients_that_leave_take_their_upstream_requests_along_and_leak_nothing() {
    let (upstream, hear) = abandoned();
    let config = upstream.config().replace("urls", "response_timeout = \"60s\"\nurls");
    let gateway =
        Setup::new(&format!("[server]\nworkers = 1\n[rate_limit]\nip_burst = 1000000\n{config}")).start();
    assert_eq!(gateway.get("/up/warm").text(), "1.1");
    let files = files_of(&gateway);
    for round in 0..50 {
        let mut clients: Vec<Connection> = (0..20)
            .map(|n| match n % 3 {
                0 => {
                    let mut uploading = open(&gateway, "POST /up/upload", &[("Content-Length", "1000000")]);
                    uploading.send(vec![b'x'; 1_000 * (n + 1)]).ok();
                    uploading
                }
                1 => {
                    let mut downloading = open(&gateway, "GET /up/download", &[]);
                    downloading.read_until("xxxx");
                    downloading
                }
                _ => open(&gateway, "GET /up/wait", &[]),
            })
            .collect();
        // Every other round ends with resets.
        if round % 2 == 0 {
            clients.iter().for_each(|client| reset(client.stream()));
        }
        gateway.until("all are in flight", |g| g.metric("pluginmind_http_requests_in_flight") >= 20.0);
        let left = Instant::now();
        clients.clear();
        for _ in 0..20 {
            let heard = hear.recv_timeout(PATIENCE).expect("its upstream hears of it");
            let took = heard.saturating_duration_since(left);
            assert!(took < CANCELLED_MAX, "round {round}: {took:?}");
        }
    }
    gateway.until("nothing is in flight", |g| g.metric("pluginmind_http_requests_in_flight") == 0.0);
    gateway.until("every file is closed", |g| files_of(g) <= files + 4);
    assert!(gateway.get("/up/next").text().ends_with(".1"), "none of their connections is used again");
}

#[test]
fn up_14_an_early_answer_is_delivered_and_its_connection_is_not_used_again() {
    let upstream = numbered(|seen, stream| {
        if seen.path() != "/up/early" {
            return seen.mark(stream);
        }
        // Answers with the head alone read, and then reads on as if another request were to come.
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").is_ok()
    });
    let gateway = gateway(&upstream);
    assert_eq!(gateway.get("/up/warm").text(), "1.1");
    let smuggled = compose("GET /up/smuggled", &[], b"");
    let length = (smuggled.len() + 100).to_string();
    let mut connection = open(&gateway, "POST /up/early", &[("Content-Length", &length)]);
    let answer = connection.read().expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    // The rest of the body is no request, for nobody.
    connection.send(&smuggled).ok();
    assert!(connection.read().is_none_or(|a| a.status >= 400));
    assert_eq!(gateway.get("/up/next").text(), "2.1", "a fresh connection");
}

#[test]
fn up_16_endless_slow_and_packed_bodies_stream_and_memory_stays_flat() {
    let upstream = numbered(|seen, stream| {
        match seen.path() {
            "/up/endless" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok();
                let piece = vec![b'x'; 64 * 1024];
                while stream.write_all(&piece).is_ok() {}
            }
            "/up/slow" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok();
                while stream.write_all(b"1\r\ny\r\n").is_ok() {
                    pace(Duration::from_millis(100));
                }
            }
            "/up/bomb" => {
                // What it would unpack to is nobody's concern here: it is passed on as it is.
                let packed = vec![0; 1 << 20];
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                    packed.len()
                );
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&packed)).ok();
                return true;
            }
            _ => return seen.mark(stream),
        }
        false
    });
    let gateway = gateway(&upstream);
    let before = status_of(&gateway, "VmRSS");
    // Clients that read nothing, that read a lot, and that get a byte now and then.
    let mut idle: Vec<Connection> = (0..20).map(|_| open(&gateway, "GET /up/endless", &[])).collect();
    let mut slow: Vec<Connection> = (0..5).map(|_| open(&gateway, "GET /up/slow", &[])).collect();
    let reader = open(&gateway, "GET /up/endless", &[]);
    let mut piece = vec![0; 64 * 1024];
    let mut received = 0;
    while received < 64 << 20 {
        received += reader.stream().read(&mut piece).expect("it goes on");
    }
    for connection in &mut slow {
        connection.read_until("1\r\ny\r\n1\r\ny\r\n1\r\ny\r\n");
    }
    for connection in &mut idle {
        connection.read_until("\r\n\r\n");
    }
    let bomb = gateway.get("/up/bomb");
    assert_eq!((bomb.body.len(), bomb.header("content-encoding")), (1 << 20, Some("gzip")));
    let grown = status_of(&gateway, "VmHWM").saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} KiB");
}

#[test]
fn up_17_a_redirect_is_passed_on_and_never_followed() {
    let places = [
        "http://169.254.169.254/latest/meta-data/",
        "//evil.example/",
        "http://127.0.0.1:1/",
        "/up/elsewhere",
    ];
    let upstream = Upstream::with(move |request, stream| {
        let n: usize =
            request.split(' ').nth(1).and_then(|p| p.strip_prefix("/up/")).unwrap().parse().unwrap();
        let answer = format!(
            "HTTP/1.1 30{} Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
            [1, 2, 7, 8][n],
            places[n]
        );
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let gateway = gateway(&upstream);
    for (n, place) in places.iter().enumerate() {
        let answer = gateway.get(&format!("/up/{n}"));
        assert_eq!((answer.status / 100, answer.header("location")), (3, Some(*place)));
    }
    assert_eq!(upstream.seen().len(), places.len());
}

#[test]
fn the_operator_reads_what_was_wrong_and_nothing_of_what_was_sent() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\nX-Canary : canary-value\r\nContent-Length: 0\r\n\r\n");
    let mut gateway = gateway(&upstream);
    is_refused(gateway.public, "/up/a", PATIENCE);
    let line = gateway.wait_for_log(|line| line.contains("sent a header field that cannot be read"));
    assert!(line.contains("\"service\":\"up\""), "{line}");
    assert!(!gateway.log().iter().any(|line| line.to_ascii_lowercase().contains("canary")));
}
