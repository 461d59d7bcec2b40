//! The requests that ended last, in memory: for the console's live page, and to judge one of them again. What they held is
//! never written anywhere and goes with the process.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::script::RequestFacts;
use crate::store::UsageRow;

/// Most bytes of what one request held that are kept; of a larger request the row alone is.
pub const FACTS_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of all that is kept of what requests held; beyond them the oldest keep their row alone.
pub const FACTS_BYTES_ALL_MAX: usize = 16 * 1024 * 1024;
/// Most requests that one reading gives.
pub const SINCE_MAX: usize = 1_000;

/// The ring. A request costs it one short lock, and once the ring is full no memory.
pub struct Recall {
    ring: Mutex<Ring>,
}

struct Ring {
    kept: VecDeque<Recalled>,
    /// Most requests that are kept.
    most: usize,
    /// The number of the next one.
    next: u64,
    /// Bytes of what is kept of what requests held.
    bytes: usize,
    /// Requests with a smaller number have nothing but their row.
    bare_before: u64,
}

/// A request that has ended.
#[derive(Clone)]
pub struct Recalled {
    /// Its number, in the order in which requests ended, from 1.
    pub seq: u64,
    /// What the usage log says of it, but for the trace. Names are shared with the policy.
    pub row: UsageRow,
    /// What rules could know of it; absent where no rule looks at requests, where it was too large, and where room was needed.
    pub facts: Option<Arc<RequestFacts>>,
    bytes: usize,
}

impl Recall {
    /// A ring of that many requests; 0 keeps none.
    pub fn new(most: usize) -> Self {
        let ring = Ring { kept: VecDeque::new(), most, next: 1, bytes: 0, bare_before: 0 };
        Self { ring: Mutex::new(ring) }
    }

    /// Keeps more or fewer from here on.
    pub fn resize(&self, most: usize) {
        let gone = {
            let mut ring = self.ring.lock();
            ring.most = most;
            let too_many = ring.kept.len().saturating_sub(most);
            let gone: Vec<_> = ring.kept.drain(..too_many).collect();
            ring.bytes -= gone.iter().map(|old| old.bytes).sum::<usize>();
            ring.kept.shrink_to(most);
            gone
        };
        // Freed where nobody waits for it.
        drop(gone);
    }

    /// Keeps a request that has ended.
    pub fn push(&self, row: &UsageRow, facts: Option<&Arc<RequestFacts>>) {
        let bytes = facts.map_or(0, |facts| facts.bytes());
        let facts = facts.filter(|_| bytes <= FACTS_BYTES_MAX).cloned();
        let bytes = if facts.is_some() { bytes } else { 0 };
        // What falls out is freed after the lock: it may be the last that holds a whole request.
        let gone = self.ring.lock().push(Recalled { seq: 0, row: row.clone(), facts, bytes });
        drop(gone);
    }

    /// The requests that ended after that number, the oldest first, [`SINCE_MAX`] at most. Where there are more than `most`,
    /// the newest: who looks at what goes on now has no use for a backlog.
    pub fn since(&self, seq: u64, most: usize) -> Vec<Recalled> {
        let ring = self.ring.lock();
        let newer = ring.kept.iter().rev().take_while(|kept| kept.seq > seq).count();
        let shown = newer.min(most).min(SINCE_MAX);
        ring.kept.iter().skip(ring.kept.len() - shown).cloned().collect()
    }

    /// The number of the request that ended last; 0 where none did.
    pub fn last(&self) -> u64 {
        self.ring.lock().next - 1
    }

    /// The requests of that id, the newest first: clients choose their ids, and may choose one twice.
    pub fn find(&self, id: &str) -> Vec<Recalled> {
        let ring = self.ring.lock();
        ring.kept.iter().rev().filter(|kept| kept.row.correlation_id.as_str() == id).cloned().collect()
    }

    /// Lets go of what all requests held, because a person among them is to be forgotten; the rows stay.
    pub fn forget_facts(&self) {
        let gone: Vec<_> = {
            let mut ring = self.ring.lock();
            ring.bytes = 0;
            ring.bare_before = ring.next;
            ring.kept.iter_mut().filter_map(Recalled::strip).collect()
        };
        drop(gone);
    }
}

impl Ring {
    /// Keeps one, and gives back what had to go for it.
    fn push(&mut self, mut new: Recalled) -> (Option<Recalled>, Vec<Arc<RequestFacts>>) {
        new.seq = self.next;
        self.next += 1;
        if self.most == 0 {
            return (Some(new), Vec::new());
        }
        let oldest = if self.kept.len() >= self.most { self.kept.pop_front() } else { None };
        self.bytes -= oldest.as_ref().map_or(0, |old| old.bytes);
        self.bytes += new.bytes;
        self.kept.push_back(new);
        let stripped = if self.bytes > FACTS_BYTES_ALL_MAX { self.make_room() } else { Vec::new() };
        (oldest, stripped)
    }

    /// Takes from the oldest what they held until the rest fits.
    fn make_room(&mut self) -> Vec<Arc<RequestFacts>> {
        let mut stripped = Vec::new();
        let first = self.kept.front().map_or(0, |kept| kept.seq);
        let from = usize::try_from(self.bare_before.saturating_sub(first)).unwrap_or(usize::MAX);
        for kept in self.kept.iter_mut().skip(from) {
            if self.bytes <= FACTS_BYTES_ALL_MAX {
                break;
            }
            self.bytes -= kept.bytes;
            self.bare_before = kept.seq + 1;
            stripped.extend(kept.strip());
        }
        stripped
    }
}

impl Recalled {
    fn strip(&mut self) -> Option<Arc<RequestFacts>> {
        self.bytes = 0;
        self.facts.take()
    }
}

#[cfg(test)]
#[path = "recall_tests.rs"]
mod tests;
