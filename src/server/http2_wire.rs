//! The socket of one HTTP/2 client: gives up on a client that does not read, and closes so that the last words can be read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::linger::{Linger, Waits};
use super::stall::Stall;

/// A socket as hyper wants it.
pub struct Http2Wire<I> {
    io: TokioIo<I>,
    stall: Stall,
    linger: Option<Linger>,
}

impl<I> Http2Wire<I> {
    /// Wraps a socket; `write_timeout` is how long a client may take no byte at all.
    pub fn new(stream: I, write_timeout: Duration) -> Self {
        Self { io: TokioIo::new(stream), stall: Stall::new(write_timeout), linger: None }
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
        self.stall.judge(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.stall.judge(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Over TLS a flush waits for the client as a write does.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_flush(cx);
        self.stall.judge(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            let poll = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.stall.judge(cx, poll))?;
            this.linger = Some(Linger::begin(Waits::Never));
        }
        match &mut this.linger {
            Some(linger) => linger.poll(this.io.inner_mut(), cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}
