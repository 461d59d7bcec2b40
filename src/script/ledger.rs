//! What the rules said about one request: scores, tags, time spent, and a note for each decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::denial::{DenialFacts, DenialWords};
use super::effect::{EFFECTS_MAX, Effect};
use super::gateway_list::RuleBan;
use super::hook::Hook;
use super::outgoing::Outgoing;
use super::state::Area;
use crate::config::Mode;

/// Notes kept per request; what comes after is counted.
pub const NOTES_MAX: usize = 64;
/// Tags per request.
pub const TAGS_MAX: usize = 32;
/// The farthest a score goes in either direction.
pub const SCORE_MAX: i64 = 100_000;

/// The account of all rules over one request. One per request, carried from hook to hook.
pub struct Ledger {
    pub(super) score: i64,
    pub(super) tags: BTreeSet<String>,
    /// The same without people and machines, for whoever looks at the request later.
    told_tags: BTreeSet<String>,
    /// Time in hooks of plugins that enforce, and of those in shadow: what only looks takes nothing from what decides.
    spent: [Duration; 2],
    pub(super) vars: BTreeMap<Arc<str>, rhai::Map>,
    notes: Vec<Note>,
    notes_dropped: usize,
    /// What enforcing plugins told others.
    pub(super) facts: rhai::Map,
    effects: Vec<Effect>,
    bans: Vec<RuleBan>,
    /// What enforcing plugins change of the request that goes upstream.
    pub(super) outgoing: Outgoing,
    /// The refusal that `on_deny` is asked about.
    pub(super) denial: Option<Arc<DenialFacts>>,
    /// The words of enforcing plugins for it.
    pub(super) words: Option<DenialWords>,
    /// Log lines are kept here instead of being written, for the test runner.
    pub(super) kept_logs: Option<Vec<String>>,
    /// Of a request that is only judged again: what each plugin writes meanwhile. Nothing of it is kept, nothing counts, and
    /// nobody is told.
    pub(super) scratch: Option<BTreeMap<Arc<str>, Arc<Area>>>,
}

/// What rules did where there was no request.
#[derive(Debug, Default)]
pub struct Occasions {
    /// What each plugin did.
    pub notes: Vec<Note>,
    /// What they asked for.
    pub effects: Vec<Effect>,
    /// Whom they want kept out, and whom no longer.
    pub bans: Vec<RuleBan>,
}

impl Occasions {
    /// Adds what stands in a ledger.
    pub(super) fn add(&mut self, ledger: Ledger) {
        self.notes.extend(ledger.notes);
        self.effects.extend(ledger.effects);
        self.bans.extend(ledger.bans);
    }
}

/// One thing that one plugin did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The plugin.
    pub plugin: Arc<str>,
    /// The moment.
    pub hook: Hook,
    /// `plugin/main.rhai:LINE`, the place of the verb; `plugin` where no verb was called.
    pub rule: String,
    /// What was said.
    pub outcome: Outcome,
    /// The literal code of the verb, the tag of `tag`; empty where there is none.
    pub code: Arc<str>,
    /// Whether it counted.
    pub mode: Mode,
    /// Time inside the script, for the note that ends a call; zero for scores and tags on the way.
    pub duration: Duration,
}

/// What a plugin said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing.
    Pass,
    /// `allow`.
    Allow,
    /// `deny`.
    Deny,
    /// `throttle`.
    Throttle,
    /// `redirect`.
    Redirect,
    /// `challenge`.
    Challenge,
    /// `drop`.
    Drop,
    /// `score`, with the points.
    Score(i64),
    /// `tag`.
    Tag,
    /// The script failed.
    Fault(FaultKind),
}

/// How a script failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// An error in the script: a wrong type, an unknown function, `throw`.
    Script,
    /// Too many operations.
    Operations,
    /// Too much time, alone or with the other rules of the request.
    Time,
    /// Too much memory, or one value too large.
    Memory,
    /// A panic in a host function or in the interpreter.
    Panic,
    /// It was not asked: it had failed or been slow too often.
    Tripped,
}

impl Outcome {
    /// The word for metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Throttle => "throttle",
            Self::Redirect => "redirect",
            Self::Challenge => "challenge",
            Self::Drop => "drop",
            Self::Score(_) => "score",
            Self::Tag => "tag",
            Self::Fault(_) => "fault",
        }
    }

    /// Whether this ends the call: every call of a hook has exactly one note that does.
    pub fn ends_call(self) -> bool {
        !matches!(self, Self::Score(_) | Self::Tag)
    }

    /// Whether this refuses the request, where the plugin enforces.
    pub fn refuses(self) -> bool {
        matches!(self, Self::Deny | Self::Throttle | Self::Redirect | Self::Challenge | Self::Drop)
    }
}

impl FaultKind {
    /// The word for metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Operations => "ops",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Panic => "panic",
            Self::Tripped => "tripped",
        }
    }

    /// Every kind.
    pub(super) const ALL: [Self; 6] =
        [Self::Script, Self::Operations, Self::Time, Self::Memory, Self::Panic, Self::Tripped];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Script => 0,
            Self::Operations => 1,
            Self::Time => 2,
            Self::Memory => 3,
            Self::Panic => 4,
            Self::Tripped => 5,
        }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            score: 0,
            tags: BTreeSet::new(),
            told_tags: BTreeSet::new(),
            spent: [Duration::ZERO; 2],
            vars: BTreeMap::new(),
            notes: Vec::new(),
            notes_dropped: 0,
            facts: rhai::Map::new(),
            effects: Vec::new(),
            bans: Vec::new(),
            outgoing: Outgoing::default(),
            denial: None,
            words: None,
            kept_logs: None,
            scratch: None,
        }
    }
}

impl Ledger {
    /// An empty account.
    pub fn new() -> Self {
        Self::default()
    }

    /// An account for a test: it keeps log lines instead of writing them.
    pub(super) fn of_test() -> Self {
        Self { kept_logs: Some(Vec::new()), ..Self::default() }
    }

    /// An account of a request that is only judged again. Rules read what they remember, and leave no trace: no state, no
    /// count, no log line, and nothing that their breakers see. Their effects are for the caller to throw away.
    pub fn of_rehearsal() -> Self {
        Self { kept_logs: Some(Vec::new()), scratch: Some(BTreeMap::new()), ..Self::default() }
    }

    /// The layer that a plugin writes to, where the request is only judged again.
    pub(super) fn layer(&mut self, plugin: &Arc<str>) -> Option<Arc<Area>> {
        let layers = self.scratch.as_mut()?;
        Some(Arc::clone(layers.entry(Arc::clone(plugin)).or_default()))
    }

    /// What rules asked for beyond this request.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whom rules want kept out, and whom no longer.
    pub fn take_bans(&mut self) -> Vec<RuleBan> {
        std::mem::take(&mut self.bans)
    }

    /// Keeps what an enforcing plugin asks for.
    pub(super) fn add_bans(&mut self, bans: Vec<RuleBan>) {
        let room = EFFECTS_MAX.saturating_sub(self.bans.len());
        self.bans.extend(bans.into_iter().take(room));
    }

    /// Keeps an effect. A plugin whose word does not count tells nobody; its numbers are its own affair.
    pub(super) fn add_effect(&mut self, effect: Effect, counts: bool) {
        let told = counts || matches!(effect, Effect::Metric(_));
        if told && self.effects.len() < EFFECTS_MAX {
            self.effects.push(effect);
        }
    }

    /// What is to be changed of the request that goes upstream.
    pub fn take_outgoing(&mut self) -> Outgoing {
        std::mem::take(&mut self.outgoing)
    }

    /// Says which refusal `on_deny` is asked about.
    pub fn refuse(&mut self, denial: DenialFacts) {
        self.denial = Some(Arc::new(denial));
    }

    /// The words that `on_deny` put in place of the refusal's own.
    pub fn take_words(&mut self) -> DenialWords {
        self.words.take().unwrap_or_default()
    }

    /// The sum of the scores of enforcing plugins.
    pub fn score(&self) -> i64 {
        self.score
    }

    /// The tags of enforcing plugins, in alphabetical order, with pseudonyms for addresses and e-mails.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.told_tags.iter().map(String::as_str)
    }

    /// Time spent so far in hooks of plugins whose word counts, or of those in shadow.
    pub(super) fn spent(&self, counts: bool) -> Duration {
        self.spent[usize::from(counts)]
    }

    /// Takes time from that of the request.
    pub(super) fn spend(&mut self, counts: bool, time: Duration) {
        let spent = &mut self.spent[usize::from(counts)];
        *spent = spent.saturating_add(time);
    }

    /// What each plugin did, in the order in which it happened.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How many notes were not kept.
    pub fn notes_dropped(&self) -> usize {
        self.notes_dropped
    }

    pub(super) fn note(&mut self, note: Note) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        } else {
            self.notes_dropped += 1;
        }
    }

    pub(super) fn add_score(&mut self, points: i64) {
        self.score = self.score.saturating_add(points).clamp(-SCORE_MAX, SCORE_MAX);
    }

    pub(super) fn add_tag(&mut self, tag: &str, told: &str) {
        if self.tags.len() < TAGS_MAX {
            self.tags.insert(tag.to_owned());
            self.told_tags.insert(told.to_owned());
        }
    }
}
