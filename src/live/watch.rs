//! Waits for edits, waits until they are over, and has the next policy built: on a thread of its own, one attempt at a time.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::armed::{Armed, Change, Notice};
use super::fingerprint::{Fingerprint, Scan, is_leftover, scan};
use super::reloader::{Asks, Built, Reloader, Trigger};
use crate::base::clock::Clock;
use crate::telemetry::metrics::{Metrics, ReloadOutcome};

/// How long nothing must happen before an edit counts as over (trailing edge).
pub const QUIET: Duration = Duration::from_millis(50);

/// Longest wait for quiet while events keep coming.
pub const BUSY_MAX: Duration = Duration::from_secs(1);

/// Longest wait for a writer to close its file: until then what it wrote may be half of what it means.
pub const WRITING_MAX: Duration = Duration::from_secs(3);

/// How often everything is looked at without being told, for folders that send no events.
pub const POLL: Duration = Duration::from_secs(2);

/// Most events that wait; when more come, everything is looked at.
const INBOX_MAX: usize = 1_024;

/// Most files that are known to be open for writing.
const WRITERS_MAX: usize = 256;

/// How far the file system's clock, which moves by ticks, may be behind ours.
const TICK_MS: i64 = 20;

/// Stack of the thread in bytes, the same as a worker's: rules are compiled on it, and say what they do at their start.
const STACK_BYTES: usize = 8 << 20;

/// Scans of one look: folders that appear while it arms are armed by the next.
const SCANS_MAX: usize = 4;

/// What comes to the watcher's thread.
#[derive(Debug)]
pub(super) enum Message {
    Notice(Notice),
    Asked,
    Stop,
}

/// The thread that watches; it ends when this is dropped.
pub struct Watcher<R> {
    reloader: Reloader<R>,
    thread: Option<JoinHandle<()>>,
}

impl<R: Clone + Send + 'static> Watcher<R> {
    /// Watches `roots` (files and folders) and calls `build` after each edit that changed something, and whenever a reload is
    /// asked for. `build` may block; it runs on the watcher's thread, never twice at a time. Returns once the watches are set.
    /// `busy` is the folder of the database, whose every write would wake the watch. `read_unix_ms` is when the caller began to read the roots: what was changed since then is built again.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        roots: Vec<PathBuf>,
        busy: Option<PathBuf>,
        read_unix_ms: i64,
        metrics: Arc<Metrics>,
        build: impl FnMut(Trigger) -> Built<R> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, inbox) = sync_channel(INBOX_MAX);
        let asks = Arc::new(Asks::default());
        let reloader = Reloader { asks: Arc::clone(&asks), wake: sender.clone() };
        let mut run = Run {
            armed: Armed::new(sender.clone()),
            roots: absolute(roots),
            busy: busy.map(|busy| std::path::absolute(&busy).unwrap_or(busy)),
            seen: None,
            pending: Pending::default(),
            lost: false,
            cut_short: false,
            clock: Clock::System,
            metrics,
            asks,
            build,
        };
        let (ready, is_ready) = sync_channel::<()>(1);
        let thread = std::thread::Builder::new().name("watch".into()).stack_size(STACK_BYTES);
        let thread = thread.spawn(move || {
            run.begin(read_unix_ms);
            ready.send(()).ok();
            run.run(&inbox);
        })?;
        // An error says that the thread ended; its join tells why.
        is_ready.recv().ok();
        Ok(Self { reloader, thread: Some(thread) })
    }

    /// The handle that asks for reloads.
    pub fn reloader(&self) -> Reloader<R> {
        self.reloader.clone()
    }
}

impl<R> Drop for Watcher<R> {
    fn drop(&mut self) {
        // Blocks only while an attempt runs and the inbox is full; an error says that the thread has ended.
        self.reloader.wake.send(Message::Stop).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct Run<R, B> {
    armed: Armed,
    roots: Vec<PathBuf>,
    /// The folder of the database.
    busy: Option<PathBuf>,
    seen: Option<Fingerprint>,
    pending: Pending,
    /// The watch is not whole; told once until it is whole again.
    lost: bool,
    /// There is more than is looked at; told once until there is not.
    cut_short: bool,
    clock: Clock,
    metrics: Arc<Metrics>,
    asks: Arc<Asks<R>>,
    build: B,
}

impl<R: Clone, B: FnMut(Trigger) -> Built<R>> Run<R, B> {
    fn run(mut self, inbox: &Receiver<Message>) {
        let mut next_poll = self.clock.now() + POLL;
        loop {
            let until = self.pending.due().unwrap_or(next_poll);
            match inbox.recv_timeout(until.saturating_duration_since(self.clock.now())) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Message::Notice(notice)) => self.notice(notice),
                Ok(Message::Asked) | Err(RecvTimeoutError::Timeout) => {}
            }
            if self.armed.overflowed.swap(false, Ordering::AcqRel) {
                self.notice(Notice::Lost);
            }
            if let Some(askers) = self.asks.take() {
                self.asked(askers);
            } else if self.pending.due().unwrap_or(next_poll) <= self.clock.now() {
                self.look();
            } else {
                continue;
            }
            next_poll = self.clock.now() + POLL;
        }
    }

    fn notice(&mut self, notice: Notice) {
        let now = self.clock.now();
        match notice {
            Notice::Lost => {
                self.lose();
                self.pending.writing.clear();
                self.pending.happened(now);
            }
            Notice::Gone(path) => {
                if self.armed.forget(&path) {
                    self.lose();
                }
                self.pending.writing.remove(&path);
                self.concern(&path, now);
            }
            Notice::Closed(path) => {
                self.pending.writing.remove(&path);
                self.concern(&path, now);
            }
            Notice::Changed(path) => {
                self.concern(&path, now);
            }
            Notice::Writing(path) => {
                if self.concern(&path, now) && self.pending.writing.len() < WRITERS_MAX {
                    self.pending.writing.insert(path);
                }
            }
        }
    }

    /// Notes the event if it can matter; says whether it can.
    fn concern(&mut self, path: &Path, now: Instant) -> bool {
        let leftover =
            path.file_name().is_some_and(|n| is_leftover(n) && !n.as_encoded_bytes().starts_with(b".."));
        let root = self.roots.iter().any(|root| root == path);
        let concerns = (root || !leftover) && self.armed.concerns(path, &self.roots);
        if concerns {
            self.pending.happened(now);
        }
        concerns
    }

    /// Looks at everything after quiet or at the poll; builds if something has changed.
    fn look(&mut self) {
        let told = std::mem::take(&mut self.pending).first.is_some();
        let now = self.arm().fingerprint;
        if self.seen != Some(now) {
            self.seen = Some(now);
            self.attempt(Trigger::Files, Vec::new());
        } else if told {
            self.metrics.reload(ReloadOutcome::Unchanged);
        }
    }

    /// Builds whatever has changed, for those who asked. What the files hold is noted before they are read, so that an edit
    /// during the attempt is seen after it.
    fn asked(&mut self, askers: Vec<oneshot::Sender<R>>) {
        self.pending = Pending::default();
        self.seen = Some(self.arm().fingerprint);
        self.attempt(Trigger::Asked, askers);
    }

    /// Begins to watch the roots, which were read already: what was changed since that began may not have been read.
    fn begin(&mut self, read_unix_ms: i64) {
        let scan = self.arm();
        let unread = scan.changed_unix_ms >= read_unix_ms - TICK_MS;
        self.seen = (!unread).then_some(scan.fingerprint);
        if unread {
            self.pending.happened(self.clock.now());
        }
    }

    fn attempt(&mut self, trigger: Trigger, askers: Vec<oneshot::Sender<R>>) {
        let began = self.clock.unix_ms();
        let Ok(built) = catch_unwind(AssertUnwindSafe(|| (self.build)(trigger))) else {
            // The hook has told where. The askers are dropped and so learn that there is no report.
            return tracing::error!("the reload panicked; the last good policy stays");
        };
        let roots = absolute(built.roots);
        if roots != self.roots {
            self.roots = roots;
            self.begin(began);
        }
        for asker in askers {
            // An error says that the asker has gone away.
            asker.send(built.report.clone()).ok();
        }
    }

    /// Scans, and brings the watches in step with what was found; again while new folders come in sight.
    fn arm(&mut self) -> Scan {
        let mut seen = scan(&self.roots, self.busy.as_deref());
        for _ in 1..SCANS_MAX {
            match self.armed.arm(&seen.folders) {
                Ok(Change::None) => {
                    self.lost = false;
                    break;
                }
                Ok(Change::Added) => {}
                Err(error) => {
                    if !self.lost {
                        // The error's text holds paths of ours only, but they may name a person: the kind is enough.
                        tracing::warn!(
                            kind = kind(&error),
                            "a folder cannot be watched; it is looked at every two seconds"
                        );
                    }
                    self.lose();
                    break;
                }
            }
            seen = scan(&self.roots, self.busy.as_deref());
        }
        let told = std::mem::replace(&mut self.cut_short, seen.cut_short);
        if seen.cut_short && !told {
            tracing::warn!("more files are watched than are looked at; edits of the rest need a reload");
        }
        seen
    }

    fn lose(&mut self) {
        if !std::mem::replace(&mut self.lost, true) {
            self.metrics.watch_lost.inc();
        }
    }
}

fn kind(error: &notify::Error) -> &'static str {
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => "too many watches",
        notify::ErrorKind::PathNotFound | notify::ErrorKind::WatchNotFound => "not there",
        notify::ErrorKind::Io(_) => "i/o",
        notify::ErrorKind::Generic(_) | notify::ErrorKind::InvalidConfig(_) => "other",
    }
}

/// An edit that is perhaps not over.
#[derive(Default)]
struct Pending {
    first: Option<Instant>,
    last: Option<Instant>,
    writing: HashSet<PathBuf>,
}

impl Pending {
    fn happened(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// When to look, if something happened: after quiet, but not while a file is open for writing, and not for ever.
    fn due(&self) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        Some(if self.writing.is_empty() { (last + QUIET).min(first + BUSY_MAX) } else { first + WRITING_MAX })
    }
}

/// The roots as absolute paths, as the kernel names them in its events; each once.
fn absolute(roots: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut roots: Vec<_> =
        roots.into_iter().map(|root| std::path::absolute(&root).unwrap_or(root)).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
