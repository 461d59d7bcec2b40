//! `time::`: the hour and the day, in UTC or a named zone.

use jiff::Timestamp;
use jiff::civil::Time as CivilTime;
use jiff::tz::TimeZone;
use rhai::{ImmutableString, Module, NativeCallContext, export_module, exported_module};

use crate::script::call::{Call, Raised, error};

/// A moment as the clock on a wall shows it.
#[derive(Clone, Debug)]
pub(in crate::script) struct Time(jiff::ZonedDateTime);

/// A time zone by its IANA name, such as `Europe/Zurich`.
pub(in crate::script) fn zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| format!("`{name}` is not a time zone such as \"Europe/Zurich\""))
}

/// A time of day, `HH:MM`; `24:00` is the end of the day.
pub(in crate::script) fn parse_clock_time(text: &str) -> Result<u32, String> {
    let bad = || format!("`{text}` is not a time of day such as \"08:30\"");
    let (hour, minute) =
        text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2).ok_or_else(bad)?;
    let number =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    let (hour, minute) = (number(hour).ok_or_else(bad)?, number(minute).ok_or_else(bad)?);
    let minutes = hour * 60 + minute;
    if minute < 60 && minutes <= 24 * 60 { Ok(minutes) } else { Err(bad()) }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Time>("Time");
    module.combine_flatten(exported_module!(moment));
}

pub(super) fn module() -> Module {
    exported_module!(time)
}

fn at(ctx: &NativeCallContext<'_>, zone: TimeZone) -> Raised<Time> {
    let ms = Call::of(ctx)?.clock.unix_ms();
    let moment = Timestamp::from_millisecond(ms).map_err(|_| error("the clock is out of range"))?;
    Ok(Time(moment.to_zoned_datetime(zone)))
}

fn minutes(time: CivilTime) -> u32 {
    u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs())
}

#[export_module]
mod time {
    /// The moment in UTC.
    #[rhai_fn(return_raw, volatile)]
    pub fn now(ctx: NativeCallContext<'_>) -> Raised<Time> {
        at(&ctx, TimeZone::UTC)
    }

    /// The moment in a zone such as `"Europe/Zurich"`.
    #[rhai_fn(return_raw, volatile)]
    pub fn in_zone(ctx: NativeCallContext<'_>, tz: &str) -> Raised<Time> {
        at(&ctx, zone(tz).map_err(error)?)
    }
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod moment {
    /// 0 to 23.
    #[rhai_fn(get = "hour", pure)]
    pub fn hour(time: &mut Time) -> i64 {
        i64::from(time.0.hour())
    }

    /// 0 to 59.
    #[rhai_fn(get = "minute", pure)]
    pub fn minute(time: &mut Time) -> i64 {
        i64::from(time.0.minute())
    }

    /// 1 is Monday, 7 is Sunday.
    #[rhai_fn(get = "weekday", pure)]
    pub fn weekday(time: &mut Time) -> i64 {
        i64::from(time.0.weekday().to_monday_one_offset())
    }

    /// `YYYY-MM-DD`.
    #[rhai_fn(get = "date", pure)]
    pub fn date(time: &mut Time) -> String {
        time.0.date().to_string()
    }

    /// `HH:MM`.
    #[rhai_fn(get = "hhmm", pure)]
    pub fn hhmm(time: &mut Time) -> String {
        format!("{:02}:{:02}", time.0.hour(), time.0.minute())
    }

    /// Seconds since 1970-01-01 UTC.
    #[rhai_fn(get = "unix", pure)]
    pub fn unix(time: &mut Time) -> i64 {
        time.0.timestamp().as_second()
    }

    /// Whether the time of day is from `from` until before `to`; `"22:00"` to `"06:00"` wraps midnight, equal ends are
    /// the whole day.
    #[rhai_fn(return_raw, pure)]
    pub fn between(time: &mut Time, from: &str, to: &str) -> Raised<bool> {
        let (from, to) = (parse_clock_time(from).map_err(error)?, parse_clock_time(to).map_err(error)?);
        let now = minutes(time.0.time());
        Ok(match from.cmp(&to) {
            std::cmp::Ordering::Less => (from..to).contains(&now),
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => now >= from || now < to,
        })
    }

    /// Date, time and zone.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_string(time: &mut Time) -> ImmutableString {
        time.0.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_have_two_digits_each() {
        assert_eq!(parse_clock_time("08:30"), Ok(510));
        assert_eq!(parse_clock_time("24:00"), Ok(1_440));
        for bad in ["", "8:30", "08:60", "24:01", "aa:bb", "+8:30", "08:3", "08:30:00"] {
            assert!(parse_clock_time(bad).is_err(), "{bad}");
        }
    }
}
