//! Upstreams that are not there, do not answer, or answer what is no response.

use super::*;
use crate::proxy::State;
use crate::proxy::link::{Link, NoHead};
use crate::proxy::upload::Tracked;

async fn outcome(raw: &[u8]) -> Result<u16, SendError> {
    let bench = Bench::new().await;
    let (answer, socket) = bench.get(raw).await;
    drop(socket);
    answer.map(|r| r.status().as_u16())
}

/// A response that must be a 502, whose connection must be closed.
async fn refused(raw: &[u8]) {
    let bench = Bench::new().await;
    let shown = raw[..raw.len().min(80)].escape_ascii().to_string();
    let upstream = async {
        let mut socket = bench.accept().await;
        read_head(&mut socket).await;
        // The gateway may stop reading before all is written.
        let _ = socket.write_all(raw).await;
        let _ = socket.shutdown().await;
        is_closed(&mut socket).await
    };
    let (answer, closed) = tokio::join!(bench.send(get("/")), upstream);
    let answer = answer.map(|r| r.status());
    assert!(matches!(answer, Err(SendError::Unreachable(_))), "{shown}: {answer:?}");
    assert!(closed && bench.pool.unused() == 0, "{shown}");
}

/// An address where nobody listens yet, and which nobody else can take.
fn nobody_there() -> (tokio::net::TcpSocket, String) {
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", bound.local_addr().unwrap());
    (bound, url)
}

#[test]
fn up_01_a_refused_connection_is_a_502_and_marks_the_service_down() {
    run(async {
        let (_bound, url) = nobody_there();
        let bench = Bench::with(|c| c.urls = vec![url]).await;
        let answer = bench.send(post(Upload::whole(Bytes::from_static(b"x")))).await;
        assert!(matches!(answer, Err(SendError::Unreachable(_))));
        assert_eq!(bench.upstreams.status()[0].state, State::Down);
    });
}

#[test]
fn up_01_a_refused_connection_is_tried_at_the_next_address() {
    run(async {
        let (_bound, url) = nobody_there();
        let bench = Bench::with(|c| c.urls.insert(0, url)).await;
        for _ in 0..2 {
            let (answer, _socket) = bench.get(OK).await;
            assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
            bench.clock.advance(Duration::from_secs(120));
        }
    });
}

#[test]
fn up_02_a_connection_that_is_not_made_in_time_is_a_504() {
    run(async {
        // Nobody accepts, so when the kernel's queue is full it answers no one.
        let crowded = tokio::net::TcpSocket::new_v4().unwrap();
        crowded.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let crowded = crowded.listen(1).unwrap();
        let address = crowded.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(socket) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
            waiting.push(socket.unwrap());
        }
        let bench = Bench::with(|c| {
            c.connect_timeout = SHORT;
            c.urls = vec![format!("http://{address}")];
        })
        .await;
        let answer = bench.send(get("/")).await;
        assert!(matches!(answer, Err(SendError::Timeout(_))), "{answer:?}");
        assert_eq!(bench.upstreams.status()[0].state, State::Down);
    });
}

#[test]
fn up_03_a_name_is_resolved_and_one_that_does_not_exist_is_a_502() {
    run(async {
        let bench = Bench::with(|c| c.urls[0] = c.urls[0].replace("127.0.0.1", "localhost")).await;
        let (answer, _socket) = bench.get(OK).await;
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        // Longer than a label may be: refused before anybody outside is asked.
        let bench = Bench::with(|c| c.urls[0] = format!("http://{}.invalid:80", "a".repeat(64))).await;
        let answer = bench.send(get("/")).await;
        assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
    });
}

#[test]
fn up_04_an_upstream_that_never_answers_is_a_504_and_its_connection_is_closed() {
    run(async {
        let bench = Bench::with(|c| c.response_timeout = SHORT).await;
        let upstream = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
            is_closed(&mut socket).await
        };
        let (answer, closed) = tokio::join!(bench.send(get("/")), upstream);
        assert!(matches!(answer, Err(SendError::Timeout(_))), "{answer:?}");
        assert!(closed);
    });
}

#[test]
fn up_04_an_upstream_that_does_not_read_the_upload_is_a_504() {
    run(async {
        let bench = Bench::with(|c| c.response_timeout = SHORT).await;
        let (answer, _socket) = tokio::join!(bench.send(post(Upload::stream(Endless))), bench.accept());
        assert!(matches!(answer, Err(SendError::Timeout(_))), "{answer:?}");
    });
}

/// Frames without end.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[0; 16_384])))))
    }
}

#[test]
fn a_client_that_uploads_slowly_is_not_the_upstreams_timeout() {
    run(async {
        let bench = Bench::with(|c| c.response_timeout = SHORT).await;
        let (feed, upload) = fed();
        let upstream = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
            // Longer than the timeout passes while the client is waited for.
            tokio::time::sleep(SHORT * 3).await;
            feed.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
            drop(feed);
            let mut chunks = [0; 11];
            socket.read_exact(&mut chunks).await.unwrap();
            socket.write_all(OK).await.unwrap();
            (socket, chunks)
        };
        let (answer, (_socket, chunks)) = tokio::join!(bench.send(post(upload)), upstream);
        assert_eq!(&chunks, b"1\r\nx\r\n0\r\n\r\n");
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    });
}

#[test]
fn up_05_an_end_or_a_reset_before_or_inside_the_head_is_a_502() {
    run(async {
        for raw in [&b""[..], b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Le"] {
            refused(raw).await;
        }
        let bench = Bench::new().await;
        let upstream = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
            socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        };
        let (answer, ()) = tokio::join!(bench.send(get("/")), upstream);
        assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
    });
}

#[test]
fn up_08_what_is_no_response_head_is_a_502() {
    run(async {
        for raw in [
            &b"HTTP/1.1 99 Low\r\n\r\n"[..],
            b"HTTP/1.1 1000 High\r\n\r\n",
            b"HTTP/1.1 2x0 OK\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"<html>hello</html>\r\n\r\n",
            b"HTTP/3.0 200 OK\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ] {
            refused(raw).await;
        }
    });
}

#[test]
fn up_09_a_head_that_is_too_large_or_never_ends_is_a_502() {
    run(async {
        let one_long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(100_000));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(10_000));
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: a\r\n".repeat(1_000_000));
        for raw in [one_long, many, endless] {
            refused(raw.as_bytes()).await;
        }
    });
}

#[test]
fn up_10_informational_answers_are_dropped_and_the_real_one_is_passed() {
    run(async {
        let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(7);
        let raw = [b"HTTP/1.1 100 Continue\r\n\r\n", &early[..], OK].concat();
        let bench = Bench::new().await;
        let (answer, _socket) = bench.get(&raw).await;
        let answer = answer.unwrap();
        assert!(!answer.headers().contains_key("link"));
        assert_eq!(text(answer).await.unwrap(), "ok");
        assert_eq!(bench.pool.unused(), 1);
    });
}

#[test]
fn up_10_informational_answers_without_end_are_a_502_at_once() {
    run(async {
        refused(&b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(300_000)).await;
        refused(&[&b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9)[..], OK].concat()).await;
    });
}

#[test]
fn sm_29_a_change_of_protocol_that_nobody_asked_for_is_a_502() {
    run(async {
        refused(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw")
            .await;
        refused(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
    });
}

#[test]
fn up_17_a_redirect_is_an_answer_and_is_not_followed() {
    run(async {
        let bench = Bench::new().await;
        let raw = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n";
        let (answer, _socket) = bench.get(raw).await;
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["location"]),
            (302, &"http://169.254.169.254/".parse().unwrap())
        );
        let nobody = tokio::time::timeout(SHORT, bench.accept()).await;
        assert!(nobody.is_err());
    });
}

#[test]
fn up_18_a_service_is_back_with_the_first_request_after_it_is_up() {
    run(async {
        let (bound, url) = nobody_there();
        let mut bench = Bench::with(|c| c.urls = vec![url]).await;
        for _ in 0..5 {
            assert!(bench.send(get("/")).await.is_err());
        }
        bench.listener = bound.listen(8).unwrap();
        let (answer, _socket) = bench.get(OK).await;
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        assert_eq!(bench.upstreams.status()[0].state, State::Up);
    });
}

#[test]
fn an_upstreams_own_error_is_an_answer() {
    run(async {
        for status in [404, 500, 502, 503, 599] {
            let raw = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(outcome(raw.as_bytes()).await.unwrap(), status);
        }
    });
}

#[test]
fn up_06_what_a_server_says_before_it_was_asked_answers_nothing() {
    run(async {
        let bench = Bench::new().await;
        let service = bench.service();
        let endpoint = &service.endpoints()[0];
        for _ in 0..5 {
            let upstream = async {
                let mut socket = bench.accept().await;
                socket.write_all(OK).await.unwrap();
                socket
            };
            let peer = endpoint.peer().unwrap();
            let (link, mut socket) = tokio::join!(Link::open(peer, service.config()), upstream);
            let Ok(mut link) = link else { panic!("no connection") };
            while link.is_quiet() {
                tokio::task::yield_now().await;
            }
            let (request, progress) = Tracked::new(Upload::none());
            let request = get("/").map(|_| request);
            let answer = link.exchange(request, &progress, LONG).await;
            let Err(NoHead::Broken { unsent, .. }) = answer else { panic!("an answer to nothing") };
            assert!(unsent.is_some());
            drop(link);
            assert!(is_closed(&mut socket).await);
        }
    });
}
