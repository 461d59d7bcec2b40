//! The socket of one HTTP/2 client: gives up on a client that does not read, and closes so that the last words can be read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::wire::{LINGER_BYTES_MAX, LINGER_MAX};

/// A socket as hyper wants it.
pub struct Http2Wire<I> {
    io: TokioIo<I>,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
}

/// A close under way: what the client still sends is thrown away, for a socket closed with unread bytes is reset, and the
/// reset overtakes the GOAWAY.
struct Linger {
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl<I> Http2Wire<I> {
    /// Wraps a socket; `write_timeout` is how long a client may take no byte at all.
    pub fn new(stream: I, write_timeout: Duration) -> Self {
        Self { io: TokioIo::new(stream), write_timeout, stalled: None, linger: None }
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
    /// Throws away what has come, until there is nothing, enough has come, or the time is over.
    fn poll(&mut self, stream: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        let mut waste = [0; 8 * 1024];
        while self.left > 0 && self.until.as_mut().poll(cx).is_pending() {
            let room = waste.len().min(self.left);
            let mut buffer = ReadBuf::new(&mut waste[..room]);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.left -= buffer.filled().len(),
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + Unpin> Read for Http2Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Write for Http2Wire<I> {
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

    /// Over TLS a flush waits for the client as a write does.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_flush(cx);
        self.stall(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            let poll = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.stall(cx, poll))?;
            this.linger = Some(Linger { left: LINGER_BYTES_MAX, until: Box::pin(sleep(LINGER_MAX)) });
        }
        match &mut this.linger {
            Some(linger) => linger.poll(this.io.inner_mut(), cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}
