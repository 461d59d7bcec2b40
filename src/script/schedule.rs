//! `[[schedule]]` of a manifest: functions that are called at their times, without a request.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rhai::AST;

use super::api::{parse_clock_time, zone};
use super::book::RuleBook;
use super::occasion::SCHEDULE_TIME_MAX;
use crate::base::document::Table;
use crate::base::nearest::nearest;
use crate::base::problems::{Place, Problem, Problems};

/// Schedules of one plugin.
const SCHEDULES_MAX: usize = 16;
/// The shortest time between two runs.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// The longest time between two runs.
const EVERY_MAX: Duration = Duration::from_secs(366 * 86_400);

/// One schedule.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// The function that is called.
    pub call: String,
    pub when: When,
    /// The longest run.
    pub time: Duration,
    /// Up to how much later than said a run begins, at random.
    pub jitter: Duration,
    place: Place,
}

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    Every(Duration),
    /// Minutes after midnight, in a time zone.
    At(u32, TimeZone),
}

/// Reads `[[schedule]]`.
pub(super) fn read(root: &mut Table<'_>) -> Vec<Schedule> {
    let tables = root.tables("schedule");
    if tables.len() > SCHEDULES_MAX {
        root.report(root.problem("schedule", format!("at most {SCHEDULES_MAX} schedules")));
    }
    tables.into_iter().take(SCHEDULES_MAX).filter_map(read_one).collect()
}

fn read_one(mut table: Table<'_>) -> Option<Schedule> {
    let call = table.required_text("call", "The function that is called, without parameters.");
    let call_place = table.value("call", "text", "").map_or(table.span(), |(_, span)| span);
    let place = table.place(call_place);
    let every = table.parsed("every", "duration", "", "Time between the beginnings of two runs.", |text| {
        let every = crate::base::units::parse_duration(text)?;
        let fits = (EVERY_MIN..=EVERY_MAX).contains(&every);
        if fits { Ok(every) } else { Err("must be between 1s and 366d".to_owned()) }
    });
    let at = table.parsed("at", "time of day", "", "The time of day of a daily run.", |text| {
        parse_clock_time(text).map(|minutes| minutes % (24 * 60))
    });
    let zone = table.parsed("timezone", "time zone", "UTC", "The time zone of `at`.", zone);
    let time = table.duration("time", "10s", Duration::from_millis(1), "The longest run.");
    let jitter =
        table.duration("jitter", "0s", Duration::ZERO, "Up to how much later a run begins, at random.");
    if time > SCHEDULE_TIME_MAX {
        table.report(table.problem("time", "a scheduled run lasts at most 10s"));
    }
    let both = table.has("every") == table.has("at");
    if both {
        let problem = Problem::at(table.place(table.span()), "a schedule has either `every` or `at`");
        table.report(problem.hint("write `every = \"60s\"` or `at = \"03:00\"`"));
    }
    table.finish();
    let when = match (every, at) {
        (Some(every), _) => When::Every(every),
        (None, Some(minutes)) => When::At(minutes, zone?),
        (None, None) => return None,
    };
    Some(Schedule { call, when, time, jitter, place })
}

/// Reports schedules that call what is not there.
pub(super) fn check(schedules: &[Schedule], ast: &AST) -> Problems {
    let mut problems = Problems::default();
    let known = || ast.iter_functions().filter(|f| f.params.is_empty()).map(|f| f.name);
    for schedule in schedules.iter().filter(|s| !s.call.is_empty() && !known().any(|name| name == s.call)) {
        let message = format!("there is no function `{}()` in main.rhai", schedule.call);
        let problem = Problem::at(schedule.place.clone(), message).code("PM013");
        problems.push(match nearest(&schedule.call, known()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("write `fn {}() {{ … }}`", schedule.call)),
        });
    }
    problems
}

impl When {
    /// The next time after a moment, both in milliseconds since 1970-01-01 UTC.
    fn next_ms(&self, after_ms: i64) -> i64 {
        match self {
            Self::Every(every) => after_ms.saturating_add(millis(*every)),
            Self::At(minutes, zone) => next_at(*minutes, zone, after_ms).unwrap_or(i64::MAX),
        }
    }
}

/// The next time that a wall clock in a zone shows that time of day. Where a change of the clock skips it, it is the
/// moment at which the skipped time would have been.
fn next_at(minutes: u32, zone: &TimeZone, after_ms: i64) -> Option<i64> {
    let now = Timestamp::from_millisecond(after_ms).ok()?.to_zoned_datetime(zone.clone());
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    let mut date = now.date();
    for _ in 0..3 {
        let due =
            date.at(hour, minute, 0, 0).to_zoned_datetime(zone.clone()).ok()?.timestamp().as_millisecond();
        if due > after_ms {
            return Some(due);
        }
        date = date.tomorrow().ok()?;
    }
    None
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A run that is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Job {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Its function.
    pub call: String,
    /// Which of the schedules of the plugin it is.
    pub nth: usize,
}

/// When each schedule of the live book is due. It outlives the books: an edit elsewhere moves no run.
#[derive(Default)]
pub struct Timetable {
    due: BTreeMap<Job, Due>,
    random: RandomState,
}

struct Due {
    when: When,
    at_ms: i64,
    running: bool,
}

impl Timetable {
    /// The runs that are due at that moment (milliseconds since 1970-01-01 UTC). They count as running until
    /// [`Timetable::done`]; what falls due in the meantime is not made up for.
    pub fn due(&mut self, book: &RuleBook, now_ms: i64) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut kept = BTreeMap::new();
        let mut busy: BTreeSet<_> = self.running().collect();
        for (plugin, nth, schedule) in book.schedules() {
            let job = Job { plugin, call: schedule.call.clone(), nth };
            let random = self.random.hash_one((&job, now_ms));
            let next = || {
                let jitter = u64::try_from(schedule.jitter.as_millis()).unwrap_or(u64::MAX);
                let later = random.checked_rem(jitter.saturating_add(1)).unwrap_or(0);
                schedule.when.next_ms(now_ms).saturating_add(i64::try_from(later).unwrap_or(0))
            };
            let mut due = match self.due.remove(&job) {
                Some(due) if due.when == schedule.when => due,
                Some(due) => Due { when: schedule.when.clone(), at_ms: next(), running: due.running },
                None => Due { when: schedule.when.clone(), at_ms: next(), running: false },
            };
            if due.at_ms <= now_ms {
                due.at_ms = next();
                if busy.insert((job.plugin.clone(), job.call.clone())) {
                    due.running = true;
                    jobs.push(job.clone());
                }
            }
            kept.insert(job, due);
        }
        // A run of a plugin that was taken away goes on; should the plugin come back meanwhile, there is still only one.
        kept.extend(std::mem::take(&mut self.due).into_iter().filter(|(_, due)| due.running));
        self.due = kept;
        jobs
    }

    /// The functions that run, whichever of their schedules began it.
    fn running(&self) -> impl Iterator<Item = (Arc<str>, String)> + '_ {
        self.due.iter().filter(|(_, due)| due.running).map(|(job, _)| (job.plugin.clone(), job.call.clone()))
    }

    /// A run is over.
    pub fn done(&mut self, job: &Job) {
        if let Some(due) = self.due.get_mut(job) {
            due.running = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_daily_run_keeps_to_the_wall_clock_of_its_zone_through_changes_of_the_clock() {
        let zurich = zone("Europe/Zurich").unwrap();
        let at = |minutes, after: &str| next_at(minutes, &zurich, ms(after)).unwrap();
        assert_eq!(at(180, "2026-01-05T12:00:00Z"), ms("2026-01-06T02:00:00Z"));
        assert_eq!(at(180, "2026-07-05T00:59:59Z"), ms("2026-07-05T01:00:00Z"));
        // 02:30 does not exist on 2026-03-29.
        assert_eq!(at(150, "2026-03-29T00:00:00Z"), ms("2026-03-29T01:30:00Z"));
        assert_eq!(at(150, "2026-03-29T01:30:00Z"), ms("2026-03-30T00:30:00Z"));
    }
}
