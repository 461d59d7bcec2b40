//! Budget: 100 ns for a refusal that nobody counts, and no more for an answer that is none. Run alone with
//! `cargo bench alert:`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use pluginmind::alert::{Alerts, Refused};
use pluginmind::base::clock::Clock;
use pluginmind::telemetry::metrics::Metrics;

/// What every request that is over passes.
pub fn refused(c: &mut Criterion) {
    let alerts = Alerts::new(Clock::System, Arc::new(Metrics::new("bench")));
    for (name, status) in [("alert: not refused", 200), ("alert: refused", 403)] {
        let refused = Refused { status, route: "api", user: None };
        c.bench_function(name, |b| b.iter(|| alerts.refused(black_box(refused), || None)));
    }
}
