//! What rules said lately, for the log: the same words of the same plugin are a line once in a while, and of one plugin there
//! are only so many lines.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::pace::Pace;

/// The same words of the same plugin are a line of the log once in this time.
pub const QUIET: Duration = Duration::from_secs(600);
/// Words, and plugins, that are remembered; with more of them at once, all are forgotten and told again.
const REMEMBERED_MAX: usize = 1_024;

/// What was told lately.
#[derive(Default)]
pub(super) struct Quiet(Mutex<Said>);

#[derive(Default)]
struct Said {
    told: HashMap<(Arc<str>, String), Instant>,
    paces: HashMap<Arc<str>, Pace>,
}

impl Quiet {
    /// Whether it was not told lately; it is from now on. Then, how many others of the plugin were held back since its last line.
    pub(super) fn admit(&self, now: Instant, plugin: &Arc<str>, title: &str) -> Option<u64> {
        let mut said = self.0.lock();
        let Said { told, paces } = &mut *said;
        let key = (plugin.clone(), title.to_owned());
        if told.get(&key).is_some_and(|at| now.saturating_duration_since(*at) < QUIET) {
            return None;
        }
        if paces.len() >= REMEMBERED_MAX && !paces.contains_key(plugin) {
            paces.clear();
        }
        let more = paces.entry(Arc::clone(plugin)).or_default().admit(now, 0)?;
        if told.len() >= REMEMBERED_MAX {
            told.retain(|_, at| now.saturating_duration_since(*at) < QUIET);
        }
        if told.len() >= REMEMBERED_MAX {
            told.clear();
        }
        told.insert(key, now);
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::PER_MINUTE_MAX;
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn the_same_is_told_once_in_ten_minutes() {
        let (quiet, now) = (Quiet::default(), Clock::System.now());
        let plugin: Arc<str> = "honeypot".into();
        assert_eq!(quiet.admit(now, &plugin, "Hit"), Some(0));
        assert_eq!(quiet.admit(now + QUIET / 2, &plugin, "Hit"), None);
        assert_eq!(quiet.admit(now, &plugin, "Other"), Some(0));
        assert_eq!(quiet.admit(now, &"other".into(), "Hit"), Some(0));
        assert_eq!(quiet.admit(now + QUIET, &plugin, "Hit"), Some(0));
    }

    #[test]
    fn one_plugin_fills_no_log_with_words_that_are_always_new() {
        let (quiet, now) = (Quiet::default(), Clock::System.now());
        let says = |plugin: &str, n: usize| quiet.admit(now, &plugin.into(), &n.to_string());
        assert_eq!((0..700).filter(|n| says("p", *n).is_some()).count(), PER_MINUTE_MAX);
        assert_eq!(says("other", 0), Some(0));
        let later = now + Duration::from_secs(60);
        let held = 700 - u64::try_from(PER_MINUTE_MAX).unwrap();
        assert_eq!(quiet.admit(later, &"p".into(), "last"), Some(held));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (quiet, now) = (Quiet::default(), Clock::System.now());
        for n in 0..REMEMBERED_MAX * 2 {
            assert_eq!(quiet.admit(now, &n.to_string().into(), "Hit"), Some(0));
        }
        let said = quiet.0.lock();
        assert!(said.told.len() <= REMEMBERED_MAX && said.paces.len() <= REMEMBERED_MAX);
    }
}
