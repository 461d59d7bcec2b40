//! Sessions over a log that can refuse.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::fake_log::FakeLog;
use super::*;
use crate::base::clock::Clock;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);
const LIVES: Lifetimes = Lifetimes {
    ttl: Duration::from_secs(24 * 3_600),
    idle: Duration::from_secs(2 * 3_600),
    absolute: Duration::from_secs(24 * 3_600),
};
const LIMITS: Limits = Limits { lifetimes: LIVES, per_user_max: 3, sessions_max: 5 };
const START_MS: i64 = 1_800_000_000_000;

struct Bench {
    log: Arc<FakeLog>,
    sessions: Arc<Sessions>,
    clock: Clock,
}

fn bench() -> Bench {
    let log = FakeLog::shared();
    Bench { sessions: Arc::new(Sessions::new(log.clone())), log, clock: Clock::manual(START_MS) }
}

impl Bench {
    fn now(&self) -> Moment {
        Moment::of(&self.clock)
    }

    async fn create(&self, user: u8) -> SessionId {
        self.sessions.create(UserId::from_bytes([user; 16]), LIMITS, self.now()).await.unwrap().id()
    }

    fn look(&self, id: SessionId) -> Result<(), Dead> {
        self.sessions.lookup(id, LIVES, self.now()).map(drop)
    }

    fn on_disk(&self) -> Vec<SessionId> {
        self.log.sessions.lock().keys().copied().collect()
    }
}

/// The same moment with the wall clock elsewhere.
fn wall(now: Moment, by_ms: i64) -> Moment {
    Moment { unix_ms: now.unix_ms + by_ms, ..now }
}

#[tokio::test]
async fn a_session_is_on_disk_before_it_is_handed_out() {
    let b = bench();
    let id = b.create(1).await;
    assert_eq!(b.on_disk(), [id]);
    let session = b.sessions.lookup(id, LIVES, b.now()).unwrap();
    assert_eq!((session.user(), session.created_ms()), (UserId::from_bytes([1; 16]), START_MS));
    assert_eq!(session.expires_ms(), START_MS + 86_400_000);
    assert_eq!(b.sessions.count(), 1);
    assert_eq!(b.look(SessionId::generate()), Err(Dead::Gone));
}

#[tokio::test]
async fn db_01_a_session_that_storage_refuses_does_not_begin_and_ends_nobody_elses() {
    let b = bench();
    let kept = [b.create(1).await, b.create(1).await, b.create(1).await];
    b.log.set_full(true);
    let refused = b.sessions.create(UserId::from_bytes([1; 16]), LIMITS, b.now()).await;
    assert_eq!(refused.unwrap_err(), Unavailable);
    assert_eq!((b.sessions.count(), b.sessions.unsettled()), (3, 0));
    assert!(kept.iter().all(|id| b.look(*id).is_ok()));
    b.log.set_full(false);
    b.create(1).await;
    assert_eq!((b.look(kept[0]), b.look(kept[1])), (Err(Dead::Gone), Ok(())));
}

#[tokio::test]
async fn cs_05_an_ended_session_is_dead_here_and_on_disk_and_stays_so_after_a_restart() {
    let b = bench();
    let (ended, other) = (b.create(1).await, b.create(1).await);
    let held = b.sessions.lookup(ended, LIVES, b.now()).unwrap();
    b.sessions.end(ended).await.unwrap();
    assert_eq!((b.look(ended), b.look(other)), (Err(Dead::Gone), Ok(())));
    assert!(!held.is_alive(), "whoever holds it for longer than a request is told");
    assert_eq!(b.on_disk(), [other]);
    let rows: Vec<SessionRow> = b.log.sessions.lock().values().cloned().collect();
    let restarted = Sessions::new(b.log.clone());
    restarted.load(rows, LIVES, b.now());
    assert!(restarted.lookup(other, LIVES, b.now()).is_ok());
    assert_eq!(restarted.lookup(ended, LIVES, b.now()).unwrap_err(), Dead::Gone);
}

#[tokio::test]
async fn db_01_an_end_that_storage_refuses_is_an_error_and_the_session_is_dead_all_the_same() {
    let b = bench();
    let id = b.create(1).await;
    b.log.set_full(true);
    assert_eq!(b.sessions.end(id).await, Err(Unavailable));
    assert_eq!(b.look(id), Err(Dead::Gone));
    assert_eq!(b.sessions.end(id).await, Err(Unavailable), "a second try must not claim what is not so");
    assert_eq!((b.on_disk(), b.sessions.unsettled()), (vec![id], 1));
    b.log.set_full(false);
    assert_eq!(b.sessions.end(id).await, Ok(()));
    assert_eq!((b.on_disk(), b.sessions.unsettled()), (vec![], 0));
}

#[tokio::test]
async fn db_01_what_storage_refused_is_told_to_it_again_by_itself() {
    let b = bench();
    let user = UserId::from_bytes([1; 16]);
    b.create(1).await;
    b.create(1).await;
    b.log.set_full(true);
    assert_eq!(b.sessions.end_all_of(user).await, Err(Unavailable));
    assert_eq!(b.sessions.tidy(LIVES, b.now()).await, Err(Unavailable));
    b.log.set_full(false);
    assert_eq!(b.sessions.tidy(LIVES, b.now()).await, Ok(()));
    assert_eq!((b.on_disk(), b.sessions.unsettled()), (vec![], 0));
}

#[tokio::test]
async fn all_sessions_of_a_user_and_all_sessions_end() {
    let b = bench();
    let (a1, a2, other) = (b.create(1).await, b.create(1).await, b.create(2).await);
    assert_eq!(b.sessions.end_all_of(UserId::from_bytes([1; 16])).await, Ok(2));
    assert_eq!((b.look(a1), b.look(a2), b.look(other)), (Err(Dead::Gone), Err(Dead::Gone), Ok(())));
    assert_eq!(b.sessions.end_all().await, Ok(1));
    assert_eq!((b.look(other), b.on_disk(), b.sessions.count()), (Err(Dead::Gone), vec![], 0));
}

#[tokio::test]
async fn ending_a_session_that_is_not_there_is_no_error_and_no_write() {
    let b = bench();
    b.log.set_full(true);
    assert_eq!(b.sessions.end(SessionId::generate()).await, Ok(()));
}

#[tokio::test]
async fn cs_14_a_user_keeps_the_newest_sessions_and_the_table_is_bounded() {
    let b = bench();
    let mut newest = Vec::new();
    for _ in 0..1_000 {
        newest.push(b.create(1).await);
        assert!(b.sessions.count() <= LIMITS.per_user_max);
    }
    let mut expected = newest.split_off(newest.len() - 3);
    assert!(expected.iter().all(|id| b.look(*id).is_ok()));
    assert!(newest.iter().all(|id| b.look(*id) == Err(Dead::Gone)));
    expected.sort_unstable();
    assert_eq!(b.on_disk(), expected);
    for user in 2..20 {
        b.create(user).await;
        assert!(b.sessions.count() <= LIMITS.sessions_max);
    }
    assert_eq!(b.on_disk().len(), LIMITS.sessions_max);
    assert_eq!(b.sessions.unsettled(), 0);
}

#[tokio::test]
async fn cs_14_logins_at_the_same_time_share_the_limit() {
    let b = bench();
    let (open, gate) = tokio::sync::watch::channel(false);
    *b.log.gate.lock() = Some(gate);
    let logins: Vec<_> = (0..50)
        .map(|_| {
            let (sessions, now) = (Arc::clone(&b.sessions), b.now());
            tokio::spawn(async move { sessions.create(UserId::from_bytes([1; 16]), LIMITS, now).await })
        })
        .collect();
    while b.log.sessions.lock().len() < 3 || b.sessions.count() < 50 {
        tokio::task::yield_now().await;
    }
    open.send(true).unwrap();
    let mut alive = 0;
    for login in logins {
        let session = login.await.unwrap().unwrap();
        alive += usize::from(b.look(session.id()).is_ok());
    }
    assert_eq!((alive, b.sessions.count(), b.on_disk().len()), (3, 3, 3));
    assert_eq!(b.sessions.unsettled(), 0);
}

#[tokio::test]
async fn cs_06_a_session_that_is_revoked_while_it_begins_is_dead_and_not_on_disk() {
    for late in [false, true] {
        revoked_while_it_begins(late).await;
    }
}

/// `late`: the disk learns of the revocation before it learns of the session.
async fn revoked_while_it_begins(late: bool) {
    let b = bench();
    b.log.late_inserts.store(late, Ordering::SeqCst);
    let (open, gate) = tokio::sync::watch::channel(false);
    *b.log.gate.lock() = Some(gate);
    let user = UserId::from_bytes([1; 16]);
    let (sessions, now) = (Arc::clone(&b.sessions), b.now());
    let login = tokio::spawn(async move { sessions.create(user, LIMITS, now).await });
    while b.sessions.count() == 0 {
        tokio::task::yield_now().await;
    }
    let sessions = Arc::clone(&b.sessions);
    let revoke = tokio::spawn(async move { sessions.end_all_of(user).await });
    while b.sessions.count() == 1 {
        tokio::task::yield_now().await;
    }
    open.send(true).unwrap();
    let session = login.await.unwrap().unwrap();
    assert_eq!(revoke.await.unwrap(), Ok(1));
    assert!(!session.is_alive());
    assert_eq!((b.look(session.id()), b.on_disk(), b.sessions.unsettled()), (Err(Dead::Gone), vec![], 0));
}

#[tokio::test]
async fn cs_14_a_login_at_the_users_limit_ends_nobody_elses_session() {
    let b = bench();
    let oldest = b.create(2).await;
    let own = [b.create(1).await, b.create(1).await, b.create(1).await];
    let youngest = b.create(3).await;
    b.create(1).await;
    assert_eq!((b.look(oldest), b.look(youngest)), (Ok(()), Ok(())));
    assert_eq!(own.map(|id| b.look(id)), [Err(Dead::Gone), Ok(()), Ok(())]);
}

#[tokio::test]
async fn a_login_whose_client_hangs_up_leaves_nothing_behind() {
    let b = bench();
    let kept = [b.create(1).await, b.create(1).await, b.create(1).await];
    let (_open, gate) = tokio::sync::watch::channel(false);
    *b.log.gate.lock() = Some(gate);
    let (sessions, now) = (Arc::clone(&b.sessions), b.now());
    let login =
        tokio::spawn(
            async move { sessions.create(UserId::from_bytes([1; 16]), LIMITS, now).await.map(drop) },
        );
    while b.sessions.count() == 3 {
        tokio::task::yield_now().await;
    }
    login.abort();
    assert!(login.await.unwrap_err().is_cancelled());
    assert_eq!(b.sessions.count(), 3);
    assert!(kept.iter().all(|id| b.look(*id).is_ok()));
    *b.log.gate.lock() = None;
    b.sessions.tidy(LIVES, b.now()).await.unwrap();
    assert!(b.on_disk().iter().all(|id| kept.contains(id)));
}

#[test]
fn cs_06_no_look_up_that_starts_after_an_end_returned_finds_the_session_alive() {
    let b = bench();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let now = b.now();
    for _ in 0..200 {
        let id = runtime.block_on(b.create(1));
        let ended = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let was_ended = ended.load(Ordering::SeqCst);
                        let alive = b.sessions.lookup(id, LIVES, now).is_ok();
                        assert!(!(was_ended && alive), "alive after its end was acknowledged");
                        if was_ended {
                            break;
                        }
                    }
                });
            }
            runtime.block_on(b.sessions.end(id)).unwrap();
            ended.store(true, Ordering::SeqCst);
        });
    }
}

#[tokio::test]
async fn cs_13_a_session_ends_when_it_has_been_silent_and_at_the_latest_at_its_end() {
    let b = bench();
    let (silent, busy) = (b.create(1).await, b.create(1).await);
    b.clock.advance(HOUR + 59 * MINUTE);
    assert_eq!(b.look(busy), Ok(()));
    b.clock.advance(MINUTE);
    assert_eq!((b.look(silent), b.look(busy)), (Err(Dead::Expired), Ok(())));
    assert_eq!(b.look(silent), Err(Dead::Gone));
    for _ in 0..22 {
        b.clock.advance(59 * MINUTE);
        assert_eq!(b.look(busy), Ok(()));
    }
    b.clock.advance(HOUR);
    assert_eq!(b.look(busy), Err(Dead::Expired));
    b.sessions.tidy(LIVES, b.now()).await.unwrap();
    assert_eq!(b.on_disk(), []);
}

#[tokio::test]
async fn cs_13_setting_the_wall_clock_back_neither_lengthens_nor_revives_a_session() {
    let b = bench();
    let (seen_dead, unseen) = (b.create(1).await, b.create(1).await);
    b.clock.advance(LIVES.idle);
    assert_eq!(b.look(seen_dead), Err(Dead::Expired));
    let back = wall(b.now(), -3_600_000);
    for id in [seen_dead, unseen] {
        assert!(b.sessions.lookup(id, LIVES, back).is_err());
    }
    let id = b.create(2).await;
    for jump in [-86_400_000, -START_MS, i64::MIN / 2] {
        assert!(b.sessions.lookup(id, LIVES, wall(b.now(), jump)).is_ok(), "a jump back alone ends nobody");
    }
}

#[tokio::test]
async fn cs_13_a_wall_clock_that_is_set_back_again_and_again_does_not_outlast_the_end() {
    let b = bench();
    let id = b.create(1).await;
    let look = |hour: i64| b.sessions.lookup(id, LIVES, wall(b.now(), -3_600_000 * hour));
    for hour in 1..24 {
        b.clock.advance(HOUR);
        assert!(look(hour).is_ok());
    }
    b.clock.advance(HOUR);
    assert_eq!(look(24).unwrap_err(), Dead::Expired);
}

#[tokio::test]
async fn cs_13_a_wall_clock_that_runs_ahead_ends_sessions_for_good_and_new_ones_live() {
    let b = bench();
    let old = b.create(1).await;
    for jump in [86_400_000, i64::MAX - 2 * START_MS] {
        assert!(b.sessions.lookup(old, LIVES, wall(b.now(), jump)).is_err());
    }
    assert_eq!(b.look(old), Err(Dead::Gone));
    let fresh = b.create(1).await;
    assert_eq!(b.look(fresh), Ok(()));
}

#[tokio::test]
async fn a_lifetime_that_is_shortened_holds_for_old_sessions_and_one_that_is_lengthened_does_not() {
    let b = bench();
    let id = b.create(1).await;
    b.clock.advance(HOUR);
    let longer = Lifetimes { ttl: LIVES.ttl * 9, idle: LIVES.idle * 99, absolute: LIVES.ttl * 9 };
    assert!(b.sessions.lookup(id, longer, b.now()).is_ok());
    assert!(b.sessions.lookup(id, longer, wall(b.now(), 23 * 3_600_000)).is_err());
    let id = b.create(1).await;
    b.clock.advance(HOUR);
    assert!(b.sessions.lookup(id, Lifetimes { ttl: HOUR, absolute: HOUR, ..LIVES }, b.now()).is_err());
}

#[tokio::test]
async fn the_last_request_is_noted_on_disk_at_most_once_a_minute() {
    let b = bench();
    let id = b.create(1).await;
    let touches = || b.log.touches.load(Ordering::SeqCst);
    for _ in 0..119 {
        b.clock.advance(Duration::from_secs(1));
        b.look(id).unwrap();
    }
    assert_eq!(touches(), 1);
    b.clock.advance(Duration::from_secs(1));
    b.look(id).unwrap();
    b.look(id).unwrap();
    assert_eq!(touches(), 2);
    assert_eq!(b.log.sessions.lock()[&id].last_seen_ms, START_MS + 120_000);
}

#[tokio::test]
async fn a_restart_takes_in_what_lives_and_forgets_what_does_not() {
    let b = bench();
    let row = |n: u8, age_ms: i64, silence_ms: i64| SessionRow {
        id: SessionId::from_bytes([n; 16]),
        user: UserId::from_bytes([1; 16]),
        created_ms: START_MS - age_ms,
        expires_ms: START_MS - age_ms + 86_400_000,
        last_seen_ms: START_MS - silence_ms,
    };
    let rows = vec![
        row(1, 10_000, 5_000),
        row(2, 86_400_000, 0),
        row(3, 9_000_000, 7_200_000),
        row(4, -5_000, -5_000),
    ];
    for row in &rows {
        b.log.sessions.lock().insert(row.id, row.clone());
    }
    b.sessions.load(rows.clone(), LIVES, b.now());
    let listed = b.sessions.list(None, 10);
    assert_eq!(listed, [rows[3].clone(), rows[0].clone()], "newest first");
    b.sessions.tidy(LIVES, b.now()).await.unwrap();
    assert_eq!(b.on_disk(), [rows[0].id, rows[3].id]);
    b.clock.advance(HOUR + 59 * MINUTE + Duration::from_secs(55));
    assert_eq!(b.look(rows[0].id), Err(Dead::Expired), "silence before the restart counts");
}

#[tokio::test]
async fn sessions_are_listed_newest_first_by_user_and_no_more_than_asked_for() {
    let b = bench();
    let (a1, other, a2) = (b.create(1).await, b.create(2).await, b.create(1).await);
    let ids = |user, most| b.sessions.list(user, most).iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(None, 10), [a2, other, a1]);
    assert_eq!(ids(None, 2), [a2, other]);
    assert_eq!(ids(Some(UserId::from_bytes([1; 16])), 10), [a2, a1]);
    assert_eq!(ids(Some(UserId::from_bytes([9; 16])), 10), []);
}
