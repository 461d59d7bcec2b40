//! HTTP/2 clients that mean harm: each ends its own connection, and nobody else notices.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::http2::{END_HEADERS, END_STREAM, Frames, PREFACE, block, frame, get_block, kind};
use crate::harness::{Gateway, Setup, Upstream};

/// `ENHANCE_YOUR_CALM`, `PROTOCOL_ERROR` and `NO_ERROR` (RFC 9113 section 7).
const CALM: Option<u32> = Some(11);
const FAULT: Option<u32> = Some(1);
const NO_ERROR: Option<u32> = Some(0);

/// More memory than this is not taken by one hostile client, in KiB.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

fn gateway(upstream: &Upstream, server: &str) -> Gateway {
    Setup::new(&format!(
        "[server]\nh2c = true\nworkers = 1\n{server}\n{}\n[rate_limit]\nip_per_minute = 1000000\nip_burst = 1000000\n",
        upstream.config()
    ))
    .start()
}

/// Resident memory of the gateway, in KiB.
fn memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends these frames until all are sent or nobody reads them any more.
fn flood(frames: &mut Frames, each: impl Fn(u32) -> Vec<u8>, count: u32) {
    for from in (0..count).step_by(100) {
        let batch: Vec<u8> = (from..(from + 100).min(count)).flat_map(&each).collect();
        if frames.send(&batch).is_err() {
            return;
        }
    }
}

/// Floods, and expects that the connection ends with one of these reasons, that little memory was taken, and that others are
/// served meanwhile.
fn ends(gateway: &Gateway, reasons: &[Option<u32>], attack: impl FnOnce(&mut Frames)) {
    gateway.get("/live");
    let before = memory(gateway);
    let mut frames = Frames::open(gateway.public);
    attack(&mut frames);
    let witness = gateway.get("/live");
    assert_eq!(witness.status, 200);
    let gone = frames.goes_away();
    // A connection that is reset may lose its last words.
    assert!(reasons.contains(&gone) || gone.is_none(), "{gone:?}");
    let growth = memory(gateway).saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
    gateway.until("nothing is in flight", |g| g.metric("pluginmind_http_requests_in_flight") == 0.0);
}

fn stream_id(n: u32) -> u32 {
    2 * n + 1
}

#[test]
fn h2_01_rapid_resets_end_the_connection() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream, "");
    let head = get_block("/up/a", &[]);
    let each = |n| {
        let request = frame(kind::HEADERS, END_HEADERS | END_STREAM, stream_id(n), &head);
        [request, frame(kind::RST_STREAM, 0, stream_id(n), &8u32.to_be_bytes())].concat()
    };
    ends(&gateway, &[CALM], |frames| flood(frames, each, 20_000));
}

#[test]
fn h2_02_requests_that_make_the_gateway_reset_them_end_the_connection() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream, "");
    let head = get_block("/up/a", &[]);
    let overflow = frame(kind::WINDOW_UPDATE, 0, 0, &0x7fff_ffffu32.to_be_bytes());
    let zero = frame(kind::WINDOW_UPDATE, 0, 0, &0u32.to_be_bytes());
    let data = frame(kind::DATA, 0, 0, b"late");
    for mut fault in [overflow, zero, data] {
        let each = |n: u32| {
            fault[5..9].copy_from_slice(&stream_id(n).to_be_bytes());
            [frame(kind::HEADERS, END_HEADERS | END_STREAM, stream_id(n), &head), fault.clone()].concat()
        };
        let each = std::cell::RefCell::new(each);
        ends(&gateway, &[CALM, FAULT], |frames| flood(frames, |n| (each.borrow_mut())(n), 20_000));
    }
    let itself =
        |n| frame(kind::PRIORITY, 0, stream_id(n), &[&stream_id(n).to_be_bytes()[..], &[0]].concat());
    // The protocol is broken at the first.
    ends(&gateway, &[CALM, FAULT], |frames| flood(frames, itself, 20_000));
}

#[test]
fn h2_03_a_head_without_an_end_ends_the_connection() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream, "");
    let more = block(&[("x-a", "b")]);
    ends(&gateway, &[CALM], |frames| {
        frames.send(&frame(kind::HEADERS, END_STREAM, 1, &get_block("/up/a", &[]))).unwrap();
        flood(frames, |_| frame(kind::CONTINUATION, 0, 1, &more), 20_000);
    });
    assert!(upstream.seen().is_empty());
}

#[test]
fn h2_04_empty_frames_end_the_connection() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream, "");
    let head = get_block("/up/a", &[]);
    ends(&gateway, &[CALM], |frames| {
        frames.send(&frame(kind::HEADERS, END_HEADERS, 1, &head)).unwrap();
        flood(frames, |_| frame(kind::DATA, 0, 1, &[]), 100_000);
    });
    ends(&gateway, &[CALM, FAULT], |frames| {
        frames.send(&frame(kind::HEADERS, END_STREAM, 1, &[])).unwrap();
        flood(frames, |_| frame(kind::CONTINUATION, 0, 1, &[]), 100_000);
        // What was not refused is given up with its connection.
        frames.stream().shutdown(std::net::Shutdown::Write).ok();
    });
}

#[test]
fn h2_05_settings_and_pings_are_answered_and_take_no_memory() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream, "");
    for (kind, payload) in [(kind::SETTINGS, &[][..]), (kind::PING, &[7; 8])] {
        gateway.get("/live");
        let before = memory(&gateway);
        let mut frames = Frames::open(gateway.public);
        let mut reader = Frames::of(frames.stream().try_clone().unwrap());
        let answers = std::thread::spawn(move || {
            let mut answers = 0;
            while let Some(frame) = reader.read() {
                answers += u32::from(frame.flags == 1);
            }
            answers
        });
        flood(&mut frames, |_| frame(kind, 0, 0, payload), 50_000);
        assert_eq!(gateway.get("/live").status, 200);
        frames.stream().shutdown(std::net::Shutdown::Write).unwrap();
        assert!(answers.join().unwrap() > 0);
        let growth = memory(&gateway).saturating_sub(before);
        assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
    }
}

#[test]
fn h2_05_a_flood_from_a_client_that_never_reads_ends() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream, "body_timeout = \"500ms\"");
    for (kind, payload) in [(kind::SETTINGS, &[][..]), (kind::PING, &[7; 8])] {
        gateway.get("/live");
        let before = memory(&gateway);
        let mut socket = small_socket(&gateway);
        socket.write_all(PREFACE).unwrap();
        let batch = frame(kind, 0, 0, payload).repeat(1_000);
        let began = Instant::now();
        // It answers until nothing is taken any more, stops reading then, and lets go after the timeout.
        let error = loop {
            if let Err(e) = socket.write_all(&batch) {
                break e;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it is never let go");
        };
        let closed = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(closed.contains(&error.kind()), "{error}");
        assert_eq!(gateway.get("/live").status, 200);
        let growth = memory(&gateway).saturating_sub(before);
        assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
    }
}

/// A connection whose client takes little before it reads, and waits no longer than 20 s for room to write.
fn small_socket(gateway: &Gateway) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(&gateway.public.into()).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.into()
}

#[test]
fn h2_06_a_header_that_unpacks_to_too_much_is_refused() {
    let upstream = Upstream::hello();
    let gateway = gateway(&upstream, "");
    gateway.get("/live");
    let before = memory(&gateway);
    let mut frames = Frames::open(gateway.public);
    // A literal that is indexed, its value of 3,900 bytes as an integer of 7 bits and more, then the index of it.
    let mut bomb = get_block("/up/a", &[]);
    bomb.extend_from_slice(&[0x40, 1, b'x', 0x7f]);
    let rest = 3_900 - 127;
    bomb.extend_from_slice(&[u8::try_from(rest % 128).unwrap() | 0x80, u8::try_from(rest / 128).unwrap()]);
    bomb.extend_from_slice(&[b'a'; 3_900]);
    bomb.extend_from_slice(&[0xbe; 4_000]);
    for n in 0..20 {
        frames.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, stream_id(n), &bomb)).ok();
    }
    let answer = frames.until(|f| f.stream == 1 || f.kind == kind::GOAWAY).expect("an answer");
    assert!(answer.kind != kind::HEADERS || answer.payload[0] != 0x88, "{answer:?}");
    assert!(upstream.seen().is_empty());
    let growth = memory(&gateway).saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
}

#[test]
fn h2_07_answers_that_nobody_takes_are_given_up_and_so_is_their_connection() {
    let large: &'static str =
        format!("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n{}", "a".repeat(200_000)).leak();
    let upstream = Upstream::answering(large);
    let gateway = gateway(&upstream, "body_timeout = \"1s\"\nidle_timeout = \"1s\"");
    gateway.get("/live");
    let before = memory(&gateway);
    // The window of each answer: none, so that hyper waits; one byte, so that h2 holds the rest.
    for window in [0u32, 1] {
        let mut clients: Vec<Frames> = (0..4)
            .map(|_| {
                let mut frames = Frames::open(gateway.public);
                let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
                frames.send(&frame(kind::SETTINGS, 0, 0, &settings)).unwrap();
                for n in 0..50 {
                    let head = frame(
                        kind::HEADERS,
                        END_HEADERS | END_STREAM,
                        stream_id(n),
                        &get_block("/up/a", &[]),
                    );
                    frames.send(&head).unwrap();
                }
                frames
            })
            .collect();
        let growth = memory(&gateway).saturating_sub(before);
        assert!(growth < 2 * GROWTH_KIB_MAX, "{growth} KiB");
        for frames in &mut clients {
            assert!([NO_ERROR, CALM, None].contains(&frames.goes_away()));
        }
        gateway.until("nothing is in flight", |g| g.metric("pluginmind_http_requests_in_flight") == 0.0);
    }
}

#[test]
fn a_connection_without_a_request_is_let_go() {
    let upstream = Upstream::hello();
    let gateway =
        gateway(&upstream, "header_timeout = \"300ms\"\nbody_timeout = \"300ms\"\nidle_timeout = \"300ms\"");
    let mut silent = Frames::open(gateway.public);
    assert_eq!(silent.goes_away(), None, "nothing was asked");
    let mut half = Frames::open(gateway.public);
    half.send(&frame(kind::HEADERS, END_STREAM, 1, &get_block("/up/a", &[]))).unwrap();
    half.goes_away();
    let mut idle = Frames::open(gateway.public);
    idle.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &get_block("/up/a", &[]))).unwrap();
    assert_eq!(idle.goes_away(), NO_ERROR);
    assert_eq!(upstream.seen().len(), 1);
}
