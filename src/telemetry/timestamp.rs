//! Moments as RFC 3339 text, without a calendar crate on the request path.

use std::cell::Cell;

use crate::base::digits::{push_ascii, push_fixed, write_fixed};

const MS_PER_SECOND: i64 = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;

const DATE_BYTES: usize = "2026-01-31T23:59:59".len();

thread_local! {
    /// The second that this thread wrote last, and its text: many lines are of one second.
    static LATEST: Cell<(i64, [u8; DATE_BYTES])> = const { Cell::new((0, *b"1970-01-01T00:00:00")) };
}

/// Appends `2026-01-31T23:59:59.123Z` for milliseconds since 1970-01-01 UTC.
///
/// # Source
/// RFC 3339 section 5.6; the civil-from-days algorithm of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn push_rfc3339(out: &mut String, unix_ms: i64) {
    let (second, ms) = (unix_ms.div_euclid(MS_PER_SECOND), unix_ms.rem_euclid(MS_PER_SECOND));
    let (latest, mut text) = LATEST.get();
    if latest != second {
        text = date_and_time(second);
        LATEST.set((second, text));
    }
    push_ascii(out, &text);
    out.push('.');
    push_fixed::<3>(out, u32::try_from(ms).unwrap_or(0));
    out.push('Z');
}

fn date_and_time(second: i64) -> [u8; DATE_BYTES] {
    let (days, second) = (second.div_euclid(SECONDS_PER_DAY), second.rem_euclid(SECONDS_PER_DAY));
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00";
    for (at, width, value) in [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3_600),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
    ] {
        write_fixed(&mut text[at..at + width], u64::try_from(value).unwrap_or(0));
    }
    text
}

/// Year, month and day of a count of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(unix_ms: i64, expect: &str) {
        let mut out = String::new();
        push_rfc3339(&mut out, unix_ms);
        assert_eq!(out, expect);
    }

    #[test]
    fn moments_are_written_as_rfc_3339_in_utc() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_399_999, "2000-02-28T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_709_251_199_007, "2024-02-29T23:59:59.007Z");
        check(4_102_444_800_000, "2100-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_moment_reads_back_with_another_crate() {
        for unix_ms in (0..4_000_000_000_000_i64).step_by(77_777_777_777) {
            let mut out = String::new();
            push_rfc3339(&mut out, unix_ms);
            assert_eq!(out.parse::<jiff::Timestamp>().unwrap().as_millisecond(), unix_ms);
        }
    }
}
