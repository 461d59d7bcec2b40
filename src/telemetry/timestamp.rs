//! Moments as RFC 3339 text, without a calendar crate on the request path.

const MS_PER_DAY: i64 = 86_400_000;

/// Appends `2026-01-31T23:59:59.123Z` for milliseconds since 1970-01-01 UTC.
///
/// # Source
/// RFC 3339 section 5.6; the civil-from-days algorithm of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn push_rfc3339(out: &mut String, unix_ms: i64) {
    let (days, ms) = (unix_ms.div_euclid(MS_PER_DAY), unix_ms.rem_euclid(MS_PER_DAY));
    let (year, month, day) = civil(days);
    let seconds = ms / 1_000;
    digits(out, year, 4);
    out.push('-');
    digits(out, month, 2);
    out.push('-');
    digits(out, day, 2);
    out.push('T');
    digits(out, seconds / 3_600, 2);
    out.push(':');
    digits(out, seconds / 60 % 60, 2);
    out.push(':');
    digits(out, seconds % 60, 2);
    out.push('.');
    digits(out, ms % 1_000, 3);
    out.push('Z');
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

/// Appends the last `width` decimal digits of a number.
fn digits(out: &mut String, value: i64, width: u32) {
    let mut scale = 10_i64.pow(width - 1);
    while scale > 0 {
        let digit = u8::try_from(value / scale % 10).unwrap_or(0);
        out.push(char::from(b'0' + digit));
        scale /= 10;
    }
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
