//! Which of the requests that nobody refused have a row in the usage log, where not all shall. Spread evenly and counted,
//! not by their ids: clients choose those, and could choose one that is never kept.

use std::cell::Cell;

/// What a whole request counts.
const WHOLE: u64 = 1 << 32;

thread_local! {
    /// What the requests of this worker have added up to since the last one that was kept.
    static OWED: Cell<u64> = const { Cell::new(0) };
}

/// Whether the next request is kept, of which `share` (0.0 to 1.0) shall be.
pub fn keeps(share: f64) -> bool {
    share >= 1.0 || OWED.with(|owed| turn(owed, share))
}

fn turn(owed: &Cell<u64>, share: f64) -> bool {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the share is from 0 to 1"
    )]
    let part = (share.clamp(0.0, 1.0) * WHOLE as f64) as u64;
    let sum = owed.get() + part;
    owed.set(if sum >= WHOLE { sum - WHOLE } else { sum });
    sum >= WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(share: f64, of: usize) -> Vec<bool> {
        let owed = Cell::new(0);
        (0..of).map(|_| turn(&owed, share)).collect()
    }

    #[test]
    fn the_share_is_kept_and_spread_evenly() {
        for (share, wanted) in [(0.0, 0), (0.25, 250), (0.001, 1), (0.999, 999)] {
            let found = kept(share, 1_001).iter().filter(|kept| **kept).count();
            assert!(found.abs_diff(wanted) <= 1, "{found} of 1,001 at {share}");
        }
        let tenth = kept(0.1, 1_000);
        assert!(
            tenth.chunks(20).all(|twenty| (1..=3).contains(&twenty.iter().filter(|kept| **kept).count()))
        );
    }

    #[test]
    fn all_or_none_needs_no_counting() {
        assert!((0..100).all(|_| keeps(1.0)));
        assert!((0..100).all(|_| !keeps(0.0)));
    }
}
