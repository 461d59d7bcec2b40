//! What waits for the writer: two bounded queues, of which one overtakes the other.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::alerts::AlertRow;
use super::bans::{BanRow, LockdownRow};
use super::decisions::DecisionRow;
use super::error::{CloseError, WriteError};
use super::identities::IdentityRow;
use super::keys::KeyRow;
use super::kv::KvRow;
use super::reloads::ReloadRow;
use super::sessions::{SessionRow, SessionsRemoved};
use super::sweep::Sweep;
use super::usage::UsageRow;
use super::users::UserRow;
use crate::base::clock::Clock;

/// Most urgent writes that wait.
pub(super) const URGENT_MAX: usize = 1_024;
/// Most urgent writes in one commit.
const URGENT_GROUP: usize = 256;
/// Most batched writes in one commit: small, so that no commit takes a core for long.
pub(super) const BATCH: usize = 256;
/// How long a batch waits to become full. A commit costs as much as a dozen rows, so it is not made for fewer where few come.
const LINGER: Duration = Duration::from_millis(200);
/// How long batched writes wait after the database refused some.
const RETRY: Duration = Duration::from_millis(500);
/// How often the writer looks for rows that can be indexed.
const INDEX_EVERY: Duration = Duration::from_secs(10);

/// A write whose caller waits for the commit.
#[derive(Debug)]
pub(super) enum Op {
    InsertSession { row: SessionRow, gave_way: Vec<[u8; 16]> },
    RemoveSessions(SessionsRemoved),
    ExtendSession { id: [u8; 16], expires_ms: i64 },
    SaveUser(UserRow),
    InsertKey(KeyRow),
    RevokeKey { id: [u8; 8], revoked_ms: i64 },
    EraseUser { id: [u8; 16], owner: String },
    SaveIdentity(IdentityRow),
    AddReload(ReloadRow),
    SaveKv(Vec<KvRow>),
    AddAlert(AlertRow),
    AlertBecame { event_id: String, delivered: &'static str },
    SaveBan(BanRow),
    RemoveBans(Vec<(&'static str, String)>),
    SetLockdown(Option<LockdownRow>),
}

/// A write for which nobody waits.
#[derive(Debug)]
pub(super) enum Batched {
    Usage(UsageRow),
    Decision(DecisionRow),
    Touch { id: [u8; 16], last_seen_ms: i64 },
    TouchKey { id: [u8; 8], last_used_ms: i64 },
}

impl Batched {
    /// Whether its loss is counted.
    pub(super) fn is_counted(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::Decision(_))
    }
}

pub(super) type Reply = oneshot::Sender<Result<(), WriteError>>;

/// An urgent write and who waits for it.
pub(super) struct Job {
    pub(super) op: Op,
    pub(super) since: Instant,
    pub(super) reply: Reply,
}

/// A write under way: a future that is ready when it is on disk, or when it is certain that it is not.
/// Dropping it gives up the answer, not the write.
#[derive(Debug)]
#[must_use = "a write may fail; await it or say why not"]
pub struct Pending(oneshot::Receiver<Result<(), WriteError>>);

impl Pending {
    /// Waits for the write where there is no runtime. Blocks: not for a worker.
    ///
    /// # Panics
    /// Inside an async runtime.
    ///
    /// # Errors
    /// As awaiting it.
    pub fn wait(self) -> Result<(), WriteError> {
        self.0.blocking_recv().unwrap_or(Err(WriteError::Closed))
    }
}

impl Future for Pending {
    type Output = Result<(), WriteError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(WriteError::Closed)))
    }
}

/// What the writer does next.
pub(super) enum Work {
    Urgent(Vec<Job>),
    Batch(Vec<Batched>),
    Flushed(Vec<Reply>),
    Slice(Sweep),
    Index,
    Close,
}

/// The queues. Their lock is held for a push or for taking a batch, never while the disk works.
pub(super) struct Queues {
    state: Mutex<State>,
    wake: Condvar,
    closed: Condvar,
    batched_max: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    urgent: VecDeque<Job>,
    batched: VecDeque<Batched>,
    flushes: Vec<Reply>,
    sweep: Option<(Sweep, Reply)>,
    /// The database refused batched writes: they wait before they are tried again.
    paused: bool,
    closing: bool,
    closed: bool,
    /// Since when the first batched write waits, or the pause after a refusal goes on.
    waiting_since: Option<Instant>,
    /// When the writer looks whether there is something to index.
    index_at: Option<Instant>,
}

impl State {
    /// When a batch is due; `None` where none waits. What is past is due now.
    fn batch_at(&self) -> Option<Instant> {
        let since = self.waiting_since.filter(|_| !self.batched.is_empty())?;
        let hurry = self.closing || !self.flushes.is_empty() || self.batched.len() >= BATCH;
        let patience = if self.paused { RETRY } else { LINGER };
        let at_once = if self.paused { self.closing } else { hurry };
        Some(if at_once { since } else { since + patience })
    }
}

impl Queues {
    pub(super) fn new(batched_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            closed: Condvar::new(),
            batched_max: AtomicUsize::new(batched_max),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn urgent(&self, op: Op) -> Pending {
        let since = Clock::System.now();
        self.hand_over(|state, reply| {
            if state.urgent.len() >= URGENT_MAX {
                let _ = reply.send(Err(WriteError::QueueFull));
            } else {
                state.urgent.push_back(Job { op, since, reply });
            }
        })
    }

    pub(super) fn sweep(&self, sweep: Sweep) -> Pending {
        self.hand_over(|state, reply| {
            if let Some((_, earlier)) = state.sweep.replace((sweep, reply)) {
                let _ = earlier.send(Err(WriteError::Superseded));
            }
        })
    }

    pub(super) fn flush(&self) -> Pending {
        self.hand_over(|state, reply| {
            if state.flushes.len() >= URGENT_MAX {
                let _ = reply.send(Err(WriteError::QueueFull));
            } else {
                state.flushes.push(reply);
            }
        })
    }

    fn hand_over(&self, push: impl FnOnce(&mut State, Reply)) -> Pending {
        let (reply, pending) = oneshot::channel();
        let mut state = self.state.lock();
        if state.closing {
            // Whoever asked may have gone; then nobody needs the answer.
            let _ = reply.send(Err(WriteError::Closed));
        } else {
            push(&mut state, reply);
            drop(state);
            self.wake.notify_one();
        }
        Pending(pending)
    }

    /// Takes a batched write; `false` when there is no room.
    pub(super) fn batch(&self, write: Batched) -> bool {
        let mut state = self.state.lock();
        if state.closing || state.batched.len() >= self.batched_max.load(Ordering::Relaxed) {
            return false;
        }
        if state.batched.is_empty() {
            state.waiting_since = Some(Clock::System.now());
        }
        state.batched.push_back(write);
        let waiting = state.batched.len();
        drop(state);
        // The writer sleeps long only while there is nothing; in between it needs no waking, only a full batch.
        if waiting == 1 || waiting == BATCH {
            self.wake.notify_one();
        }
        true
    }

    /// Makes room for more or fewer batched writes; those that wait already stay.
    pub(super) fn set_batched_max(&self, batched_max: usize) {
        self.batched_max.store(batched_max, Ordering::Relaxed);
    }

    pub(super) fn count_dropped(&self, rows: usize) {
        self.dropped.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// What to do next; waits until there is something. Urgent writes go first, then batches, then a slice of a sweep, and
    /// the side index when there is nothing else.
    pub(super) fn next(&self) -> Work {
        let mut state = self.state.lock();
        loop {
            if !state.urgent.is_empty() {
                let group = state.urgent.len().min(URGENT_GROUP);
                return Work::Urgent(state.urgent.drain(..group).collect());
            }
            let now = Clock::System.now();
            let batch_at = state.batch_at();
            if batch_at.is_some_and(|at| at <= now) {
                state.paused = false;
                state.waiting_since = Some(now);
                let batch = state.batched.len().min(BATCH);
                return Work::Batch(state.batched.drain(..batch).collect());
            }
            if !state.flushes.is_empty() && (state.batched.is_empty() || state.paused) {
                return Work::Flushed(std::mem::take(&mut state.flushes));
            }
            if let Some((sweep, _)) = &state.sweep
                && !state.closing
            {
                return Work::Slice(*sweep);
            }
            if state.closing {
                return Work::Close;
            }
            let index_at = *state.index_at.get_or_insert(now + INDEX_EVERY);
            if index_at <= now {
                state.index_at = Some(now + INDEX_EVERY);
                return Work::Index;
            }
            let until = batch_at.map_or(index_at, |at| at.min(index_at));
            self.wake.wait_until(&mut state, until);
        }
    }

    /// There is more to index: the writer goes on with it as soon as nothing else waits.
    pub(super) fn go_on_indexing(&self) {
        self.state.lock().index_at = Some(Clock::System.now());
    }

    /// Puts a refused batch back at the head, to be tried again after a pause.
    pub(super) fn put_back(&self, batch: Vec<Batched>) {
        let mut state = self.state.lock();
        for write in batch.into_iter().rev() {
            state.batched.push_front(write);
        }
        state.paused = true;
        state.waiting_since = Some(Clock::System.now());
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    /// A sweep is over, unless a newer one has taken its place.
    pub(super) fn swept(&self, done: Sweep, outcome: Result<(), WriteError>) {
        let mut state = self.state.lock();
        if let Some((_, reply)) = state.sweep.take_if(|(current, _)| *current == done) {
            let _ = reply.send(outcome);
        }
    }

    pub(super) fn begin_close(&self) {
        self.state.lock().closing = true;
        self.wake.notify_one();
    }

    pub(super) fn close(&self, within: Duration) -> Result<(), CloseError> {
        self.begin_close();
        let mut state = self.state.lock();
        let late = self.closed.wait_while_for(&mut state, |state| !state.closed, within).timed_out();
        if late && !state.closed { Err(CloseError) } else { Ok(()) }
    }

    /// The writer is gone: whoever waits is told, and nothing is taken any more.
    pub(super) fn set_closed(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        state.closed = true;
        let lost = state.batched.iter().filter(|write| write.is_counted()).count();
        self.count_dropped(lost);
        // Dropped senders tell their receivers that the store is closed.
        state.urgent.clear();
        state.batched.clear();
        state.flushes.clear();
        state.sweep = None;
        drop(state);
        self.closed.notify_all();
    }
}
