//! The guard over a stream that the tests play, in one piece and in many.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

use super::fault::Fault;
use super::guard::{Asked, Guard, INTERIMS_MAX};
use super::head::{FIELDS_MAX, HEAD_BYTES_MAX};

const GET: Asked = Asked { head_only: false, upgrade: false };
const HEAD: Asked = Asked { head_only: true, upgrade: false };

/// A stream that gives one piece a read, and then nothing.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.0.pop_front() else { return Poll::Pending };
        let rest = piece.split_off(piece.len().min(buf.remaining()));
        buf.put_slice(&piece);
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

/// A guard whose request was sent whole.
fn asked(asked: Asked) -> Guard {
    let mut guard = Guard::default();
    begin(&mut guard, asked);
    guard
}

fn begin(guard: &mut Guard, asked: Asked) {
    guard.begin(asked, Arc::new(AtomicBool::new(true)));
    guard.writes();
    guard.flushed();
}

/// Reads all that comes, with a reader of `room` bytes.
fn read(guard: &mut Guard, pieces: Vec<Vec<u8>>, room: usize) -> (Vec<u8>, Option<Fault>) {
    let mut stream = Pieces(pieces.into());
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    let mut space = vec![0; room];
    loop {
        let mut buf = ReadBuf::new(&mut space);
        match guard.poll_read(&mut stream, &mut cx, &mut buf) {
            Poll::Ready(Ok(())) => all.extend_from_slice(buf.filled()),
            Poll::Ready(Err(e)) => {
                assert_eq!(e.kind(), io::ErrorKind::InvalidData);
                return (all, guard.fault());
            }
            Poll::Pending => return (all, None),
        }
    }
}

/// What goes on of an answer; the same however it is cut into pieces.
fn passed(kind: Asked, raw: &[u8]) -> (Vec<u8>, Option<Fault>, bool) {
    let mut guard = asked(kind);
    let (all, fault) = read(&mut guard, vec![raw.to_vec()], 8_192);
    let outcome = (all, fault, guard.is_clean());
    for cut in 1..raw.len().min(400) {
        let mut guard = asked(kind);
        let (all, fault) = read(&mut guard, vec![raw[..cut].to_vec(), raw[cut..].to_vec()], 8_192);
        assert_eq!((fault, guard.is_clean()), (outcome.1, outcome.2), "cut at {cut}");
        assert!(all.starts_with(&outcome.0), "cut at {cut}");
        // With a fault in the body, its good beginning may go on if it came before.
        assert!(fault.is_some() || all == outcome.0, "cut at {cut}");
    }
    let mut guard = asked(kind);
    let slow = read(&mut guard, raw.iter().map(|b| vec![*b]).collect(), 3);
    assert!(slow.0.starts_with(&outcome.0));
    assert_eq!((slow.1, guard.is_clean()), (outcome.1, outcome.2));
    outcome
}

fn refused(raw: impl AsRef<[u8]>) -> Fault {
    let raw = raw.as_ref();
    let (passed, fault, clean) = passed(GET, raw);
    assert!(passed.is_empty() && !clean, "{}: {}", raw.escape_ascii(), passed.escape_ascii());
    fault.unwrap_or_else(|| panic!("no fault: {}", raw.escape_ascii()))
}

#[test]
fn a_good_answer_passes_as_it_is() {
    for (kind, raw, clean) in [
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
        (GET, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", true),
        (GET, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", true),
        (GET, "HTTP/1.1 200 A\tB \u{e9}\r\nX-\u{7e}: \u{e9}\t\r\ncontent-LENGTH:2\t\r\n\r\nok", true),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked \r\n\r\n2\r\nok\r\n0\r\nX: a\r\n\r\n", true),
        (GET, "HTTP/1.1 204 No Content\r\n\r\n", true),
        (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true),
        (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", true),
        (HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", true),
        (HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        (GET, "HTTP/1.1 599 X\r\nEmpty:\r\nContent-Length: 0\r\n\r\n", true),
        // The connection ends with these.
        (GET, "HTTP/1.1 200 OK\r\n\r\nany\r\n\r\n\0thing", false),
        (GET, "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok", false),
        (
            GET,
            "HTTP/1.1 200 OK\r\nConnection: x, close\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            false,
        ),
        (GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", false),
        (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", false),
        (GET, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false),
    ] {
        assert_eq!(passed(kind, raw.as_bytes()), (raw.as_bytes().to_vec(), None, clean), "{raw:?}");
    }
}

#[test]
fn up_08_a_status_line_is_read_in_one_way_or_not_at_all() {
    for line in [
        "HTTP/1.1 99 X",
        "HTTP/1.1 099 X",
        "HTTP/1.1 600 X",
        "HTTP/1.1 1000 X",
        "HTTP/1.1 2x0 X",
        "HTTP/1.1 -20 X",
        "HTTP/1.1 +20 X",
        "HTTP/1.1 20 X",
        "HTTP/1.1  200 X",
        "HTTP/1.1\t200 X",
        "HTTP/1.1 200\tX",
        "HTTP/1.1 200X",
        " HTTP/1.1 200 X",
        "http/1.1 200 X",
        "HTTP/1.2 200 X",
        "HTTP/2 200 X",
        "HTTP/2.0 200 X",
        "HTTP/01.1 200 X",
        "HTTP/1.10 200 X",
        "HTTP/1,1 200 X",
        "HTTP/0.9 200 X",
        "ICY 200 OK",
        "200 OK",
        "",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "\u{feff}HTTP/1.1 200 OK",
    ] {
        let raw = format!("{line}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(refused(&raw), Fault::StatusLine, "{line:?}");
    }
    for line in [
        "HTTP/1.1 200 a\0b",
        "HTTP/1.1 200 \x0b",
        "HTTP/1.1 200 \x7f",
        "HTTP/1.1 200 a\rb",
        "HTTP/1.1 200 OK\r",
        "\0",
    ] {
        assert_eq!(refused(format!("{line}\r\n\r\n")), Fault::Field, "{line:?}");
    }
    for raw in ["hello", "SSH-2.0-OpenSSH", "\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTPS/1.1 200"] {
        assert_eq!(refused(raw), Fault::StatusLine, "at once, not at a time-out: {raw:?}");
    }
}

#[test]
fn up_08_a_field_is_read_in_one_way_or_not_at_all() {
    for field in [
        "X : a",
        "X\t: a",
        " X: a",
        "\tX: a",
        "X",
        ": a",
        "X Y: a",
        "X\0: a",
        "X\u{e9}: a",
        "X(: a",
        "X\"Y: a",
        "X: a\0b",
        "X: a\x01",
        "X: a\x0b",
        "X: a\x7f",
        "X: a\rb",
        "X: a\r",
        "X: a\r\n b",
        "X: a\r\n\tb",
        "X: a\r\n \r\nY: b",
        "Content-Length : 0",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\x0b: chunked",
        "Transfer-\r\nEncoding: chunked",
    ] {
        let raw = format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(refused(&raw), Fault::Field, "{field:?}");
    }
    for raw in [
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
        "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 44\r\n\r\n",
        "HTTP/1.1 200 OK\n",
    ] {
        assert_eq!(refused(raw), Fault::LineEnd, "{raw:?}");
    }
}

#[test]
fn up_07_framing_is_read_in_one_way_or_not_at_all() {
    for fields in [
        "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2\r\ncontent-length: 3",
        "Content-Length: 2, 2",
        "Content-Length: +2",
        "Content-Length: -2",
        "Content-Length: 0x2",
        "Content-Length: 2x",
        "Content-Length: 2 2",
        "Content-Length: 1_0",
        "Content-Length: 2.0",
        "Content-Length: \"2\"",
        "Content-Length:",
        "Content-Length: ,",
        "Content-Length: 02",
        "Content-Length: 00",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999",
        "Content-Length: \u{b2}",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \u{a0}chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    ] {
        for kind in [GET, HEAD] {
            let raw = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
            let (passed, fault, clean) = passed(kind, raw.as_bytes());
            assert_eq!((passed, fault, clean), (vec![], Some(Fault::Framing), false), "{fields:?}");
        }
    }
    assert_eq!(refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Fault::Framing);
    let bad_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n";
    let mut guard = asked(GET);
    assert_eq!(read(&mut guard, vec![bad_chunk.into()], 8_192), (vec![], Some(Fault::Chunk)));
}

#[test]
fn up_06_what_follows_an_answer_is_kept_from_everybody() {
    for (kind, raw) in [
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"),
        (HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
    ] {
        let mut whole = asked(kind);
        let with_more = format!("{raw}evil");
        let outcome = read(&mut whole, vec![with_more.into()], 8_192);
        assert_eq!(outcome, (raw.as_bytes().to_vec(), Some(Fault::LeftOver)), "{raw:?}");
        assert!(!whole.is_clean());
        // Later, while nobody asks.
        let mut guard = asked(kind);
        read(&mut guard, vec![raw.into()], 8_192);
        assert!(guard.is_clean());
        assert_eq!(read(&mut guard, vec![b"e".to_vec()], 8_192), (vec![], Some(Fault::Unasked)));
        assert!(!guard.is_clean());
        begin(&mut guard, GET);
        assert!(!guard.is_clean(), "and a further exchange does not make it clean");
    }
}

#[test]
fn what_comes_before_the_first_byte_of_a_request_is_no_answer_to_it() {
    let mut guard = Guard::default();
    guard.begin(GET, Arc::new(AtomicBool::new(false)));
    let early = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
    assert_eq!(read(&mut guard, vec![early], 8_192), (vec![], Some(Fault::Unasked)));
}

#[test]
fn up_14_an_answer_before_the_request_was_sent_passes_and_ends_the_connection() {
    let raw = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut half_taken = Guard::default();
    half_taken.begin(GET, Arc::new(AtomicBool::new(false)));
    half_taken.writes();
    half_taken.flushed();
    let mut half_written = Guard::default();
    half_written.begin(GET, Arc::new(AtomicBool::new(true)));
    half_written.writes();
    for mut guard in [half_taken, half_written] {
        assert_eq!(read(&mut guard, vec![raw.to_vec()], 8_192), (raw.to_vec(), None));
        guard.flushed();
        assert!(!guard.is_clean());
    }
}

#[test]
fn one_connection_carries_many_exchanges_and_each_is_judged_by_its_own_question() {
    let mut guard = Guard::default();
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    for round in 0..3 {
        begin(&mut guard, HEAD);
        assert_eq!(read(&mut guard, vec![long.to_vec()], 8_192), (long.to_vec(), None), "{round}");
        begin(&mut guard, GET);
        let whole = [&long[..], b"body"].concat();
        let pieces = vec![whole[..30].to_vec(), whole[30..40].to_vec(), whole[40..].to_vec()];
        assert_eq!(read(&mut guard, pieces, 8_192), (whole, None), "{round}");
        assert!(guard.is_clean());
    }
}

#[test]
fn up_10_interim_answers_are_few_and_none_goes_on() {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let most = early.repeat(INTERIMS_MAX as usize);
    assert_eq!(passed(GET, format!("{most}{last}").as_bytes()), (last.into(), None, true));
    assert_eq!(refused(format!("{most}{early}{last}")), Fault::Interim);
    let odd = "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.1 102\r\n\r\nHTTP/1.1 199 X\r\n\r\n";
    assert_eq!(passed(GET, format!("{odd}{last}").as_bytes()).0, last.as_bytes());
    for framed in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let raw = format!("HTTP/1.1 103 X\r\n{framed}\r\n\r\n{last}");
        assert_eq!(refused(raw), Fault::Framing, "{framed}");
    }
    let large = format!("HTTP/1.1 103 X\r\nX: {}\r\n\r\n", "a".repeat(HEAD_BYTES_MAX / 4));
    assert_eq!(read(&mut asked(GET), vec![large.repeat(5).into()], 1 << 20).1, Some(Fault::TooLarge));
}

#[test]
fn sm_29_another_protocol_begins_only_where_it_was_asked_for() {
    let raw =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\0\x01raw\n";
    assert_eq!(refused(raw), Fault::Switch);
    assert_eq!(refused("HTTP/1.1 101\r\n\r\n"), Fault::Switch);
    let wanted = Asked { upgrade: true, ..GET };
    assert_eq!(passed(wanted, raw.as_bytes()), (raw.into(), None, false));
    let framed = raw.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(passed(wanted, framed.as_bytes()), (vec![], Some(Fault::Switch), false));
}

#[test]
fn up_09_a_head_is_as_large_as_it_may_be_and_no_larger() {
    let head = |bytes: usize| {
        let around = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \r\n\r\n".len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "a".repeat(bytes - around))
    };
    let cut = |raw: &str| raw.as_bytes().chunks(4_096).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let largest = head(HEAD_BYTES_MAX);
    assert_eq!(read(&mut asked(GET), cut(&largest), 8_192), (largest.clone().into_bytes(), None));
    assert_eq!(read(&mut asked(GET), cut(&head(HEAD_BYTES_MAX + 1)), 8_192), (vec![], Some(Fault::TooLarge)));
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: a\r\n".repeat(100_000));
    let mut guard = asked(GET);
    assert_eq!(read(&mut guard, cut(&endless), 8_192), (vec![], Some(Fault::TooLarge)));
    assert!(guard.bytes_read() <= (HEAD_BYTES_MAX + 4_096) as u64, "no more is read than it takes to know");
    let fields = |n: usize| format!("HTTP/1.1 204 X\r\n{}\r\n", "X: a\r\n".repeat(n));
    assert_eq!(read(&mut asked(GET), cut(&fields(FIELDS_MAX)), 8_192).1, None);
    assert_eq!(read(&mut asked(GET), cut(&fields(FIELDS_MAX + 1)), 8_192).1, Some(Fault::TooLarge));
}
