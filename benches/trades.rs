//! One bench per trade: its hot function. `cargo bench` runs them; CI only compiles them.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use pluginmind::base::target::CanonicalPath;
use pluginmind::config::RateLimit;
use pluginmind::limiter::{Limiter, Limits};

fn canonical_path(c: &mut Criterion) {
    c.bench_function("base: canonical path", |b| {
        b.iter(|| CanonicalPath::parse(black_box("/api/v1/items/42/caf%C3%A9")));
    });
}

fn take_both(c: &mut Criterion) {
    let config = RateLimit {
        user_per_minute: u32::MAX,
        user_burst: u32::MAX,
        ip_per_minute: u32::MAX,
        ip_burst: u32::MAX,
        keys_max: 1_000,
    };
    let limits = Limits::general(&config);
    let limiter = Limiter::new(Instant::now());
    let ip: IpAddr = [192, 0, 2, 1].into();
    c.bench_function("limiter: take both", |b| {
        b.iter(|| limiter.take_both(black_box(ip), Some("user"), &limits, Instant::now()).is_ok());
    });
}

fn judge_body(c: &mut Criterion) {
    let body = br#"{"name":"a","items":[1,2,3],"nested":{"a":{"b":{"c":true}}}}"#;
    c.bench_function("schema: strict pass", |b| {
        b.iter(|| pluginmind::schema::check(black_box(body), 64).is_ok());
    });
}

criterion_group!(trades, canonical_path, take_both, judge_body);
criterion_main!(trades);
