//! How each plugin stands: what it did, how often it failed, and whether it tripped. Outlives a snapshot for as long as
//! the plugin's files stay as they are; counted with atomics, so that no worker waits for another.

mod breaker;
mod durations;
mod error_budget;
mod share;
mod tally;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

pub(super) use self::breaker::{Breaker, Change};
pub(super) use self::error_budget::{ErrorBudget, Fallback, read_budget};
pub(super) use self::share::Share;
pub use self::tally::Counts;
pub(super) use self::tally::Tally;
pub(super) use self::turn::{Turn, enforces, settle, turn, turn_without_probe};

use super::hook::Hook;
use super::ledger::Note;
use super::run::Fault;

/// One plugin went over its budget, or came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// The plugin.
    pub plugin: Arc<str>,
    /// What became of it: `tripped`, `still tripped` or `back`.
    pub change: &'static str,
    /// What it does while it is tripped: `shadow` or `off`.
    pub action: &'static str,
}

/// What is told of each [`Trip`]: called on the thread of the request that showed it, so it must not wait.
pub type Alarm = Box<dyn Fn(&Trip) + Send + Sync>;

/// The records of every plugin in force. One for the whole process.
pub struct Board {
    key: [u8; 32],
    alarm: Arc<OnceLock<Alarm>>,
    /// Locked when a snapshot goes live, never by a request.
    records: Mutex<BTreeMap<Arc<str>, Arc<Record>>>,
}

impl Board {
    /// An empty board. Under the key clients are divided into those that a plugin enforces on and the others.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: *key, alarm: Arc::default(), records: Mutex::default() }
    }

    /// Has something told of each trip; the first to ask is told.
    pub fn on_trip(&self, alarm: Alarm) {
        // A second one is not wanted: nobody would know which of them is told.
        let _ = self.alarm.set(alarm);
    }

    /// The record of a plugin whose files have that hash; a plugin whose files are others starts clean.
    pub(super) fn record(&self, fresh: impl FnOnce() -> Record, name: &Arc<str>, hash: &str) -> Arc<Record> {
        let mut records = self.records.lock();
        if let Some(known) = records.get(name).filter(|known| known.hash == hash) {
            return Arc::clone(known);
        }
        let mut record = fresh();
        record.alarm = Arc::clone(&self.alarm);
        let record = Arc::new(record);
        records.insert(name.clone(), Arc::clone(&record));
        record
    }

    /// Forgets plugins that are there no more.
    pub(super) fn keep(&self, names: &BTreeSet<Arc<str>>) {
        self.records.lock().retain(|name, _| names.contains(name));
    }

    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

/// One plugin's record.
pub(super) struct Record {
    pub tally: Tally,
    pub breaker: Breaker,
    /// Since when these files are in force, in milliseconds since 1970-01-01 UTC; 0 where they are not.
    pub since_ms: i64,
    hash: String,
    alarm: Arc<OnceLock<Alarm>>,
    /// Locked only when a call failed, and when somebody looks.
    last_fault: Mutex<Option<LastFault>>,
}

/// How a plugin failed last.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LastFault {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// The kind, as in the metrics.
    pub kind: &'static str,
    /// The name of the hook.
    pub hook: &'static str,
    /// Line in `main.rhai` or in a file that it uses, from 1; 0 where it is not known.
    pub line: usize,
    /// Column in that line, from 1; 0 where it is not known.
    pub column: usize,
    /// What went wrong; nothing that the script had in hand.
    pub message: String,
}

impl Record {
    pub fn new(budget: &ErrorBudget, codes: &BTreeSet<String>, hash: &str, since_ms: i64) -> Self {
        Self {
            tally: Tally::new(codes),
            breaker: Breaker::new(budget),
            since_ms,
            hash: hash.to_owned(),
            alarm: Arc::default(),
            last_fault: Mutex::default(),
        }
    }

    /// Keeps how a call failed.
    pub fn failed(&self, fault: &Fault, hook: Hook, time_ms: i64) {
        *self.last_fault.lock() = Some(LastFault {
            time_ms,
            kind: fault.kind.word(),
            hook: hook.name(),
            line: fault.line,
            column: fault.column,
            message: fault.told.clone(),
        });
    }

    /// How a call failed last.
    pub fn last_fault(&self) -> Option<LastFault> {
        self.last_fault.lock().clone()
    }

    /// Counts a note on its way into the ledger.
    pub fn counted(&self, note: Note) -> Note {
        self.tally.count(&note);
        note
    }

    pub fn tell(&self, trip: &Trip) {
        if let Some(alarm) = self.alarm.get() {
            alarm(trip);
        }
    }
}
