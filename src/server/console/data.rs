//! Reading the database for a page: beside the admin worker, a few reads at a time, and none for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::visit::Visit;
use crate::base::refusal::Refusal;
use crate::store::{OpenError, Reader};

/// Most reads at a time; who comes then waits.
pub(super) const READS_MAX: usize = 4;

/// Longest wait for a read, its turn included.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The turns of all pages.
pub(super) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(READS_MAX))
}

/// Reads from the database on another thread.
///
/// # Errors
/// It cannot be read, or not in time. A read that takes too long keeps its turn until it ends.
pub(super) async fn read<T: Send + 'static>(
    visit: &Visit<'_>,
    work: impl FnOnce(&Reader) -> Result<T, OpenError> + Send + 'static,
) -> Result<T, Refusal> {
    let path = visit.gateway().live.current().config.storage.path.clone();
    let turns = Arc::clone(&visit.admin.console.turns);
    let unavailable = || Refusal::Unavailable { retry_after: Some(Duration::from_secs(1)) };
    let done = tokio::time::timeout(WAIT_MAX, async move {
        let turn = turns.acquire_owned().await.ok()?;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            Reader::open(&path).and_then(|reader| work(&reader))
        });
        task.await.ok()
    });
    match done.await {
        Ok(Some(Ok(read))) => Ok(read),
        Ok(Some(Err(error))) => {
            tracing::warn!(%error, "the console cannot read the database");
            Err(unavailable())
        }
        Ok(None) | Err(_) => Err(unavailable()),
    }
}
