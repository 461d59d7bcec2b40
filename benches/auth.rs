//! Budget: a session 1 us warm, its signature verified before, and 15 us cold; the session's cookie 300 ns. Run alone with
//! `cargo bench auth:`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use http::header::{COOKIE, HeaderMap, HeaderValue};
use pluginmind::auth::api_key::{KeyId, KeyRow};
use pluginmind::auth::cookie::{self, CookieFound};
use pluginmind::auth::durable::{AccountLog, Ended, KeyLog, SessionLog, SessionRow, Written};
use pluginmind::auth::name::AccountName;
use pluginmind::auth::session::Limits as SessionLimits;
use pluginmind::auth::{Account, Auth, Keyring, Lifetimes, Moment, SessionId, UserId, Verified, token};
use pluginmind::base::clock::Clock;
use pluginmind::base::secret::Secret;

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

/// Who a token stands for: warm, its signature was verified before; cold, it was not.
pub fn check_session(c: &mut Criterion) {
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

/// The session's cookie among others.
pub fn find_cookie(c: &mut Criterion) {
    let mut headers = HeaderMap::new();
    headers.insert(
        COOKIE,
        HeaderValue::from_static("theme=dark; lang=de; pm_session=eyJhbGciOiJIUzI1NiJ9.e30.x; a=b"),
    );
    c.bench_function("auth: cookie", |b| {
        b.iter(|| matches!(cookie::find(black_box(&headers), "pm_session"), CookieFound::One(_)));
    });
}
