//! Budget: 100 ns without a ban, 300 ns with ten thousand. Run alone with `cargo bench bans:`.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::Criterion;
use pluginmind::bans::{Ban, BanLog, Bans, LockdownState, Target, Written};
use pluginmind::config;

/// Takes every write and keeps nothing.
struct Taken;

fn taken() -> Written {
    Box::pin(std::future::ready(Ok(())))
}

impl BanLog for Taken {
    fn save(&self, _: &Ban) -> Written {
        taken()
    }

    fn remove(&self, _: &[Target]) -> Written {
        taken()
    }

    fn lockdown(&self, _: Option<&LockdownState>) -> Written {
        taken()
    }
}

fn ban(number: u32) -> Ban {
    let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number));
    Ban {
        target: Target::Network(address.into()),
        reason: "bench".into(),
        made_by: "cli".into(),
        created_ms: 0,
        expires_ms: None,
    }
}

/// Whether an address is kept out, asked for every request before anything else.
pub fn look(c: &mut Criterion) {
    let client: IpAddr = [192, 0, 2, 1].into();
    for (name, many) in [("bans: none", 0), ("bans: ten thousand", 10_000)] {
        let bans = Bans::new(Arc::new(Taken), &config::Bans { never: Vec::new(), max: 100_000 });
        bans.load((0..many).map(ban));
        assert!(!bans.is_address_banned(client, 1));
        c.bench_function(name, |b| b.iter(|| bans.is_address_banned(black_box(client), 1)));
    }
}
