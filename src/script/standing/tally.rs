//! What a plugin did, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::durations::Durations;
use crate::config::Mode;
use crate::script::ledger::{FaultKind, Note, Outcome};

/// The code under which codes are counted that do not stand in the scripts.
const OTHER: &str = "other";

/// Counts of one plugin. Codes are those that stand in its scripts: no client makes a new one.
pub struct Tally {
    calls: AtomicU64,
    refusals: [AtomicU64; 2],
    /// By code: what counted, and what would have.
    codes: BTreeMap<String, [AtomicU64; 2]>,
    faults: [AtomicU64; FaultKind::ALL.len()],
    durations: Durations,
}

/// The counts as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Calls of hooks.
    pub calls: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests that would have been refused, had the plugin enforced.
    pub would_refuse: u64,
    /// Verdicts and scores that counted, by code.
    pub verdicts: BTreeMap<String, u64>,
    /// Verdicts and scores that would have counted, by code.
    pub would: BTreeMap<String, u64>,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Half of the calls took no longer, in microseconds.
    pub p50_us: f64,
    /// 99 of 100 calls took no longer, in microseconds.
    pub p99_us: f64,
}

impl Tally {
    pub fn new(codes: &BTreeSet<String>) -> Self {
        let pair = || [AtomicU64::new(0), AtomicU64::new(0)];
        let names = codes.iter().cloned().chain([OTHER.to_owned()]);
        Self {
            calls: AtomicU64::new(0),
            refusals: pair(),
            codes: names.map(|name| (name, pair())).collect(),
            faults: FaultKind::ALL.map(|_| AtomicU64::new(0)),
            durations: Durations::default(),
        }
    }

    pub fn count(&self, note: &Note) {
        let side = usize::from(note.mode != Mode::Enforce);
        let one = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        if let Outcome::Fault(kind) = note.outcome {
            one(&self.faults[kind.index()]);
            if kind == FaultKind::Tripped {
                return;
            }
        }
        if note.outcome.ends_call() {
            one(&self.calls);
            self.durations.note(note.duration);
        }
        if note.outcome.refuses() {
            one(&self.refusals[side]);
        }
        if !note.code.is_empty() && note.outcome != Outcome::Tag {
            let counters = self.codes.get(&*note.code).or_else(|| self.codes.get(OTHER));
            counters.map(|pair| one(&pair[side]));
        }
    }

    pub fn read(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let by_code = |side: usize| {
            let all = self.codes.iter().map(|(code, pair)| (code.clone(), get(&pair[side])));
            all.filter(|(_, n)| *n > 0).collect()
        };
        let faults = FaultKind::ALL.iter().map(|kind| (kind.word(), get(&self.faults[kind.index()])));
        Counts {
            calls: get(&self.calls),
            refused: get(&self.refusals[0]),
            would_refuse: get(&self.refusals[1]),
            verdicts: by_code(0),
            would: by_code(1),
            faults: faults.filter(|(_, n)| *n > 0).collect(),
            p50_us: self.durations.permille(500),
            p99_us: self.durations.permille(990),
        }
    }
}
