//! The writer, one step at a time and without its thread.

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::lock::Lock;
use super::super::queue::{BATCH, Pending, Queues, URGENT_MAX};
use super::super::sweep::{SLICE_ROWS, Sweep};
use super::super::tests::{folder, session, usage_row, user};
use super::super::{Reader, SessionsRemoved, Shared, open};
use super::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// How long a test's writer waits for a lock.
const BUSY: Duration = Duration::from_millis(5);

struct Bench {
    _folder: TempDir,
    path: PathBuf,
    writer: Writer,
    _lock: Lock,
}

impl Bench {
    /// A database with one user and two sessions.
    fn new(batched_max: usize) -> Self {
        let (folder, path) = folder();
        let opened = open::writable(&path).unwrap();
        let shared = Arc::new(Shared {
            queues: Queues::new(batched_max),
            write_errors: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
        });
        let open::Opened { connection, identity, lock, .. } = opened;
        let writer = Writer {
            connection,
            identity,
            busy: BUSY,
            shared,
            full_sync: true,
            sweeping: None,
            next_row: None,
        };
        let mut bench = Self { _folder: folder, path, writer, _lock: lock };
        bench.write(Op::SaveUser(user(1))).unwrap();
        for n in [1, 2] {
            bench.write(Op::InsertSession { row: session(n, 1), gave_way: vec![] }).unwrap();
        }
        bench
    }

    fn queues(&self) -> &Queues {
        &self.writer.shared.queues
    }

    fn write(&mut self, op: Op) -> Result<(), WriteError> {
        let pending = self.queues().urgent(op);
        self.writer.step();
        pending.wait()
    }

    fn remove(&mut self, n: u8) -> Result<(), WriteError> {
        self.write(Op::RemoveSessions(SessionsRemoved::Ids(vec![[n; 16]])))
    }

    fn pragma(&self, text: &str) {
        self.writer.connection.execute_batch(text).unwrap();
    }

    fn sessions(&self) -> Vec<u8> {
        Reader::open(&self.path).unwrap().sessions(0).unwrap().iter().map(|s| s.id[0]).collect()
    }

    fn usage(&self) -> usize {
        Reader::open(&self.path).unwrap().usage(100_000).unwrap().len()
    }

    fn is_healthy(&self) -> bool {
        self.writer.shared.healthy.load(Ordering::Relaxed)
    }

    fn add_usage(&self, rows: usize) {
        for _ in 0..rows {
            assert!(self.queues().batch(Batched::Usage(usage_row(1_000))));
        }
    }
}

/// Writes large users until the file is at its limit.
fn fill(bench: &mut Bench) {
    bench.pragma("PRAGMA max_page_count = 1");
    let refused = (10..200).find_map(|n| {
        let row = super::super::UserRow { password: Some("x".repeat(4_000)), ..user(n) };
        bench.write(Op::SaveUser(row)).err()
    });
    assert_eq!(refused, Some(WriteError::Refused("disk full")));
}

#[test]
fn db_01_a_full_disk_refuses_what_is_new_keeps_what_is_there_and_passes_by_itself() {
    let mut bench = Bench::new(10);
    fill(&mut bench);
    assert!(!bench.is_healthy());
    assert_eq!(bench.writer.shared.write_errors.load(Ordering::Relaxed), 1);
    assert_eq!(bench.sessions(), [1, 2]);
    bench.pragma("PRAGMA max_page_count = 100000");
    bench.write(Op::SaveUser(user(201))).unwrap();
    assert!(bench.is_healthy());
}

#[test]
fn db_01_a_removal_that_is_not_committed_is_not_reported_as_done() {
    let mut bench = Bench::new(10);
    bench.pragma("PRAGMA query_only = ON");
    assert_eq!(bench.remove(1), Err(WriteError::Refused("read-only")));
    assert_eq!(bench.sessions(), [1, 2]);
    bench.pragma("PRAGMA query_only = OFF");
    assert_eq!(bench.remove(1), Ok(()));
    assert_eq!(bench.sessions(), [2]);
}

#[test]
fn db_01_a_logout_does_not_fail_by_the_login_it_shares_a_commit_with() {
    let mut bench = Bench::new(10);
    fill(&mut bench);
    let large = super::super::UserRow { password: Some("x".repeat(400_000)), ..user(250) };
    let login = bench.queues().urgent(Op::SaveUser(large));
    let logout = bench.queues().urgent(Op::RemoveSessions(SessionsRemoved::Ids(vec![[1; 16]])));
    bench.writer.step();
    assert_eq!(login.wait(), Err(WriteError::Refused("disk full")));
    assert_eq!(logout.wait(), Ok(()));
    assert_eq!(bench.sessions(), [2]);
}

#[test]
fn db_03_a_database_held_by_another_process_refuses_urgent_writes_and_keeps_the_others() {
    let mut bench = Bench::new(10);
    let other = Connection::open(&bench.path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(bench.remove(1), Err(WriteError::Refused("locked by another process")));
    bench.add_usage(3);
    let flushed = bench.queues().flush();
    bench.writer.step();
    bench.writer.step();
    flushed.wait().unwrap();
    assert_eq!((bench.usage(), bench.sessions()), (0, vec![1, 2]));

    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(bench.remove(1), Ok(()));
    bench.queues().begin_close();
    bench.writer.step();
    assert_eq!((bench.usage(), bench.queues().dropped()), (3, 0));
}

#[test]
fn db_03_a_reader_in_the_middle_of_a_read_stops_no_writer() {
    let mut bench = Bench::new(10);
    let reader = Connection::open(&bench.path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM sessions;").unwrap();
    assert_eq!(bench.remove(1), Ok(()));
    let seen: i64 = reader.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap();
    assert_eq!((seen, bench.sessions()), (2, vec![2]));
}

#[test]
fn db_07_a_write_to_a_file_that_was_removed_or_replaced_is_not_reported_as_done() {
    let mut bench = Bench::new(10);
    let aside = bench.path.with_extension("aside");
    std::fs::rename(&bench.path, &aside).unwrap();
    let lost = Err(WriteError::Refused("the file was removed or replaced"));
    assert_eq!(bench.remove(1), lost);
    std::fs::write(&bench.path, b"another").unwrap();
    assert_eq!(bench.remove(1), lost);
    bench.add_usage(10);
    let flushed = bench.queues().flush();
    bench.writer.step();
    bench.writer.step();
    flushed.wait().unwrap();
    assert!(!bench.is_healthy());
    std::fs::rename(&aside, &bench.path).unwrap();
    assert_eq!(bench.remove(1), Ok(()));
    assert!(bench.is_healthy());
    bench.queues().begin_close();
    bench.writer.step();
    assert_eq!((bench.usage(), bench.queues().dropped()), (10, 0));
}

#[test]
fn urgent_writes_overtake_usage_rows_and_batches_are_small() {
    let mut bench = Bench::new(1_000);
    bench.add_usage(2 * BATCH);
    let urgent = bench.queues().urgent(Op::RemoveSessions(SessionsRemoved::All));
    bench.writer.step();
    urgent.wait().unwrap();
    assert_eq!((bench.usage(), bench.sessions()), (0, vec![]));
    bench.writer.step();
    assert_eq!(bench.usage(), BATCH);
    bench.writer.step();
    assert_eq!(bench.usage(), 2 * BATCH);
}

#[test]
fn commits_wait_for_the_disk_only_where_somebody_waits_for_them() {
    let mut bench = Bench::new(1_000);
    let synchronous = |bench: &Bench| -> i64 {
        bench.writer.connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap()
    };
    let (normal, full) = (1, 2);
    bench.add_usage(BATCH);
    bench.writer.step();
    assert_eq!(synchronous(&bench), normal);
    bench.remove(1).unwrap();
    assert_eq!(synchronous(&bench), full);
}

#[test]
fn the_queues_have_an_end() {
    let bench = Bench::new(2);
    bench.add_usage(2);
    assert!(!bench.queues().batch(Batched::Usage(usage_row(1))));
    let urgent = || bench.queues().urgent(Op::RemoveSessions(SessionsRemoved::All));
    let waiting: Vec<Pending> = (0..URGENT_MAX).map(|_| urgent()).collect();
    assert_eq!(urgent().wait(), Err(WriteError::QueueFull));
    drop(waiting);
}

#[test]
fn a_row_that_nobody_can_write_is_dropped_and_counted() {
    let mut bench = Bench::new(1_000);
    bench.pragma("CREATE TRIGGER t BEFORE INSERT ON query_logs BEGIN SELECT RAISE(ABORT, 'no'); END");
    bench.add_usage(BATCH);
    bench.writer.step();
    assert_eq!(bench.queues().dropped(), u64::try_from(BATCH).unwrap());
}

#[test]
fn a_sweep_goes_in_slices_and_lets_urgent_writes_between() {
    let mut bench = Bench::new(10_000);
    bench.add_usage(SLICE_ROWS + 10);
    bench.queues().batch(Batched::Usage(usage_row(99_000)));
    bench.queues().batch(Batched::Usage(usage_row(i64::MAX)));
    let flushed = bench.queues().flush();
    while bench.usage() < SLICE_ROWS + 12 {
        bench.writer.step();
    }
    bench.writer.step();
    flushed.wait().unwrap();

    let sweep =
        Sweep { now_ms: 99_000, sessions_seen_before_ms: 0, usage_before_ms: 50_000, usage_rows_max: 0 };
    let done = bench.queues().sweep(sweep);
    bench.writer.step();
    assert_eq!(bench.usage(), 12);
    assert_eq!(bench.sessions(), [0; 0], "both had expired");
    bench.write(Op::SaveUser(user(2))).unwrap();
    assert_eq!(bench.usage(), 12);
    bench.writer.step();
    bench.writer.step();
    done.wait().unwrap();
    assert_eq!(bench.usage(), 1, "what is in its time stays, what is from the future goes");
}

#[test]
fn a_sweep_takes_sessions_that_idled_and_leaves_the_others() {
    let mut bench = Bench::new(10);
    bench.queues().batch(Batched::Touch { id: [2; 16], last_seen_ms: 5_000 });
    let done = bench.queues().sweep(Sweep {
        now_ms: 8_000,
        sessions_seen_before_ms: 4_000,
        usage_before_ms: 0,
        usage_rows_max: 0,
    });
    let flushed = bench.queues().flush();
    for _ in ["batch", "flush", "slice"] {
        bench.writer.step();
    }
    flushed.wait().unwrap();
    done.wait().unwrap();
    assert_eq!(bench.sessions(), [2]);
}

#[test]
fn db_12_a_sweep_looks_at_no_more_sessions_at_a_time_than_a_slice_holds() {
    let mut bench = Bench::new(10);
    let many = 3 * SLICE_ROWS;
    let insert = "INSERT INTO sessions SELECT randomblob(16), zeroblob(16), 0, ?1, 5000 FROM json_each(?2)";
    let user = "INSERT INTO users VALUES (zeroblob(16), 'z', NULL, '[]', 0, 0, NULL)";
    bench.pragma(user);
    let rows = |n: usize| format!("[{}0]", "0,".repeat(n - 1));
    for (expires_ms, n) in [(1_000, many), (99_000, many)] {
        bench.writer.connection.execute(insert, rusqlite::params![expires_ms, rows(n)]).unwrap();
    }
    let count = |bench: &Bench| bench.sessions().len();
    let before = count(&bench);
    let done = bench.queues().sweep(Sweep {
        now_ms: 2_000,
        sessions_seen_before_ms: 0,
        usage_before_ms: 0,
        usage_rows_max: 0,
    });
    let mut left = before;
    for _ in 0..=before / SLICE_ROWS {
        bench.writer.step();
        let now = count(&bench);
        assert!(left - now <= SLICE_ROWS);
        left = now;
    }
    done.wait().unwrap();
    assert_eq!(left, before - many);
}

#[test]
fn a_newer_sweep_takes_the_place_of_one_that_waits() {
    let bench = Bench::new(10);
    let sweep = |now_ms| Sweep { now_ms, sessions_seen_before_ms: 0, usage_before_ms: 0, usage_rows_max: 0 };
    let first = bench.queues().sweep(sweep(1));
    let _second = bench.queues().sweep(sweep(2));
    assert_eq!(first.wait(), Err(WriteError::Superseded));
}

#[test]
fn whoever_waits_is_told_when_the_writer_is_gone() {
    let bench = Bench::new(10);
    bench.add_usage(2);
    let waiting = bench.queues().urgent(Op::RemoveSessions(SessionsRemoved::All));
    drop(Gone(Arc::clone(&bench.writer.shared)));
    assert_eq!(waiting.wait(), Err(WriteError::Closed));
    assert_eq!(
        bench.queues().urgent(Op::RemoveSessions(SessionsRemoved::All)).wait(),
        Err(WriteError::Closed)
    );
    assert_eq!(bench.queues().dropped(), 2);
    assert_eq!(bench.queues().close(Duration::ZERO), Ok(()));
}
