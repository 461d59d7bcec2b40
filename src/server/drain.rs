//! The end: no new connections, what is in flight is finished, and what takes too long is cut.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::phase::Phase;
use super::workers::Workers;

/// How long workers may take to notice that they are cut.
const CUT_MAX: Duration = Duration::from_secs(2);

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything in flight was finished.
    Finished,
    /// The time was over, or it was forced; this many connections were cut.
    Cut(usize),
}

/// Lets workers finish what is in flight, `within` at most, or until `force` is ready. Accepting must have been stopped before.
pub async fn drain(mut workers: Workers, within: Duration, force: impl Future<Output = ()>) -> Drained {
    workers.advance(Phase::Draining);
    tokio::select! {
        () = workers.ended() => {
            workers.join();
            return Drained::Finished;
        }
        () = sleep(within) => {}
        () = force => {}
    }
    let cut = workers.gate().open();
    workers.advance(Phase::Ended);
    // A worker that does not notice is blocked in somebody's code; the process ends without it.
    if timeout(CUT_MAX, workers.ended()).await.is_ok() {
        workers.join();
    }
    Drained::Cut(cut)
}
