use proptest::prelude::*;

use super::words::{ANSWER, AUTH, HEADERS, HOOKS, MODES, OUTCOMES, STAGES};
use super::*;

/// A word of a list, or any other text.
fn word(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![4 => proptest::sample::select(list).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn rule() -> impl Strategy<Value = RuleTrace> {
    let place = prop_oneof![Just(None), any::<u32>().prop_map(|line| Some(format!("/main.rhai:{line}")))];
    let names = ("[a-z]{0,4}", place, ".{0,10}", any::<bool>());
    let words = (word(&HOOKS), word(&OUTCOMES), "[a-z.]{0,6}", word(&MODES));
    (names, words, any::<u32>()).prop_map(
        |((plugin, place, other, is_other), (hook, outcome, code, mode), us)| {
            let rule = if is_other { other } else { format!("{plugin}{}", place.unwrap_or_default()) };
            RuleTrace { plugin, hook, rule, outcome, code, mode, us }
        },
    )
}

fn trace() -> impl Strategy<Value = Trace> {
    let stage = (word(&STAGES), any::<u32>()).prop_map(|(stage, us)| StageTrace { stage, us });
    let bucket =
        (word(&["user", "ip"]), any::<[u32; 3]>()).prop_map(|(bucket, [limit, remaining, reset_ms])| {
            BucketTrace { bucket, limit, remaining, reset_ms }
        });
    let lists = (
        prop::collection::vec(stage, 0..20),
        prop::collection::vec(rule(), 0..8),
        prop::collection::vec(bucket, 0..3),
        prop::collection::vec(".{0,8}", 0..4),
        prop::collection::vec(word(&HEADERS), 0..6),
        prop::collection::vec(word(&HEADERS), 0..6),
    );
    (lists, any::<u32>(), any::<i64>(), word(&AUTH), any::<Option<u32>>()).prop_map(
        |((stages, rules, buckets, tags, set, removed), rules_dropped, score, auth, upstream_ms)| Trace {
            stages,
            rules,
            rules_dropped,
            buckets,
            score,
            tags,
            auth,
            upstream_ms,
            set,
            removed,
        },
    )
}

proptest! {
    #[test]
    fn a_trace_reads_back_as_it_was_written(trace in trace()) {
        prop_assert_eq!(Trace::decode(&trace.encode()), Some(trace));
    }

    #[test]
    fn bytes_that_are_no_trace_are_no_trace_and_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Trace::decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        let _ = Trace::decode(&bytes);
    }

    #[test]
    fn a_trace_that_was_cut_off_is_none(trace in trace(), share in 0..1_000_usize) {
        let bytes = trace.encode();
        let end = bytes.len() * share / 1_000;
        prop_assert_eq!(Trace::decode(&bytes[..end]), None);
    }
}

#[test]
fn another_form_is_none() {
    let mut bytes = Trace::default().encode().to_vec();
    bytes[0] = 2;
    assert_eq!(Trace::decode(&bytes), None);
    assert_eq!(Trace::decode(b"{\"stages\":[]}"), None, "the form of before there was a number");
}

/// A request that a session made, that was proxied and about which no rule was asked.
#[test]
fn a_plain_request_takes_less_than_80_bytes() {
    let stages: Vec<(u8, u32)> =
        (0..=ANSWER).map(|place| (place, if place == 15 { 12_345 } else { 3 })).collect();
    let (mut set, mut removed) = (HeaderNames::default(), HeaderNames::default());
    for name in
        ["host", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "traceparent"]
    {
        set.add(name);
    }
    ["connection", "cookie"].into_iter().for_each(|name| removed.add(name));
    let mut writer = TraceWriter::new();
    writer.stages(&stages);
    writer.auth("session");
    writer.score(0);
    writer.upstream_ms(Some(12));
    writer.buckets([("ip", 600, 598, 400), ("user", 120, 119, 1_000)].into_iter());
    writer.headers(set, std::iter::empty());
    writer.headers(removed, ["x-tenant"].into_iter());
    writer.tags(0, std::iter::empty());
    writer.rules(0, std::iter::empty());
    let bytes = writer.finish();
    assert!(bytes.len() < 80, "{}", bytes.len());

    let trace = Trace::decode(&bytes).unwrap();
    assert_eq!(trace.stages.len(), 19);
    assert_eq!(trace.stages[15], StageTrace { stage: "upstream".to_owned(), us: 12_345 });
    assert_eq!(trace.buckets[1].bucket, "user");
    assert_eq!((trace.set.len(), trace.set[0].as_str()), (6, "host"));
    assert_eq!(trace.removed, ["cookie", "connection", "x-tenant"]);
    assert_eq!(trace.encode().len(), bytes.len());
}
