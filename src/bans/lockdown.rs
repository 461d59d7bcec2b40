//! Incident mode: while it is on, only what the configuration lists passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::durable::{BanLog, Unavailable};

/// Off.
const OFF_MS: i64 = i64::MIN;
/// On until somebody ends it.
const OPEN_MS: i64 = i64::MAX;

/// Lockdown that is on; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockdownState {
    /// Why; may be empty.
    pub reason: Arc<str>,
    /// `cli`, `console` or `api`.
    pub made_by: Arc<str>,
    /// Since when.
    pub since_ms: i64,
    /// Until when; absent: until it is ended.
    pub expires_ms: Option<i64>,
}

/// Whether incident mode is on.
pub struct Lockdown {
    /// When it ends: all that a request asks.
    until_ms: AtomicI64,
    state: RwLock<Option<LockdownState>>,
    log: Arc<dyn BanLog>,
}

impl Lockdown {
    pub(super) fn new(log: Arc<dyn BanLog>) -> Self {
        Self { until_ms: AtomicI64::new(OFF_MS), state: RwLock::default(), log }
    }

    /// Whether it is on.
    pub fn is_on(&self, now_ms: i64) -> bool {
        now_ms < self.until_ms.load(Ordering::Acquire)
    }

    /// How long until it ends by itself; nothing where it is off, or on until somebody ends it.
    pub fn left(&self, now_ms: i64) -> Option<Duration> {
        let until = self.until_ms.load(Ordering::Acquire);
        let left =
            until.checked_sub(now_ms).filter(|left| until != OPEN_MS && until != OFF_MS && *left > 0)?;
        u64::try_from(left).ok().map(Duration::from_millis)
    }

    /// What is known of it, while it is on.
    pub fn state(&self, now_ms: i64) -> Option<LockdownState> {
        self.state.read().clone().filter(|_| self.is_on(now_ms))
    }

    /// Puts back what was saved, before anything goes live.
    pub fn load(&self, state: Option<LockdownState>) {
        self.set(&mut self.state.write(), state);
    }

    /// Begins it, or gives it another end: in force at once, on disk when this returns.
    ///
    /// # Errors
    /// The disk did not take it: it is in force and would not outlive the process.
    pub async fn begin(&self, state: LockdownState) -> Result<(), Unavailable> {
        let written = {
            let mut held = self.state.write();
            let written = self.log.lockdown(Some(&state));
            self.set(&mut held, Some(state));
            written
        };
        written.await
    }

    /// Ends it; whether it was on.
    ///
    /// # Errors
    /// The disk did not take it: it stays on.
    pub async fn end(&self, now_ms: i64) -> Result<bool, Unavailable> {
        let (before, written) = {
            let held = self.state.read();
            (held.clone(), self.log.lockdown(None))
        };
        written.await?;
        let was_on = self.is_on(now_ms);
        let mut held = self.state.write();
        // One that began meanwhile stands.
        if *held == before {
            self.set(&mut held, None);
        }
        Ok(was_on)
    }

    fn set(&self, held: &mut Option<LockdownState>, state: Option<LockdownState>) {
        let until = state.as_ref().map_or(OFF_MS, |state| state.expires_ms.unwrap_or(OPEN_MS));
        *held = state;
        self.until_ms.store(until, Ordering::Release);
    }
}
