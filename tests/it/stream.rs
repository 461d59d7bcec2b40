//! Stage 14: bytes in both directions, and an upstream that fails at every point where it can.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose, request};

const PATIENCE: Duration = Duration::from_secs(20);

fn gateway(upstream: &Upstream) -> Gateway {
    let config = upstream.config().replace("urls", "response_timeout = \"500ms\"\nurls");
    Setup::new(&config).start()
}

/// An upstream that reads one head, sends these bytes and closes.
fn sends_and_closes(bytes: impl Into<Vec<u8>>) -> Upstream {
    let bytes = bytes.into();
    Upstream::raw(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(&bytes).ok();
    })
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn open(gateway: &Gateway, line: &str, headers: &[(&str, &str)]) -> Connection {
    let mut connection = Connection::open(gateway.public);
    connection.send(compose(line, headers, b"")).expect("the gateway reads");
    connection
}

#[test]
fn an_answer_streams_before_it_is_whole() {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::raw(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").ok();
        wait.lock().unwrap().recv_timeout(PATIENCE).ok();
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").ok();
    });
    let gateway = gateway(&upstream);
    let mut connection = open(&gateway, "GET /up/a", &[]);
    connection.read_until("first\r\n");
    release.send(()).unwrap();
    connection.read_until("last\r\n0\r\n\r\n");
}

#[test]
fn a_body_streams_before_it_is_whole() {
    let (tell, heard) = channel();
    let upstream = Upstream::raw(move |mut stream| {
        read_head(&mut stream);
        let mut part = [0; 64];
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\n\r\n") {
            let Ok(n @ 1..) = stream.read(&mut part) else { return };
            body.extend_from_slice(&part[..n]);
            tell.send(String::from_utf8_lossy(&body).into_owned()).ok();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").ok();
    });
    let gateway = gateway(&upstream);
    let mut connection = open(&gateway, "POST /up/a", &[("Transfer-Encoding", "chunked")]);
    connection.send("5\r\nfirst\r\n").unwrap();
    while !heard
        .recv_timeout(PATIENCE)
        .expect("the first part goes up before the last came")
        .contains("first")
    {}
    connection.send("4\r\nlast\r\n0\r\n\r\n").unwrap();
    assert_eq!(connection.read().expect("an answer").text(), "done");
}

#[test]
fn up_01_and_up_05_and_up_08_no_readable_head_is_a_502_that_names_no_address() {
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = format!(
        "[[services]]\nname = \"up\"\nurls = [\"http://{refused}\"]\n[[routes]]\npath = \"/up/*\"\nservice = \"up\"\nauth = \"none\"\n"
    );
    let dead = Setup::new(&dead).start();
    for line in ["GET /up/a", "POST /up/a"] {
        let answer = dead.send(line, &[], b"");
        assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"));
        assert!(!answer.text().contains("127.0.0.1") && !answer.text().contains(&refused.port().to_string()));
    }
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 99 X\r\n\r\n",
        "HTTP/1.1 1000 X\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "hello",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n",
    ] {
        let upstream = sends_and_closes(bytes);
        let gateway = gateway(&upstream);
        let answer = gateway.get("/up/a");
        assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"), "{bytes:?}");
    }
}

#[test]
fn up_04_an_upstream_that_never_answers_is_a_504_and_is_let_go() {
    let (upstream, hear) = Upstream::silent();
    let gateway = gateway(&upstream);
    let answer = gateway.get("/up/a");
    assert_eq!((answer.status, answer.code().as_str()), (504, "UPSTREAM_TIMEOUT"));
    assert!(hear.recv_timeout(PATIENCE).expect("its connection ends").starts_with("GET /up/a "));
}

/// An answer that goes on with `more`, and ends, once the client has read what came before.
fn breaks_off(framing: &str, half: &str, more: &'static str) -> (Upstream, Sender<()>) {
    let first = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{half}");
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::raw(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(first.as_bytes()).ok();
        wait.lock().expect("no panic").recv_timeout(PATIENCE).ok();
        stream.write_all(more.as_bytes()).ok();
    });
    (upstream, release)
}

#[test]
fn up_05_and_up_06_an_answer_that_breaks_off_never_ends_cleanly() {
    for (framing, half, more) in [
        ("Content-Length: 10", "half", ""),
        ("Transfer-Encoding: chunked", "4\r\nhalf\r\n", ""),
        ("Transfer-Encoding: chunked", "4\r\nhalf\r\n", "zz\r\n"),
        ("Transfer-Encoding: chunked", "4\r\nhalf\r\n", "5\r\nxx"),
        ("Transfer-Encoding: chunked", "4\r\nhalf\r\n", "0\r\n"),
    ] {
        let (upstream, release) = breaks_off(framing, half, more);
        let gateway = gateway(&upstream);
        let mut connection = open(&gateway, "GET /up/a", &[]);
        let head = connection.read_until("\r\n\r\n").to_ascii_lowercase();
        assert!(head.contains(&framing.to_ascii_lowercase()), "{head}");
        connection.read_until("half");
        release.send(()).unwrap();
        // Data that came may go on, whole chunks of it; the last chunk that would make it a whole answer may not.
        let rest = connection.read_rest();
        let data_at_most = if more.ends_with("xx") { "\r\n2\r\nxx\r\n" } else { "\r\n" };
        assert!(data_at_most.starts_with(&rest), "{framing} {more:?}: {rest:?}");
        assert!(!rest.contains("0\r\n\r\n"), "{framing} {more:?}: {rest:?}");
    }
}

#[test]
fn up_05_an_answer_that_breaks_off_at_once_is_no_whole_answer_either() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let gateway = gateway(&sends_and_closes(bytes));
        let all = open(&gateway, "GET /up/a", &[]).read_rest();
        assert!(
            !all.contains("0\r\n\r\n") && all.split("\r\n\r\n").nth(1).is_none_or(|b| b.len() < 10),
            "{all:?}"
        );
        assert!(all.is_empty() || all.starts_with("HTTP/1.1 200 "), "{all:?}");
    }
}

#[test]
fn up_06_bytes_after_an_answer_are_nobody_elses_answer() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    );
    let gateway = gateway(&upstream);
    for _ in 0..20 {
        let answer = gateway.get("/up/a");
        assert!((answer.status, answer.text().as_str()) == (200, "ok"), "{answer:?}");
    }
    assert_eq!(upstream.seen().len(), 20);
}

#[test]
fn up_10_and_sm_29_interim_answers_are_bounded_and_none_opens_a_tunnel() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let some = sends_and_closes(format!("{}{answer}", early.repeat(3)));
    let site = gateway(&some);
    let mut connection = open(&site, "GET /up/a", &[]);
    assert!(connection.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "), "a 103 is dropped");
    let endless = Upstream::raw(move |mut stream| {
        read_head(&mut stream);
        while stream.write_all(early.as_bytes()).is_ok() {}
    });
    assert!(matches!(gateway(&endless).get("/up/a").status, 502 | 504));
    let switching =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nraw bytes";
    let (tell, hear) = channel();
    let tunnel = Upstream::raw(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(switching.as_bytes()).ok();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        tell.send(rest).ok();
    });
    let site = gateway(&tunnel);
    for headers in [vec![], vec![("Connection", "Upgrade"), ("Upgrade", "bar")]] {
        let mut connection = open(&site, "GET /up/a", &headers);
        connection.send("smuggled").ok();
        let answer = connection.read().expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"), "{headers:?}");
        assert!(hear.recv_timeout(PATIENCE).expect("its connection ends").is_empty(), "nothing goes through");
    }
}

#[test]
fn sm_28_what_follows_an_upgrade_that_was_not_taken_is_a_request_like_any_other() {
    let upstream = Upstream::hello();
    let config = format!("{}\n[[routes]]\npath = \"/private\"\nservice = \"up\"\n", upstream.config());
    let gateway = Setup::new(&config).start();
    let mut connection = Connection::open(gateway.public);
    let mut bytes = compose("GET /up/a", &[("Connection", "Upgrade"), ("Upgrade", "foo")], b"");
    bytes.extend(compose("GET /private", &[], b""));
    connection.send(bytes).unwrap();
    assert_eq!(connection.read().expect("an answer").status, 200);
    if let Some(second) = connection.read() {
        assert_eq!(second.status, 401);
    }
    assert!(upstream.only().starts_with("GET /up/a "));
}

#[test]
fn up_11_what_has_no_body_has_none_and_the_next_answer_is_its_own() {
    let upstream = Upstream::with(|request, stream| {
        let answer = match request.split(' ').nth(1).unwrap() {
            "/up/204" => "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "/up/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n",
            "/up/head" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "/up/204-body" => "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison",
            "/up/head-body" => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext",
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let gateway = gateway(&upstream);
    let mut connection = Connection::open(gateway.public);
    for (line, status) in [
        ("GET /up/204", 204),
        ("GET /up/304", 304),
        ("HEAD /up/head", 200),
        ("GET /up/204-body", 204),
        ("HEAD /up/head-body", 200),
    ] {
        connection.send(compose(line, &[], b"")).unwrap();
        let head = connection.read_until("\r\n\r\n");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {head}");
        assert!(status != 204 || !head.to_ascii_lowercase().contains("content-length"), "{head}");
        connection.send(compose("GET /up/next", &[], b"")).unwrap();
        let next = connection.read().expect("in step");
        assert_eq!((next.status, next.text().as_str()), (200, "next"), "after {line}");
    }
}

#[test]
fn up_13_a_client_that_leaves_takes_its_upstream_request_along() {
    let (silent, hear) = Upstream::silent();
    let site = gateway(&silent);
    let mut uploading = open(&site, "POST /up/a", &[("Content-Length", "100")]);
    uploading.send("half").unwrap();
    site.until("the request in flight", |g| g.metric("pluginmind_http_requests_in_flight") >= 1.0);
    drop(uploading);
    assert!(hear.recv_timeout(PATIENCE).expect("its connection ends").starts_with("POST /up/a "));
    let (tell, hear) = channel();
    let endless = endless(tell);
    let site = gateway(&endless);
    let mut downloading = open(&site, "GET /up/a", &[]);
    downloading.read_until("xxxx");
    drop(downloading);
    hear.recv_timeout(PATIENCE).expect("its connection ends");
    site.until("nothing in flight", |g| g.metric("pluginmind_http_requests_in_flight") == 0.0);
}

/// An upstream whose answer never ends; it tells how much it could send.
fn endless(tell: Sender<usize>) -> Upstream {
    Upstream::raw(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok();
        stream.set_write_timeout(Some(Duration::from_secs(1))).ok();
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
        let mut sent = 0;
        while stream.write_all(chunk.as_bytes()).is_ok() {
            sent += chunk.len();
        }
        tell.send(sent).ok();
    })
}

#[test]
fn up_16_a_client_that_does_not_read_stops_the_upstream_and_not_the_gateway() {
    let (tell, hear) = channel();
    let site = gateway(&endless(tell));
    let mut connection = open(&site, "GET /up/a", &[]);
    connection.read_until("\r\n\r\n");
    let sent = hear.recv_timeout(PATIENCE).expect("it is stopped");
    assert!(sent < 32 << 20, "{sent} bytes went somewhere");
    assert_eq!(site.get("/live").status, 200);
}

#[test]
fn up_14_an_answer_that_comes_before_the_body_was_read_is_delivered() {
    let upstream =
        sends_and_closes("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    let gateway = gateway(&upstream);
    let mut connection = open(&gateway, "POST /up/a", &[("Content-Length", "900000")]);
    connection.send("half").unwrap();
    let answer = connection.read().expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    connection.send(vec![b'x'; 100_000]).ok();
    assert!(connection.read().is_none(), "the rest of the body is no request");
}

#[test]
fn up_02_a_broken_upstream_harms_nobody_else_and_is_used_again_when_it_works() {
    let broken = Arc::new(Mutex::new(true));
    let switch = Arc::clone(&broken);
    let upstream = Upstream::with(move |_, stream| {
        if *switch.lock().unwrap() {
            return false;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send("POST /up/a", &[], b"x").status, 502);
    assert_eq!(upstream.seen().len(), 1, "a POST is never sent twice");
    *broken.lock().unwrap() = false;
    gateway.until("the upstream works again", |g| g.get("/up/a").status == 200);
}

/// Sends the beginning of a request and leaves.
fn abort(gateway: SocketAddr, cookie: &str, after: usize) {
    let mut connection = Connection::open(gateway);
    let bytes =
        compose("POST /up/a", &[("Cookie", cookie), ("Sec-Fetch-Site", "same-origin")], &[b'x'; 2_000]);
    connection.send(&bytes[..after.min(bytes.len() - 1)]).ok();
}

#[test]
fn sm_34_no_answer_reaches_another_user_whatever_is_broken_off() {
    let upstream = Upstream::with(|request, stream| {
        let user = request.lines().find_map(|l| l.strip_prefix("x-auth-request-user: ")).unwrap_or("nobody");
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{user}", user.len()).as_bytes())
            .is_ok()
    });
    let limits = "[rate_limit]\nuser_burst = 100000\nip_burst = 100000\n";
    let gateway = Setup::new(&format!("{limits}{}", upstream.config()))
        .user("ada", "password one", &[])
        .user("bob", "password two", &[])
        .start();
    let users = [gateway.sign_in("ada", "password one"), gateway.sign_in("bob", "password two")];
    std::thread::scope(|scope| {
        for worker in 0..4_usize {
            let (gateway, cookie) = (gateway.public, users[worker % 2].as_str());
            let sub = crate::harness::Token::read(cookie).claims["sub"].as_str().unwrap().to_owned();
            scope.spawn(move || {
                for i in 0..50_usize {
                    if i % 3 == worker % 3 {
                        abort(gateway, cookie, 300 + (i * 97 + worker * 31) % 2_500);
                    }
                    let answer = request(gateway, "GET /up/a", &[("Cookie", cookie)], b"");
                    assert_eq!((answer.status, answer.text().as_str()), (200, sub.as_str()));
                }
            });
        }
    });
}
