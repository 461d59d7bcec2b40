//! Budget: a canonical path 500 ns, a pseudonym 1.5 us and its text 100 ns. Run alone with `cargo bench base:`.

use std::hint::black_box;
use std::net::IpAddr;

use criterion::Criterion;
use pluginmind::base::address::Pseudonymiser;
use pluginmind::base::target::CanonicalPath;

/// What is done for every request, whatever it is.
pub fn each(c: &mut Criterion) {
    c.bench_function("base: canonical path", |b| {
        b.iter(|| CanonicalPath::parse(black_box("/api/v1/items/42/caf%C3%A9")));
    });
    let people = Pseudonymiser::new(&[7; 32]);
    let client: IpAddr = [192, 0, 2, 1].into();
    c.bench_function("base: pseudonym of an address", |b| b.iter(|| people.address(black_box(client))));
    let pseudonym = people.address(client);
    c.bench_function("base: pseudonym as text", |b| b.iter(|| black_box(pseudonym).to_string()));
}
