//! Raw bytes of an upstream to the response guard: what goes on to hyper begins with a head that can be read in one way,
//! and what comes in pieces is judged as what comes at once.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};

use pluginmind::proxy::answer::{Asked, Guard};
use tokio::io::{AsyncRead, ReadBuf};

use super::strict;

/// Longest input; more is not more interesting.
const BYTES_MAX: usize = 64 * 1024;

/// A stream that gives one piece a read, and then ends.
struct Pieces<'a>(VecDeque<&'a [u8]>);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.pop_front() {
            let (now, later) = piece.split_at(piece.len().min(buf.remaining()));
            buf.put_slice(now);
            if !later.is_empty() {
                self.0.push_front(later);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The first byte says what was asked and how the rest is cut.
pub fn run(data: &[u8]) -> usize {
    let Some((how, bytes)) = data.split_first() else { return 0 };
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    let asked = Asked { head_only: how & 1 == 1, upgrade: how & 2 == 2 };
    let (passed, fault) = read(bytes, bytes.len().max(1), asked);
    let (in_pieces, other) = read(bytes, usize::from(how >> 2) % 40 + 1, asked);
    assert_eq!(fault, other, "{}", bytes.escape_ascii());
    // Of a body that turns out to be malformed, more or less has gone on before.
    let is_same =
        passed == in_pieces || fault && (passed.starts_with(&in_pieces) || in_pieces.starts_with(&passed));
    assert!(is_same, "{} and {}: {}", passed.escape_ascii(), in_pieces.escape_ascii(), bytes.escape_ascii());
    if passed.is_empty() {
        return 0;
    }
    let head = strict::answer_head(&passed);
    assert!(head.is_ok(), "{head:?}: {} of {}", passed.escape_ascii(), bytes.escape_ascii());
    1
}

/// What goes on, and whether the rest was refused.
fn read(bytes: &[u8], piece: usize, asked: Asked) -> (Vec<u8>, bool) {
    let mut guard = Guard::default();
    guard.begin(asked, Arc::new(AtomicBool::new(true)));
    guard.writes();
    guard.flushed();
    let mut stream = Pieces(bytes.chunks(piece).collect());
    let mut cx = Context::from_waker(Waker::noop());
    let (mut passed, mut space) = (Vec::new(), vec![0; BYTES_MAX]);
    loop {
        let mut buf = ReadBuf::new(&mut space);
        match guard.poll_read(&mut stream, &mut cx, &mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => passed.extend_from_slice(buf.filled()),
            Poll::Ready(result) => return (passed, result.is_err()),
            Poll::Pending => return (passed, false),
        }
    }
}
