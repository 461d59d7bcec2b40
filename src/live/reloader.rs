//! Asking for a reload: from SIGHUP, from the admin listener, from a test.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Most askers that wait for one reload; further ones are told that it is busy.
pub const ASKERS_MAX: usize = 256;

/// Why a reload runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Watched files have changed.
    Files,
    /// Somebody asked: SIGHUP, the admin listener, the command line.
    Asked,
}

/// What one attempt gave.
#[derive(Clone, Debug)]
pub struct Built<R> {
    /// What the askers are told.
    pub report: R,
    /// The files and folders to watch from now on; after a failed attempt too, so that the next edit is seen.
    pub roots: Vec<PathBuf>,
}

/// Why an asker gets no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Too many ask at a time.
    #[error("too many reloads are asked for")]
    Busy,
    /// The watcher has ended, or the attempt panicked.
    #[error("the reload ended without a result")]
    Gone,
}

/// Asks the watcher's thread; cloned freely.
pub struct Reloader<R> {
    pub(super) asks: Arc<Asks<R>>,
    pub(super) wake: SyncSender<super::watch::Message>,
}

/// Those who wait for the next attempt.
pub(super) struct Asks<R>(Mutex<Waiting<R>>);

struct Waiting<R> {
    poked: bool,
    askers: Vec<oneshot::Sender<R>>,
}

impl<R> Clone for Reloader<R> {
    fn clone(&self) -> Self {
        Self { asks: Arc::clone(&self.asks), wake: self.wake.clone() }
    }
}

impl<R: Clone + Send + 'static> Reloader<R> {
    /// Asks for a reload and waits for its report. Many askers at a time share one attempt that began after they asked.
    ///
    /// # Errors
    /// Too many ask, or the watcher is gone.
    pub async fn reload(&self) -> Result<R, AskError> {
        self.ask()?.await.map_err(|_| AskError::Gone)
    }

    /// Asks for a reload without waiting for its report.
    pub fn poke(&self) {
        self.asks.0.lock().poked = true;
        self.wake();
    }

    /// Asks for a reload; the report comes to the receiver.
    ///
    /// # Errors
    /// Too many ask.
    pub fn ask(&self) -> Result<oneshot::Receiver<R>, AskError> {
        let (asker, report) = oneshot::channel();
        let mut waiting = self.asks.0.lock();
        if waiting.askers.len() >= ASKERS_MAX {
            return Err(AskError::Busy);
        }
        waiting.askers.push(asker);
        drop(waiting);
        self.wake();
        Ok(report)
    }

    fn wake(&self) {
        // A full queue wakes the watcher as well; a closed one drops the asker, who is told so.
        if let Err(std::sync::mpsc::TrySendError::Disconnected(_)) =
            self.wake.try_send(super::watch::Message::Asked)
        {
            self.asks.0.lock().askers.clear();
        }
    }
}

impl<R> Default for Asks<R> {
    fn default() -> Self {
        Self(Mutex::new(Waiting { poked: false, askers: Vec::new() }))
    }
}

impl<R> Asks<R> {
    /// Those who asked so far, if anybody did.
    pub(super) fn take(&self) -> Option<Vec<oneshot::Sender<R>>> {
        let mut waiting = self.0.lock();
        let poked = std::mem::take(&mut waiting.poked);
        let askers = std::mem::take(&mut waiting.askers);
        (poked || !askers.is_empty()).then_some(askers)
    }
}
