//! Renewal, from the token that is half spent to the one that replaces it.

use std::sync::Arc;
use std::time::Duration;

use super::super::super::fake_log::FakeLog;
use super::super::super::keyring::tests::ring;
use super::super::super::name::AccountName;
use super::super::super::sign_in::Renewed;
use super::super::super::{Auth, Keyring, Reason, token};
use super::super::Limits;
use super::*;
use crate::base::clock::Clock;

const HOUR: Duration = Duration::from_secs(3_600);
const LIVES: Lifetimes =
    Lifetimes { ttl: Duration::from_secs(24 * 3_600), idle: HOUR, absolute: Duration::from_secs(72 * 3_600) };
const LIMITS: Limits = Limits { lifetimes: LIVES, per_user_max: 10, sessions_max: 10 };
const START_MS: i64 = 1_800_000_000_000;

struct Bench {
    log: Arc<FakeLog>,
    auth: Auth,
    ring: Keyring,
    clock: Clock,
    session: Arc<Session>,
    token: String,
}

impl Bench {
    async fn new() -> Self {
        let (log, clock, ring) = (FakeLog::shared(), Clock::manual(START_MS), ring(&["key"]));
        let auth = Auth::new(log.clone(), log.clone(), log.clone(), 1);
        let now = Moment::of(&clock);
        let account = auth.accounts.add(AccountName::parse("ada").unwrap(), None, vec![], 0).await.unwrap();
        let session = auth.sessions.create(account.id, LIMITS, now).await.unwrap();
        let exp = u64::try_from(session.expires_ms() / 1_000).unwrap();
        let token = token::issue(&ring, account.id, session.id(), now.unix_s(), exp);
        Self { log, auth, ring, clock, session, token }
    }

    fn now(&self) -> Moment {
        Moment::of(&self.clock)
    }

    /// Time passes, with a request now and then so that the session does not idle out.
    fn hours(&self, hours: u32) {
        for _ in 0..hours * 2 {
            self.clock.advance(HOUR / 2);
            let _ = self.auth.sessions.lookup(self.session.id(), LIVES, self.now());
        }
    }

    async fn renew(&self, token: &str) -> Result<Option<Renewed>, Unavailable> {
        self.auth.renew(&self.ring, token, &self.session, LIVES, self.now()).await
    }

    async fn renewed(&self, token: &str) -> Option<String> {
        self.renew(token).await.unwrap().map(|renewed| renewed.token.expose().clone())
    }

    fn ask(&self, token: &str, lifetimes: Lifetimes) -> Result<(), Reason> {
        self.auth.authenticate(&self.ring, Some(token), lifetimes, self.now()).map(drop)
    }

    fn row_ends(&self) -> i64 {
        self.log.sessions.lock()[&self.session.id()].expires_ms
    }
}

#[tokio::test]
async fn a_token_with_half_of_its_life_left_is_not_renewed_and_one_with_less_is() {
    let b = Bench::new().await;
    b.hours(12);
    assert!(b.renewed(&b.token).await.is_none());
    b.clock.advance(Duration::from_secs(1));
    let renewed = b.renew(&b.token).await.unwrap().unwrap();
    assert_eq!(renewed.max_age, LIVES.ttl);
    let claims = token::verify(&b.ring, renewed.token.expose(), b.now().unix_s()).unwrap();
    assert_eq!((claims.sid, claims.iat), (b.session.id(), b.now().unix_s()), "the same session, a new token");
    assert_eq!(b.row_ends(), b.now().unix_ms + 24 * 3_600_000, "on disk");
    assert_eq!(b.session.expires_ms(), b.row_ends());
    b.hours(13);
    assert_eq!(b.ask(&b.token, LIVES), Err(Reason::Expired), "the old token ends when it was to end");
    assert_eq!(b.ask(renewed.token.expose(), LIVES), Ok(()));
}

#[tokio::test]
async fn no_renewal_outlives_the_absolute_end() {
    let b = Bench::new().await;
    let mut token = b.token.clone();
    let mut renewals = 0;
    for _ in 0..80 {
        b.hours(1);
        if let Some(next) = b.renewed(&token).await {
            token = next;
            renewals += 1;
        }
    }
    assert_eq!(renewals, 4, "at 13, 26, 39 and 52 hours; the last one to the end");
    assert_eq!(b.row_ends(), START_MS + 72 * 3_600_000);
    assert!(b.ask(&token, LIVES).is_err());
}

#[tokio::test]
async fn many_requests_at_once_renew_once_and_a_lost_answer_is_made_good() {
    let b = Bench::new().await;
    b.hours(13);
    assert!(b.renewed(&b.token).await.is_some());
    for _ in 0..10 {
        assert!(b.renewed(&b.token).await.is_none());
    }
    assert_eq!(b.log.extensions.load(Ordering::SeqCst), 1);
    b.clock.advance(Duration::from_secs(60));
    assert!(
        b.renewed(&b.token).await.is_some(),
        "whoever still comes with the old token is offered one again"
    );
}

#[tokio::test]
async fn cs_06_a_renewal_never_brings_an_ended_session_back() {
    let b = Bench::new().await;
    b.hours(13);
    let (tell, gate) = tokio::sync::watch::channel(false);
    *b.log.gate.lock() = Some(gate);
    let renewal = b.renew(&b.token);
    let end = async {
        let ending = b.auth.sessions.end(b.session.id());
        tell.send(true).unwrap();
        ending.await.unwrap();
    };
    let (renewed, ()) = tokio::join!(renewal, end);
    assert!(renewed.unwrap().is_none(), "no cookie for what is over");
    assert!(b.log.sessions.lock().is_empty());
    assert_eq!(b.ask(&b.token, LIVES), Err(Reason::Revoked));
    assert!(b.auth.sessions.extend(&b.session, i64::MAX).await.is_ok_and(|alive| !alive));
    assert!(b.log.sessions.lock().is_empty());
}

#[tokio::test]
async fn a_disk_that_refuses_leaves_the_session_as_it_was() {
    let b = Bench::new().await;
    b.hours(13);
    let before = b.session.expires_ms();
    b.log.set_full(true);
    assert!(b.renew(&b.token).await.is_err());
    assert_eq!((b.session.expires_ms(), b.row_ends()), (before, before));
    assert_eq!(b.ask(&b.token, LIVES), Ok(()));
}

#[tokio::test]
async fn a_shorter_ttl_holds_for_tokens_that_were_issued_before() {
    let b = Bench::new().await;
    let shorter = Lifetimes { ttl: HOUR, ..LIVES };
    b.clock.advance(Duration::from_secs(3_599));
    assert_eq!(b.ask(&b.token, shorter), Ok(()));
    b.clock.advance(Duration::from_secs(1));
    assert_eq!(b.ask(&b.token, shorter), Err(Reason::Expired));
}

#[tokio::test]
async fn another_sessions_token_renews_nothing() {
    let b = Bench::new().await;
    let other = b.auth.sessions.create(b.session.user(), LIMITS, b.now()).await.unwrap();
    b.hours(13);
    assert!(b.auth.renew(&b.ring, &b.token, &other, LIVES, b.now()).await.unwrap().is_none());
    assert!(b.auth.renew(&b.ring, "x", &b.session, LIVES, b.now()).await.unwrap().is_none());
}
