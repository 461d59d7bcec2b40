//! Work that would hold up the admin listener's one worker: one piece at a time, on a thread of its own.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::workers::STACK_BYTES;

/// Longest wait for a turn and for what comes of it.
pub const ASIDE_WAIT_MAX: Duration = Duration::from_secs(15);

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    /// Something else had the turn all the time, or it takes too long. What has begun goes on, and keeps the turn.
    #[error("this is still busy with something else: try again in a moment")]
    Busy,
    /// It panicked.
    #[error("this ended without a result")]
    Gone,
    /// No thread can be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// A turn that one piece of work has at a time.
#[derive(Clone)]
pub struct Aside {
    name: &'static str,
    turn: Arc<Semaphore>,
    wait_max: Duration,
}

impl Aside {
    /// A turn; `name` is the thread's.
    pub fn new(name: &'static str) -> Self {
        Self { name, turn: Arc::new(Semaphore::new(1)), wait_max: ASIDE_WAIT_MAX }
    }

    /// Does the work once it is its turn, with the stack that scripts need.
    ///
    /// # Errors
    /// Nothing came of it in time, or at all.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AsideError> {
        let whole = async {
            let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| AsideError::Gone)?;
            let (tell, told) = oneshot::channel();
            let work = move || {
                // Nobody may wait any more.
                drop(tell.send(work()));
                drop(turn);
            };
            let thread = thread::Builder::new().name(self.name.to_owned()).stack_size(STACK_BYTES);
            thread.spawn(work).map_err(AsideError::Thread)?;
            told.await.map_err(|_| AsideError::Gone)
        };
        timeout(self.wait_max, whole).await.unwrap_or(Err(AsideError::Busy))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn one_piece_of_work_has_the_turn_until_it_ends_also_where_nobody_waits_any_more() {
        let aside = Aside { wait_max: Duration::from_millis(50), ..Aside::new("aside") };
        let (let_go, held) = mpsc::channel::<()>();
        assert!(matches!(aside.run(move || held.recv()).await, Err(AsideError::Busy)));
        assert!(matches!(aside.run(|| 1).await, Err(AsideError::Busy)), "the first still runs");
        let_go.send(()).unwrap();
        let patient = Aside { wait_max: ASIDE_WAIT_MAX, ..aside };
        assert_eq!(patient.run(|| 2).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn work_that_panics_is_told_and_gives_the_turn_back() {
        let aside = Aside::new("aside");
        let failed = aside.run(|| assert!(std::hint::black_box(false), "as it should")).await;
        assert!(matches!(failed, Err(AsideError::Gone)));
        assert_eq!(aside.run(|| 2).await.unwrap(), 2);
    }
}
