//! The socket under an upstream connection: hyper reads and writes it, the pool looks at it, and a guard stands in
//! between.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::{Asked, Fault, Guard};
use super::stream::Stream;

/// A stream that two owners share. Both live in one task, so nobody ever waits for the lock; hyper asks for a stream
/// that could be sent to another thread before it lets one go after a 101.
#[derive(Clone)]
pub struct Socket(Arc<Shared>);

struct Shared {
    guarded: Mutex<Guarded>,
    write_failed: AtomicBool,
}

struct Guarded {
    stream: Stream,
    guard: Guard,
}

impl Guarded {
    /// The stream, when bytes of a request are about to be written to it.
    fn writing(&mut self) -> Pin<&mut Stream> {
        self.guard.writes();
        Pin::new(&mut self.stream)
    }
}

impl Socket {
    /// Takes over a connected stream.
    pub fn new(stream: Stream) -> Self {
        let guarded = Mutex::new(Guarded { stream, guard: Guard::default() });
        Self(Arc::new(Shared { guarded, write_failed: AtomicBool::new(false) }))
    }

    /// A request is about to be written; see [`Guard::begin`].
    pub fn begin(&self, asked: Asked, taken: Arc<AtomicBool>) {
        self.0.guarded.lock().guard.begin(asked, taken);
    }

    /// Whether what came so far leaves the connection fit for another request.
    pub fn is_clean(&self) -> bool {
        self.0.guarded.lock().guard.is_clean()
    }

    /// What was wrong with what came.
    pub fn fault(&self) -> Option<Fault> {
        self.0.guarded.lock().guard.fault()
    }

    /// Whether an unused connection is as it was left: open, and with nothing unasked in it.
    pub fn is_quiet(&self) -> bool {
        self.0.guarded.lock().stream.is_quiet()
    }

    /// Whether TLS is spoken over it.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0.guarded.lock().stream, Stream::Tls(_))
    }

    /// Bytes that have come in so far.
    pub fn bytes_read(&self) -> u64 {
        self.0.guarded.lock().guard.bytes_read()
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
        let Guarded { stream, guard } = &mut *self.0.guarded.lock();
        guard.poll_read(stream, cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_failed() {
            return Poll::Ready(Ok(buf.len()));
        }
        let outcome = self.0.guarded.lock().writing().poll_write(cx, buf);
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
        let outcome = self.0.guarded.lock().writing().poll_write_vectored(cx, bufs);
        self.written(outcome, wanted)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed() {
            return Poll::Ready(Ok(()));
        }
        let Guarded { stream, guard } = &mut *self.0.guarded.lock();
        let outcome = Pin::new(stream).poll_flush(cx);
        if outcome.is_ready() {
            guard.flushed();
        }
        // TLS writes here what it has buffered.
        self.written(outcome.map_ok(|()| 0), 0).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.guarded.lock().stream).poll_shutdown(cx)
    }
}
