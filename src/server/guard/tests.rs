//! The guard over whole streams and over pieces of them, and beside a hyper that has none.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::timeout;

use super::*;
use crate::config::Server;
use crate::server::connection::Http;
use crate::server::phase::Shutdown;

const LIMITS: Limits = Limits { target: 64, fields: 256, count: 8 };

/// What comes out for these pieces, and the status of the refusal; no more than `room` bytes are taken at once.
fn through(pieces: &[&[u8]], room: usize) -> (Vec<u8>, Option<u16>) {
    let link = Arc::new(Link::default());
    let mut guard = Guard::new(LIMITS, Arc::clone(&link));
    let mut out = Vec::new();
    for piece in pieces {
        if !matches!(guard.wants(), Wants::Bytes) {
            break;
        }
        if guard.is_empty() {
            let now = guard.pass(piece, room);
            out.extend_from_slice(&piece[..now]);
        } else {
            guard.take(piece);
        }
        while !guard.ready().is_empty() {
            let ready = guard.ready();
            let length = ready.len().min(room);
            out.extend_from_slice(&ready[..length]);
            guard.handed_on(length);
        }
    }
    (out, link.refusal().map(|refusal| refusal.status().as_u16()))
}

fn whole(text: &str) -> (String, Option<u16>) {
    let (out, status) = through(&[text.as_bytes()], usize::MAX);
    (String::from_utf8(out).unwrap(), status)
}

const STREAMS: [&str; 7] = [
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\nthe tunnel's",
    "\r\n\r\nHEAD / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
];

#[test]
fn what_passes_is_what_came_and_what_does_not_has_a_stand_in() {
    let stand_in = std::str::from_utf8(STAND_IN).unwrap();
    assert_eq!(whole(STREAMS[0]), (STREAMS[0].into(), None));
    assert_eq!(whole(STREAMS[1]), (STREAMS[1].into(), None));
    let broken = STREAMS[2].split("X0").next().unwrap();
    assert_eq!(whole(STREAMS[2]), (broken.into(), None));
    let first = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(whole(STREAMS[3]), (format!("{first}{stand_in}"), Some(400)));
    assert_eq!(whole(STREAMS[4]), (STREAMS[4].trim_end_matches("the tunnel's").into(), None));
    assert_eq!(whole("GET / HTTP/1.1\r\nHost:"), (String::new(), None));
    assert_eq!(whole(STREAMS[6]), (stand_in.into(), Some(400)));
}

#[test]
fn every_cut_and_every_room_gives_the_same() {
    for stream in STREAMS {
        let at_once = through(&[stream.as_bytes()], usize::MAX);
        for cut in 0..=stream.len() {
            let (a, b) = stream.as_bytes().split_at(cut);
            assert_eq!(through(&[a, b], usize::MAX), at_once, "{stream:?} cut at {cut}");
        }
        let single: Vec<_> = stream.as_bytes().chunks(1).collect();
        assert_eq!(through(&single, usize::MAX), at_once, "{stream:?}");
        assert_eq!(through(&[stream.as_bytes()], 5), at_once, "{stream:?}");
        assert_eq!(through(&single, 1), at_once, "{stream:?}");
    }
}

#[test]
fn sl_09_rt_18_heads_and_targets_have_limits_that_hold_before_their_end() {
    let status = |text: String| through(&[text.as_bytes()], usize::MAX).1;
    let head = |lines: &str| status(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    assert_eq!(status(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(63))), None);
    assert_eq!(status(format!("GET /{} HTTP/1.1\r\n", "x".repeat(64))), Some(414));
    assert_eq!(status(format!("GET /{}", "x".repeat(200))), Some(414), "without an end of the line");
    assert_eq!(head(&"a: b\r\n".repeat(7)), None);
    assert_eq!(head(&"a: b\r\n".repeat(8)), Some(431));
    assert_eq!(status(format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(9))), Some(431), "before its end");
    assert_eq!(head(&format!("a: {}\r\n", "x".repeat(250))), None);
    assert_eq!(head(&format!("a: {}\r\n", "x".repeat(251))), Some(431));
    assert_eq!(status(format!("GET / HTTP/1.1\r\na:{}", "x".repeat(300))), Some(431), "without an end");
    assert_eq!(head(&format!("a:{}b\r\n", " ".repeat(300))), Some(431), "white space counts too");
    assert_eq!(head(&format!("{}: x\r\n", "a".repeat(250))), None);
    assert_eq!(status("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".into()), Some(405));
}

#[test]
fn the_clients_id_and_method_are_told_where_they_could_be_read() {
    let told = |text: &str| {
        let link = Arc::new(Link::default());
        Guard::new(LIMITS, Arc::clone(&link)).pass(text.as_bytes(), usize::MAX);
        let mut request = Request::new(());
        link.begin(&mut request);
        let unparsed = request.extensions().get::<Unparsed>().expect("refused").clone();
        (unparsed.id.as_str().to_owned(), unparsed.method)
    };
    let (id, method) = told("PUT / HTTP/1.1\r\nX-Request-ID: mine-1\r\nHost : a\r\n\r\n");
    assert_eq!((id.as_str(), method), ("mine-1", "PUT"));
    assert_eq!(told("PUT / HTTP/1.1\r\nx-request-id: mine-1\r\nX: \0").0, "mine-1");
    for bad in [
        "X-Request-ID: a\r\nX-Request-ID: b",
        "X-Request-ID: <a>",
        "X-Request-ID : a",
        "X: y\0\r\nX-Request-ID: a",
    ] {
        let (id, method) = told(&format!("BREW / HTTP/1.1\r\n{bad}\r\n\r\n"));
        assert_eq!((id.len(), method), (36, "OTHER"), "{bad}");
    }
    assert_eq!(told("\x16\x03\x01").1, "OTHER");
    assert_eq!(told(&format!("DELETE /{}", "x".repeat(200))).1, "DELETE");
}

#[test]
fn sm_28_what_follows_an_upgrade_waits_for_its_answer() {
    let asks = "GET /w HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
    let next = "GET /n HTTP/1.1\r\nHost: a\r\n\r\n";
    for (status, passes) in
        [(StatusCode::OK, next), (StatusCode::SWITCHING_PROTOCOLS, "GET /n raw"), (StatusCode::OK, "")]
    {
        let link = Arc::new(Link::default());
        let mut guard = Guard::new(LIMITS, Arc::clone(&link));
        let behind = if passes == next { next } else { "GET /n raw" };
        let bytes = format!("{next}{asks}{behind}");
        assert_eq!(guard.pass(bytes.as_bytes(), usize::MAX), next.len() + asks.len());
        let (first, second) = (link.begin(&mut Request::new(())), link.begin(&mut Request::new(())));
        link.answer(first, StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(guard.ready(), b"", "that was the answer to another request");
        assert_eq!(guard.wants(), Wants::Bytes);
        link.answer(second, status);
        assert_eq!(guard.ready(), passes.as_bytes());
        assert!(link.take_decided());
    }
    let mut guard = Guard::new(LIMITS, Arc::default());
    guard.pass(asks.as_bytes(), usize::MAX);
    guard.take(&vec![b'x'; UNDECIDED_BYTES_MAX]);
    assert_eq!(guard.wants(), Wants::Nothing, "what is held has a limit");
}

#[test]
fn sl_03_after_an_upgrade_that_is_refused_the_timers_know_that_nothing_is_under_way() {
    let link = Arc::new(Link::default());
    let mut guard = Guard::new(LIMITS, Arc::clone(&link));
    let asks = "POST /w HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    guard.pass(asks.as_bytes(), usize::MAX);
    let call = link.begin(&mut Request::new(()));
    assert_eq!(link.standing().0, Standing::Busy);
    link.answer(call, StatusCode::OK);
    link.end();
    // hyper asks for the next head, and none is there.
    assert_eq!(guard.ready(), b"");
    assert_eq!(guard.wants(), Wants::Bytes);
    assert_eq!(link.standing().0, Standing::Between);
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let mut guard = Guard::new(LIMITS, Arc::default());
    guard.pass(b"GET / HT", usize::MAX);
    assert!(guard.held.capacity() > 0);
    guard.take(b"TP/1.1\r\nHost: a\r\n\r\n");
    let length = guard.ready().len();
    guard.handed_on(length);
    assert_eq!(guard.held.capacity(), 0);
}

/// What a service saw of one request: its first line, and its body or none where that broke off.
type Seen = (String, Option<Vec<u8>>);

/// Answers everything and writes down what it saw.
async fn answer(
    request: Request<Incoming>,
    seen: Rc<RefCell<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let respond =
        |status: u16| Response::builder().status(status).header("connection", "close").body(Full::default());
    if let Some(unparsed) = request.extensions().get::<Unparsed>() {
        let status = unparsed.refusal.status().as_u16();
        seen.borrow_mut().push((format!("refused {status}"), None));
        return Ok(respond(status).unwrap());
    }
    let line = format!("{} {}", request.method(), request.uri());
    let at = seen.borrow().len();
    seen.borrow_mut().push((line, None));
    let body = timeout(Duration::from_millis(40), request.into_body().collect()).await;
    let Ok(Ok(body)) = body else { return Ok(respond(400).unwrap()) };
    seen.borrow_mut()[at].1 = Some(body.to_bytes().to_vec());
    Ok(Response::new(Full::default()))
}

async fn send(mut client: DuplexStream, bytes: &[u8], cuts: &[usize]) {
    let mut rest = bytes;
    for cut in cuts {
        let (now, then) = rest.split_at(cut % (rest.len() + 1));
        client.write_all(now).await.ok();
        tokio::task::yield_now().await;
        rest = then;
    }
    client.write_all(rest).await.ok();
    client.read_to_end(&mut Vec::new()).await.ok();
}

fn config() -> Server {
    let wait = Duration::from_millis(60);
    Server {
        header_timeout: wait,
        idle_timeout: wait,
        target_max: 64,
        header_max: 256,
        headers_max: 8,
        ..crate::server::connection::tests::limits()
    }
}

/// What comes through the guard, and what a hyper without one makes of the same bytes.
fn both(bytes: &[u8], cuts: &[usize]) -> (Vec<Seen>, Vec<Seen>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (guarded, bare) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
    runtime.block_on(async {
        let service = |seen: &Rc<RefCell<Vec<Seen>>>| {
            let seen = Rc::clone(seen);
            service_fn(move |request| answer(request, Rc::clone(&seen)))
        };
        let (client, server) = tokio::io::duplex(64 * 1024);
        let shutdown = Shutdown::default();
        let http = Http::new(&config());
        let ours = http.serve(server, &shutdown, service(&guarded));
        let (other_client, other_server) = tokio::io::duplex(64 * 1024);
        let theirs = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(60))
            .serve_connection(TokioIo::new(other_server), service(&bare));
        // A connection that is never closed is found here, not by whoever waits for the tests.
        let patience = Duration::from_secs(5);
        let (ours, theirs, ..) = tokio::join!(
            timeout(patience, ours),
            timeout(patience, theirs),
            timeout(patience, send(client, bytes, cuts)),
            timeout(patience, send(other_client, bytes, &[])),
        );
        assert!(ours.is_ok(), "ours is not closed: {:?} {cuts:?}", String::from_utf8_lossy(bytes));
        assert!(theirs.is_ok(), "theirs is not closed: {:?} {cuts:?}", String::from_utf8_lossy(bytes));
    });
    (guarded.take(), bare.take())
}

/// What the judge makes of it, as far as a server reads: to the first request that is the last of its connection.
fn judged(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for judged in judge_stream(bytes, Limits::of(&config())) {
        match judged {
            Judged::Request { head, body, is_whole } => {
                let head = String::from_utf8(bytes[head].to_vec()).unwrap();
                let mut words = head.trim_start().split(' ');
                let line = format!("{} {}", words.next().unwrap(), words.next().unwrap());
                let body = &bytes[body];
                let body = if head.contains("chunked") { dechunk(body) } else { body.to_vec() };
                seen.push((line, is_whole.then_some(body)));
                let keeps = head.contains("HTTP/1.1") || head.contains("keep-alive");
                if !is_whole || !keeps || head.contains("Connection: close") {
                    return seen;
                }
            }
            Judged::Refused(refusal) => seen.push((format!("refused {}", refusal.status().as_u16()), None)),
            Judged::Incomplete(_) => seen.push(("refused 408".into(), None)),
            Judged::Broken => {}
        }
    }
    seen
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let digits = std::str::from_utf8(&body[..end]).unwrap().split(';').next().unwrap();
        let size = usize::from_str_radix(digits, 16).unwrap();
        if size == 0 || body.len() < end + 4 + size {
            break;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    out
}

fn request() -> impl Strategy<Value = String> {
    let first = prop_oneof![
        4 => Just("GET /a HTTP/1.1"), 4 => Just("POST /b?c HTTP/1.1"), 1 => Just("HEAD / HTTP/1.0"),
        1 => Just("GET http://a/x HTTP/1.1"), 1 => Just("OPTIONS * HTTP/1.1"), 1 => Just("get /[x] HTTP/1.1"),
        1 => Just("GET /x HTTP/1.2"), 1 => Just("GET x HTTP/1.1"),
    ];
    let line = prop_oneof![
        2 => Just("X: y"), 4 => Just("Content-Length: 3"), 1 => Just("Content-Length: 0"), 4 => Just("Transfer-Encoding: chunked"),
        1 => Just("Connection: close"), 1 => Just("Connection: keep-alive"), 1 => Just("Content-Length: 03"), 1 => Just(" fold"),
        1 => Just("Transfer-Encoding: gzip, chunked"), 1 => Just("Upgrade: foo"), 1 => Just("Expect: 100-continue"),
        1 => Just("Host: b"), 1 => Just("X : y"), 1 => Just("transfer-encoding:chunked"), 1 => Just("X:\u{1}"),
    ];
    let body = prop_oneof![
        3 => Just(""), 4 => Just("abc"), 4 => Just("3\r\nabc\r\n0\r\n\r\n"), 1 => Just("3\r\nab"), 2 => Just("0\r\nX: y\r\n\r\n"),
        1 => Just("3;x=y\r\nabc\r\n0\r\n\r\n"), 1 => Just("3 \r\nabc\r\n0\r\n\r\n"), 1 => Just("003\r\nabc\r\n0\r\n\r\n"),
    ];
    let end = prop_oneof![40 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    (first, prop::collection::vec(line, 0..3), body, end, prop::bool::weighted(0.9)).prop_map(
        |(first, lines, body, end, has_host)| {
            let host = if has_host { "Host: a\r\n" } else { "" };
            let lines = lines.iter().flat_map(|l| [*l, "\r\n"]).collect::<String>();
            format!("{first}{end}{host}{lines}\r\n{body}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_service_sees_what_was_judged_and_hyper_alone_reads_it_alike(
        requests in prop::collection::vec(request(), 1..4),
        cuts in prop::collection::vec(0_usize..80, 0..4),
    ) {
        let bytes = requests.concat();
        let judged = judged(bytes.as_bytes());
        let (guarded, bare) = both(bytes.as_bytes(), &cuts);
        prop_assert_eq!(&guarded, &judged, "{:?}", bytes);
        for (mine, theirs) in judged.iter().zip(&bare).take_while(|(mine, _)| mine.1.is_some()) {
            prop_assert_eq!(mine, theirs, "{:?}", bytes);
        }
        let whole = judged.iter().filter(|seen| seen.1.is_some()).count();
        prop_assert!(bare.len() >= whole, "hyper alone refused what was let pass: {:?}", bytes);
    }
}
