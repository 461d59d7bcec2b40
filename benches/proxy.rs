//! Budget: 1.5 us for the headers of a request that are checked, 2 us for those of an answer that are cleaned. Run alone
//! with `cargo bench proxy:`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use pluginmind::proxy::hops::{check_request, clean_response};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

/// What ends at this hop, in both directions.
pub fn hops(c: &mut Criterion) {
    let request = headers(&[
        ("host", "app.example.com"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, br"),
        ("connection", "keep-alive"),
        ("cookie", "theme=dark; pm_session=x"),
    ]);
    c.bench_function("proxy: check a request", |b| b.iter(|| check_request(black_box(&request)).is_ok()));
    let answer = headers(&[
        ("server", "app"),
        ("date", "Tue, 24 Nov 2026 12:00:00 GMT"),
        ("content-type", "application/json"),
        ("content-length", "1024"),
        ("connection", "keep-alive"),
        ("cache-control", "no-store"),
    ]);
    c.bench_function("proxy: clean an answer", |b| {
        b.iter_batched_ref(
            || answer.clone(),
            |answer| clean_response(StatusCode::OK, answer, "pm_session"),
            BatchSize::SmallInput,
        );
    });
}
