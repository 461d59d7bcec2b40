//! Signing in and out, start to end.

use super::super::fake_log::FakeLog;
use super::super::keyring::tests::ring;
use super::super::password;
use super::*;
use crate::base::clock::Clock;

const LIVES: Lifetimes = Lifetimes {
    ttl: Duration::from_secs(86_400),
    idle: Duration::from_secs(7_200),
    absolute: Duration::from_secs(86_400),
};
const LIMITS: Limits = Limits { lifetimes: LIVES, per_user_max: 10, sessions_max: 10 };

const DOOR: Door = Door {
    address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    lockout: lockout::Terms {
        failures: 5,
        network_failures: 30,
        lock_for: Duration::from_secs(900),
        window: Duration::from_secs(600),
    },
};

struct Bench {
    log: Arc<FakeLog>,
    auth: Auth,
    ring: Keyring,
    now: Moment,
    user: UserId,
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

impl Bench {
    /// One account: `ada@example.org`, password `lovelace`.
    async fn new() -> Self {
        let log = FakeLog::shared();
        let auth = Auth::new(log.clone(), log.clone(), log.clone(), 2);
        let digest = password::hash(&secret("lovelace")).unwrap();
        let name = AccountName::parse("ada@example.org").unwrap();
        let user = auth.accounts.add(name, Some(digest), vec![], 0).await.unwrap().id;
        Self { log, auth, ring: ring(&["key"]), now: Moment::of(&Clock::manual(1_800_000_000_500)), user }
    }

    async fn sign_in(&self, name: &str, password: &str) -> Result<SignedIn, SignInError> {
        self.auth.sign_in(&self.ring, name, secret(password), DOOR, LIMITS, self.now).await
    }

    fn ask(&self, token: &Secret<String>) -> Result<UserId, Reason> {
        self.auth.authenticate(&self.ring, Some(token.expose()), LIVES, self.now).map(|who| who.user())
    }
}

#[tokio::test]
async fn a_person_signs_in_is_known_and_signs_out() {
    let b = Bench::new().await;
    let signed_in = b.sign_in("Ada@example.org", "lovelace").await.unwrap();
    assert_eq!(b.ask(&signed_in.token), Ok(b.user));
    assert_eq!(signed_in.max_age, LIVES.ttl);
    b.auth.sign_out(&b.ring, signed_in.token.expose()).await.unwrap();
    assert_eq!(b.ask(&signed_in.token), Err(Reason::Revoked));
    assert!(b.log.sessions.lock().is_empty());
    b.auth.sign_out(&b.ring, signed_in.token.expose()).await.unwrap();
    b.auth.sign_out(&b.ring, "x").await.unwrap();
}

#[tokio::test]
async fn cs_07_each_sign_in_is_a_new_session() {
    let b = Bench::new().await;
    let (one, two) =
        (b.sign_in("ada@example.org", "lovelace").await, b.sign_in("ada@example.org", "lovelace").await);
    assert_ne!(one.unwrap().session.id(), two.unwrap().session.id());
}

#[tokio::test]
async fn en_01_wrong_unknown_unreadable_and_disabled_are_one_and_the_same() {
    let b = Bench::new().await;
    for (name, password) in
        [("ada@example.org", "Lovelace"), ("bob", "lovelace"), ("no name!", "lovelace"), ("", "")]
    {
        assert_eq!(b.sign_in(name, password).await.unwrap_err(), SignInError::Wrong);
    }
    b.auth.disable(b.user).await.unwrap();
    assert_eq!(b.sign_in("ada@example.org", "lovelace").await.unwrap_err(), SignInError::Wrong);
    assert!(b.log.sessions.lock().is_empty());
}

#[tokio::test]
async fn db_01_a_sign_out_that_storage_refuses_is_an_error_also_the_second_time() {
    let b = Bench::new().await;
    let token = b.sign_in("ada@example.org", "lovelace").await.unwrap().token;
    b.log.set_full(true);
    for _ in 0..2 {
        assert_eq!(b.auth.sign_out(&b.ring, token.expose()).await, Err(Unavailable));
        assert_eq!(b.ask(&token), Err(Reason::Revoked));
    }
    assert!(matches!(b.sign_in("ada@example.org", "lovelace").await, Err(SignInError::Unavailable(_))));
    b.log.set_full(false);
    assert_eq!(b.auth.sign_out(&b.ring, token.expose()).await, Ok(()));
    assert!(b.log.sessions.lock().is_empty());
}

#[tokio::test]
async fn cs_13_a_sign_out_counts_also_while_the_clock_is_set_back() {
    let b = Bench::new().await;
    let token = b.sign_in("ada@example.org", "lovelace").await.unwrap().token;
    let back = Moment { unix_ms: b.now.unix_ms - 3_600_000, ..b.now };
    let early = b.auth.authenticate(&b.ring, Some(token.expose()), LIVES, back);
    assert_eq!(early.unwrap_err(), Reason::Invalid, "made in the future, as this clock sees it");
    b.auth.sign_out(&b.ring, token.expose()).await.unwrap();
    assert_eq!(b.ask(&token), Err(Reason::Revoked));
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_and_only_it_opens() {
    let b = Bench::new().await;
    let token = b.sign_in("ada@example.org", "lovelace").await.unwrap().token;
    b.auth.change_password(b.user, password::hash(&secret("byron")).unwrap()).await.unwrap();
    assert_eq!(b.ask(&token), Err(Reason::Revoked));
    assert!(b.sign_in("ada@example.org", "lovelace").await.is_err());
    assert!(b.sign_in("ada@example.org", "byron").await.is_ok());
}

#[tokio::test]
async fn a_password_that_changes_while_somebody_signs_in_with_the_old_one_wins() {
    let b = Bench::new().await;
    let (open, gate) = tokio::sync::watch::channel(false);
    *b.log.gate.lock() = Some(gate);
    let new = password::hash(&secret("byron")).unwrap();
    let change = async {
        // The session is being written: its password was right a moment ago.
        while b.auth.sessions.count() == 0 {
            tokio::task::yield_now().await;
        }
        let both = async { tokio::join!(b.auth.change_password(b.user, new), async { open.send(true) }) };
        both.await.0
    };
    let (signed_in, changed) = tokio::join!(b.sign_in("ada@example.org", "lovelace"), change);
    assert_eq!(changed, Ok(()));
    assert_eq!(signed_in.unwrap_err(), SignInError::Wrong);
    assert!(b.log.sessions.lock().is_empty());
}

#[tokio::test]
async fn rl_11_after_five_wrong_passwords_not_even_the_right_one_is_looked_at() {
    let b = Bench::new().await;
    for name in ["ada@example.org", "nobody@example.org"] {
        for _ in 0..5 {
            assert_eq!(b.sign_in(name, "wrong").await.unwrap_err(), SignInError::Wrong);
        }
        let locked = SignInError::LockedOut(LockedOut { retry_after: DOOR.lockout.lock_for });
        assert_eq!(b.sign_in(name, "lovelace").await.unwrap_err(), locked, "known and unknown alike");
    }
    let digest = password::hash(&secret("byron")).unwrap();
    b.auth.change_password(b.user, digest).await.unwrap();
    assert!(b.sign_in("ada@example.org", "byron").await.is_ok(), "a new password ends the lock");
}

#[tokio::test]
async fn rl_11_who_waits_for_a_place_is_asked_again_when_one_is_free() {
    let b = Bench::new().await;
    let tries = (0..20).map(|_| b.sign_in("ada@example.org", "wrong"));
    let outcomes = futures_of(tries).await;
    let looked_at = outcomes.iter().filter(|o| matches!(o, Err(SignInError::Wrong))).count();
    assert!((5..=6).contains(&looked_at), "two at a time: one more than five at the most, not {looked_at}");
}

/// Awaits all of them at once.
async fn futures_of<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(outcome) => {
                done.push(outcome);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
