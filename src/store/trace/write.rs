//! The bytes of a trace. Form 1, its parts in this order:
//!
//! ```text
//! trace   = 1 stages auth score upstream buckets set removed tags dropped rules
//! stages  = the set of places, doubled { µs } | twice the number of stages + 1 { word µs }
//! auth    = word                           score    = number (zigzag)
//! upstream = number (0: none, else ms + 1) buckets  = number { word limit remaining reset-ms }
//! set, removed = number { word }           tags     = number { text }
//! dropped = number                         rules    = number { plugin:text hook:word rule outcome:word code:text mode:word µs }
//! rule    = 0 (the plugin alone) | 1 text | 2 + LINE (`plugin/main.rhai:LINE`)
//! word    = place in its list (one byte) | 255 text
//! text    = place among the texts so far | their number, length, bytes
//! number  = LEB128
//! ```

use super::words::{ANSWER, AUTH, BUCKETS, HEADERS, HOOKS, HeaderNames, MODES, OUTCOMES, STAGES};
use super::{StageTrace, Trace, TraceBytes};

/// The form that is written.
pub(super) const FORM: u8 = 1;
/// Stands before a word that is not in its list.
pub(super) const ESCAPE: u8 = 255;

/// A rule that was asked, to be written.
#[derive(Clone, Copy, Debug)]
pub struct RuleAsked<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The hook.
    pub hook: &'a str,
    /// `plugin/main.rhai:LINE`; the plugin alone where no verb was called.
    pub rule: &'a str,
    /// The outcome's word.
    pub outcome: &'a str,
    /// The code of the verb.
    pub code: &'a str,
    /// `enforce` or `shadow`.
    pub mode: &'a str,
    /// Microseconds inside the script.
    pub us: u32,
}

/// Writes a trace. Each method is called once, in the order in which they stand here.
#[derive(Debug)]
pub struct TraceWriter<'a> {
    bytes: TraceBytes,
    seen: Vec<&'a str>,
}

impl Default for TraceWriter<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> TraceWriter<'a> {
    /// An empty trace.
    pub fn new() -> Self {
        let mut bytes = TraceBytes::new();
        bytes.push(FORM);
        Self { bytes, seen: Vec::new() }
    }

    /// The stages, by their place among [`STAGES`], with microseconds.
    pub fn stages(&mut self, stages: &[(u8, u32)]) {
        if !stages.is_sorted_by(|(a, _), (b, _)| a < b)
            || stages.last().is_some_and(|(last, _)| *last > ANSWER)
        {
            return self.any_stages(stages.iter().map(|(place, us)| (named(*place), *us)));
        }
        let places = stages.iter().fold(0_u64, |places, (place, _)| places | 1 << place);
        self.number(places << 1);
        for (_, us) in stages {
            self.number(u64::from(*us));
        }
    }

    fn any_stages(&mut self, stages: impl ExactSizeIterator<Item = (&'a str, u32)>) {
        self.number(u64::try_from(stages.len()).unwrap_or(0) << 1 | 1);
        for (stage, us) in stages {
            self.word(&STAGES, stage);
            self.number(u64::from(us));
        }
    }

    /// What identified the request.
    pub fn auth(&mut self, word: &'a str) {
        self.word(&AUTH, word);
    }

    /// The sum of the scores.
    pub fn score(&mut self, score: i64) {
        // Small numbers of either sign become small numbers without one.
        self.number((score.cast_unsigned() << 1) ^ (score >> 63).cast_unsigned());
    }

    /// From sending to the upstream to the head of its answer, in milliseconds.
    pub fn upstream_ms(&mut self, ms: Option<u32>) {
        self.number(ms.map_or(0, |ms| u64::from(ms) + 1));
    }

    /// The buckets: `ip` or `user`, limit, remaining, milliseconds until it is full.
    pub fn buckets(&mut self, buckets: impl ExactSizeIterator<Item = (&'a str, u32, u32, u32)>) {
        self.count(buckets.len());
        for (bucket, limit, remaining, reset_ms) in buckets {
            self.word(&BUCKETS, bucket);
            for number in [limit, remaining, reset_ms] {
                self.number(u64::from(number));
            }
        }
    }

    /// Names of headers that were set, or that went no further; called for those and then for these.
    pub fn headers(&mut self, names: HeaderNames, more: impl ExactSizeIterator<Item = &'a str>) {
        self.number(u64::from(names.len()) + u64::try_from(more.len()).unwrap_or(0));
        for place in names.places() {
            self.bytes.push(place);
        }
        for name in more {
            self.word(&HEADERS, name);
        }
    }

    /// The tags.
    pub fn tags(&mut self, count: usize, tags: impl Iterator<Item = &'a str>) {
        self.count(count);
        for tag in tags.take(count) {
            self.text(tag);
        }
    }

    /// The rules that were asked, and how many were not kept.
    pub fn rules(&mut self, dropped: usize, rules: impl ExactSizeIterator<Item = RuleAsked<'a>>) {
        self.count(dropped);
        self.count(rules.len());
        for rule in rules {
            self.text(rule.plugin);
            self.word(&HOOKS, rule.hook);
            self.place_of(rule.plugin, rule.rule);
            self.word(&OUTCOMES, rule.outcome);
            self.text(rule.code);
            self.word(&MODES, rule.mode);
            self.number(u64::from(rule.us));
        }
    }

    /// What is kept.
    pub fn finish(self) -> TraceBytes {
        self.bytes
    }

    fn place_of(&mut self, plugin: &str, rule: &'a str) {
        if rule == plugin {
            return self.number(0);
        }
        let line = rule.strip_prefix(plugin).and_then(|rest| rest.strip_prefix(super::MAIN));
        match line.and_then(|line| line.parse::<u32>().ok().filter(|n| n.to_string() == line)) {
            Some(line) => self.number(u64::from(line) + 2),
            None => {
                self.number(1);
                self.text(rule);
            }
        }
    }

    fn word(&mut self, list: &[&str], word: &'a str) {
        let place = list.iter().position(|known| *known == word).and_then(|place| u8::try_from(place).ok());
        if let Some(place) = place {
            self.bytes.push(place);
        } else {
            self.bytes.push(ESCAPE);
            self.text(word);
        }
    }

    fn text(&mut self, text: &'a str) {
        if let Some(place) = self.seen.iter().position(|seen| *seen == text) {
            return self.count(place);
        }
        self.count(self.seen.len());
        self.seen.push(text);
        self.count(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
            number >>= 7;
        }
        self.bytes.push(u8::try_from(number).unwrap_or(0));
    }
}

fn place_of(stage: &str) -> Option<u8> {
    STAGES.iter().position(|known| *known == stage).and_then(|place| u8::try_from(place).ok())
}

fn named(place: u8) -> &'static str {
    STAGES.get(usize::from(place)).copied().unwrap_or_default()
}

/// Writes a whole trace, of any words.
pub(super) fn whole(trace: &Trace) -> TraceBytes {
    let mut writer = TraceWriter::new();
    let known = |s: &StageTrace| Some((place_of(&s.stage)?, s.us));
    match trace.stages.iter().map(known).collect::<Option<Vec<_>>>() {
        Some(stages) => writer.stages(&stages),
        None => writer.any_stages(trace.stages.iter().map(|s| (s.stage.as_str(), s.us))),
    }
    writer.auth(&trace.auth);
    writer.score(trace.score);
    writer.upstream_ms(trace.upstream_ms);
    writer.buckets(trace.buckets.iter().map(|b| (b.bucket.as_str(), b.limit, b.remaining, b.reset_ms)));
    for names in [&trace.set, &trace.removed] {
        writer.headers(HeaderNames::default(), names.iter().map(String::as_str));
    }
    writer.tags(trace.tags.len(), trace.tags.iter().map(String::as_str));
    writer.rules(
        usize::try_from(trace.rules_dropped).unwrap_or(usize::MAX),
        trace.rules.iter().map(|r| RuleAsked {
            plugin: &r.plugin,
            hook: &r.hook,
            rule: &r.rule,
            outcome: &r.outcome,
            code: &r.code,
            mode: &r.mode,
            us: r.us,
        }),
    );
    writer.finish()
}
