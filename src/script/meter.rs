//! How often one plugin may write to the log: a rule that logs every request must not fill the disk.

use std::time::{Duration, Instant};

/// Lines per window.
const LINES_MAX: u32 = 60;
/// The window.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts the lines of one plugin.
#[derive(Debug, Default)]
pub(super) struct LogMeter {
    since: Option<Instant>,
    written: u32,
    held_back: u64,
}

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Write it.
    Write,
    /// Write it, and say how many were held back before it.
    WriteAfter(u64),
    /// Hold it back.
    Hold,
}

impl LogMeter {
    /// One more line at this moment.
    pub fn admit(&mut self, now: Instant) -> Pass {
        let fresh = self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW);
        if fresh {
            self.since = Some(now);
            self.written = 0;
        }
        if self.written >= LINES_MAX {
            self.held_back += 1;
            return Pass::Hold;
        }
        self.written += 1;
        match std::mem::take(&mut self.held_back) {
            0 => Pass::Write,
            n => Pass::WriteAfter(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn a_flood_of_lines_is_held_back_and_counted() {
        let clock = Clock::manual(0);
        let mut meter = LogMeter::default();
        for _ in 0..LINES_MAX {
            assert_eq!(meter.admit(clock.now()), Pass::Write);
        }
        assert_eq!(meter.admit(clock.now()), Pass::Hold);
        assert_eq!(meter.admit(clock.now()), Pass::Hold);
        clock.advance(WINDOW);
        assert_eq!(meter.admit(clock.now()), Pass::WriteAfter(2));
        assert_eq!(meter.admit(clock.now()), Pass::Write);
    }
}
