//! HTTP/2 and the end of the process, and edits of the configuration while requests are under way.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use crate::harness::http2::{END_HEADERS, END_STREAM, Frames, frame, get_block, kind};
use crate::harness::{Setup, Upstream};

/// An upstream that answers when it is told to.
fn held() -> (Upstream, Sender<()>) {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::with(move |_, stream| {
        wait.lock().unwrap().recv().ok();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").is_ok()
    });
    (upstream, release)
}

#[test]
fn h2_18_the_drain_says_goodbye_finishes_a_hundred_requests_and_takes_no_more() {
    const COUNT: u32 = 100;
    let (upstream, release) = held();
    let config = format!("[server]\nh2c = true\ndrain_timeout = \"60s\"\n{}", upstream.config());
    let mut gateway = Setup::new(&config).start();
    let mut frames = Frames::open(gateway.public);
    let head = |n: u32| frame(kind::HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &get_block("/up/a", &[]));
    let all: Vec<u8> = (0..COUNT).flat_map(head).collect();
    frames.send(&all).unwrap();
    gateway.until("they are in flight", |_| upstream.seen().len() == COUNT as usize);
    let config = std::fs::read_to_string(gateway.at("config.toml")).unwrap();
    gateway.save("config.toml", &format!("{config}\n[thresholds]\ndeny = 7\n"));
    gateway.until("the edit is in force", |g| g.generation() == 2);
    gateway.signal("TERM");
    gateway.wait_for_log(|l| l.contains("\"draining\""));
    frames.until(|f| f.kind == kind::GOAWAY).expect("a goodbye");
    let ping = frames.until(|f| f.kind == kind::PING && f.flags == 0).expect("a ping behind it");
    frames.send(&frame(kind::PING, 1, 0, &ping.payload)).unwrap();
    // Once the client is known to have heard it, the last request that counts is named (RFC 9113 section 6.8).
    let last = frames.until(|f| f.kind == kind::GOAWAY).expect("the last word");
    assert_eq!(last.payload[..4], (2 * COUNT - 1).to_be_bytes());
    frames.send(&head(COUNT)).unwrap();
    (0..COUNT).for_each(|_| release.send(()).unwrap());
    let mut answered = Vec::new();
    while let Some(frame) = frames.read() {
        if frame.kind == kind::DATA && !frame.payload.is_empty() {
            assert_eq!(frame.payload, b"late");
            answered.push(frame.stream);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..COUNT).map(|n| 2 * n + 1).collect::<Vec<_>>());
    assert_eq!(upstream.seen().len(), COUNT as usize, "what came after the goodbye was not taken");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn h2_18_what_is_left_at_the_end_of_the_drain_is_cut() {
    let (upstream, _release) = held();
    let config = format!("[server]\nh2c = true\ndrain_timeout = \"300ms\"\n{}", upstream.config());
    let mut gateway = Setup::new(&config).start();
    let mut frames = Frames::open(gateway.public);
    frames.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &get_block("/up/a", &[]))).unwrap();
    gateway.until("it is in flight", |_| upstream.seen().len() == 1);
    gateway.signal("TERM");
    assert!(frames.until(|f| f.kind == kind::HEADERS).is_none(), "it is not answered");
    assert_eq!(gateway.wait(), Some(0));
}
