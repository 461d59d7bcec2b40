//! Budget: a trace 500 ns, written where its request ends. What rows cost in the queue and on disk is measured by the bench
//! `usage`. Run alone with `cargo bench store:`.

use std::hint::black_box;

use criterion::Criterion;
use pluginmind::store::{BucketTrace, STAGES, StageTrace, Trace};

/// What the row of a usual request keeps of its way.
pub fn encode(c: &mut Criterion) {
    let stage = |name: &&str| StageTrace { stage: (*name).to_owned(), us: 20 };
    let bucket =
        |bucket: &str| BucketTrace { bucket: bucket.to_owned(), limit: 600, remaining: 599, reset_ms: 200 };
    let trace = Trace {
        stages: STAGES.iter().map(stage).collect(),
        buckets: vec![bucket("ip"), bucket("user")],
        auth: "session".to_owned(),
        upstream_ms: Some(3),
        ..Trace::default()
    };
    c.bench_function("store: a trace encoded", |b| b.iter(|| black_box(&trace).encode()));
}
