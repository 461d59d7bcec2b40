//! The guard over one connection, from exchange to exchange.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::body::Body;
use super::fault::Fault;
use super::head::{self, HEAD_BYTES_MAX, Verdict};
use crate::base::head::Finder;

pub use super::head::Asked;

/// Most interim answers (1xx) of one exchange. None is passed on.
pub const INTERIMS_MAX: u32 = 8;

/// Follows what comes over one connection.
pub struct Guard {
    state: State,
    /// The exchange that has begun, until the first byte of its request is written.
    next: Option<Exchange>,
    /// The exchange whose answer is awaited or coming.
    exchange: Exchange,
    /// Bytes of a head that is not whole yet; then those that may go on.
    held: Vec<u8>,
    /// How far the end of the head was looked for in `held`.
    finder: Finder,
    /// How many of `held` have gone on, once they may.
    gone_on: Option<usize>,
    /// Bytes of all heads of this exchange that are not in `held` any more.
    head_bytes: usize,
    interims: u32,
    unflushed: bool,
    stays: bool,
    fault: Option<Fault>,
    bytes_read: u64,
}

/// Where the bytes that come next belong.
enum State {
    /// To nothing.
    Idle,
    Head,
    Body(Body),
    /// To another protocol, after a 101 that was asked for.
    Tunnel,
}

#[derive(Clone, Default)]
struct Exchange {
    asked: Asked,
    /// Whether hyper has taken the whole request.
    taken: Arc<AtomicBool>,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            state: State::Idle,
            next: None,
            exchange: Exchange::default(),
            held: Vec::new(),
            finder: Finder::new(0),
            gone_on: None,
            head_bytes: 0,
            interims: 0,
            unflushed: false,
            stays: true,
            fault: None,
            bytes_read: 0,
        }
    }
}

impl Guard {
    /// A request is about to be written. `taken` becomes true when hyper has taken the whole of it. Whatever comes
    /// before its first byte is written answers nothing.
    pub fn begin(&mut self, asked: Asked, taken: Arc<AtomicBool>) {
        self.next = Some(Exchange { asked, taken });
    }

    /// Bytes of a request are about to be written.
    pub fn writes(&mut self) {
        self.unflushed = true;
        if let Some(exchange) = self.next.take() {
            self.exchange = exchange;
            self.state = State::Head;
            self.head_bytes = 0;
            self.interims = 0;
        }
    }

    /// All bytes that hyper wanted to write are written.
    pub fn flushed(&mut self) {
        self.unflushed = false;
    }

    /// Whether the connection may take another request: the last answer has ended, its request was sent before it came,
    /// nothing follows it, and it did not say that the connection ends.
    pub fn is_clean(&self) -> bool {
        matches!(self.state, State::Idle)
            && self.next.is_none()
            && self.held.is_empty()
            && self.stays
            && self.fault.is_none()
    }

    /// What was wrong with what came.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Bytes that have come in so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Reads what may go on. The work of one call is bounded: by what the reader takes, or by the largest head.
    ///
    /// # Errors
    /// The stream's own, or a [`Fault`].
    pub fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.go_on(buf) {
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = self.fault {
                return Poll::Ready(Err(fault.into()));
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, buf))?;
            let came = buf.filled().len() - before;
            if came == 0 {
                return Poll::Ready(Ok(()));
            }
            self.bytes_read = self.bytes_read.saturating_add(came as u64);
            match self.judge(&buf.filled()[before..]) {
                Ok(passes) => buf.set_filled(before + passes),
                Err(fault) => {
                    self.fault = Some(fault);
                    buf.set_filled(before);
                }
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Hands over what was held back and may go on; whether there was any.
    fn go_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(gone_on) = self.gone_on else { return false };
        let piece = &self.held[gone_on..];
        let n = piece.len().min(buf.remaining());
        buf.put_slice(&piece[..n]);
        self.gone_on = Some(gone_on + n);
        if gone_on + n == self.held.len() {
            self.gone_on = None;
            self.held = Vec::new();
        }
        true
    }

    /// Judges the next bytes and says how many of them may go on at once, where they stand.
    fn judge(&mut self, came: &[u8]) -> Result<usize, Fault> {
        match &mut self.state {
            State::Idle => Err(Fault::Unasked),
            State::Tunnel => Ok(came.len()),
            State::Body(_) => self.follow(came),
            State::Head if self.held.is_empty() => self.judge_at_once(came),
            State::Head => self.hold(came),
        }
    }

    /// Mostly a head comes whole and alone, and nothing is copied.
    fn judge_at_once(&mut self, came: &[u8]) -> Result<usize, Fault> {
        let mut finder = Finder::new(0);
        match finder.find(came)? {
            Some(end) if self.judge_head(&finder, came, end)? => Ok(end + self.follow(&came[end..])?),
            _ => self.hold(came),
        }
    }

    /// Keeps bytes until the head is whole; nothing of them goes on from where they stand.
    fn hold(&mut self, came: &[u8]) -> Result<usize, Fault> {
        self.held.extend_from_slice(came);
        while let Some(end) = self.finder.find(&self.held)? {
            let finder = std::mem::replace(&mut self.finder, Finder::new(0));
            let mut held = std::mem::take(&mut self.held);
            if self.judge_head(&finder, &held, end)? {
                let whole = end + self.follow(&held[end..])?;
                held.truncate(whole);
                self.held = held;
                self.gone_on = Some(0);
                return Ok(0);
            }
            self.interims += 1;
            if self.interims > INTERIMS_MAX {
                return Err(Fault::Interim);
            }
            self.head_bytes += end;
            held.drain(..end);
            self.held = held;
        }
        self.check_size(self.held.len())?;
        if could_begin(&self.held) { Ok(0) } else { Err(Fault::StatusLine) }
    }

    fn check_size(&self, more: usize) -> Result<(), Fault> {
        if self.head_bytes + more > HEAD_BYTES_MAX { Err(Fault::TooLarge) } else { Ok(()) }
    }

    /// Judges a whole head; whether it is the last of this exchange.
    fn judge_head(&mut self, finder: &Finder, bytes: &[u8], length: usize) -> Result<bool, Fault> {
        self.check_size(length)?;
        match head::judge(finder, bytes, length, self.exchange.asked)? {
            Verdict::Interim => return Ok(false),
            Verdict::Switch => {
                self.stays = false;
                self.state = State::Tunnel;
            }
            Verdict::Final { framing, stays } => {
                let was_sent = self.exchange.taken.load(Ordering::Relaxed) && !self.unflushed;
                self.stays = stays && was_sent;
                self.state = State::Body(Body::new(framing));
            }
        }
        Ok(true)
    }

    /// How many of the bytes after a head, or inside a body, belong to the answer.
    fn follow(&mut self, came: &[u8]) -> Result<usize, Fault> {
        let State::Body(body) = &mut self.state else { return Ok(came.len()) };
        let here = body.follow(came)?;
        if body.has_ended() {
            self.state = State::Idle;
            if here < came.len() {
                self.fault = Some(Fault::LeftOver);
            }
        }
        Ok(here)
    }
}

/// Whether bytes can be the beginning of a status line; what cannot is not waited for.
fn could_begin(held: &[u8]) -> bool {
    let n = held.len().min(b"HTTP/1.".len());
    held[..n] == b"HTTP/1."[..n]
}
