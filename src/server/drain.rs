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
pub async fn drain(mut workers: Vec<Workers>, within: Duration, force: impl Future<Output = ()>) -> Drained {
    workers.iter().for_each(|workers| workers.advance(Phase::Draining));
    tokio::select! {
        () = all_ended(&mut workers) => {
            join(workers);
            return Drained::Finished;
        }
        () = sleep(within) => {}
        () = force => {}
    }
    let cut = workers.iter().map(|workers| workers.gate().open()).sum();
    workers.iter().for_each(|workers| workers.advance(Phase::Ended));
    // A worker that does not notice is blocked in somebody's code; the process ends without it.
    if timeout(CUT_MAX, all_ended(&mut workers)).await.is_ok() {
        join(workers);
    }
    Drained::Cut(cut)
}

async fn all_ended(workers: &mut [Workers]) {
    for workers in workers {
        workers.ended().await;
    }
}

fn join(workers: Vec<Workers>) {
    for workers in workers {
        workers.join();
    }
}
