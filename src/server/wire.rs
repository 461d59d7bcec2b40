//! One client's socket: closes so that the last answer can be read, and gives up on a client that does not read.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Most bytes of an unread request that are thrown away before the close.
pub const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Longest time that unread bytes are thrown away before the close.
pub const LINGER_MAX: Duration = Duration::from_secs(2);

/// A socket as hyper wants it. Its shutdown lingers: it says that no more is sent, then reads and throws away what the client
/// still sends, for a socket closed with unread bytes is reset, and the reset overtakes the answer.
///
/// # Source
/// RFC 9112 section 9.6.
pub struct Wire<I> {
    io: TokioIo<I>,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
    unread: Unread,
}

/// Whether the last request may have bytes that nobody has read: told by the service, asked at the close.
#[derive(Clone, Debug, Default)]
pub struct Unread(Arc<AtomicBool>);

impl Unread {
    /// Says whether bytes of the request may still come.
    pub fn set(&self, may_come: bool) {
        self.0.store(may_come, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A close under way.
struct Linger {
    left: usize,
    until: Pin<Box<Sleep>>,
    /// Bytes came, or may come.
    expects: bool,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Wire<I> {
    /// Wraps a socket; `write_timeout` is how long a client may take no byte of an answer (SL-05).
    pub fn new(stream: I, write_timeout: Duration, unread: Unread) -> Self {
        Self { io: TokioIo::new(stream), write_timeout, stalled: None, linger: None, unread }
    }

    /// Writes the last bytes of a connection and closes it, lingering.
    ///
    /// # Errors
    /// The socket is gone, or the client does not read.
    pub async fn finish(mut self, last: &[u8]) -> io::Result<()> {
        let mut left = last;
        while !left.is_empty() {
            let n = poll_fn(|cx| Pin::new(&mut self).poll_write(cx, left)).await?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            left = &left[n..];
        }
        self.unread.set(true);
        poll_fn(|cx| Pin::new(&mut self).poll_shutdown(cx)).await
    }

    /// Turns a pending write into an error once nothing has been taken for too long.
    fn stall<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let limit = self.write_timeout;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Linger {
    /// Throws away what comes until the client closes, the time is over, enough has come, or nothing is expected.
    fn poll(&mut self, stream: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        let mut waste = [0; 8 * 1024];
        while self.left > 0 && self.until.as_mut().poll(cx).is_pending() {
            let room = waste.len().min(self.left);
            let mut buffer = ReadBuf::new(&mut waste[..room]);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Pending if self.expects => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.expects = true;
                    self.left -= buffer.filled().len();
                }
                // The client has closed, is gone, or has nothing more to say.
                Poll::Pending | Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Read for Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Write for Wire<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.stall(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.stall(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            let until = Box::pin(sleep(LINGER_MAX));
            self.linger = Some(Linger { left: LINGER_BYTES_MAX, until, expects: self.unread.get() });
        }
        let this = &mut *self;
        match &mut this.linger {
            Some(linger) => linger.poll(this.io.inner_mut(), cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}
