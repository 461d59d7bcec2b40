//! HTTP/2 from clients: what a request must be, what of it reaches the app, and what becomes of one that is given up. With
//! prior knowledge on a plain connection, so that every byte is the test's own.

use std::io::Write as _;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Method, Request, Version};

use crate::harness::http2::{
    END_HEADERS, END_STREAM, Frames, ask, begin, block, connect, frame, get, get_block, kind, post, read, run,
};
use crate::harness::{Connection, Gateway, Setup, Upstream};

fn gateway(upstream: &Upstream) -> Gateway {
    setup(upstream, "").start()
}

fn setup(upstream: &Upstream, server: &str) -> Setup {
    Setup::new(&format!("[server]\nh2c = true\n{server}\n{}", upstream.config()))
}

/// The headers of a forwarded request, in lower case.
fn head(request: &str) -> Vec<String> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n").skip(1).map(str::to_ascii_lowercase).collect()
}

#[test]
fn a_request_comes_through_as_it_would_over_http_1() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        let reply = ask(&client, get("/up/a?b=c"), b"").await.unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
        assert!(reply.headers.contains_key("x-request-id") && reply.trailers.is_none());
        let reply = ask(&client, post("/up/b"), b"payload").await.unwrap();
        assert_eq!(reply.status, 200);
        let reply = ask(&client, get("/nowhere"), b"").await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
    });
    let seen = upstream.seen();
    assert!(seen[0].starts_with("GET /up/a?b=c HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(head(&seen[0]).contains(&"host: localhost".to_owned()), "{}", seen[0]);
    assert!(head(&seen[0]).contains(&"x-forwarded-proto: http".to_owned()), "{}", seen[0]);
    assert!(seen[1].starts_with("POST /up/b HTTP/1.1\r\n") && seen[1].contains("payload"), "{}", seen[1]);
}

#[test]
fn requests_of_one_connection_run_side_by_side_and_no_more_than_the_limit() {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::with(move |request, stream| {
        if request.contains("/up/slow") {
            wait.lock().unwrap().recv().ok();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let gateway = setup(&upstream, "http2_streams_max = 2").start();
    run(async {
        let client = connect(gateway.public).await;
        let (slow, mut sink) = begin(&client, post("/up/slow")).await;
        sink.send_data(Bytes::new(), true).unwrap();
        assert_eq!(ask(&client, get("/up/fast"), b"").await.unwrap().status, 200);
        assert_eq!(client.current_max_send_streams(), 2);
        release.send(()).unwrap();
        assert_eq!(read(slow).await.unwrap().status, 200);
    });
    let mut frames = Frames::open(gateway.public);
    // A client that does not keep to the limit: the third is refused, the others are not touched.
    for stream in [1, 3, 5] {
        let head = frame(kind::HEADERS, END_HEADERS, stream, &get_block("/up/a", &[]));
        frames.send(&head).unwrap();
    }
    assert_eq!(frames.refusal_of(5), Some(u32::from(Reason::REFUSED_STREAM)));
}

#[test]
fn h2_08_what_frames_a_message_in_http_1_is_refused() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    for odd in [
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("te", "gzip"),
        ("content-length", "5"),
    ] {
        let mut frames = Frames::open(gateway.public);
        frames.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &get_block("/up/a", &[odd]))).unwrap();
        assert!(frames.refusal_of(1).is_some(), "{odd:?}");
    }
    let mut frames = Frames::open(gateway.public);
    let method = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/up/b")];
    let head = block(&[&method[..], &[("content-length", "3")]].concat());
    frames.send(&frame(kind::HEADERS, END_HEADERS, 1, &head)).unwrap();
    frames.send(&frame(kind::DATA, END_STREAM, 1, b"four")).unwrap();
    assert!(frames.refusal_of(1).is_some(), "more than was declared");
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[test]
fn h2_09_what_would_be_another_line_in_http_1_is_refused() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    for odd in [
        ("x-a", "b\r\nx-auth-user: admin"),
        ("x-a", "b\nc"),
        ("x-a", "b\0c"),
        ("x-a: b", "c"),
        ("x-a\r\nx-b", "c"),
        ("", "c"),
        ("X-A", "c"),
        (":path", "/up/other"),
        (":unknown", "c"),
    ] {
        let mut frames = Frames::open(gateway.public);
        frames.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &get_block("/up/a", &[odd]))).unwrap();
        assert!(frames.refusal_of(1).is_some(), "{odd:?}");
    }
    let usual = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/up/a")];
    for (at, odd) in [
        (0, (":method", "GET /up/evil HTTP/1.1\r\nx: ")),
        (2, (":authority", "localhost\r\nx-auth-user: admin")),
        (3, (":path", "/up/a HTTP/1.1\r\nx-auth-user: admin")),
        (3, (":path", "/up/a\n")),
    ] {
        let mut headers = usual;
        headers[at] = odd;
        let mut frames = Frames::open(gateway.public);
        frames.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&headers))).unwrap();
        assert!(frames.refusal_of(1).is_some(), "{odd:?}");
    }
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[test]
fn h2_10_a_value_that_begins_or_ends_with_white_space_is_a_400() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        for odd in [" a", "a ", "\ta", "a\t"] {
            let mut request = get("/up/a");
            request.headers_mut().insert("x-a", HeaderValue::from_bytes(odd.as_bytes()).unwrap());
            let reply = ask(&client, request, b"").await.unwrap();
            assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_REQUEST"), "{odd:?}");
        }
    });
    assert!(upstream.seen().is_empty());
}

#[test]
fn h2_11_the_authority_is_the_host_and_there_is_one() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    let asked = |uri: &str, hosts: &[&str]| {
        let mut request = Request::get(uri).body(()).unwrap();
        if !uri.contains("://") {
            // h2 sends a request without an authority only as one that came over HTTP/1.1.
            *request.version_mut() = Version::HTTP_11;
        }
        for host in hosts {
            request.headers_mut().append("host", host.parse().unwrap());
        }
        run(async { ask(&connect(gateway.public).await, request, b"").await.unwrap().status })
    };
    assert_eq!(asked("http://localhost/up/a", &["localhost"]), 200);
    assert_eq!(asked("http://localhost/up/a", &["LOCALHOST:80"]), 200);
    assert_eq!(asked("/up/a", &["localhost"]), 200);
    let fine = upstream.seen().len();
    assert_eq!(asked("http://localhost/up/a", &["other"]), 400);
    assert_eq!(asked("http://localhost/up/a", &["localhost", "localhost"]), 400);
    assert_eq!(asked("/up/a", &["localhost", "other"]), 400);
    assert_eq!(asked("/up/a", &[]), 400);
    assert_eq!(asked("http://user@localhost/up/a", &[]), 400);
    assert_eq!(asked("http://user@localhost/up/a", &["localhost"]), 400);
    assert_eq!(asked("http://localhost:x/up/a".replace(":x", ":0").as_str(), &[]), 400);
    assert_eq!(upstream.seen().len(), fine);
}

#[test]
fn h2_12_the_scheme_is_that_of_the_connection_and_the_path_is_one() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    let asked = |method: &str, scheme: &str, path: &str| {
        let headers =
            [(":method", method), (":scheme", scheme), (":authority", "localhost"), (":path", path)];
        let mut frames = Frames::open(gateway.public);
        frames.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&headers))).unwrap();
        match frames.until(|f| f.stream == 1 || f.kind == kind::GOAWAY) {
            Some(answer) if answer.kind == kind::HEADERS => answer.payload[0],
            _ => 0,
        }
    };
    // The indexed forms of `:status` 200, 204 and 400 (RFC 7541, appendix A).
    let (fine, no_content, bad) = (0x88, 0x89, 0x8c);
    assert_eq!(asked("GET", "http", "/up/a"), fine);
    assert_eq!(asked("OPTIONS", "http", "*"), no_content);
    let passed = upstream.seen().len();
    for (method, scheme, path) in [
        ("GET", "javascript", "/up/a"),
        ("GET", "https", "/up/a"),
        ("GET", "http", "*"),
        ("GET", "http", "http://other/up/a"),
        ("GET", "http", "up/a"),
        ("GET", "http", ""),
        ("GET", "http", "/up/../a"),
        ("GET", "http", "/up/%00"),
    ] {
        let answer = asked(method, scheme, path);
        assert!(answer == bad || answer == 0, "{method} {scheme} {path}: {answer:x}");
    }
    assert_eq!(upstream.seen().len(), passed);
}

#[test]
fn h2_13_connect_opens_no_tunnel() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        let request = Request::builder().method(Method::CONNECT).uri("localhost:80").body(()).unwrap();
        let reply = ask(&client, request, b"").await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (405, "METHOD_NOT_ALLOWED"));
    });
    let mut frames = Frames::open(gateway.public);
    let extended = [
        (":method", "CONNECT"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/up/a"),
        (":protocol", "websocket"),
    ];
    frames.send(&frame(kind::HEADERS, END_HEADERS, 1, &block(&extended))).unwrap();
    let answer = frames.until(|f| f.stream == 1 || f.kind == kind::GOAWAY).expect("an answer");
    assert!(answer.kind != kind::HEADERS || answer.payload[0] != 0x88, "{answer:?}");
    assert!(upstream.seen().is_empty());
}

#[test]
fn h2_14_the_crumbs_of_a_cookie_are_read_as_one() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream, "").user("ada@example.com", "correct horse", &[]).start();
    let session = gateway.sign_in("ada@example.com", "correct horse");
    run(async {
        let client = connect(gateway.public).await;
        let with = |crumbs: &[&str]| {
            let mut request = get("/up/a");
            for crumb in crumbs {
                request.headers_mut().append("cookie", crumb.parse().unwrap());
            }
            request
        };
        ask(&client, with(&["a=1", &session, "b=2"]), b"").await.unwrap();
        ask(&client, with(&[&session, "c=3", &session]), b"").await.unwrap();
    });
    let seen = upstream.seen();
    let cookies = |at: usize| -> Vec<String> {
        head(&seen[at]).into_iter().filter(|l| l.starts_with("cookie:")).collect()
    };
    assert_eq!(cookies(0), ["cookie: a=1; b=2"]);
    assert_eq!(cookies(1), ["cookie: c=3"]);
    let known = |at: usize| head(&seen[at]).iter().any(|l| l.starts_with("x-auth-request-user:"));
    assert!(known(0), "the session is found between the crumbs");
    assert!(!known(1), "two session cookies are no session");
}

#[test]
fn h2_15_the_trailers_of_a_request_end_here() {
    // Digits, for a length; so many that no random id holds them.
    const PLANTED: &str = "314159265358979";
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        let (response, mut sink) = begin(&client, post("/up/a")).await;
        sink.send_data(Bytes::from_static(b"body"), false).unwrap();
        let mut trailers = HeaderMap::new();
        for name in ["x-auth-user", "x-forwarded-for", "content-length", "x-plain"] {
            trailers.insert(name, HeaderValue::from_static(PLANTED));
        }
        sink.send_trailers(trailers).unwrap();
        assert_eq!(read(response).await.unwrap().status, 200);
    });
    let request = upstream.only();
    assert!(request.contains("body") && !request.contains(PLANTED), "{request}");
    let mut frames = Frames::open(gateway.public);
    frames.send(&frame(kind::HEADERS, END_HEADERS, 1, &get_block("/up/b", &[]))).unwrap();
    frames
        .send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&[(":path", "/up/evil")])))
        .unwrap();
    frames.refusal_of(1);
    assert!(!upstream.seen().iter().any(|request| request.contains("evil")), "{:?}", upstream.seen());
}

#[test]
fn h2_16_nobody_is_upgraded_and_prior_knowledge_is_refused_unless_it_is_configured() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config()).start();
    let upgrade = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
    ];
    let answer = gateway.send("GET /up/a", &upgrade, b"");
    assert_eq!(answer.status, 200);
    let request = upstream.only().to_ascii_lowercase();
    assert!(!request.contains("h2c") && !request.contains("http2-settings"), "{request}");
    let mut connection = Connection::open(gateway.public);
    connection.send(crate::harness::http2::PREFACE).unwrap();
    assert!(connection.read().is_none_or(|answer| answer.status >= 400));
    assert!(connection.closes());
    assert_eq!(upstream.seen().len(), 1);
    // Where it is configured, HTTP/1.1 is still spoken with whoever begins with it.
    let both = setup(&upstream, "").start();
    assert_eq!(both.get("/up/b").status, 200);
    assert_eq!(both.send("POST /up/b", &[], b"body").status, 200);
}

#[test]
fn a_head_that_is_too_large_is_a_431_with_its_envelope() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream, "header_max = \"4 KiB\"").start();
    run(async {
        let client = connect(gateway.public).await;
        let mut request = get("/up/a");
        request.headers_mut().insert("x-large", "a".repeat(5_000).parse().unwrap());
        let reply = ask(&client, request, b"").await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (431, "HEADERS_TOO_LARGE"));
        let long = get(&format!("/up/{}", "a".repeat(9_000)));
        assert_eq!(ask(&client, long, b"").await.unwrap().code(), "URI_TOO_LONG");
        assert_eq!(ask(&client, get("/up/a"), b"").await.unwrap().status, 200, "the connection goes on");
    });
}

#[test]
fn an_answer_to_head_has_the_head_of_an_answer_and_nothing_more() {
    let upstream = Upstream::with(|request, stream| {
        let body = if request.starts_with("HEAD ") { "" } else { "hello" };
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}").as_bytes()).is_ok()
    });
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        for (path, status) in [("/live", 200), ("/nowhere", 404), ("/up/a", 200), ("/up/../a", 400)] {
            let mut request = get(path);
            *request.method_mut() = Method::HEAD;
            let reply = ask(&client, request, b"").await.unwrap();
            assert_eq!((reply.status, reply.body.len()), (status, 0), "{path}");
            assert!(reply.headers.contains_key("content-length"), "{path}");
        }
        assert_eq!(ask(&client, get("/up/a"), b"").await.unwrap().text(), "hello");
    });
}

#[test]
fn a_refusal_with_an_unread_body_resets_its_stream_and_leaves_the_others() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        let (response, mut sink) = begin(&client, post("/nowhere")).await;
        sink.send_data(Bytes::from_static(b"half"), false).unwrap();
        let reply = read(response).await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
        assert!(!reply.headers.contains_key("connection"));
        let reason = std::future::poll_fn(|cx| sink.poll_reset(cx)).await.unwrap();
        assert_eq!(reason, Reason::NO_ERROR, "RFC 9113 section 8.1: no more of it is wanted");
        assert_eq!(ask(&client, get("/up/a"), b"").await.unwrap().status, 200);
    });
}

#[test]
fn a_body_over_its_limit_and_one_that_stops_coming_are_refused() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream, "body_max = \"1 KiB\"\nbody_timeout = \"200ms\"").start();
    run(async {
        let client = connect(gateway.public).await;
        let reply = ask(&client, post("/up/a"), &[b'a'; 2_000]).await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (413, "REQUEST_TOO_LARGE"));
        let (response, mut sink) = begin(&client, post("/up/a")).await;
        sink.send_data(Bytes::from_static(b"half"), false).unwrap();
        let reply = read(response).await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (408, "REQUEST_TIMEOUT"));
    });
}

/// An upstream that says when a request came, answers nothing, and says when the connection is closed.
fn patient() -> (Upstream, std::sync::mpsc::Receiver<&'static str>, Sender<&'static str>) {
    let (tell, hear) = channel();
    let teller = Arc::new(Mutex::new(tell.clone()));
    let upstream = Upstream::raw(move |mut stream| {
        let tell = teller.lock().unwrap().clone();
        let mut all = Vec::new();
        let mut part = [0; 1024];
        while let Ok(n @ 1..) = std::io::Read::read(&mut stream, &mut part) {
            let before = all.windows(4).any(|w| w == b"\r\n\r\n");
            all.extend_from_slice(&part[..n]);
            if !before && all.windows(4).any(|w| w == b"\r\n\r\n") {
                tell.send("came").ok();
            }
        }
        let whole = all.ends_with(b"0\r\n\r\n");
        tell.send(if whole { "closed after a whole body" } else { "closed" }).ok();
    });
    (upstream, hear, tell)
}

#[test]
fn h2_01_a_request_that_its_client_resets_is_let_go_upstream_within_a_second() {
    let (upstream, hear, _tell) = patient();
    let gateway = gateway(&upstream);
    for with_body in [false, true] {
        for reason in [Reason::CANCEL, Reason::NO_ERROR] {
            run(async {
                let client = connect(gateway.public).await;
                let (response, mut sink) = begin(&client, post("/up/a")).await;
                let data = Bytes::from_static(if with_body { b"half" } else { b"" });
                sink.send_data(data, !with_body).unwrap();
                while hear.try_recv().is_err() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let began = Instant::now();
                sink.send_reset(reason);
                let closed = loop {
                    match hear.try_recv() {
                        Ok(word) => break word,
                        Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                    }
                };
                assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
                let whole = if with_body { "closed" } else { "closed after a whole body" };
                assert_eq!(closed, whole, "half a body must not be passed on as a whole one: {reason:?}");
                drop(response);
            });
        }
    }
    gateway.until("nothing is in flight", |g| g.metric("pluginmind_http_requests_in_flight") == 0.0);
}

#[test]
fn an_answer_that_breaks_off_is_a_reset_and_never_an_end() {
    let upstream = Upstream::raw(|mut stream| {
        let mut part = [0; 4096];
        let _ = std::io::Read::read(&mut stream, &mut part);
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").ok();
    });
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        let error = ask(&client, get("/up/a"), b"").await.expect_err("the body broke off");
        assert!(error.is_reset() && error.reason() == Some(Reason::INTERNAL_ERROR), "{error}");
        assert_eq!(ask(&client, get("/live"), b"").await.unwrap().status, 200, "the connection goes on");
    });
}
