//! Budget: 50 ns where no database is there, which is what a rule pays that asks all the same. Run alone with
//! `cargo bench geo:`.

use std::hint::black_box;
use std::net::IpAddr;

use criterion::Criterion;
use pluginmind::base::location::{Locate, Location};
use pluginmind::geo::Geo;

/// A look-up of an address; the databases themselves are not ours to ship.
pub fn locate(c: &mut Criterion) {
    let client: IpAddr = [192, 0, 2, 1].into();
    let nothing = Geo::default();
    c.bench_function("geo: nothing known", |b| b.iter(|| nothing.locate(black_box(client))));
    let assumed = Geo::assuming(Location { country: "CH".to_owned(), ..Location::default() });
    c.bench_function("geo: assumed", |b| b.iter(|| assumed.locate(black_box(client))));
}
