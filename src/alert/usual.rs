//! What is usual: the median of the windows of the last 24 hours.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back it looks.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How much must be known before anything is called unusual.
const KNOWN_MIN: Duration = Duration::from_secs(60 * 60);

/// Counts of whole windows, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Usual {
    within: Duration,
    counts: VecDeque<u32>,
    /// The number of the window that goes on, and its count so far.
    current: (u64, u32),
    median: u32,
}

impl Usual {
    pub(super) fn new(within: Duration, since_start: Duration) -> Self {
        let mut usual = Self { within, counts: VecDeque::new(), current: (0, 0), median: 0 };
        usual.current.0 = usual.number(since_start);
        usual
    }

    /// Counts into the window that goes on at a time since the start.
    pub(super) fn add(&mut self, since_start: Duration, times: u32) {
        self.move_to(since_start);
        self.current.1 = self.current.1.saturating_add(times);
    }

    /// How many are usual in a window; nothing until an hour is known.
    pub(super) fn median(&mut self, since_start: Duration) -> Option<u32> {
        self.move_to(since_start);
        let known = self.within.saturating_mul(u32::try_from(self.counts.len()).unwrap_or(u32::MAX));
        (known >= KNOWN_MIN).then_some(self.median)
    }

    fn move_to(&mut self, since_start: Duration) {
        let now = self.number(since_start);
        let passed = usize::try_from(now.saturating_sub(self.current.0)).unwrap_or(usize::MAX);
        if passed == 0 {
            return;
        }
        let most = usize::try_from(DAY.as_millis() / self.within.as_millis().max(1)).unwrap_or(1).max(1);
        self.counts.push_back(self.current.1);
        // Windows in which nothing happened are usual too.
        self.counts.extend(std::iter::repeat_n(0, (passed - 1).min(most)));
        self.counts.drain(..self.counts.len().saturating_sub(most));
        self.current = (now, 0);
        let mut sorted = Vec::from(self.counts.clone());
        let middle = sorted.len() / 2;
        self.median = *sorted.select_nth_unstable(middle).1;
    }

    fn number(&self, since_start: Duration) -> u64 {
        u64::try_from(since_start.as_millis() / self.within.as_millis().max(1)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn nothing_is_unusual_until_an_hour_is_known() {
        let mut usual = Usual::new(MINUTE, Duration::ZERO);
        for minute in 0..60 {
            usual.add(MINUTE * minute, 5);
            assert_eq!(usual.median(MINUTE * minute), None);
        }
        assert_eq!(usual.median(MINUTE * 60), Some(5));
    }

    #[test]
    fn a_spike_is_not_usual_and_a_quiet_day_is() {
        let mut usual = Usual::new(MINUTE, Duration::ZERO);
        for minute in 0..100 {
            usual.add(MINUTE * minute, if minute % 10 == 0 { 1_000 } else { 7 });
        }
        assert_eq!(usual.median(MINUTE * 100), Some(7));
        assert_eq!(usual.median(MINUTE * 100 + DAY * 2), Some(0));
        assert_eq!(usual.counts.len(), 1_440, "a day is all that is kept");
    }
}
