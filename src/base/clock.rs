//! The only clocks in the house. Everybody else is handed the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time: the machine's, or one that a test moves by hand.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's monotonic and wall clocks.
    System,
    /// A clock that stands still until it is moved.
    Manual(Arc<Manual>),
}

/// The state of a hand-moved clock.
#[derive(Debug)]
pub struct Manual {
    start: Instant,
    unix_ms_at_start: i64,
    elapsed_ms: AtomicU64,
}

/// The runtime's own time, by which its timers go off.
pub fn timer_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

impl Clock {
    /// A clock that begins at `unix_ms` (milliseconds since 1970-01-01 UTC) and moves only by [`Clock::advance`].
    pub fn manual(unix_ms: i64) -> Self {
        Self::Manual(Arc::new(Manual {
            start: Instant::now(),
            unix_ms_at_start: unix_ms,
            elapsed_ms: AtomicU64::new(0),
        }))
    }

    /// Monotonic time: for limits and durations, never for display.
    pub fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Manual(m) => m.start + Duration::from_millis(m.elapsed_ms.load(Ordering::Relaxed)),
        }
    }

    /// Wall-clock time in milliseconds since 1970-01-01 UTC: for expiry that outlives the process, and for display.
    pub fn unix_ms(&self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            Self::Manual(m) => {
                let elapsed = i64::try_from(m.elapsed_ms.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                m.unix_ms_at_start.saturating_add(elapsed)
            }
        }
    }

    /// Time that the calling thread has spent on a processor: for budgets that must not punish a busy machine. Only
    /// differences on one thread mean something. On a manual clock it moves with the clock.
    pub fn thread_time(&self) -> Duration {
        match self {
            Self::System => {
                let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
                let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
                Duration::new(seconds, u32::try_from(spent.tv_nsec).unwrap_or(0))
            }
            Self::Manual(m) => Duration::from_millis(m.elapsed_ms.load(Ordering::Relaxed)),
        }
    }

    /// Moves a manual clock forward; the system clock cannot be moved and stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(m) = self {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            m.elapsed_ms.fetch_add(ms, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(1_000);
        let before = clock.now();
        assert_eq!(clock.unix_ms(), 1_000);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.unix_ms(), 3_000);
        assert_eq!(clock.now() - before, Duration::from_secs(2));
    }
}
