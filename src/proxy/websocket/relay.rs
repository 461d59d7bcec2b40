//! Bytes both ways between a client and an upstream, once both speak WebSocket. A direction reads only while nothing of it
//! waits to be written, so a slow reader slows the writer down and one read's worth is all that is ever kept.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::close::{Code, close_frame};
use super::frames::{Frames, Side, Violation};

/// Most bytes of one read, and so most that wait in one direction.
const READ_BYTES_MAX: usize = 16 * 1024;

/// Most bytes that are thrown away of a side that still sends when all is over.
const WASTE_BYTES_MAX: u64 = 256 * 1024;

/// How a relay came to its end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// That side closed its connection, or is gone.
    By(Side),
    /// That side broke the protocol or a limit.
    Violation(Side, Violation),
}

/// Bytes that went each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// From the client to the upstream.
    pub up: u64,
    /// From the upstream to the client.
    pub down: u64,
}

/// Two connections and what is known of each direction.
pub struct Relay<C, U> {
    client: C,
    upstream: U,
    up: Lane,
    down: Lane,
    /// The upstream's first bytes came with its 101 and were no frames.
    broken: Option<Violation>,
}

/// One direction.
struct Lane {
    frames: Frames,
    waiting: Vec<u8>,
    written: usize,
    must_flush: bool,
    bytes: u64,
}

/// Where a lane stopped.
#[derive(Clone, Copy)]
enum Stop {
    Reading,
    Writing,
    Violation(Violation),
}

impl<C, U> Relay<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// Joins two connections. `early` is what the upstream sent behind its 101; `message_max` holds for the client's
    /// messages, in bytes.
    pub fn new(client: C, upstream: U, early: &[u8], reserved_bits: u8, message_max: u64) -> Self {
        let mut down = Lane::new(Frames::new(Side::Server, reserved_bits, u64::MAX));
        let broken = down.take(early).err();
        let up = Lane::new(Frames::new(Side::Client, reserved_bits, message_max));
        Self { client, upstream, up, down, broken }
    }

    /// Moves what can be moved now; ready when one side is done.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Some(violation) = self.broken {
            return Poll::Ready(Ended::Violation(Side::Server, violation));
        }
        let up = self.up.poll(&mut self.client, &mut self.upstream, cx);
        if let Poll::Ready(stop) = up {
            return Poll::Ready(stop.of(Side::Client, Side::Server));
        }
        let down = self.down.poll(&mut self.upstream, &mut self.client, cx);
        down.map(|stop| stop.of(Side::Server, Side::Client))
    }

    /// Bytes that came so far.
    pub fn tally(&self) -> Tally {
        Tally { up: self.up.bytes, down: self.down.bytes }
    }

    /// Whether the client has sent data since the last time that this was asked; a pong, which a browser sends by itself,
    /// is none.
    pub fn take_use(&mut self) -> bool {
        self.up.frames.take_carried_data()
    }

    /// Whether a side has said by a close frame that it is done.
    pub fn is_closed_by(&self, side: Side) -> bool {
        match side {
            Side::Client => self.up.frames.is_closed(),
            Side::Server => self.down.frames.is_closed(),
        }
    }

    /// Ends both connections, `within` at most: what waits is written, then a close frame where one can stand, then both
    /// are shut down and read to their end, for a socket closed with unread bytes is reset, and the reset would overtake
    /// the close frame.
    pub async fn close(mut self, to_client: Option<Code>, to_upstream: Option<Code>, within: Duration) {
        self.down.say(to_client, false);
        self.up.say(to_upstream, true);
        let client = part(&mut self.client, &mut self.down);
        let upstream = part(&mut self.upstream, &mut self.up);
        let both = async { tokio::join!(client, upstream) };
        // Whoever does not take the farewell in time does without.
        tokio::time::timeout(within, both).await.ok();
    }
}

impl Stop {
    /// Whose doing it was, where one side is read and the other written.
    fn of(self, read: Side, written: Side) -> Ended {
        match self {
            Self::Reading => Ended::By(read),
            Self::Writing => Ended::By(written),
            Self::Violation(violation) => Ended::Violation(read, violation),
        }
    }
}

async fn part(io: &mut (impl AsyncRead + AsyncWrite + Unpin), lane: &mut Lane) {
    let written = async {
        poll_fn(|cx| lane.poll_write(io, cx)).await?;
        io.shutdown().await
    };
    if written.await.is_ok() {
        let mut waste = io.take(WASTE_BYTES_MAX);
        let mut space = [0; 2 * 1024];
        while waste.read(&mut space).await.is_ok_and(|n| n > 0) {}
    }
}

impl Lane {
    fn new(frames: Frames) -> Self {
        Self { frames, waiting: Vec::new(), written: 0, must_flush: false, bytes: 0 }
    }

    /// Notes bytes that came, and keeps them until they are written.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.bytes += bytes.len() as u64;
        self.frames.follow(bytes)?;
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    /// Puts a close frame behind what waits, where one can stand.
    fn say(&mut self, code: Option<Code>, to_server: bool) {
        if let Some(code) = code.filter(|_| self.frames.is_between() && !self.frames.is_closed()) {
            self.waiting.extend(close_frame(code, to_server));
        }
    }

    fn poll(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Stop> {
        loop {
            if ready!(self.poll_write(to, cx)).is_err() {
                return Poll::Ready(Stop::Writing);
            }
            let mut space = [MaybeUninit::uninit(); READ_BYTES_MAX];
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Stop::Reading),
            }
            let came = buffer.filled();
            self.bytes += came.len() as u64;
            if let Err(violation) = self.frames.follow(came) {
                return Poll::Ready(Stop::Violation(violation));
            }
            // Most of the time the other side takes it all at once, and nothing has to be kept.
            match Pin::new(&mut *to).poll_write(cx, came) {
                Poll::Ready(Ok(n @ 1..)) => self.waiting.extend_from_slice(&came[n..]),
                Poll::Ready(_) => return Poll::Ready(Stop::Writing),
                Poll::Pending => self.waiting.extend_from_slice(came),
            }
            self.must_flush = true;
        }
    }

    /// Writes what waits and flushes it.
    fn poll_write(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            let left = &self.waiting[self.written..];
            match ready!(Pin::new(&mut *to).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
            self.must_flush = true;
        }
        // An open socket that says nothing keeps no memory.
        self.waiting = Vec::new();
        self.written = 0;
        if self.must_flush {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.must_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
