//! Whatever is indexed, a search finds what a look at every row would have found.

use std::ops::RangeInclusive;

use rusqlite::Connection;

use super::*;
use crate::store::blocks::{self, BLOCK_ROWS};
use crate::store::{search, sweep, usage};

/// Some rows in an open database, without a writer.
struct Log {
    _folder: TempDir,
    opened: open::Opened,
}

const BLOCKS: i64 = 3;
const ROWS: i64 = BLOCKS * BLOCK_ROWS + 500;

/// The row of a number: each field varies in a rhythm of its own.
fn nth(n: i64) -> UsageRow {
    let small = |every: i64| u8::try_from(n % every).unwrap();
    UsageRow {
        status: if n % 7 == 0 { 429 } else { 200 },
        code: (n % 7 == 0).then_some(Label::Own(if n % 21 == 0 {
            "bot.seen"
        } else {
            "RATE_LIMIT_EXCEEDED"
        })),
        route: Label::Own(if n < 5_000 { "old" } else { "new" }),
        client_hash: [small(251); 16],
        user_hash: (n % 3 == 0).then(|| [small(101); 16]),
        plugin: (n % 1_000 == 0).then_some(Label::Own("bot")),
        ..usage_row(n * 10)
    }
}

impl Log {
    fn new() -> Self {
        let (folder, path) = folder();
        let opened = open::writable(&path).unwrap();
        let log = Self { _folder: folder, opened };
        log.connection().execute_batch("BEGIN").unwrap();
        log.insert(1..=ROWS);
        log.connection().execute_batch("COMMIT").unwrap();
        log
    }

    /// Adds the rows of those numbers.
    fn insert(&self, numbers: RangeInclusive<i64>) {
        let (first, next) = (*numbers.start(), *numbers.end() + 1);
        let rows: Vec<_> = numbers.map(nth).collect();
        assert_eq!(usage::insert(self.connection(), first, rows.iter()), Ok(next));
    }

    fn connection(&self) -> &Connection {
        &self.opened.connection
    }

    fn build_all(&mut self, now_ms: i64) -> usize {
        (0..100).take_while(|_| blocks::build(&mut self.opened.connection, now_ms).unwrap()).count()
    }

    fn find(&self, filter: &UsageFilter, most: usize) -> Vec<i64> {
        search::find(self.connection(), filter, most).unwrap().iter().map(|row| row.row).collect()
    }

    fn sweep(&mut self, sweep: Sweep) {
        let mut progress = sweep::Progress::begin(sweep);
        while sweep::slice(&mut self.opened.connection, &mut progress).unwrap() {}
    }

    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.connection().query_row(&sql, [], |row| row.get(0)).unwrap()
    }
}

/// What a look at every row from `first` on finds.
fn expected(filter: &UsageFilter, most: usize, first: i64) -> Vec<i64> {
    let fits = |n: &i64| {
        let row = nth(*n);
        let same = |wanted: &Option<String>, found: Option<&Label>| {
            wanted.as_deref().is_none_or(|wanted| found.is_some_and(|label| label.as_str() == wanted))
        };
        filter.user.is_none_or(|user| row.user_hash == Some(user))
            && filter.client.is_none_or(|client| row.client_hash == client)
            && filter.status.is_none_or(|(low, high)| (low..=high).contains(&row.status))
            && same(&filter.code, row.code.as_ref())
            && same(&filter.route, Some(&row.route))
            && same(&filter.plugin, row.plugin.as_ref())
            && filter.since_ms.is_none_or(|since| row.time_ms >= since)
            && filter.after.is_none_or(|after| *n > after)
    };
    let all = (first..=ROWS).filter(fits);
    if filter.after.is_some() { all.take(most).collect() } else { all.rev().take(most).collect() }
}

fn filters() -> Vec<UsageFilter> {
    let none = UsageFilter::default;
    let plain = [
        none(),
        UsageFilter { user: Some([50; 16]), ..none() },
        UsageFilter { client: Some([3; 16]), ..none() },
        UsageFilter { client: Some([3; 16]), user: Some([50; 16]), ..none() },
        UsageFilter { status: Some((400, 499)), ..none() },
        UsageFilter { status: Some((500, 599)), ..none() },
        UsageFilter { code: Some("bot.seen".to_owned()), ..none() },
        UsageFilter { route: Some("old".to_owned()), status: Some((429, 429)), ..none() },
        UsageFilter { plugin: Some("bot".to_owned()), ..none() },
        UsageFilter { plugin: Some("nobody".to_owned()), ..none() },
    ];
    let more = |filter: UsageFilter| {
        let since_ms = Some(60_000);
        [
            UsageFilter { since_ms, ..filter.clone() },
            UsageFilter { after: Some(0), ..filter.clone() },
            UsageFilter { after: Some(6_000), ..filter.clone() },
            filter,
        ]
    };
    plain.into_iter().flat_map(more).collect()
}

fn compare(log: &Log, first: i64, when: &str) {
    for filter in filters() {
        // All of them once a filter, few otherwise: enough to see where a search stops.
        let most = if filter.since_ms.is_none() && filter.after.is_none() { 20_000 } else { 300 };
        for most in [1, most] {
            assert_eq!(log.find(&filter, most), expected(&filter, most, first), "{when}: {filter:?}");
        }
    }
}

#[test]
fn a_search_finds_the_same_before_the_index_is_built_while_and_after() {
    let mut log = Log::new();
    compare(&log, 1, "before");
    assert!(blocks::build(&mut log.opened.connection, i64::MAX).unwrap());
    compare(&log, 1, "one block");
    assert_eq!(log.build_all(i64::MAX), 2);
    compare(&log, 1, "every full block");
    assert_eq!(log.build_all(i64::MAX), 0, "the last block is not full");
}

#[test]
fn a_block_waits_until_its_rows_are_a_minute_old() {
    let mut log = Log::new();
    let newest_of_first = (BLOCK_ROWS - 1) * 10;
    assert_eq!(log.build_all(newest_of_first + 59_999), 0);
    assert_eq!(log.build_all(newest_of_first + 60_000), 1);
    log.connection().execute_batch("BEGIN").unwrap();
    let more = ROWS + 1..=ROWS + 20 * BLOCK_ROWS;
    log.insert(more);
    log.connection().execute_batch("COMMIT").unwrap();
    assert!(log.build_all(0) > 0, "too many rows wait to be looked at one by one");
}

#[test]
fn what_is_swept_leaves_nothing_in_the_index_and_searches_go_on() {
    let mut log = Log::new();
    log.build_all(i64::MAX);
    let sweep = |usage_before_ms, usage_rows_max| Sweep {
        now_ms: ROWS * 10,
        sessions_seen_before_ms: 0,
        usage_before_ms,
        usage_rows_max,
    };
    log.sweep(sweep(60_000, 0));
    compare(&log, 6_000, "what is too old is swept");
    assert_eq!(log.count("usage_blocks"), 2);
    log.sweep(sweep(0, 600));
    compare(&log, ROWS - 599, "what is too much is swept");
    assert_eq!(log.count("usage_blocks"), 1);

    log.sweep(sweep(i64::MAX - 1, 0));
    for table in ["query_logs", "usage_blocks", "usage_index"] {
        assert_eq!(log.count(table), 0, "{table}");
    }
}

#[test]
fn numbers_go_on_where_all_rows_were_swept_but_their_blocks_were_not() {
    let mut log = Log::new();
    log.build_all(i64::MAX);
    log.connection().execute("DELETE FROM query_logs", []).unwrap();
    assert_eq!(blocks::next_row(log.connection()).unwrap(), BLOCKS * BLOCK_ROWS);
    log.sweep(Sweep { now_ms: 0, sessions_seen_before_ms: 0, usage_before_ms: 0, usage_rows_max: 0 });
    assert_eq!(blocks::next_row(log.connection()).unwrap(), 1);
}

#[test]
fn the_impact_of_a_plugin_counts_every_request_since_a_time_and_no_other() {
    let mut log = Log::new();
    let all = |log: &Log, since| {
        crate::store::decisions::impact(log.connection(), "bot", since).unwrap().all_requests
    };
    let before = [0, 60_000, ROWS * 10, i64::MAX].map(|since| all(&log, since));
    log.build_all(i64::MAX);
    assert_eq!([0, 60_000, ROWS * 10, i64::MAX].map(|since| all(&log, since)), before);
    assert_eq!(before[1], u64::try_from(ROWS - 5_999).unwrap());
}
