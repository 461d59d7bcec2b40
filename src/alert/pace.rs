//! How many messages one alert may tell, so that none of them fills what all of them share.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::AlertSeverity;

/// Most messages that one alert tells in a minute, and most lines of the log about what one plugin raises. What is beyond is
/// counted and told with the next one.
pub const PER_MINUTE_MAX: usize = 20;
/// Most plugins of which is remembered what they raised; with more of them all are forgotten and told again.
const PLUGINS_MAX: usize = 1_024;
const MINUTE: Duration = Duration::from_secs(60);

/// When the latest were told, and how many were held back since.
#[derive(Default)]
pub(super) struct Pace {
    latest: VecDeque<Instant>,
    held: u64,
}

impl Pace {
    /// Whether one more may be told: then, how many were held back before it, `before` among them. Else it is held back, and
    /// they with it.
    pub(super) fn admit(&mut self, now: Instant, before: u64) -> Option<u64> {
        if !self.has_room(now) {
            self.held = self.held.saturating_add(before).saturating_add(1);
            return None;
        }
        self.latest.push_back(now);
        Some(std::mem::take(&mut self.held).saturating_add(before))
    }

    /// How many were held back, where that may be told by now.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<u64> {
        if self.held == 0 || !self.has_room(now) {
            return None;
        }
        self.latest.push_back(now);
        Some(std::mem::take(&mut self.held))
    }

    fn has_room(&mut self, now: Instant) -> bool {
        while self.latest.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            self.latest.pop_front();
        }
        self.latest.len() < PER_MINUTE_MAX
    }
}

/// What plugins raised, as one alert told it last.
#[derive(Default)]
pub(super) struct Lately(HashMap<Arc<str>, Last>);

struct Last {
    told: Instant,
    severity: AlertSeverity,
    held: u64,
}

impl Lately {
    /// Whether it is told: once in the cooldown, and what is worse than what was told then. Then, how many were held back.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        cooldown: Duration,
        plugin: &Arc<str>,
        severity: AlertSeverity,
    ) -> Option<u64> {
        let is_lately = |last: &Last| now.saturating_duration_since(last.told) < cooldown;
        if let Some(last) = self.0.get_mut(plugin) {
            if is_lately(last) && severity <= last.severity {
                last.held = last.held.saturating_add(1);
                return None;
            }
            let held = std::mem::take(&mut last.held);
            (last.told, last.severity) = (now, severity);
            return Some(held);
        }
        if self.0.len() >= PLUGINS_MAX {
            self.0.retain(|_, last| is_lately(last));
        }
        if self.0.len() >= PLUGINS_MAX {
            self.0.clear();
        }
        self.0.insert(Arc::clone(plugin), Last { told: now, severity, held: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn so_many_are_told_in_any_minute_and_the_others_are_counted() {
        let (mut pace, now) = (Pace::default(), Clock::System.now());
        for _ in 0..PER_MINUTE_MAX {
            assert_eq!(pace.admit(now, 0), Some(0));
        }
        assert_eq!(pace.admit(now, 4), None);
        assert_eq!(pace.overdue(now + MINUTE / 2), None);
        assert_eq!(pace.admit(now + MINUTE / 2, 0), None);
        assert_eq!(pace.admit(now + MINUTE, 3), Some(9));
        assert_eq!(pace.overdue(now + MINUTE), None, "nothing is held back any more");
    }

    #[test]
    fn what_is_held_back_is_told_when_there_is_room_though_nothing_follows() {
        let (mut pace, now) = (Pace::default(), Clock::System.now());
        let told = (0..100).filter(|_| pace.admit(now, 0).is_some()).count();
        assert_eq!((told, pace.overdue(now + MINUTE)), (PER_MINUTE_MAX, Some(80)));
    }

    #[test]
    fn a_plugin_is_told_once_in_the_cooldown_and_again_when_it_is_worse() {
        let (mut lately, now) = (Lately::default(), Clock::System.now());
        let mut admit =
            |after, plugin: &str, severity| lately.admit(now + after, MINUTE, &Arc::from(plugin), severity);
        let start = Duration::ZERO;
        assert_eq!(admit(start, "a", AlertSeverity::Medium), Some(0));
        assert_eq!(admit(start, "a", AlertSeverity::Medium), None);
        assert_eq!(admit(start, "b", AlertSeverity::Medium), Some(0));
        assert_eq!(admit(start, "a", AlertSeverity::Critical), Some(1));
        assert_eq!(admit(MINUTE / 2, "a", AlertSeverity::High), None);
        assert_eq!(admit(MINUTE, "a", AlertSeverity::Low), Some(1));
    }

    #[test]
    fn the_plugins_that_are_remembered_have_an_end() {
        let (mut lately, now) = (Lately::default(), Clock::System.now());
        for n in 0..PLUGINS_MAX * 2 {
            lately.admit(now, MINUTE, &n.to_string().into(), AlertSeverity::Low);
        }
        assert!(lately.0.len() <= PLUGINS_MAX);
    }
}
