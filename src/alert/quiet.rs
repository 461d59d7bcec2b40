//! What rules said lately: the same words of the same plugin are told once in a while.

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
pub(super) struct Quiet(Mutex<HashMap<(Arc<str>, String), Instant>>);

impl Quiet {
    /// Whether it was not told lately; it is from now on.
    pub(super) fn is_due(&self, now: Instant, plugin: &Arc<str>, title: &str) -> bool {
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
    use crate::base::clock::Clock;

    #[test]
    fn the_same_is_told_once_in_ten_minutes() {
        let (quiet, now) = (Quiet::default(), Clock::System.now());
        let plugin: Arc<str> = "honeypot".into();
        assert!(quiet.is_due(now, &plugin, "Hit"));
        assert!(!quiet.is_due(now + QUIET / 2, &plugin, "Hit"));
        assert!(quiet.is_due(now, &plugin, "Other"));
        assert!(quiet.is_due(now, &"other".into(), "Hit"));
        assert!(quiet.is_due(now + QUIET, &plugin, "Hit"));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (quiet, now) = (Quiet::default(), Clock::System.now());
        for n in 0..REMEMBERED_MAX * 2 {
            quiet.is_due(now, &"p".into(), &n.to_string());
        }
        assert!(quiet.0.lock().len() <= REMEMBERED_MAX);
    }
}
