//! What the guard, the service and the timers of one connection tell each other.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

use http::{Request, StatusCode};
use parking_lot::Mutex;

use hyper::upgrade::OnUpgrade;

use crate::pipeline::unparsed::Unparsed;

/// Where a connection stands, for its timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is under way.
    #[default]
    Between,
    /// A part of a head has come, and nothing else is under way.
    InHead,
    /// A body is read, a request is answered, or an answer is written.
    Busy,
}

/// A request asks for an upgrade, and its answer is not there. At 0, as a new link has it, none has asked.
const ASKED: u8 = 1;
/// The answer was 101: what follows is a tunnel.
const GRANTED: u8 = 2;
/// The answer was another.
const DENIED: u8 = 3;

/// One connection's state. All of it is used by one thread; it is atomic because a tunnel may be carried to another.
#[derive(Debug, Default)]
pub struct Link {
    /// Heads that were handed to hyper, the one that stands in for a refused one included.
    heads: AtomicU32,
    /// Requests that the service was given.
    calls: AtomicU32,
    /// Requests whose answer is over.
    answered: AtomicU32,
    standing: AtomicU8,
    /// Bytes of an answer wait for the client.
    writing: AtomicBool,
    /// The writing side is closed, or is about to be: no further request is taken.
    closing: AtomicBool,
    /// The time of the head under way is over.
    late: AtomicBool,
    upgrade: AtomicU8,
    /// The head that asked for one last.
    asked_by: AtomicU32,
    /// The guard has not taken in what was decided over an upgrade.
    decided: AtomicBool,
    refused: OnceLock<(u32, Unparsed)>,
    /// hyper's promise of the stream behind an upgrade.
    promise: Mutex<Option<OnUpgrade>>,
}

impl Link {
    /// A head goes to hyper.
    pub(super) fn head(&self, asks_upgrade: bool) {
        self.heads.store(self.heads.load(Relaxed).wrapping_add(1), Relaxed);
        if asks_upgrade {
            self.asked_by.store(self.heads.load(Relaxed), Relaxed);
            self.upgrade.store(ASKED, Relaxed);
        }
    }

    /// A head is refused; the next one that goes to hyper stands in for it.
    pub(super) fn refuse(&self, unparsed: Unparsed) {
        self.head(false);
        // There is one at most: nothing is read after it.
        self.refused.set((self.heads.load(Relaxed), unparsed)).ok();
    }

    pub(super) fn stand(&self, standing: Standing) {
        self.standing.store(standing as u8, Relaxed);
    }

    /// What was decided over the upgrade that was asked for: whether it is a tunnel.
    pub(super) fn decision(&self) -> Option<bool> {
        match self.upgrade.load(Relaxed) {
            ASKED => None,
            GRANTED => Some(true),
            _ => Some(false),
        }
    }

    pub(super) fn is_decided(&self) -> bool {
        self.decision().is_some()
    }

    pub(super) fn take_late(&self) -> bool {
        self.late.load(Relaxed) && self.late.swap(false, Relaxed)
    }

    /// The service is given a request, whose number this is: where it stands in for a refused head, the refusal goes with
    /// it.
    pub(super) fn begin<B>(&self, request: &mut Request<B>) -> u32 {
        let call = self.calls.load(Relaxed).wrapping_add(1);
        self.calls.store(call, Relaxed);
        if let Some((_, unparsed)) = self.refused.get().filter(|(number, _)| *number == call) {
            request.extensions_mut().insert(unparsed.clone());
        }
        if self.asks(call) {
            *self.promise.lock() = request.extensions().get::<OnUpgrade>().cloned();
        }
        call
    }

    /// The head of the answer to a request is there.
    pub(super) fn answer(&self, call: u32, status: StatusCode) {
        if self.asks(call) {
            let granted = status == StatusCode::SWITCHING_PROTOCOLS;
            self.upgrade.store(if granted { GRANTED } else { DENIED }, Relaxed);
            self.decided.store(true, Relaxed);
        }
    }

    fn asks(&self, call: u32) -> bool {
        self.upgrade.load(Relaxed) == ASKED && self.asked_by.load(Relaxed) == call
    }

    /// An answer is over, sent or not.
    pub(super) fn end(&self) {
        self.answered.store(self.answered.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Why a head was refused, if one was.
    pub(super) fn refusal(&self) -> Option<crate::base::refusal::Refusal> {
        self.refused.get().map(|(_, unparsed)| unparsed.refusal.clone())
    }

    /// Whether the client has not taken all of what was written.
    pub fn set_writing(&self, waits: bool) {
        self.writing.store(waits, Relaxed);
    }

    /// No further request is taken; what comes now is thrown away.
    pub fn set_closing(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Whether the connection is on its way to its end.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Where the connection stands, and after how many heads.
    pub fn standing(&self) -> (Standing, u32) {
        let heads = self.heads.load(Relaxed);
        let standing = match self.standing.load(Relaxed) {
            _ if heads != self.answered.load(Relaxed) || self.writing.load(Relaxed) => Standing::Busy,
            s if s == Standing::Between as u8 => Standing::Between,
            s if s == Standing::InHead as u8 => Standing::InHead,
            _ => Standing::Busy,
        };
        (standing, heads)
    }

    /// The time of the head under way is over.
    pub fn set_late(&self) {
        self.late.store(true, Relaxed);
    }

    /// Whether an upgrade was decided over since this was last asked: the guard has bytes to judge.
    pub fn take_decided(&self) -> bool {
        self.decided.load(Relaxed) && self.decided.swap(false, Relaxed)
    }

    /// Whether the connection has become a tunnel.
    pub fn is_tunnel(&self) -> bool {
        self.upgrade.load(Relaxed) == GRANTED
    }

    /// hyper's promise of the stream, where an upgrade was asked for.
    pub fn take_promise(&self) -> Option<OnUpgrade> {
        self.promise.lock().take()
    }
}
