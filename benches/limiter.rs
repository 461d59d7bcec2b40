//! Budget: both buckets of a request 300 ns, whatever the number of users. Run alone with `cargo bench limiter:`.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use criterion::Criterion;
use pluginmind::config::RateLimit;
use pluginmind::limiter::{Limiter, Limits};

/// The buckets of an address and of a user, taken from at once.
pub fn take_both(c: &mut Criterion) {
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
