//! One bench per trade: its hot function. `cargo bench` runs them; CI only compiles them.

mod answer;
mod guard;
mod rules;

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pluginmind::auth::api_key::{KeyId, KeyRow};
use pluginmind::auth::durable::{AccountLog, Ended, KeyLog, SessionLog, SessionRow, Written};
use pluginmind::auth::name::AccountName;
use pluginmind::auth::session::Limits as SessionLimits;
use pluginmind::auth::{Account, Auth, Keyring, Lifetimes, Moment, SessionId, UserId, Verified, token};
use pluginmind::base::clock::Clock;
use pluginmind::base::secret::Secret;
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

/// Takes every write and keeps nothing: what is measured is the look-up, which never asks the disk.
struct Taken;

impl SessionLog for Taken {
    fn insert(&self, _: SessionRow, _: Vec<SessionId>) -> Written {
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove(&self, _: Ended) -> Written {
        Box::pin(std::future::ready(Ok(())))
    }

    fn extend(&self, _: SessionId, _: i64) -> Written {
        Box::pin(std::future::ready(Ok(())))
    }

    fn touch(&self, _: SessionId, _: i64) {}
}

impl AccountLog for Taken {
    fn save(&self, _: &Account) -> Written {
        Box::pin(std::future::ready(Ok(())))
    }

    fn erase(&self, _: UserId) -> Written {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl KeyLog for Taken {
    fn insert(&self, _: &KeyRow) -> Written {
        Box::pin(std::future::ready(Ok(())))
    }

    fn revoke(&self, _: KeyId, _: i64) -> Written {
        Box::pin(std::future::ready(Ok(())))
    }

    fn touch(&self, _: KeyId, _: i64) {}
}

/// Who a token stands for: warm, its signature was verified before (goal: under 1 us); cold, it was not (under 15 us).
fn check_session(c: &mut Criterion) {
    const DAY: Duration = Duration::from_secs(86_400);
    let lifetimes = Lifetimes { ttl: DAY, idle: DAY, absolute: DAY };
    let limits = SessionLimits { lifetimes, per_user_max: 10, sessions_max: 10 };
    let ring = Keyring::new(&[Secret::new(b"k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa".to_vec())]).expect("a key");
    let auth = Auth::new(Arc::new(Taken), Arc::new(Taken), Arc::new(Taken), 1);
    let now = Moment::of(&Clock::System);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let session = runtime.block_on(async {
        let name = AccountName::parse("ada").expect("a name");
        let account = auth.accounts.add(name, None, Vec::new(), now.unix_ms).await.expect("an account");
        auth.sessions.create(account.id, limits, now).await.expect("a session")
    });
    let exp = now.unix_s() + DAY.as_secs();
    let token = token::issue(&ring, session.user(), session.id(), now.unix_s(), exp);
    assert!(auth.authenticate(&ring, Some(&token), lifetimes, now).is_ok(), "the token opens");
    c.bench_function("auth: session, warm", |b| {
        b.iter(|| auth.authenticate(&ring, Some(black_box(&token)), lifetimes, now).is_ok());
    });
    c.bench_function("auth: session, cold", |b| {
        let check = |verified: &mut Verified| {
            let (sessions, accounts) = (&auth.sessions, &auth.accounts);
            verified.authenticate(&ring, sessions, accounts, Some(black_box(&token)), lifetimes, now).is_ok()
        };
        b.iter_batched_ref(Verified::default, check, BatchSize::SmallInput);
    });
}

criterion_group!(trades, canonical_path, take_both, judge_body, check_session);
criterion_group!(scripts, rules::floor, rules::plugins, rules::reload, rules::two_threads);
criterion_group!(wire, guard::judge, answer::judge);
criterion_main!(trades, wire, scripts);
