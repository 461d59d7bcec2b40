//! Stage 14: what ends at this hop, in both directions, where the rows of `forward` do not say it yet; and whose answer
//! is whose when many people share an upstream's connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Connection, Gateway, Setup, Token, Upstream, client::compose, request};

fn values(request: &str, name: &str) -> Vec<String> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.lines().skip(1).filter_map(|l| l.split_once(':'));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned()).collect()
}

fn told(gateway: &Gateway, upstream: &Upstream, headers: &[(&str, &str)]) -> String {
    let answer = gateway.send("GET /up/a", headers, b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    upstream.seen().pop().expect("it came")
}

#[test]
fn hb_01_a_list_over_several_lines_in_any_case_takes_nothing_that_is_the_gateways() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config()).start();
    for name in [
        "X-Forwarded-For",
        "x-REAL-ip",
        "X-Auth-User",
        "AUTHORIZATION",
        "Cookie",
        "X-Request-Id",
        "Forwarded",
    ] {
        let seen = told(
            &gateway,
            &upstream,
            &[
                ("Connection", "close"),
                ("connection", name),
                ("CONNECTION", "x-hop , , x-other"),
                (name, "theirs"),
                ("X-Hop", "1"),
                ("X-Other", "1"),
                ("X-Kept", "1"),
            ],
        );
        assert_eq!(values(&seen, "x-forwarded-for"), ["127.0.0.1"], "{name}: {seen}");
        assert_eq!(values(&seen, "x-request-id").len(), 1, "{name}: {seen}");
        assert_eq!(values(&seen, "x-kept"), ["1"], "{name}: {seen}");
        for gone in ["x-real-ip", "x-auth-user", "forwarded", "x-hop", "x-other", "connection"] {
            assert!(values(&seen, gone).is_empty(), "{name}, {gone}: {seen}");
        }
    }
}

#[test]
fn hb_07_and_hb_11_two_ids_or_an_odd_one_are_none_and_what_is_forwarded_is_one() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config()).start();
    let long = "a".repeat(65);
    let huge = "a".repeat(7_000);
    for ids in [
        vec!["one", "two"],
        vec!["same", "same"],
        vec![long.as_str()],
        vec![huge.as_str()],
        vec!["\"><script>"],
        vec!["a b"],
        vec!["a,b"],
        vec!["\u{e9}"],
        vec![""],
    ] {
        let headers: Vec<_> = ids.iter().map(|id| ("X-Request-ID", *id)).collect();
        let answer = gateway.send("GET /up/a", &headers, b"");
        assert_eq!(answer.status, 200, "{ids:?}");
        let seen = upstream.seen().pop().expect("it came");
        let answered = answer.all("x-request-id");
        assert_eq!(answered.len(), 1, "{ids:?}");
        assert_eq!(values(&seen, "x-request-id"), answered, "{ids:?}");
        assert!(!ids.contains(&answered[0]), "{ids:?}: {answered:?}");
    }
    let seen =
        told(&gateway, &upstream, &[("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2")]);
    assert_eq!(values(&seen, "x-forwarded-for"), ["127.0.0.1"], "nobody said that this client is a proxy");
}

#[test]
fn hb_09_headers_of_an_answer_end_here_or_pass_once_and_trailers_never_do() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Auth-User\r\nX-Auth-User: admin\r\n\
         Content-Security-Policy: default-src 'self'\r\nContent-Security-Policy: default-src *\r\n\
         Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nTE: trailers\r\n\
         Upgrade: h2c\r\nProxy-Connection: keep-alive\r\nX-Hop: 1\r\nConnection: x-hop\r\n\r\n\
         2\r\nok\r\n0\r\nX-Auth-User: admin\r\nSet-Cookie: pm_session=evil\r\nContent-Length: 9\r\n\r\n",
    );
    let gateway = Setup::new(&upstream.config()).start();
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("GET /up/a", &[("Connection", "close"), ("TE", "trailers")], b"")).unwrap();
    let all = connection.read_rest().to_ascii_lowercase();
    let (head, body) = all.split_once("\r\n\r\n").expect("a head");
    for gone in
        ["x-auth-user", "access-control-allow", "upgrade", "proxy-connection", "x-hop", "trailer", "\nte:"]
    {
        assert!(!head.contains(gone), "{gone}: {head}");
    }
    assert_eq!(head.matches("content-security-policy:").count(), 2, "its own, all of it: {head}");
    assert_eq!(body, "2\r\nok\r\n0\r\n\r\n", "no trailers");
}

/// Answers each request with the user that the gateway names, 3,000 times over and in many pieces; reads uploads first.
fn named() -> Upstream {
    Upstream::with(|request, stream| {
        let user = request.lines().find_map(|l| l.strip_prefix("x-auth-request-user: ")).unwrap_or("nobody");
        let piece = format!("{user};").repeat(100);
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..30 {
            sent = sent.and_then(|()| stream.write_all(chunk.as_bytes()));
        }
        sent.and_then(|()| stream.write_all(b"0\r\n\r\n")).is_ok()
    })
}

/// One request of a user, which may be broken off at a place that `chance` picks. Whether the whole answer was read.
fn exchange(gateway: SocketAddr, cookie: &str, user: &str, chance: usize) -> bool {
    let headers = [("Cookie", cookie), ("Sec-Fetch-Site", "same-origin")];
    match chance % 5 {
        // In the upload.
        0 => {
            let bytes = compose("POST /up/a", &headers, &[b'x'; 20_000]);
            let mut stream = TcpStream::connect(gateway).expect("the gateway listens");
            stream.write_all(&bytes[..bytes.len() * (chance % 97) / 97]).ok();
            false
        }
        // In the download.
        1 => {
            let mut stream = TcpStream::connect(gateway).expect("the gateway listens");
            stream.write_all(&compose("GET /up/a", &headers, b"")).ok();
            let mut part = vec![0; 1 + chance % 20_000];
            let n = stream.read(&mut part).unwrap_or(0);
            let text = String::from_utf8_lossy(&part[..n]).into_owned();
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let other = body.split([';', '\r', '\n']).find(|w| w.len() == user.len() && *w != user);
            assert_eq!(other, None);
            false
        }
        _ => {
            let answer = request(gateway, "GET /up/a", &headers, b"");
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(answer.text() == format!("{user};").repeat(3_000), "another's answer, or half of one");
            true
        }
    }
}

#[test]
fn sm_34_a_thousand_requests_of_two_users_with_breaks_anywhere_and_not_one_answer_is_swapped() {
    let upstream = named();
    let limits = "[server]\nworkers = 2\n[rate_limit]\nuser_burst = 100000\nip_burst = 100000\n";
    let gateway = Setup::new(&format!("{limits}{}", upstream.config()))
        .user("ada", "password one", &[])
        .user("bob", "password two", &[])
        .start();
    let cookies = [gateway.sign_in("ada", "password one"), gateway.sign_in("bob", "password two")];
    let whole = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..50_usize {
            let (gateway, cookie, whole) = (gateway.public, cookies[client % 2].as_str(), &whole);
            let user = Token::read(cookie).claims["sub"].as_str().expect("a text").to_owned();
            scope.spawn(move || {
                let mut chance = client * 7_919 + 17;
                for _ in 0..20 {
                    chance = chance.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
                    if exchange(gateway, cookie, &user, chance >> 8) {
                        whole.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let whole = whole.into_inner();
    assert!((400..800).contains(&whole), "{whole} of 1000 were read to their end");
}
