//! The live sessions: one shared table that alone decides whether a session is alive.
//!
//! Ending is memory first, then disk: no request that starts after [`Sessions::end`] was called sees the session alive,
//! and if the disk does not follow, the caller hears of it, the session stays dead here, and the removal is tried again.

mod index;
mod live;
mod renewal;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use self::index::{Index, Place};
pub use self::live::{LIFETIME_MAX, Lifetimes, Limits, Session};
use super::durable::{Ended, SessionLog, SessionRow, Unavailable};
use super::id_map::IdMap;
use super::ids::{SessionId, UserId};
use super::moment::Moment;

const SHARDS: usize = 64;
/// Most ids in one durable removal.
const REMOVE_MAX: usize = 500;

/// Why no session answers to an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// There is none: ended, or there never was one.
    Gone,
    /// Its time was over; from now on it is gone.
    Expired,
}

/// The table. One for the whole process, shared by all workers.
pub struct Sessions {
    shards: [RwLock<IdMap<SessionId, Arc<Session>>>; SHARDS],
    /// Who has which sessions, by age. Taken when one begins or ends, never by a look-up.
    index: Mutex<Index>,
    /// Ended here, not yet on disk. Bounded: while the disk refuses, no new session begins.
    unsettled: Mutex<HashSet<SessionId>>,
    log: Arc<dyn SessionLog>,
}

impl Sessions {
    /// An empty table over a durable log.
    pub fn new(log: Arc<dyn SessionLog>) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            index: Mutex::default(),
            unsettled: Mutex::default(),
            log,
        }
    }

    /// Takes in what was on disk when the process started; rows whose time is over are left out.
    pub fn load(&self, mut rows: Vec<SessionRow>, lifetimes: Lifetimes, now: Moment) {
        rows.sort_unstable_by_key(|row| (row.created_ms, row.id));
        for row in rows {
            let session = Arc::new(Session::from_row(&row, now));
            if session.expired(lifetimes, now) {
                self.unsettled.lock().insert(row.id);
                continue;
            }
            self.index.lock().append(row.id, row.user);
            self.shard(row.id).write().insert(row.id, session);
        }
    }

    /// Begins a session, on disk before it returns. The oldest sessions past the limits end.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be made durable; then nothing has changed.
    pub async fn create(
        &self,
        user: UserId,
        limits: Limits,
        now: Moment,
    ) -> Result<Arc<Session>, Unavailable> {
        let session = Arc::new(Session::begin(SessionId::generate(), user, limits.lifetimes, now));
        let reservation = Reservation::take(self, session.id(), user, limits);
        if let Err(refused) = self.log.insert(session.row(), reservation.place.gave_way.clone()).await {
            reservation.undo();
            return Err(refused);
        }
        if !reservation.confirm(&session) {
            // Ended while it began (a newer login at the limit, a revocation): the disk must not know better.
            self.settle(Ended::Ids(vec![session.id()]), &[session.id()]).await?;
        }
        Ok(session)
    }

    /// The session of that id, if it is alive. Counts as a request of it; at most once a minute that is noted on disk.
    ///
    /// # Errors
    /// [`Dead`] when there is none.
    pub fn lookup(&self, id: SessionId, lifetimes: Lifetimes, now: Moment) -> Result<Arc<Session>, Dead> {
        let found = self.shard(id).read().get(&id).cloned();
        let session = found.filter(|session| session.is_alive()).ok_or(Dead::Gone)?;
        if session.expired(lifetimes, now) {
            // Dead for good: a clock that is set back later brings nothing back.
            self.kill(&[id]);
            return Err(Dead::Expired);
        }
        if session.seen(now) {
            self.log.touch(id, now.unix_ms);
        }
        Ok(session)
    }

    /// The session of that id, if it is alive. Looking does not count as a request of it, and changes nothing.
    pub fn peek(&self, id: SessionId, lifetimes: Lifetimes, now: Moment) -> Option<Arc<Session>> {
        let found = self.shard(id).read().get(&id).cloned();
        found.filter(|session| session.is_alive() && !session.expired(lifetimes, now))
    }

    /// Whether a session that somebody holds for longer than a request is alive now. `is_used` counts as a request of it.
    pub fn holds(&self, session: &Session, is_used: bool, lifetimes: Lifetimes, now: Moment) -> bool {
        if !session.is_alive() {
            return false;
        }
        if session.expired(lifetimes, now) {
            self.kill(&[session.id()]);
            return false;
        }
        if is_used && session.seen(now) {
            self.log.touch(session.id(), now.unix_ms);
        }
        true
    }

    /// Ends a session. Dead for every request that starts from now on; `Ok` once the disk knows. Ending a session that
    /// is not there is no error.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk does not know yet: the caller must not report success.
    pub async fn end(&self, id: SessionId) -> Result<(), Unavailable> {
        if !self.kill(&[id]) && !self.unsettled.lock().contains(&id) {
            return Ok(());
        }
        self.settle(Ended::Ids(vec![id]), &[id]).await
    }

    /// Ends every session of a user; otherwise as [`Sessions::end`]. Returns how many were alive.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk does not know yet.
    pub async fn end_all_of(&self, user: UserId) -> Result<usize, Unavailable> {
        let ids = self.index.lock().of(user);
        self.kill(&ids);
        self.settle(Ended::User(user), &ids).await?;
        Ok(ids.len())
    }

    /// Ends every session; otherwise as [`Sessions::end`]. Returns how many were alive.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk does not know yet.
    pub async fn end_all(&self) -> Result<usize, Unavailable> {
        let ids = self.index.lock().all();
        self.kill(&ids);
        self.settle(Ended::All, &ids).await?;
        Ok(ids.len())
    }

    /// Housekeeping, to be called every minute or so: ends what has expired unseen and tells the disk what it missed.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk still refuses; the next call tries again.
    pub async fn tidy(&self, lifetimes: Lifetimes, now: Moment) -> Result<(), Unavailable> {
        for shard in &self.shards {
            let over: Vec<SessionId> = {
                let shard = shard.read();
                shard.values().filter(|s| s.expired(lifetimes, now)).map(|s| s.id()).collect()
            };
            self.kill(&over);
            tokio::task::yield_now().await;
        }
        loop {
            let some: Vec<SessionId> = self.unsettled.lock().iter().take(REMOVE_MAX).copied().collect();
            if some.is_empty() {
                return Ok(());
            }
            self.settle(Ended::Ids(some.clone()), &some).await?;
        }
    }

    /// Sessions in the table, for listing: newest first, at most `most`, of one user or of all.
    pub fn list(&self, user: Option<UserId>, most: usize) -> Vec<SessionRow> {
        let ids = self.index.lock().newest(user, most);
        ids.into_iter().filter_map(|id| self.shard(id).read().get(&id).map(|s| s.row())).collect()
    }

    /// How many sessions of a user are in the table.
    pub fn count_of(&self, user: UserId) -> usize {
        self.index.lock().of(user).len()
    }

    /// How many sessions there are, those included whose time is over but which nobody has asked for since.
    pub fn count(&self) -> usize {
        self.index.lock().len()
    }

    /// How many ended sessions the disk does not know of yet.
    pub fn unsettled(&self) -> usize {
        self.unsettled.lock().len()
    }

    fn shard(&self, id: SessionId) -> &RwLock<IdMap<SessionId, Arc<Session>>> {
        &self.shards[usize::from(id.as_bytes()[0]) % SHARDS]
    }

    /// Ends sessions in memory; whether any of them was known. Noted as unsettled before they die, so that whoever finds
    /// one dead also finds out that the disk may not know.
    fn kill(&self, ids: &[SessionId]) -> bool {
        let mut known = false;
        for id in ids {
            let newly_noted = self.unsettled.lock().insert(*id);
            let in_index = self.index.lock().remove(*id);
            let session = self.shard(*id).write().remove(id);
            if let Some(session) = &session {
                session.end();
            }
            if in_index || session.is_some() {
                known = true;
            } else if newly_noted {
                self.unsettled.lock().remove(id);
            }
        }
        known
    }

    async fn settle(&self, which: Ended, ids: &[SessionId]) -> Result<(), Unavailable> {
        self.unsettled.lock().extend(ids);
        self.log.remove(which).await?;
        let mut unsettled = self.unsettled.lock();
        for id in ids {
            unsettled.remove(id);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sessions({})", self.count())
    }
}

/// A place in the index while the disk writes. Dropped unconfirmed (refused, or the client hung up) it undoes itself.
struct Reservation<'a> {
    sessions: &'a Sessions,
    id: SessionId,
    place: Place,
    open: bool,
}

impl<'a> Reservation<'a> {
    fn take(sessions: &'a Sessions, id: SessionId, user: UserId, limits: Limits) -> Self {
        let place = sessions.index.lock().admit(id, user, limits.per_user_max, limits.sessions_max);
        Self { sessions, id, place, open: true }
    }

    /// The disk has it: the new one enters the table, those that gave way leave. Whether the new one is alive.
    fn confirm(mut self, session: &Arc<Session>) -> bool {
        self.open = false;
        let alive = {
            let index = self.sessions.index.lock();
            let alive = index.has(self.id);
            if alive {
                // Under the index's lock: an ending that comes now finds it in the table.
                self.sessions.shard(self.id).write().insert(self.id, Arc::clone(session));
            }
            alive
        };
        for id in &self.place.gave_way {
            self.sessions.index.lock().remove(*id);
            if let Some(old) = self.sessions.shard(*id).write().remove(id) {
                old.end();
            }
        }
        if !alive {
            session.end();
        }
        alive
    }

    /// The disk refused: all is as before.
    fn undo(mut self) {
        self.open = false;
        self.give_back();
    }

    fn give_back(&self) {
        let mut index = self.sessions.index.lock();
        index.remove(self.id);
        index.release(&self.place.gave_way);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.open {
            self.give_back();
            // The row may yet be written, and nobody waits for it any more: `tidy` removes it.
            self.sessions.unsettled.lock().insert(self.id);
        }
    }
}
