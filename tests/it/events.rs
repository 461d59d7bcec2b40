//! Answers without end: server-sent events and long polling pass as they come, may be quiet, and end with the client, the
//! upstream, or the session.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose};

const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream whose answer is told piece by piece: it sends what comes over the channel, and tells when the other end
/// has closed.
fn told(head: &'static str) -> (Upstream, Sender<&'static str>, Receiver<Instant>) {
    let (tell, told) = channel::<&'static str>();
    let (closed, hear) = channel();
    let (told, closed) = (Mutex::new(told), Mutex::new(closed));
    let upstream = Upstream::raw(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(head.as_bytes()).ok();
        let mut watching = stream.try_clone().unwrap();
        let closed = closed.lock().unwrap().clone();
        std::thread::spawn(move || {
            let mut rest = [0; 64];
            while watching.read(&mut rest).is_ok_and(|n| n > 0) {}
            closed.send(Instant::now()).ok();
        });
        while let Ok(event) = told.lock().unwrap().recv() {
            if stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).is_err()
                || event.is_empty()
            {
                return;
            }
        }
    });
    (upstream, tell, hear)
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
}

fn open(address: SocketAddr, headers: &[(&str, &str)]) -> Connection {
    let mut connection = Connection::open(address);
    connection.send(compose("GET /up/events", headers, b"")).unwrap();
    connection
}

/// A gateway in which any other answer may be silent for half a second.
fn gateway(upstream: &Upstream) -> Gateway {
    let config = format!("[server]\nbody_timeout = \"500ms\"\n{}", upstream.config());
    Setup::new(&config).user("ada", "password one", &[]).start()
}

#[test]
fn each_event_is_there_when_it_was_sent_and_a_quiet_stream_stays_open() {
    let (upstream, tell, _closed) = told(EVENTS);
    let gateway = gateway(&upstream);
    let mut client = open(gateway.public, &[]);
    let head = client.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200"), "the head goes on before any event: {head}");
    assert!(!head.to_ascii_lowercase().contains("content-length"), "{head}");
    for event in ["data: 1\n\n", "data: two\n\n", ": a comment\n\n"] {
        let began = Instant::now();
        tell.send(event).unwrap();
        client.read_until(event);
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    }
    // Three times as long as any other body may be silent.
    client.stream().set_read_timeout(Some(Duration::from_millis(1_500))).unwrap();
    let quiet = (&mut client.stream()).read(&mut [0; 1]);
    assert!(
        quiet.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock),
        "it was cut while it was quiet"
    );
    client.stream().set_read_timeout(Some(PATIENCE)).unwrap();
    tell.send("data: late\n\n").unwrap();
    client.read_until("data: late\n\n");
    tell.send("").unwrap();
    client.read_until("0\r\n\r\n");
}

#[test]
fn a_stream_that_is_quiet_for_longer_than_its_service_says_is_cut() {
    let (upstream, _tell, closed) = told(EVENTS);
    let config = upstream.config().replace("urls", "stream_idle_timeout = \"1s\"\nurls");
    let mut gateway = Setup::new(&format!("[server]\nbody_timeout = \"200ms\"\n{config}")).start();
    let began = Instant::now();
    let mut client = open(gateway.public, &[]);
    client.read_until("\r\n\r\n");
    assert!(!client.read_rest().contains("0\r\n\r\n"), "it is no clean end");
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    closed.recv_timeout(PATIENCE).unwrap();
    gateway.wait_for_log(|l| l.contains("RESPONSE_CUT"));
}

#[test]
fn a_client_that_goes_ends_its_quiet_stream_at_once() {
    let (upstream, tell, closed) = told(EVENTS);
    let gateway = gateway(&upstream);
    let mut client = open(gateway.public, &[]);
    tell.send("data: 1\n\n").unwrap();
    client.read_until("data: 1\n\n");
    let began = Instant::now();
    drop(client);
    let took = closed.recv_timeout(PATIENCE).unwrap() - began;
    assert!(took < Duration::from_secs(1), "{took:?}");
    gateway.until("nothing is in flight", |g| g.metric("pluginmind_http_requests_in_flight") == 0.0);
}

#[test]
fn ad_07_a_stream_ends_with_the_session_that_opened_it() {
    let (upstream, tell, closed) = told(EVENTS);
    let mut gateway = gateway(&upstream);
    let cookie = gateway.sign_in("ada", "password one");
    let mut client = open(gateway.public, &[("Cookie", &cookie)]);
    tell.send("data: 1\n\n").unwrap();
    client.read_until("data: 1\n\n");
    let began = Instant::now();
    let out = gateway.send("POST /auth/logout", &[("Cookie", &cookie), ("Origin", "http://localhost")], b"");
    assert_eq!(out.status, 204);
    assert!(!client.read_rest().contains("0\r\n\r\n"), "it is no clean end");
    let took = closed.recv_timeout(PATIENCE).unwrap() - began;
    assert!(took < Duration::from_secs(1), "{took:?}");
    gateway.wait_for_log(|l| l.contains("SESSION_ENDED"));
}

#[test]
fn no_rule_on_bodies_holds_a_stream_back() {
    let (upstream, tell, _closed) = told(EVENTS);
    let manifest = "name = \"bodies\"\nversion = \"1.0.0\"\napi = 1\ndescription = \"A test.\"\nmode = \"enforce\"\non_error = \"deny\"\n[body]\nresponse = \"text\"\n";
    let gateway = Setup::new(&upstream.config())
        .file("plugins/bodies/plugin.toml", manifest)
        .file(
            "plugins/bodies/main.rhai",
            "fn on_response_body(req, res) { deny(500, \"bodies.seen\", \"held\"); }\n",
        )
        .start();
    let mut client = open(gateway.public, &[]);
    client.read_until("\r\n\r\n");
    tell.send("data: 1\n\n").unwrap();
    client.read_until("data: 1\n\n");
}

#[test]
fn an_edit_leaves_streams_open() {
    let (upstream, tell, _closed) = told(EVENTS);
    let gateway = gateway(&upstream);
    let mut client = open(gateway.public, &[]);
    let text = gateway.config();
    for n in 0..3 {
        let generation = gateway.generation();
        gateway.save(
            "config.toml",
            &text.replace("auth = \"none\"", &format!("auth = \"none\"\ntags = [\"t{n}\"]")),
        );
        gateway.until("the edit is in force", |g| g.generation() > generation);
        tell.send("data: on\n\n").unwrap();
        client.read_until("data: on\n\n");
    }
}

#[test]
fn a_long_poll_is_answered_when_there_is_something_to_say() {
    let (upstream, tell) = {
        let (tell, told) = channel::<()>();
        let told = Mutex::new(told);
        let upstream = Upstream::with(move |_, stream| {
            told.lock().unwrap().recv().ok();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews").is_ok()
        });
        (upstream, tell)
    };
    let gateway = gateway(&upstream);
    let mut client = open(gateway.public, &[]);
    // Longer than a body may be silent: it is `response_timeout` that a head has.
    client.stream().set_read_timeout(Some(Duration::from_millis(1_000))).unwrap();
    assert!((&mut client.stream()).read(&mut [0; 1]).is_err(), "nothing is answered for the upstream");
    client.stream().set_read_timeout(Some(PATIENCE)).unwrap();
    tell.send(()).unwrap();
    assert_eq!(client.read().expect("an answer").text(), "news");
}
