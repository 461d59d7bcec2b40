//! Budget: an access line 500 ns, in JSON and as text. Run alone with `cargo bench telemetry:`.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use pluginmind::base::address::Pseudonymiser;
use pluginmind::base::trace_context::TraceContext;
use pluginmind::telemetry::access::{AccessLine, AuthState};

/// The line of a usual request, as it is written on the worker.
pub fn line(c: &mut Criterion) {
    let people = Pseudonymiser::new(&[7; 32]);
    let line = AccessLine {
        unix_ms: 1_795_521_600_123,
        correlation_id: "0190b4e2-7c3a-7def-8123-456789abcdef",
        trace: TraceContext::begin("0190b4e2-7c3a-7def-8123-456789abcdef", 0.0).trace,
        method: "GET",
        route: "api",
        status: Some(200),
        code: None,
        duration: Duration::from_micros(1_234),
        client: Some(people.address([192, 0, 2, 1].into())),
        user: Some(people.user("42")),
        auth_state: AuthState::Session,
        plugin: None,
        rule: None,
        generation: 7,
    };
    let mut out = String::with_capacity(1_024);
    c.bench_function("telemetry: a line in JSON", |b| {
        b.iter(|| {
            out.clear();
            black_box(&line).push_json(&mut out);
            out.len()
        });
    });
    c.bench_function("telemetry: a line as text", |b| {
        b.iter(|| {
            out.clear();
            black_box(&line).push_text(&mut out);
            out.len()
        });
    });
}
