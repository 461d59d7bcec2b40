//! `Expect: 100-continue` (RFC 9110 section 10.1.1): one word to go on, and only to a client whose body is wanted.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::channel;

use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose};

const EXPECTS: (&str, &str) = ("Expect", "100-continue");

fn gateway(upstream: &Upstream) -> Gateway {
    Setup::new(&upstream.config()).start()
}

/// Sends the head of a POST whose body follows later.
fn announce(gateway: &Gateway, path: &str, length: usize) -> Connection {
    let mut connection = Connection::open(gateway.public);
    let length = length.to_string();
    let head = compose(&format!("POST {path}"), &[EXPECTS, ("Content-Length", &length)], b"");
    connection.send(head).unwrap();
    connection
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).to_ascii_lowercase()
}

#[test]
fn sm_26_a_client_that_waits_for_the_word_hears_it_once_and_its_app_never_hears_the_question() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    let mut connection = announce(&gateway, "/up/a", 4);
    assert!(connection.read_until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
    connection.send("body").unwrap();
    let head = connection.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "no second 100: {head}");
    assert_eq!(connection.read_until("hello"), "hello");
    let request = upstream.only().to_ascii_lowercase();
    assert!(!request.contains("expect") && request.ends_with("body"), "{request}");
    // The connection is clean: the next request on it is its own.
    connection.send(compose("GET /up/next", &[], b"")).unwrap();
    assert_eq!(connection.read().unwrap().text(), "hello");
}

#[test]
fn sm_26_a_client_that_is_refused_hears_the_refusal_and_no_word_to_go_on() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    for (path, length, status) in
        [("/nowhere", 4, "404"), ("/up/a", 2_000_000, "413"), ("/up/../a", 4, "400")]
    {
        let mut connection = announce(&gateway, path, length);
        let head = connection.read_until("\r\n\r\n");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
        assert!(!connection.read_rest().contains("HTTP/1.1"), "{path}: one answer");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn sm_26_what_nobody_expects_is_a_417() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    for odd in ["y 100-continue", "y, 100-continue", "100-continue, 100-continue", "200-ok", ""] {
        let answer = gateway.send("POST /up/a", &[("Expect", odd)], b"body");
        assert_eq!((answer.status, answer.code().as_str()), (417, "EXPECTATION_FAILED"), "{odd:?}");
    }
    let mut connection = Connection::open(gateway.public);
    connection.send("POST /up/a HTTP/1.1\r\nHost: a\r\nExpect:\0\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(connection.read().is_none_or(|answer| answer.status == 400));
    let two = [EXPECTS, ("Expect", "other")];
    assert!(gateway.send("POST /up/a", &two, b"body").status >= 400, "two lines");
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[test]
fn sm_26_without_a_body_there_is_nothing_to_go_on_with() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    for line in ["GET /up/a", "POST /up/a"] {
        let mut connection = Connection::open(gateway.public);
        connection.send(compose(line, &[EXPECTS, ("Content-Length", "0")], b"")).unwrap();
        let head = connection.read_until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{line}: {head}");
    }
}

#[test]
fn sm_26_an_app_may_answer_before_the_body_came() {
    for status in ["417 Expectation Failed", "403 Forbidden", "200 OK"] {
        let answer: &'static str = format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nearly").leak();
        let (tell, hear) = channel();
        let tell = std::sync::Mutex::new(tell);
        let upstream = Upstream::raw(move |mut stream| {
            tell.lock().unwrap().send(read_head(&mut stream)).ok();
            stream.write_all(answer.as_bytes()).ok();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).ok();
            tell.lock().unwrap().send(String::from_utf8_lossy(&rest).into_owned()).ok();
        });
        let gateway = gateway(&upstream);
        let mut connection = announce(&gateway, "/up/a", 4);
        let mut came = connection.read_until("\r\n\r\n");
        if came.starts_with("HTTP/1.1 100 ") {
            came = connection.read_until("\r\n\r\n");
        }
        assert!(came.starts_with(&format!("HTTP/1.1 {}", &status[..3])), "{came}");
        connection.read_until("early");
        assert!(!hear.recv().unwrap().contains("expect"));
        // The client keeps its body, and both connections end: what comes next would be read as the body.
        drop(connection);
        assert!(hear.recv().unwrap().is_empty(), "nothing that is not the body was sent as one");
    }
}

#[test]
fn sm_26_a_word_of_the_app_to_go_on_is_not_a_second_one() {
    let upstream = Upstream::raw(|mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok();
        let mut body = [0; 4];
        if stream.read_exact(&mut body).is_ok() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").ok();
            stream.write_all(&body).ok();
        }
    });
    let gateway = gateway(&upstream);
    let mut connection = announce(&gateway, "/up/a", 4);
    assert!(connection.read_until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
    connection.send("body").unwrap();
    assert!(connection.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert_eq!(connection.read_until("body"), "body");
}
