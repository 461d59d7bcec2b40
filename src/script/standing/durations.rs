//! How long calls took, in buckets fine enough for a percentile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps within one doubling: a percentile is right to an eighth.
const STEPS: usize = 8;
/// Doublings from one microsecond on: to a minute and more.
const DOUBLINGS: usize = 27;
const BUCKETS: usize = STEPS * DOUBLINGS;

/// A histogram of durations.
pub struct Durations([AtomicU64; BUCKETS]);

impl Default for Durations {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Durations {
    pub fn note(&self, duration: Duration) {
        self.0[bucket(duration)].fetch_add(1, Ordering::Relaxed);
    }

    /// The duration that so many of a thousand calls do not exceed, in microseconds; 0 where there was none.
    pub fn permille(&self, permille: u64) -> f64 {
        let counts: Vec<u64> = self.0.iter().map(|c| c.load(Ordering::Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() * permille).div_ceil(1_000);
        let mut seen = 0;
        for (index, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && wanted > 0 {
                return upper_us(index);
            }
        }
        0.0
    }
}

fn bucket(duration: Duration) -> usize {
    // In eighths of a microsecond: the first doubling begins at 1 µs.
    let eighths = usize::try_from(duration.as_nanos() / 125).unwrap_or(usize::MAX).max(STEPS);
    let doubling = eighths.ilog2() as usize - 3;
    let step = (eighths >> doubling) - STEPS;
    (doubling * STEPS + step).min(BUCKETS - 1)
}

#[expect(clippy::cast_precision_loss, reason = "an index is small")]
fn upper_us(index: usize) -> f64 {
    let (doubling, step) = (index / STEPS, index % STEPS);
    (1_u64 << doubling) as f64 * (STEPS + step + 1) as f64 / STEPS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_an_eighth() {
        let durations = Durations::default();
        for n in 1..=1_000 {
            durations.note(Duration::from_micros(n));
        }
        for (permille, expect) in [(500, 500.0), (990, 990.0), (1_000, 1_000.0)] {
            let got = durations.permille(permille);
            assert!(got >= expect && got <= expect * 1.13, "{permille}: {got}");
        }
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_bucket_too() {
        let durations = Durations::default();
        assert!(durations.permille(500) < f64::EPSILON);
        durations.note(Duration::ZERO);
        assert!(durations.permille(990) <= 1.2);
        durations.note(Duration::from_secs(1_000_000));
        assert!(durations.permille(1_000) > 60e6);
    }
}
