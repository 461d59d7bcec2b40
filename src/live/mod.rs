//! Floor 4: the policy in force, and how an edit becomes the next one: built whole, swapped, or left alone.

pub mod edits;
pub mod fingerprint;
pub mod hardening;
pub mod policies;
pub mod policy;
pub mod promotion;
pub mod providers;
pub mod reloader;
pub mod routes;
pub mod snapshot;
pub mod tls;
pub mod watch;

mod armed;

use std::sync::Arc;

use arc_swap::ArcSwap;

/// The value in force. A reader takes it once and keeps it to the end, so an edit never changes what a request stands on.
#[derive(Debug)]
pub struct Live<T>(ArcSwap<T>);

impl<T> Live<T> {
    /// Puts the first value into force.
    pub fn new(first: Arc<T>) -> Self {
        Self(ArcSwap::new(first))
    }

    /// The value in force now.
    pub fn current(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts the next value into force; the one before lives on until its last reader lets go.
    pub fn swap(&self, next: Arc<T>) -> Arc<T> {
        self.0.swap(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hr_09_a_reader_keeps_what_it_took() {
        let live = Live::new(Arc::new(1));
        let mine = live.current();
        live.swap(Arc::new(2));
        assert_eq!((*mine, *live.current()), (1, 2));
    }

    #[test]
    fn hr_18_old_values_are_dropped_with_their_last_reader() {
        let live = Live::new(Arc::new(0));
        let old: Vec<_> = (1..=1_000).map(|i| Arc::downgrade(&live.swap(Arc::new(i)))).collect();
        assert!(old.iter().all(|weak| weak.strong_count() == 0));
    }
}
