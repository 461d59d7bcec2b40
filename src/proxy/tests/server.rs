//! The proxy inside a hyper server, as the gateway runs it: what a client sees of it.

use super::*;
use std::convert::Infallible;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

/// A gateway in front of the bench's upstream; gives a connected client.
async fn client(bench: &Rc<Bench>) -> TcpStream {
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = front.local_addr().unwrap();
    let bench = Rc::clone(bench);
    tokio::task::spawn_local(async move {
        let (socket, _) = front.accept().await.unwrap();
        let service = service_fn(move |request: Request<Incoming>| {
            let bench = Rc::clone(&bench);
            async move { Ok::<_, Infallible>(forward(&bench, request).await) }
        });
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
    });
    TcpStream::connect(address).await.unwrap()
}

async fn forward(
    bench: &Bench,
    request: Request<Incoming>,
) -> Response<http_body_util::Either<UpstreamBody, String>> {
    let answer = bench.send(request.map(Upload::stream)).await;
    match answer {
        Ok(mut response) => {
            let status = response.status();
            crate::proxy::hops::clean_response(status, response.headers_mut(), "pm_session");
            response.map(http_body_util::Either::Left)
        }
        Err(e) => {
            let status = if matches!(e, SendError::Timeout(_)) { 504 } else { 502 };
            let body = http_body_util::Either::Right(e.to_string());
            Response::builder().status(status).body(body).unwrap()
        }
    }
}

async fn ask(client: &mut TcpStream, method: &str) {
    client.write_all(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
}

async fn read(client: &mut TcpStream, bytes: usize) -> String {
    let mut body = vec![0; bytes];
    client.read_exact(&mut body).await.unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn one_client_connection_and_one_upstream_connection_carry_many_requests() {
    run(async {
        let bench = Rc::new(Bench::new().await);
        let mut client = client(&bench).await;
        ask(&mut client, "GET").await;
        let mut upstream = bench.accept().await;
        for n in 0..3 {
            if n > 0 {
                ask(&mut client, "GET").await;
            }
            read_head(&mut upstream).await;
            upstream.write_all(b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            let head = read_head(&mut client).await;
            assert!(head.contains("content-length: 2\r\n") && !head.contains("server"), "{head}");
            assert_eq!(read(&mut client, 2).await, "ok");

            ask(&mut client, "GET").await;
            read_head(&mut upstream).await;
            let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
            upstream.write_all(chunked).await.unwrap();
            assert!(read_head(&mut client).await.contains("transfer-encoding: chunked\r\n"));
            assert_eq!(read(&mut client, 12).await, "2\r\nok\r\n0\r\n\r\n");
        }
    });
}

#[test]
fn up_11_a_head_keeps_the_length_it_names_and_answers_without_a_body_stay_in_step() {
    run(async {
        let bench = Rc::new(Bench::new().await);
        let mut client = client(&bench).await;
        ask(&mut client, "HEAD").await;
        let mut upstream = bench.accept().await;
        read_head(&mut upstream).await;
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await.unwrap();
        assert!(read_head(&mut client).await.contains("content-length: 1234\r\n"));
        for (raw, starts) in [
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"a\"\r\n\r\n", "HTTP/1.1 304 "),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 "),
            // The last on its connection: nobody can tell whether seven bytes follow.
            ("HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 204 "),
        ] {
            ask(&mut client, "GET").await;
            read_head(&mut upstream).await;
            upstream.write_all(raw.as_bytes()).await.unwrap();
            let head = read_head(&mut client).await;
            assert!(head.starts_with(starts), "{head}");
            assert_eq!(head.contains("content-length: 0"), starts.contains("200"), "{head}");
        }
    });
}

#[test]
fn up_05_a_client_never_sees_a_clean_end_of_half_a_body() {
    run(async {
        for (raw, clean) in [
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "4\r\nhalf\r\n"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "half"),
        ] {
            let bench = Rc::new(Bench::new().await);
            let mut client = client(&bench).await;
            ask(&mut client, "GET").await;
            let mut upstream = bench.accept().await;
            read_head(&mut upstream).await;
            upstream.write_all(raw.as_bytes()).await.unwrap();
            read_head(&mut client).await;
            assert_eq!(read(&mut client, clean.len()).await, clean);
            drop(upstream);
            let mut rest = Vec::new();
            let _ = client.read_to_end(&mut rest).await;
            assert_eq!(rest, b"", "no last chunk, and the connection is closed");
        }
    });
}

#[test]
fn a_large_upload_and_a_large_download_pass_at_the_same_time() {
    run(async {
        const BYTES: usize = 5 << 20;
        let bench = Rc::new(Bench::new().await);
        let client = client(&bench).await;
        let (mut from_gateway, mut to_gateway) = client.into_split();
        let upload = async {
            to_gateway
                .write_all(
                    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n").as_bytes(),
                )
                .await
                .unwrap();
            to_gateway.write_all(&vec![b'~'; BYTES]).await.unwrap();
        };
        let echo = async {
            let mut socket = bench.accept().await;
            let head = read_head(&mut socket).await;
            assert!(head.contains(&format!("content-length: {BYTES}\r\n")), "{head}");
            socket
                .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n").as_bytes())
                .await
                .unwrap();
            let (read, mut write) = socket.split();
            tokio::io::copy(&mut read.take(BYTES as u64), &mut write).await.unwrap()
        };
        let download = async {
            let mut head = [0];
            let mut tail = [0; 4];
            while &tail != b"\r\n\r\n" {
                from_gateway.read_exact(&mut head).await.unwrap();
                tail.rotate_left(1);
                tail[3] = head[0];
            }
            let mut received = 0;
            let mut piece = vec![0; 64 * 1024];
            while received < BYTES {
                let n = from_gateway.read(&mut piece).await.unwrap();
                assert_ne!(n, 0, "the answer ends early");
                received += n;
            }
            received
        };
        let ((), echoed, received) = tokio::join!(upload, echo, download);
        assert_eq!((echoed, received), (BYTES as u64, BYTES));
    });
}

#[test]
fn up_13_a_client_that_closes_is_noticed_while_the_upstream_thinks() {
    run(async {
        let bench = Rc::new(Bench::new().await);
        let mut client = client(&bench).await;
        ask(&mut client, "GET").await;
        let mut upstream = bench.accept().await;
        read_head(&mut upstream).await;
        drop(client);
        assert!(is_closed(&mut upstream).await);
    });
}

#[test]
fn up_13_an_upload_that_stops_half_way_is_never_whole_upstream() {
    run(async {
        for (head, last) in
            [("Content-Length: 10", &b"half"[..]), ("Transfer-Encoding: chunked", b"4\r\nhalf\r\n")]
        {
            let bench = Rc::new(Bench::new().await);
            let mut client = client(&bench).await;
            client
                .write_all(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n").as_bytes())
                .await
                .unwrap();
            client.write_all(last).await.unwrap();
            let mut upstream = bench.accept().await;
            read_head(&mut upstream).await;
            assert_eq!(read(&mut upstream, last.len()).await.as_bytes(), last);
            drop(client);
            let mut rest = Vec::new();
            let _ = upstream.read_to_end(&mut rest).await;
            assert_eq!(rest, b"");
        }
    });
}

#[test]
fn sm_19_a_bad_chunk_from_a_client_breaks_the_upstream_request_off() {
    run(async {
        let bench = Rc::new(Bench::new().await);
        let mut client = client(&bench).await;
        client
            .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            .await
            .unwrap();
        let mut upstream = bench.accept().await;
        read_head(&mut upstream).await;
        read(&mut upstream, 9).await;
        client.write_all(b"0x1\r\nX\r\n0\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = upstream.read_to_end(&mut rest).await;
        assert_eq!(rest, b"", "no last chunk goes upstream");
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 502 "));
    });
}
