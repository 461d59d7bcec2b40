//! How requests are framed upstream, and which framing of responses is believed.

use super::*;

/// The bytes that reach the upstream for a request, up to and with `tail`.
async fn sent(request: Request<Upload>, tail: &str) -> String {
    let bench = Bench::new().await;
    let upstream = async {
        let mut socket = bench.accept().await;
        let mut all = Vec::new();
        while !all.ends_with(tail.as_bytes()) {
            all.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(OK).await.unwrap();
        String::from_utf8(all).unwrap()
    };
    let (answer, all) = tokio::join!(bench.send(request), upstream);
    assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    all
}

#[test]
fn the_framing_upstream_is_the_bodys_whatever_the_headers_say() {
    run(async {
        let mut lying = get("/a?b=c");
        lying.headers_mut().insert("content-length", "5".parse().unwrap());
        lying.headers_mut().insert("transfer-encoding", "gzip, chunked".parse().unwrap());
        assert_eq!(sent(lying, "\r\n\r\n").await, "GET /a?b=c HTTP/1.1\r\nhost: app.example\r\n\r\n");

        let empty = sent(post(Upload::none()), "\r\n\r\n").await;
        assert!(empty.ends_with("content-length: 0\r\n\r\n"), "{empty}");

        let mut lying = post(Upload::whole(Bytes::from_static(b"abc")));
        lying.headers_mut().insert("content-length", "99".parse().unwrap());
        lying.headers_mut().insert("transfer-encoding", "gzip".parse().unwrap());
        let whole = sent(lying, "abc").await;
        assert!(!whole.contains("transfer-encoding"), "{whole}");
        assert!(whole.ends_with("content-length: 3\r\n\r\nabc"), "{whole}");
    });
}

#[test]
fn a_streamed_body_keeps_its_declared_length_or_is_chunked() {
    run(async {
        let (feed, upload) = fed();
        feed.send(Ok(Bytes::from_static(b"abc"))).await.unwrap();
        drop(feed);
        let mut declared = post(upload);
        declared.headers_mut().insert("content-length", "3".parse().unwrap());
        let all = sent(declared, "abc").await;
        assert!(all.contains("content-length: 3\r\n") && !all.contains("chunked"), "{all}");

        let (feed, upload) = fed();
        feed.send(Ok(Bytes::from_static(b"abc"))).await.unwrap();
        drop(feed);
        let mut get = get("/");
        *get.body_mut() = upload;
        let all = sent(get, "0\r\n\r\n").await;
        assert!(all.ends_with("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{all}");
    });
}

#[test]
fn sm_22_trailers_of_a_request_end_here() {
    run(async {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-auth-user", "admin".parse().unwrap());
        let (feed, rest) = tokio::sync::mpsc::channel(1);
        feed.send(Ok(Bytes::from_static(b"abc"))).await.unwrap();
        drop(feed);
        let body = Fed(rest).with_trailers(async { Some(Ok(trailers)) });
        let mut request = post(Upload::stream(body));
        request.headers_mut().insert("trailer", "x-auth-user".parse().unwrap());
        let all = sent(request, "0\r\n\r\n").await;
        assert!(!all.contains("admin"), "{all}");
    });
}

#[test]
fn sm_22_trailers_of_a_response_end_here() {
    run(async {
        let bench = Bench::new().await;
        let raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Auth-User: admin\r\n\r\n";
        let (answer, _socket) = bench.get(raw).await;
        let collected = answer.unwrap().into_body().collect().await.unwrap();
        assert!(collected.trailers().is_none());
        assert_eq!(collected.to_bytes(), "ok");
        assert_eq!(bench.pool.unused(), 1);
    });
}

#[test]
fn up_07_a_response_that_can_be_framed_in_two_ways_is_a_502() {
    run(async {
        for headers in [
            "Transfer-Encoding: chunked\r\nContent-Length: 2",
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "Content-Length: 2\r\nContent-Length: 3",
            "Content-Length: 2\r\nContent-Length: 2",
            "Content-Length: 2, 2",
            "Content-Length: +2",
            "Content-Length: -1",
            "Content-Length: 18446744073709551616",
            "Content-Length: 2x",
            "Content-Length:",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
        ] {
            let bench = Bench::new().await;
            let raw = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
            let (answer, mut socket) = bench.get(raw.as_bytes()).await;
            assert!(matches!(answer, Err(SendError::Unreachable(_))), "{headers}: {answer:?}");
            assert!(is_closed(&mut socket).await && bench.pool.unused() == 0, "{headers}");
        }
        let bench = Bench::new().await;
        let (answer, _socket) =
            bench.get(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
        assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
    });
}

#[test]
fn up_07_a_bad_chunk_is_an_error_of_the_body_and_never_its_end() {
    run(async {
        for chunks in [
            "x\r\nok\r\n",
            "fffffffffffffffff\r\nok",
            "2\r\nokX\r\n0\r\n\r\n",
            "-1\r\n",
            "2\r\nok\r\n\r\n",
            "1_0\r\n",
            "2 \r\nok\r\n0\r\n\r\n",
            "2;a\0\r\nok\r\n0\r\n\r\n",
            "2\r\nok\r\n0\r\nX: a\nY: b\r\n\r\n",
            "2\r\nok\r\n0\r\nX : a\r\n\r\n",
        ] {
            let bench = Bench::new().await;
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let (answer, mut socket) = bench.get(head.as_bytes()).await;
            socket.write_all(chunks.as_bytes()).await.unwrap();
            assert_eq!(text(answer.unwrap()).await, Err(UpstreamBodyError::Broken), "{chunks:?}");
            assert!(is_closed(&mut socket).await && bench.pool.unused() == 0);
            // What is broken before anything of it went on is no answer at all.
            let raw = format!("{head}{chunks}");
            let (answer, mut socket) = bench.get(raw.as_bytes()).await;
            assert!(matches!(answer, Err(SendError::Unreachable(_))), "{chunks:?}: {answer:?}");
            assert!(is_closed(&mut socket).await && bench.pool.unused() == 0);
        }
    });
}

#[test]
fn up_11_a_body_where_none_may_be_is_not_passed_and_ends_the_connection() {
    run(async {
        let head = Request::head("/").body(Upload::none()).unwrap();
        for (request, raw) in [
            (get("/"), "HTTP/1.1 204 No Content\r\n\r\nevil"),
            (get("/"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil"),
            (head, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        ] {
            let bench = Bench::new().await;
            let (answer, mut socket) = bench.ask(request, raw.as_bytes()).await;
            assert_eq!(text(answer.unwrap()).await.unwrap(), "", "{raw}");
            assert!(
                is_closed(&mut socket).await && bench.pool.take(&bench.service().endpoints()[0]).is_none(),
                "{raw}"
            );
        }
    });
}

#[test]
fn a_response_without_a_length_ends_with_its_connection() {
    run(async {
        let bench = Bench::new().await;
        let (answer, socket) = bench.get(b"HTTP/1.0 200 Fine By Me\r\n\r\nall of it").await;
        drop(socket);
        let answer = answer.unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_11);
        assert!(answer.extensions().is_empty(), "no reason phrase is passed on");
        assert_eq!(text(answer).await.unwrap(), "all of it");
        assert_eq!(bench.pool.unused(), 0);
    });
}
