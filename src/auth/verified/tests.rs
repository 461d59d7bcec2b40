//! From a token to a session.

use std::time::Duration;

use super::super::fake_log::FakeLog;
use super::super::ids::SessionId;
use super::super::keyring::tests::ring;
use super::super::name::AccountName;
use super::super::session::Limits;
use super::*;
use crate::base::clock::Clock;

const LIVES: Lifetimes = Lifetimes {
    ttl: Duration::from_secs(86_400),
    idle: Duration::from_secs(7_200),
    absolute: Duration::from_secs(86_400),
};
const LIMITS: Limits = Limits { lifetimes: LIVES, per_user_max: 10, sessions_max: 10 };

struct Bench {
    sessions: Sessions,
    accounts: Accounts,
    verified: Verified,
    ring: Keyring,
    clock: Clock,
    account: Arc<Account>,
    session: Arc<Session>,
    token: String,
}

impl Bench {
    async fn new() -> Self {
        let log = FakeLog::shared();
        let clock = Clock::manual(1_800_000_000_000);
        let now = Moment::of(&clock);
        let (sessions, accounts) = (Sessions::new(log.clone()), Accounts::new(log));
        let account = accounts.add(AccountName::parse("ada").unwrap(), None, vec![], 0).await.unwrap();
        let session = sessions.create(account.id, LIMITS, now).await.unwrap();
        let ring = ring(&["key"]);
        let token = token::issue(&ring, account.id, session.id(), now.unix_s(), now.unix_s() + 86_400);
        Self { sessions, accounts, verified: Verified::default(), ring, clock, account, session, token }
    }

    fn ask(&self, ring: &Keyring, token: Option<&str>) -> Result<UserId, Reason> {
        let now = Moment::of(&self.clock);
        self.verified
            .authenticate(ring, &self.sessions, &self.accounts, token, LIVES, now)
            .map(|authenticated| authenticated.user())
    }

    fn ours(&self) -> Result<UserId, Reason> {
        self.ask(&self.ring, Some(&self.token))
    }

    fn issue(&self, user: UserId, session: SessionId) -> String {
        let now = Moment::of(&self.clock).unix_s();
        token::issue(&self.ring, user, session, now, now + 60)
    }
}

#[tokio::test]
async fn a_genuine_token_of_a_live_session_is_its_user_the_first_time_and_every_time() {
    let b = Bench::new().await;
    for _ in 0..3 {
        assert_eq!(b.ours(), Ok(b.account.id));
    }
    assert_eq!(b.verified.known.len(), 1);
    assert_eq!(b.ask(&b.ring, None), Err(Reason::Missing));
    assert_eq!(b.ask(&b.ring, Some("x")), Err(Reason::Invalid));
}

#[tokio::test]
async fn cs_05_a_remembered_token_is_no_session_once_that_has_ended() {
    let b = Bench::new().await;
    assert!(b.ours().is_ok());
    b.sessions.end(b.session.id()).await.unwrap();
    assert_eq!(b.ours(), Err(Reason::Revoked));
}

#[tokio::test]
async fn a_disabled_account_is_shut_out_at_once() {
    let b = Bench::new().await;
    assert!(b.ours().is_ok());
    b.accounts.set_disabled(b.account.id, true).await.unwrap();
    assert_eq!(b.ours(), Err(Reason::Revoked));
}

#[tokio::test]
async fn cs_10_a_genuine_token_without_its_row_or_with_the_row_of_another_is_nobody() {
    let b = Bench::new().await;
    let no_row = b.issue(b.account.id, SessionId::generate());
    assert_eq!(b.ask(&b.ring, Some(&no_row)), Err(Reason::Revoked));
    let of_another = b.issue(UserId::generate(), b.session.id());
    assert_eq!(b.ask(&b.ring, Some(&of_another)), Err(Reason::Invalid));
    let stranger = UserId::generate();
    let session = b.sessions.create(stranger, LIMITS, Moment::of(&b.clock)).await.unwrap();
    let no_account = b.issue(stranger, session.id());
    assert_eq!(b.ask(&b.ring, Some(&no_account)), Err(Reason::Revoked));
}

#[tokio::test]
async fn cs_10_the_earlier_of_the_tokens_and_the_rows_end_counts() {
    let b = Bench::new().await;
    let short = b.issue(b.account.id, b.session.id());
    assert!(b.ask(&b.ring, Some(&short)).is_ok());
    b.clock.advance(Duration::from_secs(60));
    assert_eq!(b.ask(&b.ring, Some(&short)), Err(Reason::Expired));
    assert!(b.ours().is_ok());
    b.clock.advance(LIVES.idle);
    assert_eq!(b.ours(), Err(Reason::Expired));
}

#[tokio::test]
async fn cs_11_a_remembered_token_of_a_removed_key_is_not_believed() {
    let b = Bench::new().await;
    assert!(b.ours().is_ok());
    assert_eq!(b.ask(&ring(&["other"]), Some(&b.token)), Err(Reason::Invalid));
    assert!(b.ask(&ring(&["other", "key"]), Some(&b.token)).is_ok());
    assert_eq!(b.ask(&ring(&["other"]), Some(&b.token)), Err(Reason::Invalid));
}

#[tokio::test]
async fn a_remembered_mac_under_another_text_is_not_believed() {
    let b = Bench::new().await;
    assert!(b.ours().is_ok());
    let (message, mac) = b.token.rsplit_once('.').unwrap();
    let forged = format!("{}x.{mac}", &message[..message.len() - 1]);
    assert_ne!(forged, b.token);
    assert_eq!(b.ask(&b.ring, Some(&forged)), Err(Reason::Invalid));
    assert!(b.ours().is_ok());
}

#[tokio::test]
async fn forged_tokens_are_not_remembered() {
    let b = Bench::new().await;
    for n in 0..100 {
        let forged = token::issue(&ring(&["theirs"]), b.account.id, b.session.id(), n, n + 9);
        assert_eq!(b.ask(&b.ring, Some(&forged)), Err(Reason::Invalid));
    }
    assert_eq!(b.verified.known.len(), 0);
}
