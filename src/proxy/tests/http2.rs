//! Upstreams that speak HTTP/2: played with the `h2` crate where they behave, frame by frame where they do not.

use std::cell::Cell;
use std::rc::Rc;

use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

type Peer = Connection<TcpStream, Bytes>;
type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// What an HTTP/2 client sends first.
const PREFACE_BYTES: usize = 24;

async fn bench(change: impl FnOnce(&mut config::Service)) -> Bench {
    Bench::with(|c| {
        c.protocol = config::Protocol::Http2;
        change(c);
    })
    .await
}

async fn accept(bench: &Bench) -> Peer {
    h2::server::handshake(bench.accept().await).await.unwrap()
}

/// The next request; the connection is driven meanwhile.
async fn asked(peer: &mut Peer) -> Asked {
    peer.accept().await.expect("the gateway asks").expect("a request")
}

/// A task that drives a connection, and counts the requests that nobody expected.
struct Driver(tokio::task::JoinHandle<usize>);

/// Drives a connection to its end, in a task of its own.
fn drive(mut peer: Peer) -> Driver {
    Driver(tokio::task::spawn_local(async move {
        let mut more = 0;
        while let Some(Ok(_)) = peer.accept().await {
            more += 1;
        }
        more
    }))
}

fn ok() -> Response<()> {
    Response::new(())
}

/// Answers with a body, and no more.
fn answer(mut respond: SendResponse<Bytes>, body: &'static str) {
    let mut sink = respond.send_response(ok(), false).unwrap();
    sink.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
}

#[test]
fn a_request_is_what_http_2_wants_and_many_share_one_connection() {
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (first, respond) = asked(&mut peer).await;
            assert_eq!(first.uri(), "http://app.example/a?b=c");
            assert!(
                !first.headers().contains_key("host") && !first.headers().contains_key("transfer-encoding")
            );
            answer(respond, "one");
            let (second, respond) = asked(&mut peer).await;
            answer(respond, "two");
            drive(peer);
            second
        };
        let requests = async {
            let one = text(bench.send(get("/a?b=c")).await.unwrap()).await;
            let two = text(bench.send(post(Upload::whole("body".into()))).await.unwrap()).await;
            (one.unwrap(), two.unwrap())
        };
        let (second, (one, two)) = tokio::join!(upstream, requests);
        assert_eq!((one.as_str(), two.as_str()), ("one", "two"));
        assert_eq!(second.headers()["content-length"], "4");
        assert_eq!(bench.pool.sessions().open_count(), 1);
    });
}

#[test]
fn those_who_come_while_one_connects_share_what_comes_of_it() {
    run(async {
        let bench = Rc::new(bench(|_| {}).await);
        let requests: Vec<_> = (0..20)
            .map(|_| {
                let bench = Rc::clone(&bench);
                tokio::task::spawn_local(async move { text(bench.send(get("/")).await.unwrap()).await })
            })
            .collect();
        let mut peer = accept(&bench).await;
        for _ in 0..20 {
            answer(asked(&mut peer).await.1, "ok");
        }
        drive(peer);
        for request in requests {
            assert_eq!(request.await.unwrap().unwrap(), "ok");
        }
        let nobody_else = tokio::time::timeout(SHORT, bench.accept()).await;
        assert!(nobody_else.is_err(), "one connection is enough");
    });
}

#[test]
fn trailers_come_back_without_those_that_may_not_stand_there() {
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (_, mut respond) = asked(&mut peer).await;
            let mut sink = respond.send_response(ok(), false).unwrap();
            sink.send_data(Bytes::from_static(b"message"), false).unwrap();
            let mut trailers = HeaderMap::new();
            for (name, value) in [("grpc-status", "0"), ("grpc-message", "fine"), ("set-cookie", "a=1")] {
                trailers.insert(name, HeaderValue::from_static(value));
            }
            sink.send_trailers(trailers).unwrap();
            drive(peer);
        };
        let ((), response) = tokio::join!(upstream, bench.send(post(Upload::whole("q".into()))));
        let whole = response.unwrap().into_body().collect().await.unwrap();
        let trailers = whole.trailers().unwrap().clone();
        assert_eq!(whole.to_bytes(), "message");
        assert_eq!(trailers.len(), 2);
        assert!(trailers["grpc-status"] == "0" && trailers["grpc-message"] == "fine");
    });
}

#[test]
fn messages_go_both_ways_while_neither_side_has_ended() {
    run(async {
        let bench = bench(|_| {}).await;
        let (feed, upload) = fed();
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (request, mut respond) = asked(&mut peer).await;
            let mut sink = respond.send_response(ok(), false).unwrap();
            drive(peer);
            tokio::task::spawn_local(async move {
                let mut incoming = request.into_body();
                while let Some(Ok(data)) = incoming.data().await {
                    incoming.flow_control().release_capacity(data.len()).unwrap();
                    sink.send_data(data, false).unwrap();
                }
                sink.send_data(Bytes::new(), true).unwrap();
            });
        };
        let ((), response) = tokio::join!(upstream, bench.send(post(upload)));
        let mut body = response.unwrap().into_body();
        for round in 0..3u8 {
            let byte = [b'a' + round];
            feed.send(Ok(Bytes::copy_from_slice(&byte))).await.unwrap();
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), &byte[..]);
        }
        drop(feed);
        while let Some(frame) = body.frame().await {
            assert!(frame.unwrap().into_data().unwrap().is_empty());
        }
    });
}

#[test]
fn more_than_a_window_goes_through_in_both_directions() {
    const BYTES: usize = 1_000_000;
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (request, mut respond) = asked(&mut peer).await;
            drive(peer);
            let mut incoming = request.into_body();
            let mut length = 0;
            while let Some(data) = incoming.data().await {
                let data = data.unwrap();
                length += data.len();
                incoming.flow_control().release_capacity(data.len()).unwrap();
            }
            assert_eq!(length, BYTES);
            let mut sink = respond.send_response(ok(), false).unwrap();
            sink.send_data(Bytes::from(vec![b'b'; BYTES]), true).unwrap();
        };
        let ask = async {
            let response = bench.send(post(Upload::whole(vec![b'a'; BYTES].into()))).await.unwrap();
            text(response).await.unwrap().len()
        };
        let ((), length) = tokio::join!(upstream, ask);
        assert_eq!(length, BYTES);
    });
}

#[test]
fn up_08_a_body_that_is_reset_is_an_error_whatever_the_reason_says() {
    run(async {
        for reason in [Reason::INTERNAL_ERROR, Reason::NO_ERROR, Reason::CANCEL] {
            let bench = bench(|_| {}).await;
            let upstream = async {
                let mut peer = accept(&bench).await;
                let (_, mut respond) = asked(&mut peer).await;
                let mut sink = respond.send_response(ok(), false).unwrap();
                sink.send_data(Bytes::from_static(b"half"), false).unwrap();
                let driver = drive(peer);
                tokio::task::yield_now().await;
                sink.send_reset(reason);
                driver
            };
            let (_driver, response) = tokio::join!(upstream, bench.send(get("/")));
            let mut body = response.unwrap().into_body();
            let last = loop {
                match body.frame().await {
                    Some(Ok(_)) => {}
                    end => break end,
                }
            };
            assert!(matches!(last, Some(Err(UpstreamBodyError::Broken))), "{reason:?}: {last:?}");
            assert!(!http_body::Body::is_end_stream(&body), "what broke off has no end");
        }
    });
}

#[test]
fn who_is_not_wanted_any_more_is_reset_and_the_connection_lives_on() {
    run(async {
        let bench = bench(|_| {}).await;
        let (feed, upload) = fed();
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (request, mut respond) = asked(&mut peer).await;
            let sink = respond.send_response(ok(), false).unwrap();
            tokio::task::spawn_local(async move {
                while let Some(Ok((_, respond))) = peer.accept().await {
                    answer(respond, "ok");
                }
            });
            (request, sink)
        };
        let ((request, mut sink), response) = tokio::join!(upstream, bench.send(post(upload)));
        drop(response.unwrap());
        let reason = std::future::poll_fn(|cx| sink.poll_reset(cx)).await.unwrap();
        assert_eq!(reason, Reason::CANCEL);
        assert!(feed.is_closed(), "the upload is let go");
        drop(request);
        assert_eq!(text(bench.send(get("/")).await.unwrap()).await.unwrap(), "ok");
        assert_eq!(bench.pool.sessions().open_count(), 1);
    });
}

#[test]
fn a_body_that_fails_on_its_way_up_is_reset_and_told() {
    run(async {
        let bench = bench(|_| {}).await;
        let (feed, upload) = fed();
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (request, _respond) = asked(&mut peer).await;
            let driver = drive(peer);
            let mut incoming = request.into_body();
            feed.send(Ok("half".into())).await.unwrap();
            assert_eq!(incoming.data().await.unwrap().unwrap(), "half");
            feed.send(Err("the client is gone".into())).await.unwrap();
            let end = incoming.data().await;
            assert!(end.is_some_and(|e| e.is_err()), "half a body is not passed on as a whole one");
            driver
        };
        let (_driver, response) = tokio::join!(upstream, bench.send(post(upload)));
        assert!(matches!(response, Err(SendError::Upload(e)) if e.to_string() == "the client is gone"));
    });
}

#[test]
fn what_the_upstream_did_not_process_is_sent_again_once() {
    run(async {
        for upload in ["", "body"] {
            let bench = bench(|_| {}).await;
            let upstream = async {
                let mut peer = accept(&bench).await;
                asked(&mut peer).await.1.send_reset(Reason::REFUSED_STREAM);
                answer(asked(&mut peer).await.1, "ok");
                drive(peer);
            };
            let ((), response) = tokio::join!(upstream, bench.send(post(Upload::whole(upload.into()))));
            assert_eq!(text(response.unwrap()).await.unwrap(), "ok");
        }
        let bench = bench(|_| {}).await;
        let count = Rc::new(Cell::new(0));
        let upstream = async {
            let mut peer = accept(&bench).await;
            while let Some(Ok((_, mut respond))) = peer.accept().await {
                count.set(count.get() + 1);
                respond.send_reset(Reason::REFUSED_STREAM);
            }
        };
        let response = tokio::select! {
            response = bench.send(get("/")) => response,
            () = upstream => unreachable!("the connection lives on"),
        };
        assert!(matches!(response, Err(SendError::Unreachable(_))));
        assert_eq!(count.get(), 2);
    });
}

#[test]
fn what_may_have_been_processed_is_not_sent_again() {
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (_, mut respond) = asked(&mut peer).await;
            respond.send_reset(Reason::INTERNAL_ERROR);
            drive(peer)
        };
        let (driver, response) = tokio::join!(upstream, bench.send(post(Upload::whole("body".into()))));
        assert!(matches!(response, Err(SendError::Unreachable(_))));
        driver.0.abort();
    });
}

/// Reads the preface, answers with settings, and reads up to the first HEADERS frame.
async fn by_hand(socket: &mut TcpStream) {
    let mut preface = [0; PREFACE_BYTES];
    socket.read_exact(&mut preface).await.unwrap();
    socket.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    while next(socket).await.0 != 1 {}
}

/// The kind and the stream of the next frame.
async fn next(socket: &mut TcpStream) -> (u8, u32) {
    let mut head = [0; 9];
    socket.read_exact(&mut head).await.unwrap();
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    socket.read_exact(&mut payload).await.unwrap();
    (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]))
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A GOAWAY that names the last stream which counts.
fn goaway(last: u32, reason: Reason) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat())
}

#[test]
fn a_request_after_the_last_of_a_goaway_goes_over_a_new_connection() {
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut old = bench.accept().await;
            by_hand(&mut old).await;
            old.write_all(&goaway(0, Reason::NO_ERROR)).await.unwrap();
            let mut peer = accept(&bench).await;
            answer(asked(&mut peer).await.1, "ok");
            drive(peer);
            old
        };
        let (_old, response) = tokio::join!(upstream, bench.send(post(Upload::whole("body".into()))));
        assert_eq!(text(response.unwrap()).await.unwrap(), "ok");
        assert_eq!(bench.pool.sessions().open_count(), 1);
    });
}

#[test]
fn a_request_that_counts_is_not_sent_again_when_its_connection_ends() {
    run(async {
        for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
            let bench = bench(|_| {}).await;
            let upstream = async {
                let mut socket = bench.accept().await;
                by_hand(&mut socket).await;
                socket.write_all(&goaway(1, reason)).await.unwrap();
                drop(socket);
            };
            let ((), response) = tokio::join!(upstream, bench.send(post(Upload::whole("body".into()))));
            assert!(matches!(response, Err(SendError::Unreachable(_))), "{reason:?}");
            assert!(
                tokio::time::timeout(SHORT, bench.accept()).await.is_err(),
                "{reason:?}: it is sent once"
            );
        }
    });
}

#[test]
fn a_kept_connection_that_turns_out_to_be_dead_costs_a_safe_request_nothing() {
    run(async {
        let bench = bench(|_| {}).await;
        let first = async {
            let mut peer = accept(&bench).await;
            answer(asked(&mut peer).await.1, "one");
            drive(peer)
        };
        let (driver, response) = tokio::join!(first, bench.send(get("/")));
        assert_eq!(text(response.unwrap()).await.unwrap(), "one");
        driver.0.abort();
        let second = async {
            let mut peer = accept(&bench).await;
            answer(asked(&mut peer).await.1, "two");
            drive(peer);
        };
        let ((), response) = tokio::join!(second, bench.send(get("/")));
        assert_eq!(text(response.unwrap()).await.unwrap(), "two");
    });
}

#[test]
fn the_upstreams_limit_of_requests_is_kept() {
    run(async {
        let bench = Rc::new(bench(|_| {}).await);
        let asks: Vec<_> = (0..3)
            .map(|_| {
                let bench = Rc::clone(&bench);
                tokio::task::spawn_local(async move { text(bench.send(get("/")).await.unwrap()).await })
            })
            .collect();
        let socket = bench.accept().await;
        let mut peer: Peer =
            h2::server::Builder::new().max_concurrent_streams(1).handshake(socket).await.unwrap();
        // Those that were sent before the limit was heard are refused and come again.
        let mut answered = 0;
        let mut open = 0;
        while answered < 3 {
            let (_, respond) = asked(&mut peer).await;
            open += 1;
            answer(respond, "ok");
            answered += 1;
        }
        drive(peer);
        for ask in asks {
            assert_eq!(ask.await.unwrap().unwrap(), "ok");
        }
        assert!(open <= 6);
    });
}

#[test]
fn up_06_an_upstream_that_never_answers_or_falls_silent_is_given_up() {
    run(async {
        let bench = bench(|c| c.response_timeout = SHORT).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            let asked = asked(&mut peer).await;
            (asked, drive(peer))
        };
        let (_held, response) = tokio::join!(upstream, bench.send(get("/")));
        assert!(matches!(response, Err(SendError::Timeout(_))));
        let mut bench = super::http2::bench(|_| {}).await;
        bench.silence_max = SHORT;
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (_, mut respond) = asked(&mut peer).await;
            let sink = respond.send_response(ok(), false).unwrap();
            (sink, drive(peer))
        };
        let (_held, response) = tokio::join!(upstream, bench.send(get("/")));
        let frame = response.unwrap().into_body().frame().await;
        assert!(matches!(frame, Some(Err(UpstreamBodyError::Silent))));
    });
}

#[test]
fn an_upstream_that_says_wait_for_ever_is_not_listened_to() {
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut socket = bench.accept().await;
            by_hand(&mut socket).await;
            // `:status` 103 as a literal with an indexed name.
            let early = frame(1, 4, 1, &[0x08, 3, b'1', b'0', b'3']);
            for _ in 0..100_000 {
                if socket.write_all(&early).await.is_err() {
                    break;
                }
            }
        };
        let response = tokio::select! {
            response = bench.send(get("/")) => response,
            () = async { upstream.await; std::future::pending().await } => unreachable!(),
        };
        assert!(matches!(response, Err(SendError::Unreachable(_))));
    });
}

#[test]
fn up_05_a_head_that_is_too_large_or_no_http_2_is_no_response() {
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            let (_, mut respond) = asked(&mut peer).await;
            let mut response = ok();
            for n in 0..30 {
                let name = http::HeaderName::try_from(format!("x-large-{n}")).unwrap();
                response.headers_mut().insert(name, "a".repeat(4_000).parse().unwrap());
            }
            // h2 may refuse to send what the other side said it would not take.
            respond.send_response(response, true).ok();
            drive(peer)
        };
        let (driver, response) = tokio::join!(upstream, bench.send(get("/")));
        assert!(matches!(response, Err(SendError::Unreachable(_))));
        driver.0.abort();
        let bench = super::http2::bench(|_| {}).await;
        let upstream = async {
            let mut socket = bench.accept().await;
            let mut preface = [0; PREFACE_BYTES];
            socket.read_exact(&mut preface).await.unwrap();
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            socket
        };
        let (_socket, response) = tokio::join!(upstream, bench.send(get("/")));
        assert!(matches!(response, Err(SendError::Unreachable(_))));
    });
}

#[test]
fn nobody_there_is_told_at_once_to_all_who_wait() {
    run(async {
        let bench = Rc::new(bench(|_| {}).await);
        let address = bench.listener.local_addr().unwrap();
        let mut config = bench.config.clone();
        config.urls = vec![format!("http://127.0.0.1:{}", free_port(address.port()))];
        bench.upstreams.apply(std::slice::from_ref(&config));
        let asks: Vec<_> = (0..5)
            .map(|_| {
                let bench = Rc::clone(&bench);
                tokio::task::spawn_local(async move { bench.send(get("/")).await.map(|_| ()) })
            })
            .collect();
        for ask in asks {
            assert!(matches!(ask.await.unwrap(), Err(SendError::Unreachable("refused the connection"))));
        }
        assert_eq!(bench.pool.sessions().open_count(), 0);
    });
}

/// A port on which nobody listens.
fn free_port(not: u16) -> u16 {
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port != not {
            return port;
        }
    }
}

#[test]
fn a_connection_that_nobody_uses_says_goodbye() {
    run(async {
        let bench = bench(|c| c.idle_timeout = SHORT).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            answer(asked(&mut peer).await.1, "ok");
            drive(peer)
        };
        let (driver, response) = tokio::join!(upstream, bench.send(get("/")));
        assert_eq!(text(response.unwrap()).await.unwrap(), "ok");
        while bench.pool.sessions().open_count() > 0 {
            tokio::task::yield_now().await;
        }
        bench.pool.sweep();
        assert_eq!(driver.0.await.unwrap(), 0);
    });
}

#[test]
fn a_head_request_and_answers_without_a_body_end_at_once() {
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            for status in [StatusCode::OK, StatusCode::NO_CONTENT] {
                let (_, mut respond) = asked(&mut peer).await;
                let mut response = ok();
                *response.status_mut() = status;
                if status == StatusCode::OK {
                    response.headers_mut().insert("content-length", HeaderValue::from_static("7"));
                }
                respond.send_response(response, true).unwrap();
            }
            drive(peer);
        };
        let asks = async {
            let head = Request::head("/").header("host", "app.example").body(Upload::none()).unwrap();
            let head = bench.send(head).await.unwrap();
            assert_eq!(head.headers()["content-length"], "7");
            assert!(http_body::Body::is_end_stream(head.body()));
            let none = bench.send(get("/")).await.unwrap();
            assert!(http_body::Body::is_end_stream(none.body()));
        };
        tokio::join!(upstream, asks);
    });
}

#[test]
fn up_08_a_status_that_ends_no_exchange_is_no_answer() {
    run(async {
        let bench = bench(|_| {}).await;
        let upstream = async {
            let mut peer = accept(&bench).await;
            for status in [999, 600, 599] {
                let (_, mut respond) = asked(&mut peer).await;
                let mut response = ok();
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                respond.send_response(response, true).unwrap();
            }
            drive(peer);
        };
        let asks = async {
            for _ in 0..2 {
                let error = bench.send(get("/")).await.unwrap_err();
                assert!(matches!(error, SendError::Unreachable(_)), "{error}");
            }
            assert_eq!(bench.send(get("/")).await.unwrap().status(), 599);
        };
        tokio::join!(upstream, asks);
    });
}

#[test]
fn a_health_check_speaks_http_2_on_a_connection_of_its_own() {
    run(async {
        let bench = bench(|c| {
            c.health.path = Some("/health".to_owned());
            c.health.interval = Duration::from_millis(100);
            c.health.unhealthy_after = 1;
        })
        .await;
        let watching = tokio::task::spawn_local(crate::proxy::watch(std::sync::Arc::clone(&bench.upstreams)));
        for (status, expected) in
            [(StatusCode::OK, crate::proxy::State::Up), (StatusCode::NOT_FOUND, crate::proxy::State::Down)]
        {
            let mut peer = accept(&bench).await;
            let (request, mut respond) = asked(&mut peer).await;
            assert_eq!(request.uri().path(), "/health");
            assert!(!request.headers().contains_key("connection"));
            let mut head = ok();
            *head.status_mut() = status;
            respond.send_response(head, true).unwrap();
            assert!(peer.accept().await.is_none_or(|more| more.is_err()), "the connection is closed");
            assert_eq!(bench.upstreams.status()[0].state, expected);
        }
        watching.abort();
    });
}
