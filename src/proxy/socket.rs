//! The socket under an upstream connection: hyper reads and writes it, the pool looks at it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// A stream that two owners share. Both live in one task, so nobody ever waits for the lock; hyper asks for a stream
/// that could be sent to another thread before it lets one go after a 101.
#[derive(Clone)]
pub struct Socket(Arc<Shared>);

struct Shared {
    stream: Mutex<Stream>,
    bytes_read: AtomicU64,
    write_failed: AtomicBool,
}

impl Socket {
    /// Takes over a connected stream.
    pub fn new(stream: Stream) -> Self {
        let stream = Mutex::new(stream);
        Self(Arc::new(Shared { stream, bytes_read: AtomicU64::new(0), write_failed: AtomicBool::new(false) }))
    }

    /// Whether an unused connection is as it was left: open, and with nothing unasked in it.
    pub fn is_quiet(&self) -> bool {
        self.0.stream.lock().is_quiet()
    }

    /// Bytes that have come in so far.
    pub fn bytes_read(&self) -> u64 {
        self.0.bytes_read.load(Ordering::Relaxed)
    }

    /// Whether the peer stopped taking bytes.
    pub fn write_failed(&self) -> bool {
        self.0.write_failed.load(Ordering::Relaxed)
    }

    /// An upstream may answer before it has read the request, and close. The answer is still worth reading, so a
    /// failed write is noted, what would be written is dropped, and the reading side finds out how it ends.
    fn written(&self, outcome: Poll<io::Result<usize>>, wanted: usize) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Err(e)) if is_closed_by_peer(&e) => {
                self.0.write_failed.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(wanted))
            }
            other => other,
        }
    }
}

fn is_closed_by_peer(e: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(e.kind(), K::BrokenPipe | K::ConnectionReset | K::ConnectionAborted | K::NotConnected)
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut *self.0.stream.lock()).poll_read(cx, buf);
        let came = (buf.filled().len() - before) as u64;
        self.0.bytes_read.fetch_add(came, Ordering::Relaxed);
        outcome
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_failed() {
            return Poll::Ready(Ok(buf.len()));
        }
        let outcome = Pin::new(&mut *self.0.stream.lock()).poll_write(cx, buf);
        self.written(outcome, buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|b| b.len()).sum();
        if self.write_failed() {
            return Poll::Ready(Ok(wanted));
        }
        let outcome = Pin::new(&mut *self.0.stream.lock()).poll_write_vectored(cx, bufs);
        self.written(outcome, wanted)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed() {
            return Poll::Ready(Ok(()));
        }
        let outcome = Pin::new(&mut *self.0.stream.lock()).poll_flush(cx);
        // TLS writes here what it has buffered.
        self.written(outcome.map_ok(|()| 0), 0).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.lock()).poll_shutdown(cx)
    }
}
