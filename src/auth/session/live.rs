//! One session, and when its time is over.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::super::durable::SessionRow;
use super::super::ids::{SessionId, UserId};
use super::super::moment::Moment;
use super::super::person::Person;
use crate::base::address::Pseudonym;
use crate::config;

/// The longest that any session or token lives, whatever the configuration says: ten years, as `units` reads them.
pub const LIFETIME_MAX: Duration = Duration::from_secs(3_650 * 86_400);
/// The last request is noted on disk at most this often.
const NOTE_EVERY_MS: i64 = 60_000;

/// How long sessions live, from the configuration in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// From sign-in or renewal.
    pub ttl: Duration,
    /// Without a request.
    pub idle: Duration,
    /// From sign-in, renewals included; at least `ttl`, and no longer than it where nothing is renewed.
    pub absolute: Duration,
}

impl Lifetimes {
    /// As configured.
    pub fn of(config: &config::Session) -> Self {
        Self { ttl: config.ttl, idle: config.idle, absolute: config.absolute }
    }

    /// Whether sessions are renewed at all.
    pub fn renew(self) -> bool {
        self.absolute > self.ttl
    }
}

/// How long sessions live and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long.
    pub lifetimes: Lifetimes,
    /// Most of one user.
    pub per_user_max: usize,
    /// Most altogether.
    pub sessions_max: usize,
}

impl Limits {
    /// As configured.
    pub fn of(config: &config::Session) -> Self {
        Self {
            lifetimes: Lifetimes::of(config),
            per_user_max: config.per_user_max,
            sessions_max: config.sessions_max,
        }
    }
}

/// One session. Everything about it is fixed but when it was last seen, until when it lives, and whether it is alive.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    user: UserId,
    created_ms: i64,
    pub(super) expires_ms: AtomicI64,
    /// Where the monotonic counts below begin.
    start: Instant,
    /// Monotonic milliseconds from `start`; negative for what was before this process.
    created: i64,
    seen: AtomicI64,
    noted: AtomicI64,
    /// When a renewal was last offered.
    pub(super) offered: AtomicI64,
    seen_ms: AtomicI64,
    ended: AtomicBool,
    pseudonym: OnceLock<Pseudonym>,
    subject: OnceLock<Arc<str>>,
}

impl Session {
    /// A session that begins now.
    pub(super) fn begin(id: SessionId, user: UserId, lifetimes: Lifetimes, now: Moment) -> Self {
        let row = SessionRow {
            id,
            user,
            created_ms: now.unix_ms,
            expires_ms: now.unix_ms.saturating_add(millis(lifetimes.ttl)),
            last_seen_ms: now.unix_ms,
        };
        Self::from_row(&row, now)
    }

    /// A session that was on disk.
    pub(super) fn from_row(row: &SessionRow, now: Moment) -> Self {
        // A row from the future (the clock was set back between two runs) counts as new, never as of negative age.
        let ago = |then_ms: i64| now.unix_ms.saturating_sub(then_ms).max(0).saturating_neg();
        let seen = ago(row.last_seen_ms);
        Self {
            id: row.id,
            user: row.user,
            created_ms: row.created_ms,
            expires_ms: AtomicI64::new(row.expires_ms),
            start: now.at,
            created: ago(row.created_ms),
            seen: AtomicI64::new(seen),
            noted: AtomicI64::new(seen),
            offered: AtomicI64::new(i64::MIN),
            seen_ms: AtomicI64::new(row.last_seen_ms),
            ended: AtomicBool::new(false),
            pseudonym: OnceLock::new(),
            subject: OnceLock::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whose it is.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// What rules call it; `person` is whose it is. Computed at the first call.
    pub fn pseudonym(&self, person: &Person) -> Pseudonym {
        *self.pseudonym.get_or_init(|| person.session(self.id))
    }

    /// What buckets and upstreams know the user by: the opaque id as text. Written at the first call.
    pub fn subject(&self) -> Arc<str> {
        Arc::clone(self.subject.get_or_init(|| Arc::from(self.user.text())))
    }

    /// When it began, in milliseconds since 1970-01-01 UTC.
    pub fn created_ms(&self) -> i64 {
        self.created_ms
    }

    /// When it ends at the latest, unless it is renewed, in milliseconds since 1970-01-01 UTC.
    pub fn expires_ms(&self) -> i64 {
        self.expires_ms.load(Ordering::Relaxed)
    }

    /// Whether it has not been ended; for whoever holds a session for longer than a request.
    pub fn is_alive(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether its time is over by either clock. The wall clock catches a machine that slept, the monotonic one a wall
    /// clock that was set back. A life that was shortened since holds for old sessions too.
    pub(super) fn expired(&self, lifetimes: Lifetimes, now: Moment) -> bool {
        let silence = self
            .elapsed(now)
            .saturating_sub(self.seen.load(Ordering::Relaxed))
            .max(now.unix_ms.saturating_sub(self.seen_ms.load(Ordering::Relaxed)));
        let own = self.expires_ms().saturating_sub(self.created_ms);
        let longest = millis(lifetimes.absolute.max(lifetimes.ttl));
        self.age(now) >= longest.min(own) || silence >= millis(lifetimes.idle)
    }

    /// Milliseconds since it began, by the clock by which that is longer ago.
    pub(super) fn age(&self, now: Moment) -> i64 {
        self.elapsed(now).saturating_sub(self.created).max(now.unix_ms.saturating_sub(self.created_ms))
    }

    /// Notes a request; whether the disk should be told.
    pub(super) fn seen(&self, now: Moment) -> bool {
        let elapsed = self.elapsed(now);
        self.seen.fetch_max(elapsed, Ordering::Relaxed);
        self.seen_ms.store(now.unix_ms, Ordering::Relaxed);
        let noted = self.noted.load(Ordering::Relaxed);
        elapsed.saturating_sub(noted) >= NOTE_EVERY_MS
            && self.noted.compare_exchange(noted, elapsed, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// As storage keeps it.
    pub fn row(&self) -> SessionRow {
        SessionRow {
            id: self.id,
            user: self.user,
            created_ms: self.created_ms,
            expires_ms: self.expires_ms(),
            last_seen_ms: self.seen_ms.load(Ordering::Relaxed),
        }
    }

    /// Monotonic milliseconds since `start`.
    pub(super) fn elapsed(&self, now: Moment) -> i64 {
        millis(now.at.saturating_duration_since(self.start))
    }
}

pub(super) fn millis(duration: Duration) -> i64 {
    let duration = duration.min(LIFETIME_MAX);
    let millis = duration.as_secs() * 1_000 + u64::from(duration.subsec_millis());
    i64::try_from(millis).expect("ten years of milliseconds fit")
}
