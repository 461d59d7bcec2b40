//! What a request leaves behind for `explain`: how long it was in each stage, what its buckets held, which headers went
//! upstream otherwise than they came, and what the rules said. Gathered in fixed room while it runs, written out at its end.

use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::stage::Stage;
use super::trail::Trail;
use crate::base::clock::Clock;
use crate::config::Mode;
use crate::limiter::{Kind, Level, Levels};
use crate::script::{HeaderEdit, Note};
use crate::store::{ANSWER, HeaderNames, RuleAsked, STAGES, TraceBytes, TraceWriter};

/// Stages that wait for nothing and ask no rule: a look or two at what is in memory. To ask what time it is would take as long
/// as they do, so it is not asked when one of them ends.
const BRIEF: [u8; 5] =
    [Stage::Bans as u8, Stage::Cors as u8, Stage::Route as u8, Stage::Origin as u8, Stage::Thresholds as u8];

/// When a request came to each stage.
#[derive(Debug)]
pub struct Times {
    clock: Clock,
    started: Instant,
    /// The stage's place, and microseconds since the start.
    entered: [(u8, u32); STAGES.len()],
    count: usize,
}

impl Times {
    /// A request that came to no stage yet.
    pub fn since(started: Instant, clock: &Clock) -> Self {
        Self { clock: clock.clone(), started, entered: [(0, 0); STAGES.len()], count: 0 }
    }

    /// The request comes to the next stage. What a brief one took is told with the stage after it.
    pub fn enter(&mut self, stage: Stage) {
        let before = self.count.checked_sub(1).and_then(|last| self.entered.get(last));
        let known = match before {
            // The first stage begins with the request.
            None => Some(0),
            Some((before, at)) => BRIEF.contains(before).then_some(*at),
        };
        self.mark(stage as u8, known);
    }

    /// The head of the answer is known; what follows is sending it.
    pub fn answered(&mut self) {
        self.mark(ANSWER, None);
    }

    /// Notes that it came to that place: at a time that is known, else now.
    fn mark(&mut self, place: u8, known: Option<u32>) {
        let since = || micros(self.clock.now().saturating_duration_since(self.started));
        if self.count < self.entered.len() {
            self.entered[self.count] = (place, known.unwrap_or_else(since));
            self.count += 1;
        }
    }

    /// How long after the start it came to the stage of that place; none where it did not.
    pub fn entered(&self, place: u8) -> Option<Duration> {
        let mut entered = self.entered[..self.count].iter();
        entered.find(|(at, _)| *at == place).map(|(_, us)| Duration::from_micros(u64::from(*us)))
    }

    /// How long it was in each stage, where all was over at `end` after the start.
    fn spent(&self, end: Duration) -> ([(u8, u32); STAGES.len()], usize) {
        let mut spent = self.entered;
        let mut until = micros(end);
        for (_, at) in spent[..self.count].iter_mut().rev() {
            (*at, until) = (until.saturating_sub(*at), *at);
        }
        (spent, self.count)
    }
}

/// The buckets that a request was charged to, or that refused it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Charged {
    ip: Option<Level>,
    user: Option<Level>,
}

impl Charged {
    /// Both were charged, or the address's alone where no user is known.
    pub fn both(&mut self, levels: Levels) {
        *self = Self { ip: Some(levels.ip), user: levels.user };
    }

    /// One was charged, or refused.
    pub fn one(&mut self, level: Level) {
        match level.kind {
            Kind::Ip => self.ip = Some(level),
            Kind::User => self.user = Some(level),
        }
    }
}

/// Longest name of a header of the operator's that is kept, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Names of headers that the gateway set for the upstream, and of those that went no further.
#[derive(Clone, Debug, Default)]
pub struct Handed {
    set: HeaderNames,
    removed: HeaderNames,
    /// Set by the configuration or a rule, under names of theirs; empty for most requests.
    more: Vec<HeaderName>,
}

/// Headers that the gateway sets or changes itself, in the order of their places in the store's list.
static OURS: [HeaderName; 18] = [
    http::header::HOST,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-auth-request-user"),
    HeaderName::from_static("x-auth-request-email"),
    HeaderName::from_static("x-auth-request-groups"),
    HeaderName::from_static("x-client-cert-subject"),
    HeaderName::from_static("x-client-cert-fingerprint"),
    HeaderName::from_static("x-pluginmind-assertion"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    http::header::COOKIE,
    http::header::ACCEPT_ENCODING,
    http::header::RANGE,
    http::header::IF_RANGE,
    http::header::TE,
];

impl Handed {
    /// Compares what came with what goes.
    pub fn compare(
        received: &HeaderMap,
        sent: &HeaderMap,
        configured: &[(HeaderName, HeaderValue)],
        edits: &[HeaderEdit],
    ) -> Self {
        let mut handed =
            Self { set: set(received, sent), removed: removed(received, sent), more: Vec::new() };
        let configured = configured.iter().map(|(name, _)| name);
        let edited = edits.iter().filter_map(|edit| match edit {
            HeaderEdit::Set(name, _) | HeaderEdit::Add(name, _) => Some(name),
            HeaderEdit::Remove(_) => None,
        });
        for name in configured.chain(edited) {
            let is_new = place(name).is_none() && !handed.more.contains(name);
            let is_new = is_new && name.as_str().len() <= NAME_BYTES_MAX;
            if is_new && sent.contains_key(name) && differs(name, received, sent) {
                handed.more.push(name.clone());
            }
        }
        handed
    }
}

/// Those of our names that go otherwise than they came.
fn set(received: &HeaderMap, sent: &HeaderMap) -> HeaderNames {
    let came: u32 = received.keys().filter_map(place).fold(0, |came, place| came | 1 << place);
    let mut set = HeaderNames::default();
    for name in sent.keys() {
        // Mostly the client sent none of that name, and its values need no look.
        if let Some(place) = place(name)
            && (came & 1 << place == 0 || differs(name, received, sent))
        {
            set.add_at(place);
        }
    }
    set
}

/// Names that go no further.
fn removed(received: &HeaderMap, sent: &HeaderMap) -> HeaderNames {
    let mut removed = HeaderNames::default();
    // What goes begins with what was passed on, in its order, so mostly the next name is this one.
    let mut passed = sent.keys().peekable();
    for name in received.keys() {
        if passed.next_if_eq(&name).is_none() && !sent.contains_key(name) {
            removed.add(name.as_str());
        }
    }
    removed
}

fn differs(name: &HeaderName, received: &HeaderMap, sent: &HeaderMap) -> bool {
    !sent.get_all(name).iter().eq(received.get_all(name).iter())
}

/// The place of a name of ours. Its length leaves at most two to compare it with.
fn place(name: &HeaderName) -> Option<u8> {
    let is = |place: u8| (OURS[usize::from(place)] == *name).then_some(place);
    match name.as_str().len() {
        2 => is(17),
        4 => is(0),
        5 => is(15),
        6 => is(13),
        8 => is(16),
        10 => is(12),
        11 => is(11),
        12 => is(1),
        15 => is(2).or_else(|| is(14)),
        16 => is(4),
        17 => is(3),
        19 => is(5),
        20 => is(6),
        21 => is(7).or_else(|| is(8)),
        22 => is(10),
        25 => is(9),
        _ => None,
    }
}

/// The trace of a request that was over at `end` after its start, as it is kept.
pub fn written(trail: &Trail, end: Duration) -> TraceBytes {
    let mut writer = TraceWriter::new();
    let (stages, count) = trail.times.spent(end);
    writer.stages(&stages[..count]);
    writer.auth(trail.auth.word());
    writer.score(trail.ledger.score());
    writer.upstream_ms(trail.upstream_ms);
    let bucket = |level: &Level| (word(level.kind), level.limit, level.remaining, millis(level.reset));
    match (&trail.charged.ip, &trail.charged.user) {
        (Some(ip), Some(user)) => writer.buckets([bucket(ip), bucket(user)].into_iter()),
        (one, other) => writer.buckets(one.as_ref().or(other.as_ref()).map(bucket).into_iter()),
    }
    let none = Handed::default();
    let handed = trail.handed.as_ref().unwrap_or(&none);
    writer.headers(handed.set, handed.more.iter().map(HeaderName::as_str));
    writer.headers(handed.removed, std::iter::empty());
    writer.tags(trail.ledger.tags().count(), trail.ledger.tags());
    writer.rules(trail.ledger.notes_dropped(), trail.ledger.notes().iter().map(asked));
    writer.finish()
}

fn asked(note: &Note) -> RuleAsked<'_> {
    RuleAsked {
        plugin: &note.plugin,
        hook: note.hook.name(),
        rule: &note.rule,
        outcome: note.outcome.word(),
        code: &note.code,
        mode: if note.mode == Mode::Shadow { "shadow" } else { "enforce" },
        us: micros(note.duration),
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Ip => "ip",
        Kind::User => "user",
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::ids::CorrelationId;
    use crate::base::trace_context::TraceContext;
    use crate::store::Trace;

    fn trail(clock: &Clock) -> Trail {
        Trail::open(CorrelationId::generate(), TraceContext::begin("one", 1.0), &http::Method::GET, clock)
    }

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let line =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        lines.iter().map(line).collect()
    }

    #[test]
    fn every_stage_has_the_place_that_its_name_has_in_the_store() {
        for place in 0..ANSWER {
            let label = STAGES[usize::from(place)];
            let stage = Stage::ALL[usize::from(place)];
            assert_eq!((stage.label(), stage as u8), (label, place));
        }
        assert_eq!(Stage::ALL.len(), usize::from(ANSWER));
    }

    #[test]
    fn each_stage_has_its_own_time_and_the_answer_has_the_rest() {
        let clock = Clock::manual(0);
        let mut trail = trail(&clock);
        for (stage, ms) in [(Stage::Connection, 1), (Stage::Client, 0), (Stage::Upstream, 40)] {
            trail.enter(stage);
            clock.advance(Duration::from_millis(ms));
        }
        trail.times.answered();
        let trace = Trace::decode(&written(&trail, Duration::from_millis(50))).unwrap();
        let spent: Vec<_> = trace.stages.iter().map(|s| (s.stage.as_str(), s.us)).collect();
        assert_eq!(spent, [("connection", 1_000), ("client", 0), ("upstream", 40_000), ("answer", 9_000)]);
        assert_eq!((trace.auth.as_str(), trace.upstream_ms, trace.buckets.len()), ("none", None, 0));
    }

    #[test]
    fn what_a_brief_stage_took_is_told_with_the_next_and_an_answer_begins_when_it_does() {
        let clock = Clock::manual(0);
        let mut trail = trail(&clock);
        for stage in
            [Stage::Client, Stage::Bans, Stage::Cors, Stage::OnRequest, Stage::Identity, Stage::Origin]
        {
            trail.enter(stage);
            clock.advance(Duration::from_millis(1));
        }
        trail.times.answered();
        let trace = Trace::decode(&written(&trail, Duration::from_millis(9))).unwrap();
        let spent: Vec<_> = trace.stages.iter().map(|s| (s.stage.as_str(), s.us)).collect();
        let told = [("client", 1_000), ("bans", 0), ("cors", 0), ("on_request", 3_000), ("identity", 1_000)];
        assert_eq!(spent, [&told[..], &[("origin", 1_000), ("answer", 3_000)]].concat());
    }

    #[test]
    fn there_is_room_for_every_stage_and_for_nothing_more() {
        let mut trail = trail(&Clock::manual(0));
        for _ in 0..3 {
            Stage::ALL.into_iter().for_each(|stage| trail.enter(stage));
        }
        let trace = Trace::decode(&written(&trail, Duration::ZERO)).unwrap();
        assert_eq!(trace.stages.len(), STAGES.len());
    }

    #[test]
    fn what_was_set_and_what_was_removed_is_told_by_name_and_a_clients_own_names_are_not() {
        let received = map(&[
            ("host", "app.example"),
            ("te", "trailers"),
            ("accept", "*/*"),
            ("x-ann-example-com", "1"),
            ("x-tenant", "client"),
        ]);
        let sent = map(&[
            ("host", "app.example"),
            ("accept", "*/*"),
            ("x-request-id", "1"),
            ("x-tenant", "acme"),
            ("x-rule", "1"),
        ]);
        let edits = [HeaderEdit::Set("x-rule".parse().unwrap(), "1".parse().unwrap())];
        let mut trail = trail(&Clock::manual(0));
        let configured = [(HeaderName::from_static("x-tenant"), HeaderValue::from_static("acme"))];
        trail.handed = Some(Handed::compare(&received, &sent, &configured, &edits));
        let trace = Trace::decode(&written(&trail, Duration::ZERO)).unwrap();
        assert_eq!(trace.set, ["x-request-id", "x-tenant", "x-rule"]);
        assert_eq!(trace.removed, ["te", crate::store::OTHER_NAME]);
    }

    #[test]
    fn each_of_our_names_is_found_at_its_place_and_no_other_is() {
        for (at, name) in (0..).zip(&OURS) {
            assert_eq!(place(name), Some(at), "{name}");
        }
        for other in ["x", "accept", "if-match", "x-forwarded-far", "x-real-ip"] {
            assert_eq!(place(&HeaderName::from_static(other)), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_differs_is_what_a_look_at_every_name_finds(
            received in prop::collection::vec(("(host|te|cookie|range|accept|x-a|x-request-id)", "[12]"), 0..8),
            sent in prop::collection::vec(("(host|te|cookie|range|accept|x-a|x-request-id)", "[12]"), 0..8),
        ) {
            let map = |lines: &[(String, String)]| {
                let mut headers = HeaderMap::new();
                for (name, value) in lines {
                    let name: HeaderName = name.parse().unwrap();
                    headers.append(name, HeaderValue::from_str(value).unwrap());
                }
                headers
            };
            let (received, sent) = (map(&received), map(&sent));
            let mut expected = Handed::default();
            for name in sent.keys().filter(|name| OURS.contains(name) && differs(name, &received, &sent)) {
                expected.set.add(name.as_str());
            }
            for name in received.keys().filter(|name| !sent.contains_key(*name)) {
                expected.removed.add(name.as_str());
            }
            let handed = Handed::compare(&received, &sent, &[], &[]);
            prop_assert_eq!(format!("{:?}", handed), format!("{:?}", expected));
        }
    }
}
