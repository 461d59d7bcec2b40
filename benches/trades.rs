//! Budget: stands in the first line of each file, one file a trade: what its hot function may take on a machine of 2024. One
//! target: `cargo bench --bench trades -- --quick` runs all of it in two minutes; CI only compiles it.

mod alert;
mod answer;
mod auth;
mod bans;
mod base;
mod geo;
mod guard;
mod limiter;
mod proxy;
mod rules;
mod schema;
mod store;
mod telemetry;

use criterion::{criterion_group, criterion_main};

criterion_group!(floor, base::each, telemetry::line);
criterion_group!(trades, limiter::take_both, schema::judge_body, auth::check_session, auth::find_cookie);
criterion_group!(more_trades, store::encode, geo::locate, alert::refused, bans::look, proxy::hops);
criterion_group!(
    scripts,
    rules::floor,
    rules::not_matching,
    rules::plugins,
    rules::reload,
    rules::two_threads
);
criterion_group!(wire, guard::judge, answer::judge);
criterion_main!(floor, trades, more_trades, wire, scripts);
