//! The way back from the bytes of a trace; `write.rs` says what they mean. They come from a file, so nothing in them is
//! taken at its word.

use super::words::{AUTH, BUCKETS, HEADERS, HOOKS, MODES, OUTCOMES, STAGES};
use super::write::{ESCAPE, FORM};
use super::{BucketTrace, MAIN, RuleTrace, StageTrace, Trace};

/// The trace of a document; `None` where it is of another form, or broken.
pub(super) fn whole(bytes: &[u8]) -> Option<Trace> {
    let (form, rest) = bytes.split_first()?;
    if *form != FORM {
        return None;
    }
    let mut from = Source { rest, seen: Vec::new() };
    let stages = from.stages()?;
    let auth = from.word(&AUTH)?;
    let score = from.number()?;
    let score = (score >> 1).cast_signed() ^ -(score & 1).cast_signed();
    let upstream_ms = match from.number()? {
        0 => None,
        ms => Some(u32::try_from(ms - 1).ok()?),
    };
    let buckets = from.list(Source::bucket)?;
    let set = from.list(|from| from.word(&HEADERS))?;
    let removed = from.list(|from| from.word(&HEADERS))?;
    let tags = from.list(Source::text)?;
    let rules_dropped = from.small()?;
    let rules = from.list(Source::rule)?;
    let whole = Trace { stages, rules, rules_dropped, buckets, score, tags, auth, upstream_ms, set, removed };
    from.rest.is_empty().then_some(whole)
}

struct Source<'a> {
    rest: &'a [u8],
    seen: Vec<&'a str>,
}

impl Source<'_> {
    fn stages(&mut self) -> Option<Vec<StageTrace>> {
        let head = self.number()?;
        if head & 1 == 1 {
            return self
                .items(head >> 1, |from| Some(StageTrace { stage: from.word(&STAGES)?, us: from.small()? }));
        }
        let places = head >> 1;
        if places >> STAGES.len() != 0 {
            return None;
        }
        let entered = STAGES.iter().enumerate().filter(|(place, _)| places >> place & 1 == 1);
        entered.map(|(_, stage)| Some(StageTrace { stage: (*stage).to_owned(), us: self.small()? })).collect()
    }

    fn bucket(&mut self) -> Option<BucketTrace> {
        Some(BucketTrace {
            bucket: self.word(&BUCKETS)?,
            limit: self.small()?,
            remaining: self.small()?,
            reset_ms: self.small()?,
        })
    }

    fn rule(&mut self) -> Option<RuleTrace> {
        let plugin = self.text()?;
        let hook = self.word(&HOOKS)?;
        let rule = match self.number()? {
            0 => plugin.clone(),
            1 => self.text()?,
            line => format!("{plugin}{MAIN}{}", u32::try_from(line - 2).ok()?),
        };
        Some(RuleTrace {
            plugin,
            hook,
            rule,
            outcome: self.word(&OUTCOMES)?,
            code: self.text()?,
            mode: self.word(&MODES)?,
            us: self.small()?,
        })
    }

    fn list<T>(&mut self, one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        self.items(count, one)
    }

    fn items<T>(&mut self, count: u64, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(count).ok()?;
        // Everything in a list takes a byte or more: what is longer than the rest is broken.
        if count > self.rest.len() {
            return None;
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn word(&mut self, list: &[&str]) -> Option<String> {
        match self.byte()? {
            ESCAPE => self.text(),
            place => list.get(usize::from(place)).map(|word| (*word).to_owned()),
        }
    }

    fn text(&mut self) -> Option<String> {
        let place = usize::try_from(self.number()?).ok()?;
        if let Some(seen) = self.seen.get(place) {
            return Some((*seen).to_owned());
        }
        if place > self.seen.len() {
            return None;
        }
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let text = std::str::from_utf8(text).ok()?;
        self.seen.push(text);
        Some(text.to_owned())
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }
}
