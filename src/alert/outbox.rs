//! Messages on their way: those that wait to be told, and the latest ones for whoever looks.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::notice::Notice;
use crate::config::Webhook;

/// Most messages that wait to be taken.
pub const WAITING_MAX: usize = 256;
/// Most messages that are remembered.
pub const RECENT_MAX: usize = 1_000;

/// A message, and who is told beside the log.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The message.
    pub notice: Arc<Notice>,
    /// Who is told.
    pub webhook: Option<Webhook>,
}

/// A message and what became of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Sent {
    /// The message.
    #[serde(flatten)]
    pub notice: Arc<Notice>,
    /// `log` where nobody else is told, else `waiting`, `delivered`, `failed` or `dropped`.
    pub delivered: Cow<'static, str>,
}

/// Both. Neither lock is held for longer than a push.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<Letter>>,
    wake: Notify,
    recent: Mutex<VecDeque<Sent>>,
}

impl Outbox {
    /// Takes a message; whether there was room for it to be told.
    pub(super) fn push(&self, letter: Letter) -> bool {
        let mut waiting = self.waiting.lock();
        let fits = waiting.len() < WAITING_MAX;
        let delivered = match (&letter.webhook, fits) {
            (None, _) => "log",
            (Some(_), true) => "waiting",
            (Some(_), false) => "dropped",
        };
        self.remember(Sent { notice: Arc::clone(&letter.notice), delivered: delivered.into() });
        if fits {
            waiting.push_back(letter);
            drop(waiting);
            self.wake.notify_one();
        }
        fits
    }

    /// The next message; waits for one.
    pub(super) async fn next(&self) -> Letter {
        loop {
            if let Some(letter) = self.try_next() {
                return letter;
            }
            self.wake.notified().await;
        }
    }

    pub(super) fn try_next(&self) -> Option<Letter> {
        self.waiting.lock().pop_front()
    }

    /// Notes what became of a message.
    pub(super) fn became(&self, id: &str, delivered: &'static str) {
        let mut recent = self.recent.lock();
        if let Some(sent) = recent.iter_mut().rev().find(|sent| sent.notice.id == id) {
            sent.delivered = delivered.into();
        }
    }

    /// The latest messages, the newest first.
    pub(super) fn recent(&self, most: usize) -> Vec<Sent> {
        self.recent.lock().iter().rev().take(most).cloned().collect()
    }

    pub(super) fn remember(&self, sent: Sent) {
        let mut recent = self.recent.lock();
        if recent.len() >= RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(sent);
    }
}
