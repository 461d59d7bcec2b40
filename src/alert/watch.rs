//! One alert of the configuration and where it stands: for each of those for whom it counts, calm, told, or held back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::pace::{Lately, Pace};
use super::usual::Usual;
use super::window::{self, Window};
use crate::base::address::Pseudonym;
use crate::config::{Alert, AlertSeverity};

/// Most users, addresses or things that one alert tells apart; those that come then are counted together.
pub const KEYS_MAX: usize = 4_096;

/// For whom is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All together.
    All,
    /// A user or an address, as a keyed hash.
    Hash(Pseudonym),
    /// A service or a plugin.
    Thing(Arc<str>),
    /// Those that found no place of their own.
    Others,
}

/// Whether something began or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It began.
    Raised,
    /// It is over.
    Recovered,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) turn: Turn,
    pub(super) subject: Subject,
    /// How often it happened in the window; when it is over, the most that it came to.
    pub(super) count: u64,
}

/// One alert and its windows.
pub(super) struct Watch {
    pub(super) alert: Arc<Alert>,
    start: Instant,
    state: Mutex<State>,
    pace: Mutex<Pace>,
    raised: Mutex<Lately>,
}

struct State {
    keys: HashMap<Subject, Standing>,
    usual: Option<Usual>,
    /// In which part of the window room was made last: it is looked for once a part.
    tidied: u64,
}

/// Where one subject stands.
#[derive(Default)]
struct Standing {
    window: Window,
    phase: Phase,
    /// A state that lasts.
    on: bool,
    /// When it held last.
    held: Option<Instant>,
    /// When its beginning was told last.
    told: Option<Instant>,
    most: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Calm,
    /// It holds, and was told too lately to be told again.
    HeldBack,
    /// It holds, and was told.
    Told,
}

/// A moment as the windows count it.
#[derive(Clone, Copy)]
struct Moment {
    now: Instant,
    part: u64,
    since_start: Duration,
}

impl Watch {
    pub(super) fn new(alert: Arc<Alert>, start: Instant, now: Instant) -> Self {
        let since = now.saturating_duration_since(start);
        let usual = alert.measure.factor.map(|_| Usual::new(alert.measure.within, since));
        let state = Mutex::new(State { keys: HashMap::new(), usual, tidied: 0 });
        Self { alert, start, state, pace: Mutex::default(), raised: Mutex::default() }
    }

    /// A plugin raises something. Whether it is told: then, how many were held back since the last time.
    pub(super) fn raised(&self, now: Instant, plugin: &Arc<str>, severity: AlertSeverity) -> Option<u64> {
        self.raised.lock().admit(now, self.alert.cooldown, plugin, severity)
    }

    /// Whether one more message may be told: then, how many were held back before it, `before` among them.
    pub(super) fn admit(&self, now: Instant, before: u64) -> Option<u64> {
        self.pace.lock().admit(now, before)
    }

    /// How many messages were held back, where that may be told by now.
    pub(super) fn overdue(&self, now: Instant) -> Option<u64> {
        self.pace.lock().overdue(now)
    }

    /// Something happened so many times.
    pub(super) fn happened(&self, now: Instant, subject: Subject, times: u32) -> Option<Told> {
        let at = self.moment(now);
        let mut state = self.state.lock();
        if let Some(usual) = &mut state.usual {
            usual.add(at.since_start, times);
        }
        let limit = self.limit(&mut state, at);
        let subject = state.room_for(subject, at);
        let standing = state.keys.entry(subject.clone()).or_default();
        standing.window.add(at.part, times);
        let turn = standing.look(limit, at, &self.alert)?;
        Some(Told { turn, subject, count: standing.count(turn, at) })
    }

    /// A state holds, or is over.
    pub(super) fn is(&self, now: Instant, subject: Subject, on: bool) -> Option<Told> {
        let at = self.moment(now);
        let mut state = self.state.lock();
        if !on && !state.keys.contains_key(&subject) {
            return None;
        }
        let limit = self.limit(&mut state, at);
        let subject = state.room_for(subject, at);
        let standing = state.keys.entry(subject.clone()).or_default();
        standing.on = on;
        let turn = if on { standing.look(limit, at, &self.alert) } else { standing.end() }?;
        Some(Told { turn, subject, count: standing.count(turn, at) })
    }

    /// Time has passed: what is over is told, and what was held back and still holds.
    pub(super) fn tick(&self, now: Instant) -> Vec<Told> {
        let at = self.moment(now);
        let mut state = self.state.lock();
        let limit = self.limit(&mut state, at);
        let mut told = Vec::new();
        for (subject, standing) in &mut state.keys {
            if let Some(turn) = standing.look(limit, at, &self.alert) {
                told.push(Told { turn, subject: subject.clone(), count: standing.count(turn, at) });
            }
        }
        state.keys.retain(|_, standing| !standing.is_forgettable(at, &self.alert));
        told
    }

    /// Those for whom it is told and not over, with how often it happened.
    pub(super) fn active(&self) -> Vec<(Subject, u64)> {
        let state = self.state.lock();
        let told = state.keys.iter().filter(|(_, standing)| standing.phase == Phase::Told);
        told.map(|(subject, standing)| (subject.clone(), standing.most.max(1))).collect()
    }

    /// How many are told apart now.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.state.lock().keys.len()
    }

    fn moment(&self, now: Instant) -> Moment {
        let since_start = now.saturating_duration_since(self.start);
        Moment { now, part: window::part(since_start, self.alert.measure.within), since_start }
    }

    /// How often it must happen; nothing while that is not known.
    fn limit(&self, state: &mut State, at: Moment) -> Option<u64> {
        let measure = &self.alert.measure;
        let (Some(factor), Some(usual)) = (measure.factor, &mut state.usual) else {
            return Some(measure.count);
        };
        let usual = f64::from(usual.median(at.since_start)?) * factor;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 2^32 times 1000, not below 0"
        )]
        let usual = usual.ceil() as u64;
        Some(usual.max(measure.count))
    }
}

impl State {
    /// The subject, or [`Subject::Others`] where there is no room for another one.
    fn room_for(&mut self, subject: Subject, at: Moment) -> Subject {
        if self.keys.len() < KEYS_MAX || self.keys.contains_key(&subject) {
            return subject;
        }
        if self.tidied != at.part {
            self.tidied = at.part;
            self.keys.retain(|_, s| s.phase != Phase::Calm || s.on || s.window.sum(at.part) > 0);
        }
        if self.keys.len() < KEYS_MAX { subject } else { Subject::Others }
    }
}

impl Standing {
    /// Whether something is to be told now.
    fn look(&mut self, limit: Option<u64>, at: Moment, alert: &Alert) -> Option<Turn> {
        let sum = self.window.sum(at.part);
        let holds = self.on || limit.is_some_and(|limit| sum >= limit);
        if !holds {
            let since = self.held.map_or(Duration::MAX, |held| at.now.saturating_duration_since(held));
            let lasts = self.phase != Phase::Calm && since < alert.measure.within;
            return if lasts { None } else { self.end() };
        }
        self.held = Some(at.now);
        self.most = self.most.max(sum);
        let lately = self.told.is_some_and(|told| at.now.saturating_duration_since(told) < alert.cooldown);
        match self.phase {
            Phase::Told => None,
            Phase::Calm | Phase::HeldBack if lately => {
                self.phase = Phase::HeldBack;
                None
            }
            Phase::Calm | Phase::HeldBack => {
                self.phase = Phase::Told;
                self.told = Some(at.now);
                Some(Turn::Raised)
            }
        }
    }

    /// It is over: told where its beginning was.
    fn end(&mut self) -> Option<Turn> {
        let before = std::mem::replace(&mut self.phase, Phase::Calm);
        (before == Phase::Told).then_some(Turn::Recovered)
    }

    fn count(&mut self, turn: Turn, at: Moment) -> u64 {
        match turn {
            Turn::Raised => self.window.sum(at.part).max(1),
            Turn::Recovered => std::mem::take(&mut self.most).max(1),
        }
    }

    fn is_forgettable(&mut self, at: Moment, alert: &Alert) -> bool {
        let lately = self.told.is_some_and(|told| at.now.saturating_duration_since(told) < alert.cooldown);
        self.phase == Phase::Calm && !self.on && !lately && self.window.sum(at.part) == 0
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
