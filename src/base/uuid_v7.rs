//! Time-ordered UUIDs for things that need a name, one for each request: without a call of the system for each. Their random
//! half comes from a stock of the thread's own, drawn from the system's generator many ids at a time. An id stands in logs and answers for everybody to see; it must be unlike all others, and it keeps nobody out. What does
//! (session ids, tokens, keys) draws from the generator directly, and is no concern of this file.
//!
//! # Source
//! RFC 9562 sections 5.7 and 6.2 (method 1: a counter within the millisecond).

use std::cell::RefCell;

use aws_lc_rs::rand;
use uuid::Uuid;

use super::clock::Clock;

/// Random words that are drawn at once.
const STOCK_WORDS: usize = 64;
/// A counter of 12 bits begins below half of them: so many ids of one millisecond stay in order.
const COUNTER_START_MASK: u16 = 0x7ff;
const COUNTER_MAX: u16 = 0xfff;

/// A new UUID of version 7. Those of a thread are in order, also within a millisecond and where the wall clock goes back.
pub fn fresh() -> Uuid {
    thread_local! {
        static SOURCE: RefCell<Source> = const { RefCell::new(Source::EMPTY) };
    }
    let now = u64::try_from(Clock::System.unix_ms()).unwrap_or(0);
    let (high, low) = SOURCE.with_borrow_mut(|source| source.next(now));
    Uuid::from_u64_pair(high, low)
}

/// Where a thread's ids come from.
struct Source {
    unix_ms: u64,
    counter: u16,
    stock: [[u8; 8]; STOCK_WORDS],
    /// Words of the stock that were not used.
    left: usize,
}

impl Source {
    const EMPTY: Self = Self { unix_ms: 0, counter: 0, stock: [[0; 8]; STOCK_WORDS], left: 0 };

    /// Both halves of the next id.
    fn next(&mut self, now: u64) -> (u64, u64) {
        let random = self.word();
        if now > self.unix_ms {
            self.unix_ms = now;
            // A word of its own, once a millisecond: none of an id's bits leads to another's.
            let [low, high, ..] = self.word().to_le_bytes();
            self.counter = u16::from_le_bytes([low, high]) & COUNTER_START_MASK;
        } else if self.counter < COUNTER_MAX {
            self.counter += 1;
        } else {
            self.unix_ms += 1;
            self.counter = 0;
        }
        let high = (self.unix_ms << 16) | 0x7000 | u64::from(self.counter);
        (high, (random & (u64::MAX >> 2)) | (1 << 63))
    }

    /// Random bits that were never used.
    fn word(&mut self) -> u64 {
        if self.left == 0 {
            let bytes = self.stock.as_flattened_mut();
            rand::fill(bytes)
                .expect("the system's random generator does not fail once the process has started");
            self.left = STOCK_WORDS;
        }
        self.left -= 1;
        u64::from_ne_bytes(std::mem::take(&mut self.stock[self.left]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_7_that_says_when_it_was_made() {
        let before = Clock::System.unix_ms();
        let uuid = fresh();
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
        let (seconds, nanoseconds) = uuid.get_timestamp().unwrap().to_unix();
        let made = i64::try_from(seconds * 1_000).unwrap() + i64::from(nanoseconds / 1_000_000);
        assert!(made >= before && made <= Clock::System.unix_ms() + 1_000, "{before} {made}");
    }

    #[test]
    fn a_threads_ids_are_in_order_whatever_the_wall_clock_does() {
        let mut source = Source::EMPTY;
        let mut last = 0;
        for now in [5, 5, 9, 3, 9, 10].into_iter().chain(std::iter::repeat_n(10, 10_000)).chain([11]) {
            let (high, low) = source.next(now);
            assert!(high > last, "{now}");
            assert_eq!((high >> 12) & 0xf, 7);
            assert_eq!(low >> 62, 0b10);
            last = high;
        }
    }

    #[test]
    fn no_two_ids_are_alike_and_no_thread_repeats_anothers() {
        let make = || (0..20_000).map(|_| fresh().to_string()[19..].to_owned()).collect::<Vec<_>>();
        let other = std::thread::spawn(make);
        let mut ids: HashSet<String> = make().into_iter().collect();
        ids.extend(other.join().unwrap());
        assert_eq!(ids.len(), 40_000, "the random half alone tells them apart");
    }
}
