//! A small histogram of durations: two buckets to each doubling, from 64 microseconds to some two minutes.

use std::time::Duration;

/// Buckets; the last takes what is longer.
const BUCKETS: usize = 42;
/// What is shorter falls into the first bucket.
const LEAST_US: u64 = 64;

/// How many requests took how long.
#[derive(Clone, Debug)]
pub(super) struct Latency([u32; BUCKETS]);

impl Default for Latency {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

/// Which bucket a duration falls into.
pub(super) fn bucket(duration: Duration) -> usize {
    let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if us < LEAST_US {
        return 0;
    }
    let octave = us.ilog2() - LEAST_US.ilog2();
    let upper_half = us >> (us.ilog2() - 1) & 1;
    (1 + 2 * octave as usize + usize::from(upper_half == 1)).min(BUCKETS - 1)
}

/// Where a bucket begins, in milliseconds.
fn begins_ms(bucket: usize) -> f64 {
    let Some(n) = bucket.checked_sub(1) else { return 0.0 };
    let octave_us = LEAST_US << (n / 2);
    let us = if n % 2 == 1 { octave_us + octave_us / 2 } else { octave_us };
    // A hundred million microseconds at most: no digit is lost.
    f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1_000.0
}

impl Latency {
    pub(super) fn count(&mut self, bucket: usize) {
        self.0[bucket] += 1;
    }

    /// How long the share of the requests took at most, in milliseconds, taken as spread evenly over their bucket; nothing
    /// without requests.
    pub(super) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let all: u64 = self.0.iter().map(|n| u64::from(*n)).sum();
        if all == 0 {
            return None;
        }
        // Counts of one minute: far below the 2^53 up to which a float is exact.
        #[expect(clippy::cast_precision_loss, reason = "counts of a minute are exact in a float")]
        let rank = all as f64 * share;
        let mut before = 0.0;
        for (bucket, count) in self.0.iter().enumerate().filter(|(_, n)| **n > 0) {
            let here = f64::from(*count);
            if before + here >= rank {
                let (from, to) = (begins_ms(bucket), begins_ms(bucket + 1));
                let ms = from + (to - from) * ((rank - before) / here);
                return Some((ms * 1_000.0).round() / 1_000.0);
            }
            before += here;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_between_the_ends_of_its_bucket() {
        for us in [0, 63, 64, 95, 96, 127, 128, 1_000, 5_000, 1_000_000, 60_000_000] {
            let n = bucket(Duration::from_micros(us));
            let ms = f64::from(u32::try_from(us).unwrap()) / 1_000.0;
            assert!(begins_ms(n) <= ms && ms < begins_ms(n + 1), "{us} us in bucket {n}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }
}
