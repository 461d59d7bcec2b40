//! Which connections are kept, and what happens when a kept one turns out to be dead.

use super::*;

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

/// Leaves one unused connection in the pool and gives its other end.
async fn warm(bench: &Bench) -> TcpStream {
    let (answer, socket) = bench.get(OK).await;
    assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    assert_eq!(bench.pool.unused(), 1);
    socket
}

async fn answer_once(socket: &mut TcpStream, raw: &[u8]) -> String {
    let head = read_head(socket).await;
    socket.write_all(raw).await.unwrap();
    head
}

#[test]
fn a_connection_is_used_again_after_every_kind_of_clean_end() {
    run(async {
        let bench = Bench::new().await;
        let mut socket = warm(&bench).await;
        let empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        for raw in
            [CHUNKED, OK, b"HTTP/1.1 204 No Content\r\n\r\n", empty, b"HTTP/1.1 304 Not Modified\r\n\r\n"]
        {
            let (answer, _) = tokio::join!(bench.send(get("/again")), answer_once(&mut socket, raw));
            text(answer.unwrap()).await.unwrap();
            assert_eq!(bench.pool.unused(), 1, "{}", raw.escape_ascii());
        }
        let whole = Upload::whole(Bytes::from_static(b"abc"));
        let echo = async {
            read_head(&mut socket).await;
            socket.read_exact(&mut [0; 3]).await.unwrap();
            socket.write_all(OK).await.unwrap();
        };
        let (answer, ()) = tokio::join!(bench.send(post(whole)), echo);
        text(answer.unwrap()).await.unwrap();
        assert_eq!(bench.pool.unused(), 1);
    });
}

#[test]
fn a_body_whose_last_frame_was_taken_has_ended_though_nobody_asks_for_the_end() {
    run(async {
        let bench = Bench::new().await;
        let (answer, _socket) = bench.get(OK).await;
        let mut body = answer.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        assert!(http_body::Body::is_end_stream(&body));
        drop(body);
        assert_eq!(bench.pool.unused(), 1);
    });
}

#[test]
fn an_upstream_that_says_close_is_believed() {
    run(async {
        for raw in [
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ] {
            let bench = Bench::new().await;
            let (answer, mut socket) = bench.get(raw.as_bytes()).await;
            assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
            assert_eq!(bench.pool.unused(), 0);
            assert!(is_closed(&mut socket).await);
        }
    });
}

#[test]
fn up_06_what_is_left_over_after_a_response_is_never_anybodys_answer() {
    run(async {
        let evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        // With the response, in one packet.
        let bench = Bench::new().await;
        let (answer, mut socket) = bench.get(&[OK, evil].concat()).await;
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        assert_eq!(bench.pool.unused(), 0);
        assert!(is_closed(&mut socket).await);

        // Later, while nobody uses the connection: before the runtime has heard of it.
        let bench = Bench::new().await;
        let socket = warm(&bench).await;
        socket2::SockRef::from(&socket).send(evil).unwrap();
        let (answer, _other) = bench.get(OK).await;
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        assert_eq!(bench.pool.unused(), 1);
    });
}

#[test]
fn up_15_a_kept_connection_that_was_closed_is_not_used() {
    run(async {
        let bench = Bench::new().await;
        for _ in 0..3 {
            drop(warm(&bench).await);
        }
        drop(bench.ask(post(Upload::none()), OK).await.0.unwrap());
    });
}

#[test]
fn up_15_a_safe_request_over_a_connection_that_dies_unheard_is_sent_again_once() {
    run(async {
        let bench = Bench::new().await;
        let mut socket = warm(&bench).await;
        let upstream = async {
            read_head(&mut socket).await;
            drop(socket);
            let mut second = bench.accept().await;
            let head = answer_once(&mut second, OK).await;
            (second, head)
        };
        let (answer, (second, head)) = tokio::join!(bench.send(get("/a?b")), upstream);
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        assert_eq!(head, "GET /a?b HTTP/1.1\r\nhost: app.example\r\n\r\n");

        // On a new connection there is no further try.
        drop(second);
        let upstream = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
        };
        let (answer, ()) = tokio::join!(bench.send(get("/")), upstream);
        assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
    });
}

#[test]
fn up_15_a_request_that_is_not_safe_or_that_was_half_answered_is_not_sent_again() {
    run(async {
        for (request, half) in [
            (post(Upload::whole(Bytes::from_static(b"pay"))), &b""[..]),
            (post(Upload::none()), b""),
            (get("/"), b"HTTP/1.1 2"),
        ] {
            let bench = Bench::new().await;
            let mut socket = warm(&bench).await;
            let upstream = async {
                read_head(&mut socket).await;
                socket.write_all(half).await.unwrap();
                socket.shutdown().await.unwrap();
                is_closed(&mut socket).await
            };
            let (answer, _) = tokio::join!(bench.send(request), upstream);
            assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
            let nobody = tokio::time::timeout(SHORT, bench.accept()).await;
            assert!(nobody.is_err(), "there was a second try");
        }
    });
}

#[test]
fn unused_connections_are_few_and_do_not_stay_for_ever() {
    run(async {
        let bench = Bench::with(|c| c.idle_max = 1).await;
        let (first, _a) = bench.get(OK).await;
        let (second, _b) = bench.get(OK).await;
        text(first.unwrap()).await.unwrap();
        text(second.unwrap()).await.unwrap();
        assert_eq!(bench.pool.unused(), 1);
        let almost = Duration::from_millis(59_999);
        assert_eq!(almost + Duration::from_millis(1), bench.config.idle_timeout);
        bench.clock.advance(almost);
        bench.pool.sweep();
        assert_eq!(bench.pool.unused(), 1);
        bench.clock.advance(Duration::from_millis(1));
        assert!(bench.pool.take(&bench.service().endpoints()[0]).is_none());

        let mut socket = warm(&bench).await;
        bench.clock.advance(bench.config.idle_timeout);
        bench.pool.sweep();
        assert_eq!(bench.pool.unused(), 0);
        assert!(is_closed(&mut socket).await);
    });
}

#[test]
fn sm_34_answers_never_change_hands_though_clients_leave_in_the_middle() {
    run(async {
        let bench = std::rc::Rc::new(Bench::with(|c| c.idle_max = 16).await);
        let server = std::rc::Rc::clone(&bench);
        let accepting = tokio::task::spawn_local(async move {
            loop {
                tokio::task::spawn_local(echo_paths(server.accept().await));
            }
        });
        let mut clients = tokio::task::JoinSet::new();
        for n in 0..200u32 {
            let bench = std::rc::Rc::clone(&bench);
            clients.spawn_local(async move {
                for round in 0..5u32 {
                    let path = format!("/{n}-{round}");
                    let answer = bench.send(get(&path)).await.unwrap();
                    if (n + round) % 3 == 0 {
                        let mut body = answer.into_body();
                        body.frame().await.unwrap().unwrap();
                        continue;
                    }
                    assert_eq!(text(answer).await.unwrap(), path.repeat(500));
                }
            });
        }
        while let Some(outcome) = clients.join_next().await {
            outcome.unwrap();
        }
        accepting.abort();
    });
}

/// Answers each request on a connection with its path, 500 times over, in many small chunks.
async fn echo_paths(mut socket: TcpStream) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = socket.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..500 {
            out.extend_from_slice(format!("{:x}\r\n{path}\r\n", path.len()).as_bytes());
        }
        out.extend_from_slice(b"0\r\n\r\n");
        for piece in out.chunks(1_000) {
            if socket.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}
