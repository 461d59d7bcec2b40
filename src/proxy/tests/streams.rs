//! Bodies that stream, break off, or are not wanted any more.

use super::*;

#[test]
fn nothing_is_held_back_in_either_direction() {
    run(async {
        let bench = Bench::new().await;
        let (feed, upload) = fed();
        let upstream = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
            socket
        };
        let (answer, mut socket) = tokio::join!(bench.send(post(upload)), upstream);
        let mut body = answer.unwrap().into_body();
        for round in 0..3u8 {
            let byte = [b'a' + round];
            feed.send(Ok(Bytes::copy_from_slice(&byte))).await.unwrap();
            // The echo comes back while the upload is still open.
            let echo = async {
                let mut chunk = [0; 6];
                socket.read_exact(&mut chunk).await.unwrap();
                socket.write_all(&chunk).await.unwrap();
            };
            let (frame, ()) = tokio::join!(body.frame(), echo);
            assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), &byte[..]);
        }
        drop(feed);
        let end = async {
            let mut last = [0; 5];
            socket.read_exact(&mut last).await.unwrap();
            socket.write_all(&last).await.unwrap();
        };
        let (frame, ()) = tokio::join!(body.frame(), end);
        assert!(frame.is_none());
        assert_eq!(bench.pool.unused(), 0, "an answer that came before its request ended is the last");
    });
}

#[test]
fn up_05_a_break_inside_the_body_is_an_error_and_never_a_clean_end() {
    run(async {
        for (raw, reset) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"[..], false),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", true),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", true),
            (b"HTTP/1.1 200 OK\r\n\r\nhalf", true),
        ] {
            let bench = Bench::new().await;
            let (answer, socket) = bench.get(raw).await;
            if reset {
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(socket);
            let outcome = text(answer.unwrap()).await;
            assert_eq!(outcome, Err(UpstreamBodyError::Broken), "{} {reset}", raw.escape_ascii());
            assert_eq!(bench.pool.unused(), 0);
        }
    });
}

#[test]
fn up_12_an_answer_from_an_upstream_that_will_say_no_more_is_delivered() {
    run(async {
        for raw in [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"] {
            let bench = Bench::new().await;
            let (answer, mut socket) = bench.get(raw).await;
            socket.shutdown().await.unwrap();
            assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
            assert!(
                bench.pool.take(&bench.service().endpoints()[0]).is_none(),
                "and its connection is not used again"
            );
        }
    });
}

#[test]
fn a_body_that_falls_silent_is_an_error() {
    run(async {
        let mut bench = Bench::new().await;
        bench.silence_max = SHORT;
        let (answer, mut socket) = bench.get(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        assert_eq!(text(answer.unwrap()).await, Err(UpstreamBodyError::Silent));
        assert!(is_closed(&mut socket).await);
    });
}

#[test]
fn a_client_that_reads_slowly_is_not_the_upstreams_silence() {
    run(async {
        let mut bench = Bench::new().await;
        bench.silence_max = SHORT;
        let (answer, mut socket) = bench.get(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
        let mut body = answer.unwrap().into_body();
        let (first, ()) = tokio::join!(body.frame(), async { socket.write_all(b"ha").await.unwrap() });
        assert_eq!(first.unwrap().unwrap().into_data().unwrap(), "ha");
        tokio::time::sleep(SHORT * 3).await;
        let (rest, ()) = tokio::join!(body.frame(), async { socket.write_all(b"lf").await.unwrap() });
        assert_eq!(rest.unwrap().unwrap().into_data().unwrap(), "lf");
    });
}

#[test]
fn up_13_a_client_that_goes_takes_its_upstream_connection_with_it() {
    run(async {
        // Before the head.
        let bench = Bench::new().await;
        let mut socket = tokio::select! {
            answer = bench.send(get("/")) => panic!("nobody answered: {answer:?}"),
            socket = async { let mut s = bench.accept().await; read_head(&mut s).await; s } => socket,
        };
        assert!(is_closed(&mut socket).await);

        // Inside the upload.
        let (feed, upload) = fed();
        feed.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
        let mut socket = tokio::select! {
            answer = bench.send(post(upload)) => panic!("nobody answered: {answer:?}"),
            socket = async { let mut s = bench.accept().await; read_head(&mut s).await; s } => socket,
        };
        assert!(is_closed(&mut socket).await && feed.is_closed());

        // Inside the download.
        let (answer, mut socket) = bench.get(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        let mut body = answer.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert!(is_closed(&mut socket).await);
        assert_eq!(bench.pool.unused(), 0);
    });
}

#[test]
fn an_upload_that_fails_is_told_with_its_own_error_and_breaks_the_request_off() {
    run(async {
        let bench = Bench::new().await;
        let (feed, upload) = fed();
        let upstream = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
            feed.send(Err("over the limit".into())).await.unwrap();
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
            rest
        };
        let (answer, rest) = tokio::join!(bench.send(post(upload)), upstream);
        let Err(SendError::Upload(why)) = answer else { panic!("{answer:?}") };
        assert_eq!(why.to_string(), "over the limit");
        assert!(!rest.ends_with(b"0\r\n\r\n"), "half a body never looks whole");
    });
}

#[test]
fn an_upload_that_fails_after_the_head_breaks_the_download_off() {
    run(async {
        let bench = Bench::new().await;
        let (feed, upload) = fed();
        let (answer, mut socket) =
            bench.ask(post(upload), b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        feed.send(Err("over the limit".into())).await.unwrap();
        assert_eq!(text(answer.unwrap()).await, Err(UpstreamBodyError::Upload));
        assert!(is_closed(&mut socket).await);
    });
}

#[test]
fn up_14_an_answer_before_the_upload_ends_is_delivered_and_the_rest_is_not_sent() {
    run(async {
        let bench = Bench::new().await;
        let (feed, upload) = fed();
        let raw = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
        let (answer, mut socket) = bench.ask(post(upload), raw).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 413);
        assert_eq!(text(answer).await.unwrap(), "big");
        assert!(is_closed(&mut socket).await && feed.is_closed());
        assert_eq!(bench.pool.unused(), 0, "a connection with half a request in it is no use");
    });
}

#[test]
fn up_14_an_answer_is_delivered_although_the_upstream_closed_before_it_had_read_the_upload() {
    run(async {
        for _ in 0..20 {
            let bench = Bench::new().await;
            let big = Bytes::from(vec![b'x'; 8 << 20]);
            let upstream = async {
                let mut socket = bench.accept().await;
                read_head(&mut socket).await;
                let answer =
                    format!("HTTP/1.1 413 Too Large\r\nContent-Length: 40000\r\n\r\n{}", "b".repeat(40_000));
                socket.write_all(answer.as_bytes()).await.unwrap();
                socket.shutdown().await.unwrap();
                // Closing with unread bytes makes the kernel send a reset after the answer.
            };
            let (answer, ()) = tokio::join!(bench.send(post(Upload::whole(big))), upstream);
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 413);
            assert_eq!(text(answer).await.map(|t| t.len()), Ok(40_000));
            assert_eq!(bench.pool.unused(), 0);
        }
    });
}

#[test]
fn up_16_a_body_without_end_is_read_only_as_fast_as_it_is_taken() {
    run(async {
        let bench = Bench::new().await;
        let (answer, mut socket) = bench.get(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let mut body = answer.unwrap().into_body();
        let chunk = vec![b'x'; 64 * 1024];
        let mut written = 0;
        // Nobody takes the body: the upstream must come to a stand when the kernel's buffers are full.
        while let Ok(outcome) = tokio::time::timeout(SHORT, socket.write_all(&chunk)).await {
            outcome.unwrap();
            written += chunk.len();
            assert!(written < 64 << 20, "the body is buffered without bound");
        }
        assert!(body.frame().await.unwrap().unwrap().into_data().unwrap().len() <= 64 * 1024);
    });
}
