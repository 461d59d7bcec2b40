//! The framing guard: it stands between a client's socket and hyper, and hands on what it has judged. Heads are held back
//! until they are complete; a head that could mean two things becomes a refusal, which is answered in its turn as any
//! other; a body is followed to its end, so that the next head is known to be one.
//!
//! Nothing here reads or writes: bytes come in, and how many of them may pass comes out. [`Wire`](super::wire::Wire)
//! does the rest. An idle connection holds no buffer.
//!
//! # Source
//! RFC 9112; THREATS sections 0.2 and SM; docs/decisions/0011-framing-guard.md.

mod answering;
mod head;
mod limits;
mod link;
mod patience;
mod stream;

use std::sync::Arc;

pub use answering::{Answering, call};
pub use head::{Head, Heading};
pub use limits::Limits;
pub use link::{Link, Standing};
pub use patience::{Over, Patience};
pub use stream::{Judged, judge_stream};

use crate::base::head::chunks::Chunks;
use crate::base::head::request::Length;
use crate::base::refusal::Refusal;
use crate::pipeline::unparsed::Unparsed;

/// Most bytes that are held while it is not decided whether they belong to a tunnel.
pub const UNDECIDED_BYTES_MAX: usize = 64 * 1024;

/// Stands in for a head that is refused: hyper reads it, and the service finds the refusal in its place.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\n\r\n";
/// The same where the client asked for no body.
const STAND_IN_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nhost: refused.invalid\r\n\r\n";

/// The guard of one connection.
pub struct Guard {
    limits: Limits,
    link: Arc<Link>,
    at: At,
    /// The request under way asks for another protocol.
    asks_upgrade: bool,
    /// What came and was not handed on: a part of a head, or what found no room.
    held: Vec<u8>,
    /// So many bytes of it, at the front, may pass.
    released: usize,
    /// What is handed on after them in place of a refused head.
    stand_in: &'static [u8],
}

/// What the next byte is.
enum At {
    /// One of a head, or of the empty lines before it.
    Head(Heading),
    /// One of a body of known length, of which so much is left.
    Exact(u64),
    /// One of a chunked body.
    Chunked(Chunks),
    /// The next head's or a tunnel's: the answer says.
    Undecided,
    /// A tunnel's.
    Tunnel,
    /// Nobody's: a head was refused.
    Refused,
    /// Nobody's: a body was malformed.
    Broken,
}

/// What one step of the judgement found at the front of the bytes.
enum Step {
    /// A whole head of that length.
    Head(usize),
    /// So much of a body or a tunnel.
    Body(usize),
    /// Another state, before any byte.
    On,
    /// Nothing more: bytes are missing, or the rest is nobody's.
    Stop,
}

/// What the guard wants from the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// More bytes.
    Bytes,
    /// All bytes, unseen.
    All,
    /// None any more, or none until the answer is there.
    Nothing,
    /// None: the body was malformed.
    Fault,
}

impl Guard {
    /// At the beginning of a connection.
    pub fn new(limits: Limits, link: Arc<Link>) -> Self {
        Self {
            limits,
            link,
            at: At::Head(Heading::new()),
            asks_upgrade: false,
            held: Vec::new(),
            released: 0,
            stand_in: b"",
        }
    }

    /// What it wants next.
    pub fn wants(&mut self) -> Wants {
        self.settle();
        match self.at {
            At::Tunnel => Wants::All,
            At::Refused => Wants::Nothing,
            At::Undecided if self.held.len() >= UNDECIDED_BYTES_MAX => Wants::Nothing,
            At::Broken => Wants::Fault,
            At::Head(_) | At::Exact(_) | At::Chunked(_) | At::Undecided => Wants::Bytes,
        }
    }

    /// Takes bytes from the socket.
    pub fn take(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        self.judge_held();
    }

    /// Takes bytes from the socket where none are held, and says how many at the front may be handed on at once. Of
    /// these the caller has room for `room`; all others are held.
    pub fn pass(&mut self, bytes: &[u8], room: usize) -> usize {
        debug_assert!(self.held.is_empty(), "what is held goes first");
        let passes = self.judge(bytes);
        let now = passes.min(room);
        self.released = passes - now;
        self.held.extend_from_slice(&bytes[now..]);
        self.close_up();
        now
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The bytes that may be handed on; [`handed_on`](Self::handed_on) says how many of them were.
    pub fn ready(&mut self) -> &[u8] {
        self.settle();
        if self.released > 0 { &self.held[..self.released] } else { self.stand_in }
    }

    /// So many of the bytes that were ready are gone.
    pub fn handed_on(&mut self, length: usize) {
        if self.released > 0 {
            self.released -= length;
            if length == self.held.len() {
                self.held = Vec::new();
            } else {
                self.held.drain(..length);
            }
        } else {
            self.stand_in = &self.stand_in[length..];
        }
    }

    /// Takes back bytes that were handed on and not used; they go out again before all others.
    pub fn take_back(&mut self, bytes: &[u8]) {
        self.held.splice(..0, bytes.iter().copied());
        self.released += bytes.len();
    }

    /// Whether the client may be sending bytes that nobody will read.
    pub fn may_come(&self) -> bool {
        match &self.at {
            At::Exact(_) | At::Chunked(_) | At::Refused | At::Broken => true,
            At::Head(_) => !self.held.is_empty(),
            At::Undecided | At::Tunnel => false,
        }
    }

    /// Refuses the head that is late, if the time of one is over.
    fn refuse_late(&mut self) {
        let At::Head(heading) = &self.at else { return };
        let bytes = self.held.get(self.released..).unwrap_or_default();
        if heading.has_begun(bytes) {
            let unparsed = heading.unparsed(bytes, Refusal::RequestTimeout);
            self.refuse(unparsed);
            self.close_up();
        }
    }

    /// Takes in what was decided since it was last asked: over an upgrade, or over a head's time.
    fn settle(&mut self) {
        if self.link.take_late() {
            self.refuse_late();
        }
        if matches!(self.at, At::Undecided) && self.link.is_decided() {
            self.judge_held();
        }
    }

    fn judge_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.released += self.judge(held.get(self.released..).unwrap_or_default());
        self.held = held;
        self.close_up();
    }

    /// How many of the bytes, from the front, may pass.
    fn judge(&mut self, bytes: &[u8]) -> usize {
        let mut passes = 0;
        loop {
            match self.step(&bytes[passes..]) {
                Step::Head(length) | Step::Body(length) => passes += length,
                Step::On => {}
                Step::Stop => return passes,
            }
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Step {
        // What was decided is true before the next byte comes: the timers ask where the connection stands.
        if bytes.is_empty() && !matches!(self.at, At::Undecided) {
            return Step::Stop;
        }
        match &mut self.at {
            At::Head(heading) => match heading.judge(bytes, &self.limits) {
                Ok(Some(head)) => {
                    self.accept(head);
                    Step::Head(head.bytes)
                }
                Ok(None) => Step::Stop,
                Err(refusal) => {
                    let unparsed = heading.unparsed(bytes, refusal);
                    self.refuse(unparsed);
                    Step::Stop
                }
            },
            At::Exact(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= here as u64;
                if *left == 0 {
                    self.end_request();
                }
                Step::Body(here)
            }
            At::Chunked(chunks) => match chunks.follow(bytes) {
                Ok(followed) => {
                    if followed.is_end {
                        self.end_request();
                    }
                    Step::Body(followed.length)
                }
                Err((_, length)) => {
                    self.at = At::Broken;
                    Step::Body(length)
                }
            },
            At::Undecided => match self.link.decision() {
                None => Step::Stop,
                Some(is_tunnel) => {
                    self.at = if is_tunnel { At::Tunnel } else { At::Head(Heading::new()) };
                    Step::On
                }
            },
            At::Tunnel => Step::Body(bytes.len()),
            At::Refused | At::Broken => Step::Stop,
        }
    }

    fn accept(&mut self, head: Head) {
        self.asks_upgrade = head.asks_upgrade;
        self.link.head(head.asks_upgrade);
        match head.length {
            Length::Exact(0) => self.end_request(),
            Length::Exact(length) => self.at = At::Exact(length),
            Length::Chunked => self.at = At::Chunked(Chunks::with_blanks()),
        }
    }

    fn end_request(&mut self) {
        self.at = if self.asks_upgrade { At::Undecided } else { At::Head(Heading::new()) };
    }

    fn refuse(&mut self, unparsed: Unparsed) {
        self.stand_in = if unparsed.method == "HEAD" { STAND_IN_HEAD } else { STAND_IN };
        self.link.refuse(unparsed);
        self.at = At::Refused;
    }

    /// Forgets what is nobody's, and tells the timers where the connection stands.
    fn close_up(&mut self) {
        if matches!(self.at, At::Refused | At::Broken) {
            self.held.truncate(self.released);
        }
        self.link.stand(match &self.at {
            At::Head(heading) if heading.has_begun(self.held.get(self.released..).unwrap_or_default()) => {
                Standing::InHead
            }
            At::Head(_) => Standing::Between,
            _ => Standing::Busy,
        });
    }
}

#[cfg(test)]
mod tests;
