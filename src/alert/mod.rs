//! Floor 3: telling somebody. In this version an alert is a line of the log and a number; each is told once in a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The same words of the same plugin are told once in this time.
pub const QUIET: Duration = Duration::from_secs(600);
/// Words that are remembered; with more of them at once, all are forgotten and told again.
const REMEMBERED_MAX: usize = 1_024;

/// What was told lately.
#[derive(Default)]
pub struct Alerts(Mutex<HashMap<(Arc<str>, String), Instant>>);

impl Alerts {
    /// Writes the alert into the log, unless the same was told lately. Whether it was written.
    pub fn send(&self, now: Instant, plugin: &Arc<str>, severity: &str, title: &str, fields: &str) -> bool {
        if !self.is_due(now, plugin, title) {
            return false;
        }
        tracing::warn!(plugin = &**plugin, severity, title, fields, "a rule raises an alert");
        true
    }

    fn is_due(&self, now: Instant, plugin: &Arc<str>, title: &str) -> bool {
        let mut told = self.0.lock();
        let key = (plugin.clone(), title.to_owned());
        if told.get(&key).is_some_and(|at| now.saturating_duration_since(*at) < QUIET) {
            return false;
        }
        if told.len() >= REMEMBERED_MAX {
            told.retain(|_, at| now.saturating_duration_since(*at) < QUIET);
        }
        if told.len() >= REMEMBERED_MAX {
            told.clear();
        }
        told.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_in_ten_minutes() {
        let (alerts, now) = (Alerts::default(), crate::base::clock::Clock::System.now());
        let plugin: Arc<str> = "honeypot".into();
        assert!(alerts.send(now, &plugin, "high", "Hit", ""));
        assert!(!alerts.send(now + QUIET / 2, &plugin, "high", "Hit", ""));
        assert!(alerts.send(now, &plugin, "high", "Other", ""));
        assert!(alerts.send(now, &"other".into(), "high", "Hit", ""));
        assert!(alerts.send(now + QUIET, &plugin, "high", "Hit", ""));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (alerts, now) = (Alerts::default(), crate::base::clock::Clock::System.now());
        for n in 0..REMEMBERED_MAX * 2 {
            alerts.is_due(now, &"p".into(), &n.to_string());
        }
        assert!(alerts.0.lock().len() <= REMEMBERED_MAX);
    }
}
