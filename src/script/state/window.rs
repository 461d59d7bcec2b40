//! A count over the last while: a sliding window in eight slices, so that a count forgets little by little.

/// Slices of one window.
const SLICES: usize = 8;

/// Hits of the last window. A hit counts for at least seven eighths of it and never longer than all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::script) struct Window {
    slice_ms: i64,
    /// The number of the newest slice, counted from 1970-01-01 UTC.
    newest: i64,
    /// Hits by slice, the newest last.
    hits: [u32; SLICES],
}

impl Window {
    /// An empty window of that length in milliseconds.
    pub fn new(window_ms: i64, now_ms: i64) -> Self {
        let slice_ms = slice_of(window_ms);
        Self { slice_ms, newest: now_ms.div_euclid(slice_ms), hits: [0; SLICES] }
    }

    /// A window as it was saved; `None` for numbers that are none.
    pub fn from_parts(slice_ms: i64, newest: i64, hits: [u32; SLICES]) -> Option<Self> {
        (slice_ms > 0).then_some(Self { slice_ms, newest, hits })
    }

    /// What [`Window::from_parts`] takes.
    pub fn parts(&self) -> (i64, i64, [u32; SLICES]) {
        (self.slice_ms, self.newest, self.hits)
    }

    /// Whether this is a window of that length.
    pub fn lasts(&self, window_ms: i64) -> bool {
        self.slice_ms == slice_of(window_ms)
    }

    /// One more hit; the count with it.
    pub fn hit(&mut self, now_ms: i64) -> i64 {
        self.slide(now_ms);
        let newest = &mut self.hits[SLICES - 1];
        *newest = newest.saturating_add(1);
        self.sum()
    }

    /// The count now.
    pub fn count(mut self, now_ms: i64) -> i64 {
        self.slide(now_ms);
        self.sum()
    }

    /// When the last hit is forgotten, in milliseconds since 1970-01-01 UTC.
    pub fn ends_ms(&self) -> i64 {
        self.newest.saturating_add(8).saturating_mul(self.slice_ms)
    }

    fn slide(&mut self, now_ms: i64) {
        let slice = now_ms.div_euclid(self.slice_ms);
        // A clock that was set back adds to the newest slice.
        let passed = usize::try_from(slice - self.newest).unwrap_or(0).min(SLICES);
        self.hits.rotate_left(passed % SLICES);
        self.hits[SLICES - passed..].fill(0);
        self.newest = self.newest.max(slice);
    }

    fn sum(&self) -> i64 {
        self.hits.iter().map(|n| i64::from(*n)).sum()
    }
}

fn slice_of(window_ms: i64) -> i64 {
    (window_ms / 8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_forgotten_after_the_window_and_not_before_seven_eighths_of_it() {
        let mut window = Window::new(80_000, 5_000);
        assert_eq!(window.hit(5_000), 1);
        assert_eq!(window.hit(39_000), 2);
        assert_eq!(window.count(5_000 + 70_000), 2);
        assert_eq!(window.count(5_000 + 80_000), 1);
        assert_eq!(window.count(39_000 + 80_000), 0);
        assert!(window.ends_ms() <= 39_000 + 80_000);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_no_hits() {
        let mut window = Window::new(8_000, 100_000);
        window.hit(100_000);
        assert_eq!(window.hit(1_000), 2);
    }
}
