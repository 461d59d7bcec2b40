//! The one thread that writes. It outlives every refusal: a full disk costs the writes that meet it, nothing else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, ffi};

use super::error::{WriteError, is_busy, is_passing, reason};
use super::identity::Identity;
use super::open::Opened;
use super::queue::{Batched, Job, Op, Work};
use super::sweep::{Progress, Sweep};
use super::{
    Shared, alerts, bans, blocks, decisions, identities, keys, kv, reloads, sessions, sweep, usage, users,
};
use crate::base::clock::Clock;

/// How long batched writes wait for another process: not long, for urgent ones may come.
const BATCH_BUSY: Duration = Duration::from_millis(50);
/// Why nothing is written to a file that nobody would find again.
const LOST: &str = "the file was removed or replaced";
const AT_LEAST: Duration = Duration::from_millis(1);

/// Starts the writer. It ends when the queues are closed.
pub(super) fn start(opened: Opened, busy: Duration, shared: Arc<Shared>) -> io::Result<()> {
    let run = move || {
        let Opened { connection, lock, identity, .. } = opened;
        // Runs last, also if the thread panics: nobody waits for a writer that is gone.
        let gone = Gone(Arc::clone(&shared));
        let mut writer =
            Writer { connection, identity, busy, shared, full_sync: true, sweeping: None, next_row: None };
        while writer.step() {}
        writer.finish();
        drop(lock);
        drop(gone);
    };
    thread::Builder::new().name("store-writer".to_owned()).spawn(run).map(drop)
}

struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.healthy.store(false, Ordering::Relaxed);
        self.0.queues.set_closed();
    }
}

struct Writer {
    connection: Connection,
    identity: Identity,
    busy: Duration,
    shared: Arc<Shared>,
    /// Whether a commit waits for the disk.
    full_sync: bool,
    /// The sweep that goes on between other writes.
    sweeping: Option<Progress>,
    /// The number of the next usage row; `None` where the database has to be asked.
    next_row: Option<i64>,
}

impl Writer {
    /// Does one piece of work; whether there may be more.
    fn step(&mut self) -> bool {
        match self.shared.queues.next() {
            Work::Urgent(jobs) if !self.identity.still_stands() => {
                let outcome = Err(self.refused_for(LOST));
                let outcomes = vec![outcome; jobs.len()];
                answer(jobs, outcomes);
            }
            Work::Urgent(jobs) => self.urgent(jobs),
            Work::Batch(batch) if !self.identity.still_stands() => {
                self.refused_for(LOST);
                self.give_back(batch, true);
            }
            Work::Batch(batch) => self.batch(batch),
            Work::Flushed(replies) => {
                for reply in replies {
                    let _ = reply.send(Ok(()));
                }
            }
            Work::Slice(sweep) => self.slice(sweep),
            Work::Index => self.index(),
            Work::Close => return false,
        }
        true
    }

    /// One commit for all; if that fails for another reason than a lock, one for each, so that none fails by its
    /// neighbour.
    fn urgent(&mut self, jobs: Vec<Job>) {
        match self.commit(&jobs) {
            Ok(outcomes) => answer(jobs, outcomes),
            Err(error) if jobs.len() > 1 && !is_busy(&error) => {
                for job in jobs {
                    let one = [job];
                    let outcome = self.commit(&one).unwrap_or_else(|e| vec![Err(self.refused(&e))]);
                    answer(Vec::from(one), outcome);
                }
            }
            Err(error) => {
                let outcome = Err(self.refused(&error));
                let outcomes = vec![outcome; jobs.len()];
                answer(jobs, outcomes);
            }
        }
    }

    /// Writes all jobs in one durable transaction. The outer error: nothing of it is on disk.
    fn commit(&mut self, jobs: &[Job]) -> rusqlite::Result<Vec<Result<(), WriteError>>> {
        let now = Clock::System.now();
        let waited =
            jobs.iter().map(|job| now.saturating_duration_since(job.since)).max().unwrap_or_default();
        self.prepare(self.busy.saturating_sub(waited).max(AT_LEAST), true)?;
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            let savepoint = transaction.savepoint()?;
            match apply(&savepoint, &job.op) {
                Ok(()) => {
                    savepoint.commit()?;
                    outcomes.push(Ok(()));
                }
                // A row that does not fit fails alone; anything else fails the transaction.
                Err(error) => outcomes.push(Err(misfit(&job.op, &error).ok_or(error)?)),
            }
        }
        transaction.commit()?;
        self.worked();
        if jobs.iter().any(|job| matches!(job.op, Op::EraseUser { .. })) {
            self.fold();
        }
        Ok(outcomes)
    }

    /// Folds the log into the file: what was erased stands in neither. A reader that holds on to an older state keeps it
    /// in the log until the next fold.
    fn fold(&self) {
        let folded = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        if !matches!(folded, Ok(0_i64)) {
            tracing::warn!("the database's log could not be emptied after an erasure; it will be later");
        }
    }

    fn batch(&mut self, batch: Vec<Batched>) {
        let may_work_later = match self.write_batch(&batch) {
            Ok(()) => return self.worked(),
            Err(error) => {
                self.refused(&error);
                is_passing(&error)
            }
        };
        self.give_back(batch, may_work_later);
    }

    /// Keeps what was not written for later, or drops and counts it.
    fn give_back(&self, batch: Vec<Batched>, may_work_later: bool) {
        if may_work_later && !self.shared.queues.is_closing() {
            self.shared.queues.put_back(batch);
        } else {
            let rows = batch.iter().filter(|write| write.is_counted()).count();
            self.shared.queues.count_dropped(rows);
        }
    }

    fn write_batch(&mut self, batch: &[Batched]) -> rusqlite::Result<()> {
        self.prepare(BATCH_BUSY, false)?;
        // Asked for again, should this one fail.
        let known = self.next_row.take();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let first_row = match known {
            Some(next) => next,
            None => blocks::next_row(&transaction)?,
        };
        let usage = batch.iter().filter_map(|write| match write {
            Batched::Usage(row) => Some(row),
            _ => None,
        });
        let next_row = usage::insert(&transaction, first_row, usage)?;
        for write in batch {
            match write {
                // Written already, all at once.
                Batched::Usage(_) => {}
                Batched::Decision(row) => decisions::insert(&transaction, row)?,
                Batched::Touch { id, last_seen_ms } => sessions::touch(&transaction, id, *last_seen_ms)?,
                Batched::TouchKey { id, last_used_ms } => keys::touch(&transaction, *id, *last_used_ms)?,
            }
        }
        transaction.commit()?;
        self.next_row = Some(next_row);
        Ok(())
    }

    /// Makes one block of usage rows searchable, if one is due.
    fn index(&mut self) {
        if !self.identity.still_stands() {
            return;
        }
        let now_ms = Clock::System.unix_ms();
        let built =
            self.prepare(BATCH_BUSY, false).and_then(|()| blocks::build(&mut self.connection, now_ms));
        match built {
            Ok(true) => {
                self.worked();
                self.shared.queues.go_on_indexing();
            }
            Ok(false) => {}
            Err(error) => drop(self.refused(&error)),
        }
    }

    fn slice(&mut self, sweep: Sweep) {
        let mut progress = self
            .sweeping
            .take()
            .filter(|going| going.sweep == sweep)
            .unwrap_or_else(|| Progress::begin(sweep));
        let outcome =
            self.prepare(BATCH_BUSY, false).and_then(|()| sweep::slice(&mut self.connection, &mut progress));
        match outcome {
            Ok(true) => {
                self.worked();
                self.sweeping = Some(progress);
            }
            Ok(false) => {
                self.worked();
                self.shared.queues.swept(sweep, Ok(()));
            }
            Err(error) => {
                let refused = self.refused(&error);
                self.shared.queues.swept(sweep, Err(refused));
            }
        }
    }

    /// Sets how long to wait for a lock, and whether the commit waits for the disk. What is not urgent does not: the
    /// next urgent commit, or the checkpoint, makes it durable.
    fn prepare(&mut self, busy: Duration, full_sync: bool) -> rusqlite::Result<()> {
        self.connection.busy_timeout(busy)?;
        if self.full_sync != full_sync {
            self.connection.pragma_update(None, "synchronous", if full_sync { "full" } else { "normal" })?;
            self.full_sync = full_sync;
        }
        Ok(())
    }

    fn worked(&self) {
        if !self.shared.healthy.swap(true, Ordering::Relaxed) {
            tracing::info!("the database takes writes again");
        }
    }

    fn refused(&self, error: &rusqlite::Error) -> WriteError {
        self.refused_for(reason(error))
    }

    fn refused_for(&self, reason: &'static str) -> WriteError {
        self.shared.write_errors.fetch_add(1, Ordering::Relaxed);
        if self.shared.healthy.swap(false, Ordering::Relaxed) {
            tracing::error!(reason, "the database refuses writes");
        }
        WriteError::Refused(reason)
    }

    /// Folds the log into the file. Failing that, the next start does it.
    fn finish(self) {
        let checkpoint =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        if let Err(error) = checkpoint {
            tracing::warn!(reason = reason(&error), "the database was not checkpointed");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(reason = reason(&error), "the database was not closed");
        }
    }
}

fn apply(connection: &Connection, op: &Op) -> rusqlite::Result<()> {
    match op {
        Op::InsertSession { row, gave_way } => sessions::insert(connection, row, gave_way),
        Op::RemoveSessions(which) => sessions::remove(connection, which),
        Op::ExtendSession { id, expires_ms } => sessions::extend(connection, id, *expires_ms),
        Op::SaveUser(row) => users::save(connection, row),
        Op::InsertKey(row) => keys::insert(connection, row),
        Op::RevokeKey { id, revoked_ms } => keys::revoke(connection, *id, *revoked_ms),
        Op::EraseUser { id, owner } => users::erase(connection, id, owner),
        Op::SaveIdentity(row) => identities::save(connection, row),
        Op::AddReload(row) => reloads::insert(connection, row),
        Op::SaveKv(rows) => kv::save(connection, rows),
        Op::AddAlert(row) => alerts::insert(connection, row),
        Op::AlertBecame { event_id, delivered } => alerts::became(connection, event_id, delivered),
        Op::SaveBan(row) => bans::save(connection, row),
        Op::RemoveBans(targets) => bans::remove(connection, targets),
        Op::SetLockdown(row) => bans::set_lockdown(connection, row.as_ref()),
    }
}

/// The answer to a write that does not fit what is there; `None` for an error of the database.
fn misfit(op: &Op, error: &rusqlite::Error) -> Option<WriteError> {
    let code = error.sqlite_error()?;
    if code.code != rusqlite::ErrorCode::ConstraintViolation {
        return None;
    }
    let taken = matches!(op, Op::SaveUser(_)) && code.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE;
    Some(if taken { WriteError::NameTaken } else { WriteError::Refused(reason(error)) })
}

fn answer(jobs: Vec<Job>, outcomes: Vec<Result<(), WriteError>>) {
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        // Whoever asked may have gone; then nobody needs the answer.
        let _ = job.reply.send(outcome);
    }
}

#[cfg(test)]
mod tests;
