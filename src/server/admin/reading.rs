//! Reading the database for the API and the console, off the admin worker: a search may take its time, and nobody who asks
//! for metrics waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::base::refusal::Refusal;
use crate::pipeline::gateway::Gateway;
use crate::store::{OpenError, Reader};

/// Readings at a time; each has a connection and a thread of its own.
pub const READINGS_MAX: usize = 2;
/// Longest wait for a place and for the reading; then 503. A reading that has begun goes on to its end, and keeps its place.
pub const WAIT_MAX: Duration = Duration::from_secs(10);

/// The places for readings.
#[derive(Debug)]
pub struct Readings(Arc<Semaphore>);

impl Default for Readings {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READINGS_MAX)))
    }
}

impl Readings {
    /// Reads the gateway's database.
    ///
    /// # Errors
    /// 503 where there is no place in time, or the database cannot be read; the refusal that `look` gives.
    pub async fn read<T, E>(
        &self,
        gateway: &Gateway,
        look: impl FnOnce(&Reader) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        E: Into<ReadError> + Send + 'static,
    {
        let (places, store) = (Arc::clone(&self.0), gateway.store.clone());
        let reading = async move {
            let place = places.acquire_owned().await.map_err(|_| unavailable())?;
            let work = tokio::task::spawn_blocking(move || {
                let _place = place;
                let reader = store.reader().map_err(ReadError::from)?;
                look(&reader).map_err(Into::into)
            });
            work.await.map_err(|_| Refusal::Internal)?.map_err(ReadError::refusal)
        };
        timeout(WAIT_MAX, reading).await.unwrap_or_else(|_| Err(unavailable()))
    }
}

/// Why a reading gave nothing.
#[derive(Debug)]
pub enum ReadError {
    /// What was asked for is refused.
    Refused(Refusal),
    /// The database cannot be read.
    Store(OpenError),
}

impl From<OpenError> for ReadError {
    fn from(error: OpenError) -> Self {
        Self::Store(error)
    }
}

impl ReadError {
    fn refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Store(error) => {
                tracing::warn!(%error, "the database cannot be read");
                unavailable()
            }
        }
    }
}

fn unavailable() -> Refusal {
    Refusal::Unavailable { retry_after: Some(Duration::from_secs(1)) }
}
