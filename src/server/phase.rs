//! Serving, draining, ended: told once to each worker, and by it to its connections without a lock.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests come and are answered.
    Serving,
    /// No new connections; what is in flight is finished.
    Draining,
    /// Whatever is left is cut.
    Ended,
}

/// The phase as the connections of one worker see it; one per connection, because each is woken by itself.
pub struct Shutdown {
    shared: Rc<Shared>,
    slot: Cell<Option<usize>>,
}

struct Shared {
    phase: Cell<Phase>,
    retiring: Cell<bool>,
    /// Who must be woken, by slot; free slots are used again.
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        let shared = Shared {
            phase: Cell::new(Phase::Serving),
            retiring: Cell::new(false),
            wakers: RefCell::default(),
            free: RefCell::default(),
        };
        Self { shared: Rc::new(shared), slot: Cell::new(None) }
    }
}

impl Clone for Shutdown {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared), slot: Cell::new(None) }
    }
}

impl Shutdown {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.shared.phase.get()
    }

    /// Whether others have taken over from these workers, because the address or their number was edited. Nothing is in a
    /// hurry: a connection closes after its next answer or when it is idle for too long; streams and tunnels live on.
    pub fn is_retiring(&self) -> bool {
        self.shared.retiring.get()
    }

    /// Says that others have taken over, and wakes everybody.
    pub fn retire(&self) {
        if !self.shared.retiring.replace(true) {
            self.wake();
        }
    }

    /// Waits until the phase is at least `phase`.
    pub async fn reaches(&self, phase: Phase) {
        poll_fn(|cx| {
            if self.phase() >= phase {
                return Poll::Ready(());
            }
            self.register(cx);
            Poll::Pending
        })
        .await;
    }

    /// Moves on to a later phase and wakes everybody; an earlier one changes nothing.
    pub fn advance(&self, phase: Phase) {
        if phase <= self.phase() {
            return;
        }
        self.shared.phase.set(phase);
        self.wake();
    }

    fn wake(&self) {
        for waker in self.shared.wakers.borrow().iter().flatten() {
            waker.wake_by_ref();
        }
    }

    /// Has the task of `cx` woken when the phase moves on.
    pub fn register(&self, cx: &mut Context<'_>) {
        let mut wakers = self.shared.wakers.borrow_mut();
        let slot = self.slot.get().unwrap_or_else(|| {
            self.shared.free.borrow_mut().pop().unwrap_or_else(|| {
                wakers.push(None);
                wakers.len() - 1
            })
        });
        self.slot.set(Some(slot));
        match &mut wakers[slot] {
            Some(waker) => waker.clone_from(cx.waker()),
            empty @ None => *empty = Some(cx.waker().clone()),
        }
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.get() {
            self.shared.wakers.borrow_mut()[slot] = None;
            self.shared.free.borrow_mut().push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn everybody_is_woken_when_the_phase_moves_on_and_slots_are_used_again() {
        let worker = Shutdown::default();
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let wait = |phase| {
                    let mine = worker.clone();
                    tokio::task::spawn_local(async move { mine.reaches(phase).await })
                };
                let draining: Vec<_> = (0..3).map(|_| wait(Phase::Draining)).collect();
                let ended = wait(Phase::Ended);
                tokio::task::yield_now().await;
                worker.advance(Phase::Draining);
                for task in draining {
                    task.await.unwrap();
                }
                assert!(!ended.is_finished());
                worker.advance(Phase::Serving);
                assert_eq!(worker.phase(), Phase::Draining, "there is no way back");
                let again = wait(Phase::Ended);
                worker.advance(Phase::Ended);
                ended.await.unwrap();
                again.await.unwrap();
                assert!(worker.shared.wakers.borrow().len() <= 5);
                assert!(worker.shared.wakers.borrow().iter().all(Option::is_none));
            })
            .await;
    }
}
