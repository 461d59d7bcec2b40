//! One client's socket: hands on only what the guard has judged, closes so that the last answer can be read, and gives up
//! on a client that does not read.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::guard::{Guard, Limits, Link, Wants};
use super::linger::{Linger, Waits};
use super::stall::Stall;

/// Most bytes that are read at once.
const READ_BYTES_MAX: usize = 32 * 1024;

thread_local! {
    /// Where bytes are read to before they are judged: one for all connections of a thread.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into_boxed_slice());
}

/// A socket as hyper wants it. Its shutdown lingers: it says that no more is sent, then reads and throws away what the client
/// still sends, for a socket closed with unread bytes is reset, and the reset overtakes the answer.
///
/// # Source
/// RFC 9112 section 9.6.
pub struct Wire<I> {
    io: TokioIo<I>,
    guard: Guard,
    link: Arc<Link>,
    stall: Stall,
    linger: Option<Linger>,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Wire<I> {
    /// Wraps a socket; `write_timeout` is how long a client may take no byte of an answer (SL-05).
    pub fn new(stream: I, write_timeout: Duration, limits: Limits, link: Arc<Link>) -> Self {
        let guard = Guard::new(limits, Arc::clone(&link));
        Self { io: TokioIo::new(stream), guard, link, stall: Stall::new(write_timeout), linger: None }
    }

    /// Reads once and has the guard judge it; whether something was put into the buffer, or the client has closed.
    fn poll_judge(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBufCursor<'_>) -> Poll<io::Result<bool>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = buffer.remaining().clamp(1, READ_BYTES_MAX);
            let mut read = ReadBuf::new(&mut scratch[..room]);
            ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if self.guard.is_empty() {
                let passes = self.guard.pass(bytes, buffer.remaining());
                buffer.put_slice(&bytes[..passes]);
                return Poll::Ready(Ok(passes > 0 || bytes.is_empty()));
            }
            self.guard.take(bytes);
            Poll::Ready(Ok(bytes.is_empty()))
        })
    }

    /// Reads while hyper is not there, until there is something for it: bytes that may pass, or the end of the stream. They
    /// wait in the guard.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.guard.ready().is_empty() && self.guard.wants() == Wants::Bytes {
            let has_ended = ready!(SCRATCH.with_borrow_mut(|scratch| {
                let mut read = ReadBuf::new(scratch);
                // hyper meets an error again as the end of the stream.
                let result = ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut read));
                self.guard.take(read.filled());
                Poll::Ready(result.is_err() || read.filled().is_empty())
            }));
            if has_ended {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Takes back what hyper has read and not used.
    pub fn take_back(&mut self, bytes: &[u8]) {
        self.guard.take_back(bytes);
    }

    /// Judges a write, and lets the timers of the guard know that one waits.
    fn stall<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let waited = self.stall.is_waiting();
        let judged = self.stall.judge(cx, poll);
        if self.stall.is_waiting() != waited {
            self.link.set_writing(!waited);
        }
        judged
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Read for Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let ready = this.guard.ready();
            let length = ready.len().min(buffer.remaining());
            if length > 0 {
                buffer.put_slice(&ready[..length]);
                this.guard.handed_on(length);
                return Poll::Ready(Ok(()));
            }
            match this.guard.wants() {
                Wants::Bytes if ready!(this.poll_judge(cx, &mut buffer))? => return Poll::Ready(Ok(())),
                Wants::Bytes => {}
                Wants::All => return Pin::new(&mut this.io).poll_read(cx, buffer),
                Wants::Nothing => return Poll::Pending,
                Wants::Fault => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
        }
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
        // TLS takes bytes that the socket does not: what waits there waits for the client too.
        let poll = Pin::new(&mut self.io).poll_flush(cx);
        self.stall(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            self.link.set_closing();
            let poll = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.stall(cx, poll))?;
            let waits = if self.guard.may_come() { Waits::Yes } else { Waits::IfSomethingComes };
            self.linger = Some(Linger::begin(waits));
        }
        let this = &mut *self;
        match &mut this.linger {
            Some(linger) => linger.poll(this.io.inner_mut(), cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
