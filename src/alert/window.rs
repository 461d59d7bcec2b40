//! How often something happened in the last stretch of time, counted in twelfths of it.

use std::time::Duration;

/// Twelve parts and the one that goes on: a burst within the stretch is never cut in two.
const PARTS: usize = 13;

/// A stretch of time that moves on with every twelfth.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    parts: [u32; PARTS],
    /// The number of the latest part.
    latest: u64,
}

/// The number of the part at a time since the start.
pub(super) fn part(since_start: Duration, within: Duration) -> u64 {
    let part = (within / 12).as_millis().max(1);
    u64::try_from(since_start.as_millis() / part).unwrap_or(u64::MAX)
}

impl Window {
    /// Counts what happened in the part of that number.
    pub(super) fn add(&mut self, part: u64, times: u32) {
        self.move_to(part);
        let here = &mut self.parts[index(part)];
        *here = here.saturating_add(times);
    }

    /// How often it happened up to the part of that number.
    pub(super) fn sum(&mut self, part: u64) -> u64 {
        self.move_to(part);
        self.parts.iter().map(|n| u64::from(*n)).sum()
    }

    /// Empties the parts that have come round again. Time only goes on: an earlier part counts into the latest.
    fn move_to(&mut self, part: u64) {
        let steps = part.saturating_sub(self.latest);
        for step in 1..=steps.min(PARTS as u64) {
            self.parts[index(self.latest.saturating_add(step))] = 0;
        }
        if steps >= PARTS as u64 {
            self.parts = [0; PARTS];
        }
        self.latest = self.latest.max(part);
    }
}

fn index(part: u64) -> usize {
    usize::try_from(part % PARTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_stretch_no_longer_counts() {
        let mut window = Window::default();
        window.add(100, 3);
        window.add(104, 2);
        assert_eq!(window.sum(112), 5, "all of a stretch of twelve parts and the one that goes on");
        assert_eq!(window.sum(113), 2);
        assert_eq!(window.sum(116), 2);
        assert_eq!(window.sum(117), 0);
        window.add(10_000, u32::MAX);
        window.add(10_000, 1);
        assert_eq!(window.sum(10_000), u64::from(u32::MAX), "it stops at the top");
    }

    #[test]
    fn a_stretch_has_twelve_parts() {
        let minute = Duration::from_secs(60);
        assert_eq!(part(Duration::ZERO, minute), 0);
        assert_eq!(part(minute, minute), 12);
        assert_eq!(part(Duration::from_millis(4_999), minute), 0);
        assert_eq!(part(Duration::from_secs(1), Duration::from_millis(1)), 1_000);
    }
}
