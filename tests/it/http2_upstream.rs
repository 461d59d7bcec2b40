//! HTTP/2 to the app behind the gateway, and what gRPC needs of it: messages both ways, and the status in the trailers.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};

use crate::harness::http2::{ask, begin, connect, get, post, read, run, take};
use crate::harness::{Connection, Gateway, Http2Upstream, Setup, client::compose};

const GRPC: &str = "application/grpc+proto";

fn gateway(upstream: &Http2Upstream) -> Gateway {
    Setup::new(&format!("[server]\nh2c = true\n{}", upstream.config())).start()
}

/// A gRPC service that says every message back, and then how it went.
fn echo() -> Http2Upstream {
    Http2Upstream::with(|request, mut respond| async move {
        let mut response = Response::new(());
        response.headers_mut().insert("content-type", HeaderValue::from_static(GRPC));
        let mut sink = respond.send_response(response, false).unwrap();
        let mut incoming = request.into_body();
        while let Some(data) = incoming.data().await {
            let Ok(data) = data else { return };
            let data = take(&mut incoming, data);
            sink.send_data(data, false).ok();
        }
        sink.send_trailers(status()).ok();
    })
}

fn status() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    for (name, value) in [
        ("grpc-status", "0"),
        ("grpc-message", "all%20is%20well"),
        ("grpc-status-details-bin", "CAA"),
        ("x-app_timing", "12"),
        ("set-cookie", "pm_session=evil"),
        ("x-auth-user", "evil"),
        ("content-length", "7"),
        ("server", "evil"),
    ] {
        trailers.insert(name, HeaderValue::from_static(value));
    }
    trailers
}

fn call(path: &str) -> Request<()> {
    let mut request = post(path);
    request.headers_mut().insert("content-type", HeaderValue::from_static(GRPC));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    request
}

#[test]
fn a_grpc_call_comes_through_with_its_trailers_and_none_that_are_forged() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        let reply = ask(&client, call("/up/Echo/Say"), b"message").await.unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, "message"));
        let trailers = reply.trailers.expect("trailers");
        let mut names: Vec<_> = trailers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["grpc-message", "grpc-status", "grpc-status-details-bin", "x-app_timing"]);
        assert_eq!(trailers["grpc-message"], "all%20is%20well");
    });
    let seen = upstream.seen();
    assert_eq!(seen[0].uri(), "http://localhost/up/Echo/Say");
    assert_eq!(seen[0].headers()["te"], "trailers");
    assert!(!seen[0].headers().contains_key("transfer-encoding") && !seen[0].headers().contains_key("host"));
    assert_eq!(seen[0].headers()["x-forwarded-host"], "localhost");
}

#[test]
fn a_call_that_streams_both_ways_is_not_held_back() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    run(async {
        let client = connect(gateway.public).await;
        let (response, mut sink) = begin(&client, call("/up/Echo/Chat")).await;
        let mut incoming = response.await.unwrap().into_body();
        for message in ["first", "second", "third"] {
            sink.send_data(message.into(), false).unwrap();
            let data = incoming.data().await.unwrap().unwrap();
            assert_eq!(take(&mut incoming, data), message);
        }
        sink.send_data(Bytes::new(), true).unwrap();
        while let Some(data) = incoming.data().await {
            assert!(data.unwrap().is_empty());
        }
        assert_eq!(incoming.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    });
}

#[test]
fn an_answer_of_trailers_alone_is_one() {
    let upstream = Http2Upstream::with(|_, mut respond| async move {
        let mut response = Response::new(());
        response.headers_mut().insert("content-type", HeaderValue::from_static(GRPC));
        response.headers_mut().insert("grpc-status", HeaderValue::from_static("12"));
        respond.send_response(response, true).unwrap();
    });
    let gateway = gateway(&upstream);
    run(async {
        let reply = ask(&connect(gateway.public).await, call("/up/a"), b"m").await.unwrap();
        assert_eq!((reply.status, &reply.headers["grpc-status"]), (200, &HeaderValue::from_static("12")));
        assert!(reply.body.is_empty() && reply.trailers.is_none());
    });
}

#[test]
fn a_refusal_of_a_call_is_a_status_that_its_client_understands() {
    let upstream = echo();
    let config = format!(
        "[server]\nh2c = true\n{}",
        upstream.config().replace("auth = \"none\"", "auth = \"required\"")
    );
    let gateway = Setup::new(&config).start();
    run(async {
        let reply = ask(&connect(gateway.public).await, call("/up/a"), b"m").await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (401, "AUTHENTICATION_REQUIRED"));
        assert_eq!(reply.headers["content-type"], "application/json");
    });
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_client_of_http_1_1_hears_the_trailers_that_it_asks_for_and_any_other_a_clean_end() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    let kind = ("Content-Type", GRPC);
    let mut connection = Connection::open(gateway.public);
    let asks = [kind, ("TE", "trailers"), ("Connection", "TE")];
    connection.send(compose("POST /up/a", &asks, b"message")).unwrap();
    let head = connection.read_until("\r\n\r\n").to_ascii_lowercase();
    assert!(head.contains("trailer: grpc-status, grpc-message, grpc-status-details-bin"), "{head}");
    let rest = connection.read_until("0\r\n") + &connection.read_until("\r\n\r\n");
    assert!(rest.contains("message") && rest.contains("grpc-status: 0\r\n"), "{rest}");
    assert!(!rest.contains("evil") && !rest.contains("x-app_timing"), "{rest}");
    // The connection is clean after either.
    connection.send(compose("POST /up/b", &[kind], b"message")).unwrap();
    let answer = connection.read().unwrap();
    assert_eq!((answer.text().as_str(), answer.header("trailer")), ("message", None));
    connection.send(compose("POST /up/c", &[kind], b"again")).unwrap();
    assert_eq!(connection.read().unwrap().text(), "again");
}

#[test]
fn a_call_that_is_quiet_in_both_directions_is_not_given_up() {
    let upstream = echo();
    let config = format!("[server]\nh2c = true\nbody_timeout = \"200ms\"\n{}", upstream.config());
    let gateway = Setup::new(&config).start();
    run(async {
        let client = connect(gateway.public).await;
        let (response, mut sink) = begin(&client, call("/up/Echo/Chat")).await;
        let mut incoming = response.await.unwrap().into_body();
        tokio::time::sleep(Duration::from_millis(600)).await;
        sink.send_data("after a while".into(), true).unwrap();
        assert_eq!(incoming.data().await.unwrap().unwrap(), "after a while");
        // Any other upload that stops is.
        let (response, mut sink) = begin(&client, post("/up/a")).await;
        sink.send_data("half".into(), false).unwrap();
        let mut incoming = response.await.unwrap().into_body();
        while let Some(Ok(_)) = incoming.data().await {}
        let reason = std::future::poll_fn(|cx| sink.poll_reset(cx)).await.unwrap();
        assert_eq!(reason, Reason::INTERNAL_ERROR);
    });
}

/// An upstream that begins an answer, and says how the request ended.
fn endless() -> (Http2Upstream, Receiver<Option<Reason>>) {
    let (tell, hear) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let upstream = Http2Upstream::with(move |request: Request<RecvStream>, respond: SendResponse<Bytes>| {
        let tell = tell.lock().unwrap().clone();
        wait_for_the_end(request, respond, tell)
    });
    (upstream, hear)
}

async fn wait_for_the_end(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    tell: std::sync::mpsc::Sender<Option<Reason>>,
) {
    let mut sink = respond.send_response(Response::new(()), false).unwrap();
    sink.send_data(Bytes::from_static(b"begun"), false).unwrap();
    let reason = std::future::poll_fn(|cx| sink.poll_reset(cx)).await;
    tell.send(reason.ok()).ok();
    drop(request);
}

#[test]
fn h2_01_a_client_that_resets_its_request_has_it_reset_upstream_within_a_second() {
    let (upstream, hear) = endless();
    let gateway = gateway(&upstream);
    for open in [false, true] {
        run(async {
            let client = connect(gateway.public).await;
            let (response, mut sink) = begin(&client, post("/up/a")).await;
            sink.send_data(Bytes::from_static(b"half"), !open).unwrap();
            let mut incoming = response.await.unwrap().into_body();
            assert_eq!(incoming.data().await.unwrap().unwrap(), "begun");
            let began = Instant::now();
            sink.send_reset(Reason::CANCEL);
            let reason = loop {
                match hear.try_recv() {
                    Ok(reason) => break reason,
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            };
            assert!(began.elapsed() < Duration::from_secs(1));
            assert_eq!(reason, Some(Reason::CANCEL), "open: {open}");
        });
    }
    gateway.until("nothing is in flight", |g| g.metric("pluginmind_http_requests_in_flight") == 0.0);
}

#[test]
fn an_answer_that_is_reset_upstream_is_never_an_end_to_anybody() {
    let upstream = Http2Upstream::with(|_, mut respond| async move {
        let mut sink = respond.send_response(Response::new(()), false).unwrap();
        sink.send_data(Bytes::from_static(b"half"), false).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        sink.send_reset(Reason::NO_ERROR);
    });
    let gateway = gateway(&upstream);
    run(async {
        let error = ask(&connect(gateway.public).await, get("/up/a"), b"").await.expect_err("it broke off");
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    });
    let mut connection = Connection::open(gateway.public);
    connection.send(compose("GET /up/a", &[], b"")).unwrap();
    connection.read_until("half");
    assert!(!connection.read_rest().contains("0\r\n\r\n"), "no last chunk");
}

#[test]
fn who_reads_slowly_does_not_hold_up_the_others_of_the_same_upstream_connection() {
    let upstream = Http2Upstream::with(|request, mut respond| async move {
        let mut sink = respond.send_response(Response::new(()), false).unwrap();
        let length = if request.uri().path().ends_with("large") { 4_000_000 } else { 2 };
        sink.send_data(Bytes::from(vec![b'a'; length]), true).unwrap();
        std::future::poll_fn(|cx| sink.poll_reset(cx)).await.ok();
    });
    let config = format!("[server]\nh2c = true\nworkers = 1\n{}", upstream.config());
    let gateway = Setup::new(&config).start();
    run(async {
        let client = connect(gateway.public).await;
        let mut held = Vec::new();
        for _ in 0..30 {
            let (response, mut sink) = begin(&client, post("/up/large")).await;
            sink.send_data(Bytes::new(), true).unwrap();
            // Its head is read, its body is not.
            held.push(response.await.unwrap());
        }
        assert_eq!(read_all(&connect(gateway.public).await).await, "aa");
    });
}

async fn read_all(client: &h2::client::SendRequest<Bytes>) -> String {
    let (response, mut sink) = begin(client, post("/up/small")).await;
    sink.send_data(Bytes::new(), true).unwrap();
    read(response).await.unwrap().text()
}
