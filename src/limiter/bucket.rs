//! One token bucket: integer arithmetic on levels and times, nothing else.
//!
//! A level is counted in parts of a token so small that one nanosecond of a rate in tokens a minute is a whole
//! number of them. So refilling is exact, however often it is asked for.

use std::time::Duration;

/// Parts of one token: the nanoseconds of a minute.
const TOKEN: u64 = 60_000_000_000;

/// The largest bucket, in tokens; a larger `burst` counts as this. Its level still fits 64 bits.
pub const BURST_MAX: u32 = 300_000_000;

/// What a client is told to wait where no wait helps, because the limit lets nothing pass.
pub const WAIT_MAX: Duration = Duration::from_secs(3_600);

const _: () = assert!((BURST_MAX as u64).checked_mul(TOKEN).is_some(), "a full level fits 64 bits");

/// How much flows into a bucket and how much it holds. A zero in either lets nothing pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Tokens a minute.
    pub per_minute: u32,
    /// Tokens that the bucket holds.
    pub burst: u32,
}

impl Limit {
    /// The bucket's capacity in tokens; nothing where the rate is nothing.
    pub fn capacity(self) -> u32 {
        if self.per_minute == 0 { 0 } else { self.burst.min(BURST_MAX) }
    }

    /// Time in which an empty bucket fills.
    pub fn window(self) -> Duration {
        self.time_for(self.full())
    }

    fn full(self) -> u64 {
        u64::from(self.capacity()) * TOKEN
    }

    /// Time in which this many parts flow in, rounded up to a nanosecond.
    fn time_for(self, parts: u64) -> Duration {
        match self.per_minute {
            0 => WAIT_MAX,
            rate => Duration::from_nanos(parts.div_ceil(u64::from(rate))),
        }
    }
}

/// A bucket as it stands in memory: 24 bytes. Times are nanoseconds since the limiter began.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    parts: u64,
    at_ns: u64,
    limit: Limit,
}

impl Bucket {
    /// A full bucket.
    pub fn full(limit: Limit, now_ns: u64) -> Self {
        Self { parts: limit.full(), at_ns: now_ns, limit }
    }

    /// Lets in what has flowed since the last look, and fits the level to the limit of today: a smaller bucket
    /// keeps what it can hold, a larger one fills at its rate and is not made full. Time that goes back changes nothing.
    pub fn refill(&mut self, limit: Limit, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.at_ns);
        let inflow = u128::from(elapsed_ns) * u128::from(limit.per_minute);
        let level = u128::from(self.parts).saturating_add(inflow).min(u128::from(limit.full()));
        self.parts = u64::try_from(level).unwrap_or(u64::MAX);
        self.at_ns = self.at_ns.max(now_ns);
        self.limit = limit;
    }

    /// Whether a token is there.
    pub fn has_token(&self) -> bool {
        self.parts >= TOKEN
    }

    /// Takes one token, or what is left of it: a level never goes below nothing.
    pub fn charge(&mut self) {
        self.parts = self.parts.saturating_sub(TOKEN);
    }

    /// Whole tokens that are left.
    pub fn remaining(&self) -> u32 {
        u32::try_from(self.parts / TOKEN).unwrap_or(u32::MAX)
    }

    /// Time until a token is there: exact, and nothing if one is.
    pub fn wait(&self) -> Duration {
        if self.limit.capacity() == 0 {
            return WAIT_MAX;
        }
        self.limit.time_for(TOKEN.saturating_sub(self.parts))
    }

    /// Time until the bucket is full.
    pub fn until_full(&self) -> Duration {
        self.limit.time_for(self.limit.full().saturating_sub(self.parts))
    }

    /// Whether the bucket is full by now: then forgetting it changes nothing for anybody.
    pub fn is_idle(&self, now_ns: u64) -> bool {
        let mut later = *self;
        later.refill(self.limit, now_ns);
        later.parts == self.limit.full()
    }

    /// The limit that was last applied.
    pub fn limit(&self) -> Limit {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn limit(per_minute: u32, burst: u32) -> Limit {
        Limit { per_minute, burst }
    }

    fn take(bucket: &mut Bucket) -> bool {
        let there = bucket.has_token();
        if there {
            bucket.charge();
        }
        there
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let l = limit(60, 3);
        let mut bucket = Bucket::full(l, 0);
        assert_eq!((0..5).filter(|_| take(&mut bucket)).count(), 3);
        assert_eq!(bucket.wait(), Duration::from_secs(1));
        bucket.refill(l, SECOND - 1);
        assert_eq!((take(&mut bucket), bucket.wait()), (false, Duration::from_nanos(1)));
        bucket.refill(l, SECOND);
        assert!(take(&mut bucket));
    }

    #[test]
    fn rl_05_a_zero_rate_or_a_zero_burst_lets_nothing_pass_and_says_so() {
        for l in [limit(0, 10), limit(10, 0), limit(0, 0)] {
            let mut bucket = Bucket::full(l, 0);
            bucket.refill(l, u64::MAX);
            assert!(!bucket.has_token(), "{l:?}");
            assert_eq!(bucket.wait(), WAIT_MAX, "{l:?}");
        }
    }

    #[test]
    fn rl_05_neither_huge_rates_nor_huge_times_overflow() {
        let l = limit(1_000_000_000, u32::MAX);
        let mut bucket = Bucket::full(l, 0);
        bucket.refill(l, u64::MAX);
        assert_eq!(bucket.remaining(), BURST_MAX);
        bucket.charge();
        bucket.refill(l, 5);
        assert_eq!(bucket.remaining(), BURST_MAX - 1, "a clock that goes back gives nothing");
        let l = limit(60, 10);
        let mut bucket = Bucket::full(l, 0);
        (0..10).for_each(|_| bucket.charge());
        for now in [SECOND, 0, SECOND, 0, SECOND] {
            bucket.refill(l, now);
        }
        assert_eq!(bucket.remaining(), 1, "nor does the same second twice");
    }

    #[test]
    fn rl_06_a_changed_limit_clamps_and_never_refills() {
        let mut bucket = Bucket::full(limit(60, 10), 0);
        (0..10).for_each(|_| bucket.charge());
        bucket.refill(limit(60, 1_000), 0);
        assert_eq!(bucket.remaining(), 0, "a larger bucket is not a full one");
        let mut bucket = Bucket::full(limit(60, 10), 0);
        bucket.refill(limit(60, 4), 0);
        assert_eq!(bucket.remaining(), 4);
        bucket.refill(limit(60, 10), 0);
        assert_eq!(bucket.remaining(), 4);
    }

    #[test]
    fn a_bucket_is_small() {
        assert!(size_of::<Bucket>() <= 24);
    }

    proptest! {
        #[test]
        fn never_more_passes_than_burst_plus_inflow(
            rate in 1u32..=1_000_000_000, burst in 1u32..200, steps in prop::collection::vec(0u64..2_000_000_000, 1..200),
        ) {
            let l = limit(rate, burst);
            let mut bucket = Bucket::full(l, 0);
            let (mut now, mut passed) = (0u64, 0u128);
            for step in steps {
                now += step;
                bucket.refill(l, now);
                passed += u128::from(take(&mut bucket));
            }
            let inflow = u128::from(now) * u128::from(rate) / u128::from(TOKEN);
            prop_assert!(passed <= u128::from(burst) + inflow);
        }

        #[test]
        fn how_often_a_bucket_is_looked_at_does_not_change_it(
            rate in 0u32..=u32::MAX, burst in 0u32..=u32::MAX, steps in prop::collection::vec(0u64..1_000_000_000, 1..50),
        ) {
            let l = limit(rate, burst);
            let mut often = Bucket::full(l, 0);
            (0..7).for_each(|_| often.charge());
            let mut once = often;
            let mut now = 0;
            for step in steps {
                now += step;
                often.refill(l, now);
            }
            once.refill(l, now);
            prop_assert_eq!(often.parts, once.parts);
        }

        #[test]
        fn after_the_wait_there_is_a_token_and_just_before_there_is_none(
            rate in 1u32..=1_000_000_000, burst in 1u32..100, share in 0u64..1_000,
        ) {
            let l = limit(rate, burst);
            let mut bucket = Bucket::full(l, 0);
            (0..burst).for_each(|_| bucket.charge());
            let later = TOKEN / u64::from(rate) * share / 1_000;
            bucket.refill(l, later);
            prop_assume!(!bucket.has_token());
            let wait = u64::try_from(bucket.wait().as_nanos()).unwrap();
            let mut early = bucket;
            early.refill(l, later + wait - 1);
            prop_assert!(!early.has_token());
            bucket.refill(l, later + wait);
            prop_assert!(bucket.has_token());
        }
    }
}
