//! Services with several addresses: what is sent again, what is left alone, and what is counted.

use super::*;
use crate::proxy::State;

/// A service whose first address is the bench's; gives the listener of the second.
async fn two(change: impl FnOnce(&mut config::Service)) -> (Bench, TcpListener) {
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", second.local_addr().unwrap());
    let bench = Bench::with(|c| {
        c.urls.push(url);
        change(c);
    })
    .await;
    (bench, second)
}

/// Answers every request at a listener, closes each connection, and counts them.
fn answering(listener: TcpListener, raw: &'static [u8]) -> std::rc::Rc<std::cell::Cell<usize>> {
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = std::rc::Rc::clone(&count);
    tokio::task::spawn_local(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let seen = std::rc::Rc::clone(&seen);
            tokio::task::spawn_local(async move {
                read_head(&mut socket).await;
                seen.set(seen.get() + 1);
                // An empty answer is a connection that ends without one.
                let _ = socket.write_all(raw).await;
            });
        }
    });
    count
}

const OK_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

fn retried(bench: &Bench) -> Vec<(&'static str, u64)> {
    bench.upstreams.reports()[0].retried.iter().copied().filter(|(_, n)| *n > 0).collect()
}

#[test]
fn up_05_a_safe_request_without_an_answer_is_sent_to_one_other_address() {
    run(async {
        let (bench, second) = two(|_| {}).await;
        let answered = answering(second, OK_CLOSE);
        let bad = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await
        };
        let (answer, head) = tokio::join!(bench.send(get("/a?b")), bad);
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        assert!(head.starts_with("GET /a?b "), "{head}");
        assert_eq!((answered.get(), retried(&bench)), (1, vec![("answered", 1)]));
    });
}

#[test]
fn up_05_where_every_address_fails_there_is_no_third_try() {
    run(async {
        let third = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", third.local_addr().unwrap());
        let (bench, second) = two(|c| c.urls.push(url)).await;
        let (second, third) = (answering(second, b""), answering(third, b""));
        let bad = async { read_head(&mut bench.accept().await).await };
        let (answer, _) = tokio::join!(bench.send(get("/")), bad);
        assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
        assert_eq!((second.get() + third.get(), retried(&bench)), (1, vec![("failed", 1)]));
    });
}

#[test]
fn up_05_what_is_not_safe_or_half_answered_is_never_sent_to_another_address() {
    run(async {
        let delete = Request::delete("/").header("host", "a").body(Upload::none()).unwrap();
        for (request, half) in [
            (post(Upload::whole(Bytes::from_static(b"pay"))), &b""[..]),
            (post(Upload::none()), b""),
            (delete, b""),
            (get("/"), b"HTTP/1.1 2"),
        ] {
            let (bench, second) = two(|_| {}).await;
            let answered = answering(second, OK_CLOSE);
            let bad = async {
                let mut socket = bench.accept().await;
                read_head(&mut socket).await;
                socket.write_all(half).await.unwrap();
                socket.shutdown().await.unwrap();
                is_closed(&mut socket).await
            };
            let (answer, _) = tokio::join!(bench.send(request), bad);
            assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
            assert_eq!(answered.get(), 0);
        }
    });
}

#[test]
fn up_02_a_request_that_took_too_long_is_not_sent_again() {
    run(async {
        let (bench, second) = two(|c| c.response_timeout = SHORT).await;
        let answered = answering(second, OK_CLOSE);
        let bad = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
            is_closed(&mut socket).await
        };
        let (answer, _) = tokio::join!(bench.send(get("/")), bad);
        assert!(matches!(answer, Err(SendError::Timeout(_))), "{answer:?}");
        assert_eq!(answered.get(), 0);
    });
}

#[test]
fn with_no_retries_a_request_is_sent_once() {
    run(async {
        let (bench, second) = two(|c| c.retry.most = 0).await;
        let answered = answering(second, OK_CLOSE);
        let bad = async { read_head(&mut bench.accept().await).await };
        let (answer, _) = tokio::join!(bench.send(get("/")), bad);
        assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
        assert_eq!(answered.get(), 0);
    });
}

#[test]
fn an_outage_is_not_made_worse_than_the_budget_allows() {
    run(async {
        const REQUESTS: usize = 400;
        let (mut bench, second) = two(|c| c.breaker.failures = 1_000_000).await;
        let spare = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let first = answering(std::mem::replace(&mut bench.listener, spare), b"");
        let second = answering(second, b"");
        for _ in 0..REQUESTS {
            assert!(bench.send(get("/")).await.is_err());
        }
        let sent = first.get() + second.get();
        let most = REQUESTS + REQUESTS / 5 + 101;
        assert!((REQUESTS + 100..=most).contains(&sent), "{sent} for {REQUESTS}");
        assert!(retried(&bench).iter().any(|(outcome, n)| *outcome == "over_budget" && *n > 100));
    });
}

#[test]
fn a_status_that_counts_as_none_is_asked_elsewhere_and_passed_on_where_there_is_no_elsewhere() {
    run(async {
        let unavailable = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let (bench, second) = two(|c| c.retry.statuses = vec![503]).await;
        let answered = answering(second, OK_CLOSE);
        let (answer, _socket) = bench.get(unavailable).await;
        assert_eq!(answer.unwrap().status(), 200);
        assert_eq!(answered.get(), 1);
        let (bench, second) = two(|c| c.retry.statuses = vec![503]).await;
        let answered = answering(second, OK_CLOSE);
        let (answer, _socket) = bench.ask(post(Upload::none()), unavailable).await;
        assert_eq!((answer.unwrap().status().as_u16(), answered.get()), (503, 0));
        // Without the key, an answer is an answer.
        let (bench, second) = two(|_| {}).await;
        let answered = answering(second, OK_CLOSE);
        let (answer, _socket) = bench.get(unavailable).await;
        assert_eq!((answer.unwrap().status().as_u16(), answered.get()), (503, 0));
        assert_eq!(bench.upstreams.reports()[0].endpoints[0].failures, 0);
    });
}

#[test]
fn one_request_finds_out_whether_an_address_is_back_and_the_others_wait_for_it() {
    run(async {
        let (mut bench, second) = two(|c| c.breaker.failures = 1).await;
        let spare = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bad = answering(std::mem::replace(&mut bench.listener, spare), b"");
        let good = answering(second, OK_CLOSE);
        assert!(bench.send(get("/")).await.is_ok());
        assert_eq!((bad.get(), good.get()), (1, 1));
        assert_eq!(bench.upstreams.reports()[0].endpoints[0].state, State::Down);
        bench.clock.advance(bench.config.breaker.pause);
        let mut all = Vec::new();
        for _ in 0..20 {
            all.push(bench.send(get("/")));
        }
        let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
        // All at once: each has chosen before any has an answer.
        let answers = std::future::poll_fn(|cx| {
            let ready = all.iter_mut().map(|f| usize::from(f.as_mut().poll(cx).is_ready())).sum::<usize>();
            std::task::Poll::Ready(ready)
        })
        .await;
        assert_eq!(answers, 0);
        for request in all {
            assert!(request.await.is_ok());
        }
        assert_eq!((bad.get(), good.get()), (2, 21));
    });
}

#[test]
fn up_18_where_everything_was_down_for_long_the_first_request_after_it_is_up_is_answered() {
    run(async {
        let reserved: Vec<_> = (0..2)
            .map(|_| {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                socket
            })
            .collect();
        let urls = reserved.iter().map(|s| format!("http://{}", s.local_addr().unwrap())).collect();
        let bench = Bench::with(|c| c.urls = urls).await;
        for _ in 0..60 {
            assert!(bench.send(get("/")).await.is_err());
            bench.clock.advance(Duration::from_secs(1));
        }
        let report = &bench.upstreams.reports()[0];
        assert!(report.endpoints.iter().all(|e| e.state == State::Down && e.ejections == 1), "{report:?}");
        let mut reserved = reserved.into_iter();
        let _down = reserved.next();
        let good = answering(reserved.next().unwrap().listen(16).unwrap(), OK_CLOSE);
        assert_eq!(bench.send(get("/")).await.unwrap().status(), 200);
        assert_eq!(good.get(), 1);
        assert_eq!(bench.upstreams.status()[0].state, State::Up);
    });
}

#[test]
fn an_address_that_answers_slowly_is_left_alone_where_the_operator_says_what_slow_is() {
    run(async {
        let (bench, second) = two(|c| {
            c.breaker.slow = Duration::from_secs(2);
            c.breaker.failures = 1;
        })
        .await;
        let _good = answering(second, OK_CLOSE);
        let slow = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
            bench.clock.advance(Duration::from_secs(2));
            socket.write_all(OK_CLOSE).await.unwrap();
        };
        let (answer, ()) = tokio::join!(bench.send(get("/")), slow);
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok", "the answer is an answer all the same");
        let report = &bench.upstreams.reports()[0];
        assert_eq!([report.endpoints[0].state, report.endpoints[1].state], [State::Down, State::Unknown]);
    });
}

#[test]
fn no_more_requests_are_in_flight_than_allowed() {
    run(async {
        let bench = Bench::with(|c| c.breaker.requests_max = 1).await;
        let (answer, _socket) = bench.get(OK).await;
        let answer = answer.unwrap();
        assert!(matches!(bench.send(get("/")).await, Ok(_) | Err(SendError::Busy)));
        drop(answer);
        let (first, mut socket) = bench.get(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha").await;
        let first = first.unwrap();
        assert!(matches!(bench.send(get("/")).await, Err(SendError::Busy)));
        socket.write_all(b"lf").await.unwrap();
        assert_eq!(text(first).await.unwrap(), "half");
        let (again, ()) = tokio::join!(bench.send(get("/")), async {
            read_head(&mut socket).await;
            socket.write_all(OK).await.unwrap();
        });
        assert!(again.is_ok());
    });
}

#[test]
fn requests_in_flight_are_counted_back_however_they_end() {
    run(async {
        let bench = Bench::with(|c| c.response_timeout = SHORT).await;
        let in_flight = || {
            let report = &bench.upstreams.reports()[0];
            (report.in_flight, report.endpoints[0].in_flight)
        };
        // An answer that is read to its end, and one that is dropped in its middle.
        let (answer, _a) = bench.get(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha").await;
        assert_eq!(in_flight(), (1, 1));
        drop(answer);
        assert_eq!(in_flight(), (0, 0));
        let (answer, kept) = bench.get(OK).await;
        text(answer.unwrap()).await.unwrap();
        assert_eq!(in_flight(), (0, 0));
        // No answer, none in time, and a client that does not wait for it.
        drop(kept);
        let (answer, _) = bench.get(b"").await;
        assert!(answer.is_err());
        assert_eq!(in_flight(), (0, 0));
        let mut waiting = Box::pin(bench.send(get("/")));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        assert_eq!(in_flight(), (1, 1));
        drop(waiting);
        assert_eq!(in_flight(), (0, 0));
    });
}

#[test]
fn connections_to_an_address_that_nobody_names_any_more_are_let_go() {
    run(async {
        let bench = Bench::new().await;
        let (answer, mut socket) = bench.get(OK).await;
        let service = bench.service();
        text(answer.unwrap()).await.unwrap();
        assert_eq!(bench.upstreams.reports()[0].endpoints[0].unused, 1);
        let mut other = bench.config.clone();
        other.urls = vec!["http://127.0.0.1:1".to_owned()];
        bench.upstreams.apply(&[other]);
        bench.pool.sweep();
        assert!(is_closed(&mut socket).await);
        assert_eq!((bench.pool.unused(), service.endpoints()[0].unused()), (0, 0));
        // A request that began before still gets there, and leaves nothing behind.
        let old = async {
            let mut socket = bench.accept().await;
            read_head(&mut socket).await;
            socket.write_all(OK).await.unwrap();
            is_closed(&mut socket).await
        };
        let sent = async {
            let limits = Limits { silence_max: LONG, head_max: LONG };
            text(send(&bench.pool, &service, get("/"), limits, &again(&get("/"))).await.unwrap())
                .await
                .unwrap()
        };
        assert_eq!(tokio::join!(sent, old), ("ok".to_owned(), true));
    });
}
