//! What the last minutes and hours looked like: requests by second and by minute, in memory, for plots and comparisons.
//!
//! Two rings of slots that know which second or minute they stand for; a slot that stands for another is empty, so a
//! clock that jumps leaves gaps and no wrong numbers. Gone with the process: the usage log is what lasts.

use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

mod latency;

use latency::Latency;

/// Seconds that are kept: ten minutes.
pub const SECONDS_MAX: usize = 600;
/// Minutes that are kept: a day.
pub const MINUTES_MAX: usize = 1_440;

/// The requests of a second or a minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// When it begins, in seconds since 1970-01-01 UTC.
    pub unix_s: i64,
    /// Requests that ended in it.
    pub requests: u32,
    /// Those answered with a status below 200: tunnels.
    pub informational: u32,
    /// Those answered with 200 to 299.
    pub success: u32,
    /// Those answered with 300 to 399.
    pub redirect: u32,
    /// Those answered with 400 to 499.
    pub client_error: u32,
    /// Those answered with 500 and above.
    pub server_error: u32,
    /// Those that ended without an answer.
    pub unanswered: u32,
    /// Those answered with 401.
    pub unauthorized: u32,
    /// Those answered with 403.
    pub forbidden: u32,
    /// Those answered with 429.
    pub rate_limited: u32,
    /// Half of them took no longer, in milliseconds; absent without requests.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took no longer, in milliseconds; absent without requests.
    pub p99_ms: Option<f64>,
}

/// The rings.
#[derive(Debug)]
pub struct Timeline(Mutex<Rings>);

#[derive(Debug)]
struct Rings {
    seconds: Box<[Slot]>,
    minutes: Box<[Slot]>,
}

/// One slot. `stamp` is the number of the second or minute since 1970 that it stands for.
#[derive(Clone, Debug, Default)]
struct Slot {
    stamp: i64,
    /// By the first digit of the status; 0 is no answer.
    classes: [u32; 6],
    unauthorized: u32,
    forbidden: u32,
    rate_limited: u32,
    latency: Latency,
}

impl Default for Timeline {
    fn default() -> Self {
        let ring = |length| vec![Slot::default(); length].into_boxed_slice();
        Self(Mutex::new(Rings { seconds: ring(SECONDS_MAX), minutes: ring(MINUTES_MAX) }))
    }
}

impl Timeline {
    /// Counts a request that ended at `unix_ms` (milliseconds since 1970-01-01 UTC); `status` is 0 where there was no answer.
    ///
    /// One lock that is held for some twenty additions; it allocates nothing.
    pub fn count(&self, unix_ms: i64, status: u16, duration: Duration) {
        let second = unix_ms.div_euclid(1_000);
        let bucket = latency::bucket(duration);
        let mut rings = self.0.lock();
        slot(&mut rings.seconds, second).count(status, bucket);
        slot(&mut rings.minutes, second.div_euclid(60)).count(status, bucket);
    }

    /// The last `most` seconds up to the one of `now_ms`, the oldest first, empty ones too; [`SECONDS_MAX`] at most.
    pub fn seconds(&self, now_ms: i64, most: usize) -> Vec<Point> {
        points(&self.0.lock().seconds, now_ms.div_euclid(1_000), 1, most)
    }

    /// The last `most` minutes up to the one of `now_ms`, the oldest first, empty ones too; [`MINUTES_MAX`] at most.
    pub fn minutes(&self, now_ms: i64, most: usize) -> Vec<Point> {
        points(&self.0.lock().minutes, now_ms.div_euclid(60_000), 60, most)
    }
}

/// The slot of a moment, emptied if it stood for another one.
fn slot(ring: &mut [Slot], stamp: i64) -> &mut Slot {
    let slot = &mut ring[place(ring.len(), stamp)];
    if slot.stamp != stamp {
        *slot = Slot { stamp, ..Slot::default() };
    }
    slot
}

fn place(length: usize, stamp: i64) -> usize {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    usize::try_from(stamp.rem_euclid(length)).unwrap_or(0)
}

fn points(ring: &[Slot], now: i64, step_s: i64, most: usize) -> Vec<Point> {
    let most = i64::try_from(most.min(ring.len())).unwrap_or(i64::MAX);
    let point = |stamp: i64| {
        let slot = &ring[place(ring.len(), stamp)];
        let unix_s = stamp.saturating_mul(step_s);
        if slot.stamp == stamp { slot.point(unix_s) } else { Point { unix_s, ..Point::default() } }
    };
    (now.saturating_sub(most).saturating_add(1)..=now).map(point).collect()
}

impl Slot {
    fn count(&mut self, status: u16, bucket: usize) {
        // Statuses beyond 599 exist; they are the server's fault like those before.
        self.classes[usize::from(status / 100).min(5)] += 1;
        match status {
            401 => self.unauthorized += 1,
            403 => self.forbidden += 1,
            429 => self.rate_limited += 1,
            _ => {}
        }
        self.latency.count(bucket);
    }

    fn point(&self, unix_s: i64) -> Point {
        let [unanswered, informational, success, redirect, client_error, server_error] = self.classes;
        Point {
            unix_s,
            requests: self.classes.iter().sum(),
            informational,
            success,
            redirect,
            client_error,
            server_error,
            unanswered,
            unauthorized: self.unauthorized,
            forbidden: self.forbidden,
            rate_limited: self.rate_limited,
            p50_ms: self.latency.quantile_ms(0.5),
            p99_ms: self.latency.quantile_ms(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_500;

    #[test]
    fn a_request_is_counted_in_its_second_and_in_its_minute() {
        let timeline = Timeline::default();
        for status in [200, 204, 302, 401, 403, 429, 404, 502, 0, 101] {
            timeline.count(NOW, status, Duration::from_millis(3));
        }
        timeline.count(NOW - 1_000, 200, Duration::from_millis(3));
        let seconds = timeline.seconds(NOW, 3);
        assert_eq!(seconds.iter().map(|p| p.requests).collect::<Vec<_>>(), [0, 1, 10]);
        assert_eq!(seconds[2].unix_s, 1_700_000_000);
        let minute = timeline.minutes(NOW, 1).remove(0);
        assert_eq!(minute.unix_s, 1_699_999_980);
        assert_eq!((minute.requests, minute.success, minute.redirect, minute.client_error), (11, 3, 1, 4));
        assert_eq!((minute.server_error, minute.unanswered, minute.informational), (1, 1, 1));
        assert_eq!((minute.unauthorized, minute.forbidden, minute.rate_limited), (1, 1, 1));
    }

    #[test]
    fn a_slot_is_used_again_when_its_time_is_over_and_shows_nothing_of_before() {
        let timeline = Timeline::default();
        timeline.count(NOW, 200, Duration::ZERO);
        let later = NOW + 600_000;
        assert!(timeline.seconds(later, SECONDS_MAX).iter().all(|p| p.requests == 0), "not a second of now");
        timeline.count(later, 429, Duration::ZERO);
        let all = timeline.seconds(later, usize::MAX);
        assert_eq!(all.len(), SECONDS_MAX);
        assert_eq!(all.iter().map(|p| p.requests).sum::<u32>(), 1);
        assert_eq!(timeline.minutes(later, usize::MAX).iter().map(|p| p.requests).sum::<u32>(), 2);
    }

    #[test]
    fn a_clock_that_jumps_back_and_forth_breaks_nothing() {
        let timeline = Timeline::default();
        for at in [NOW, 0, -5_000, i64::MIN, i64::MAX] {
            timeline.count(at, 200, Duration::ZERO);
            assert_eq!(timeline.seconds(at, 1)[0].requests, 1, "{at}");
        }
        assert!(timeline.seconds(i64::MIN, 5).len() <= 5);
    }

    #[test]
    fn half_of_the_requests_took_no_longer_than_the_median() {
        let timeline = Timeline::default();
        for n in 0..100 {
            let ms = if n < 98 { 10 } else { 2_000 };
            timeline.count(NOW, 200, Duration::from_millis(ms));
        }
        let second = timeline.seconds(NOW, 1).remove(0);
        let (p50, p99) = (second.p50_ms.unwrap(), second.p99_ms.unwrap());
        assert!((7.0..14.0).contains(&p50), "{p50}");
        assert!((1_400.0..2_800.0).contains(&p99), "{p99}");
        assert_eq!(timeline.seconds(NOW + 1_000, 1)[0].p50_ms, None);
    }
}
