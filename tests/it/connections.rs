//! Slow clients, silent clients, and too many of them (THREATS SL): each ends in time, and nobody else notices.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::harness::client::compose;
use crate::harness::{Bystander, Connection, Gateway, Setup, Upstream};

/// Longest time in which what is limited to half a second must have ended, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(15);

/// Slow enough for a quiet machine, and far from what a starved witness would see.
const WITNESS_P99_MAX: Duration = Duration::from_millis(1_500);

const CROWD: usize = 300;

const OPEN: &str = "[rate_limit]\nip_per_minute = 1_000_000\nip_burst = 1_000_000\nuser_per_minute = 1_000_000\n[[routes]]\npath = \"/ok\"\nrespond = { text = \"ok\" }\nauth = \"none\"\n";

fn gateway(server: &str) -> Gateway {
    Setup::new(&format!("[server]\n{server}\n{OPEN}")).start()
}

fn crowd(gateway: &Gateway, count: usize) -> Vec<Connection> {
    (0..count).map(|_| Connection::open(gateway.public)).collect()
}

fn refused(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric(&format!("pluginmind_connections_refused_total{{reason=\"{reason}\"}}"))
}

fn nobody_noticed(witness: Bystander) {
    let seen = witness.end();
    assert_eq!(seen.odd, [0_u16; 0]);
    assert!(seen.p99() < WITNESS_P99_MAX, "{:?} of {}", seen.p99(), seen.waits.len());
}

fn descriptors(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count()
}

#[test]
fn sl_01_heads_that_come_a_byte_at_a_time_end_at_the_header_timeout() {
    let gateway = gateway("header_timeout = \"1s\"");
    let before = descriptors(&gateway);
    let witness = Bystander::begin(gateway.public, "/ok");
    let began = Instant::now();
    let mut crowd = crowd(&gateway, CROWD);
    // What a gateway that counts silence only would never give up on.
    for byte in "GET /slow HTTP/1.1\r\nX-A: ".bytes().chain(std::iter::repeat_n(b'a', 60)) {
        crowd.iter_mut().for_each(|connection| drop(connection.send([byte])));
        std::thread::park_timeout(Duration::from_millis(30));
    }
    for connection in &mut crowd {
        let rest = connection.read_rest();
        // Sending on after the end may reset the connection before the answer is read.
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408 "), "{rest}");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    nobody_noticed(witness);
    drop(crowd);
    gateway.until("all descriptors are given back", |g| descriptors(g) <= before + 2);
}

#[test]
fn sl_02_connections_that_say_nothing_are_closed_without_a_word() {
    let gateway = gateway("header_timeout = \"500ms\"");
    let witness = Bystander::begin(gateway.public, "/ok");
    let began = Instant::now();
    let mut crowd = crowd(&gateway, CROWD);
    assert!(crowd.iter_mut().all(|connection| connection.read_rest().is_empty()));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    nobody_noticed(witness);
}

#[test]
fn sl_03_connections_that_are_idle_after_a_request_are_closed_without_a_word() {
    let gateway = gateway("idle_timeout = \"500ms\"");
    let witness = Bystander::begin(gateway.public, "/ok");
    let mut crowd = crowd(&gateway, CROWD);
    for connection in &mut crowd {
        connection.send(compose("GET /ok", &[], b"")).unwrap();
        assert_eq!(connection.read().unwrap().status, 200);
    }
    let began = Instant::now();
    assert!(crowd.iter_mut().all(|connection| connection.read_rest().is_empty()));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    nobody_noticed(witness);
}

#[test]
fn sl_05_a_client_that_does_not_read_is_given_up_and_so_is_the_upstream() {
    const WHOLE: usize = 64 << 20;
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let upstream = Upstream::with(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {WHOLE}\r\n\r\n");
        let part = vec![b'x'; 64 * 1024];
        let mut sent = 0;
        let mut send = || {
            stream.write_all(head.as_bytes())?;
            while sent < WHOLE {
                stream.write_all(&part)?;
                sent += part.len();
            }
            Ok::<(), std::io::Error>(())
        };
        let outcome = send().is_ok();
        tell.lock().unwrap().send((outcome, sent)).ok();
        false
    });
    let gateway =
        Setup::new(&format!("[server]\nbody_timeout = \"500ms\"\n{OPEN}{}", upstream.config())).start();
    let witness = Bystander::begin(gateway.public, "/ok");
    let mut slow = Connection::open(gateway.public);
    slow.send(compose("GET /up/big", &[], b"")).unwrap();
    let (finished, sent) = told.recv_timeout(SOON).expect("the upstream is told in time");
    assert!(!finished && sent < WHOLE, "{sent} of {WHOLE} bytes were taken for a client that reads nothing");
    gateway.until("nothing is in flight", |g| g.metric("pluginmind_http_requests_in_flight ") <= 1.0);
    nobody_noticed(witness);
    // Read now, it turns out to be cut, and not to end as if it were whole.
    assert!(slow.read_rest().len() < WHOLE);
}

#[test]
fn sl_09_heads_that_are_too_large_are_refused_readably() {
    let gateway = gateway("");
    let many: String = (0..101).fold(String::new(), |mut all, n| {
        let _ = write!(all, "X-{n}: 1\r\n");
        all
    });
    let large: String = (0..64).fold(String::new(), |mut all, n| {
        let _ = write!(all, "X-{n}: {}\r\n", "a".repeat(8 << 10));
        all
    });
    let one = format!("X-A: {}\r\n", "a".repeat(200 << 10));
    for headers in [many, large, one] {
        let mut connection = Connection::open(gateway.public);
        connection.send(format!("GET /ok HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).ok();
        let answer = connection.read().expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (431, "HEADERS_TOO_LARGE"));
        assert!(connection.closes());
    }
}

#[test]
fn sl_10_too_many_connections_are_closed_at_once_and_the_admin_listener_answers() {
    let gateway = gateway("connections_max = 20\nheader_timeout = \"60s\"");
    let witness = Bystander::begin(gateway.public, "/ok");
    let began = Instant::now();
    let mut crowd = crowd(&gateway, CROWD);
    gateway.until("the rest is refused", |g| refused(g, "too_many") >= 280.0);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    // Nothing was said, and nothing is waited for.
    let closed = crowd.iter_mut().rev().take(100).filter_map(|connection| {
        connection.stream().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        connection.closes().then_some(())
    });
    assert_eq!(closed.count(), 100);
    assert_eq!(gateway.ask_admin("GET /ready", &[], b"").status, 200);
    nobody_noticed(witness);
    drop(crowd);
    gateway.until("there is room again", |g| {
        let mut connection = Connection::open(g.public);
        connection.send(compose("GET /ok", &[], b"")).is_ok() && connection.read().is_some()
    });
}

#[test]
fn sl_10_one_address_cannot_take_all_connections_and_the_limit_follows_an_edit() {
    let gateway = gateway("connections_per_address_max = 3");
    let mut kept: Vec<_> = (0..3)
        .map(|_| {
            let mut connection = Connection::open(gateway.public);
            connection.send(compose("GET /ok", &[], b"")).unwrap();
            assert_eq!(connection.read().unwrap().status, 200);
            connection
        })
        .collect();
    assert!(Connection::open(gateway.public).closes());
    assert_eq!(refused(&gateway, "address"), 1.0);
    // Another address has a share of its own.
    let socket = socket_from([127, 0, 0, 9], &gateway);
    assert!(answers(socket));
    gateway.save("config.toml", &gateway.config().replace("address_max = 3", "address_max = 0"));
    gateway.until("the edit is in force", |g| g.generation() == 2);
    assert!(answers(TcpStream::connect(gateway.public).unwrap()));
    for connection in &mut kept {
        connection.send(compose("GET /ok", &[], b"")).unwrap();
        assert_eq!(connection.read().unwrap().status, 200, "who was there has stayed");
    }
}

#[test]
fn sl_10_trusted_proxies_are_not_counted_as_one_client() {
    let gateway = gateway("connections_per_address_max = 1\ntrusted_proxies = [\"127.0.0.1\"]");
    let mut crowd = crowd(&gateway, 10);
    for connection in &mut crowd {
        connection.send(compose("GET /ok", &[], b"")).unwrap();
        assert_eq!(connection.read().unwrap().status, 200);
    }
}

#[test]
fn sl_11_a_thousand_ranges_are_passed_as_they_are_and_answered_once() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&format!("{OPEN}{}", upstream.config())).start();
    let ranges = format!("bytes={}0-", "0-,".repeat(1_000));
    let answer = gateway.send("GET /up/x", &[("Range", &ranges)], b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert!(upstream.only().contains(&ranges));
    // What the gateway answers itself is as long as ever.
    assert_eq!(gateway.send("GET /ok", &[("Range", &ranges)], b"").text(), "ok");
}

/// A connection from another address of this machine.
fn socket_from(from: [u8; 4], gateway: &Gateway) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&gateway.public.into()).unwrap();
    socket.into()
}

fn answers(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut head = [0; 12];
    stream.write_all(&compose("GET /ok", &[], b"")).is_ok()
        && std::io::Read::read_exact(&mut stream, &mut head).is_ok()
        && head.starts_with(b"HTTP/1.1 200")
}
