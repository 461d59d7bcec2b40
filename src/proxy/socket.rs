//! The socket under an upstream connection: hyper reads and writes it, the pool looks at it.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP stream that two owners on one thread share.
#[derive(Clone)]
pub struct Socket(Rc<Shared>);

struct Shared {
    stream: RefCell<TcpStream>,
    bytes_read: Cell<u64>,
    write_failed: Cell<bool>,
}

impl Socket {
    /// Takes over a connected stream.
    pub fn new(stream: TcpStream) -> Self {
        let shared =
            Shared { stream: RefCell::new(stream), bytes_read: Cell::new(0), write_failed: Cell::new(false) };
        Self(Rc::new(shared))
    }

    /// Whether an unused connection is as it was left: open, and with nothing unasked in it. Asks the kernel, for the
    /// runtime may not have heard yet.
    pub fn is_quiet(&self) -> bool {
        let stream = self.0.stream.borrow();
        let mut byte = [MaybeUninit::uninit(); 1];
        let seen = socket2::SockRef::from(&*stream).peek(&mut byte);
        matches!(seen, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Bytes that have come in so far.
    pub fn bytes_read(&self) -> u64 {
        self.0.bytes_read.get()
    }

    /// Whether the peer stopped taking bytes.
    pub fn write_failed(&self) -> bool {
        self.0.write_failed.get()
    }

    /// An upstream may answer before it has read the request, and close. The answer is still worth reading, so a
    /// failed write is noted, what would be written is dropped, and the reading side finds out how it ends.
    fn written(&self, outcome: Poll<io::Result<usize>>, wanted: usize) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Err(e)) if is_closed_by_peer(&e) => {
                self.0.write_failed.set(true);
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
        let outcome = Pin::new(&mut *self.0.stream.borrow_mut()).poll_read(cx, buf);
        let came = (buf.filled().len() - before) as u64;
        self.0.bytes_read.set(self.0.bytes_read.get().saturating_add(came));
        outcome
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_failed() {
            return Poll::Ready(Ok(buf.len()));
        }
        let outcome = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write(cx, buf);
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
        let outcome = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write_vectored(cx, bufs);
        self.written(outcome, wanted)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP stream has no buffer of its own.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_shutdown(cx)
    }
}
