use std::sync::atomic::Ordering;

use super::super::durable::Unavailable;
use super::super::fake_log::FakeLog;
use super::super::{Auth, Reason};
use super::*;
use crate::auth::name::AccountName;

const START_MS: i64 = 1_800_000_000_000;

struct Bench {
    log: Arc<FakeLog>,
    auth: Auth,
}

fn bench() -> Bench {
    let log = FakeLog::shared();
    let auth = Auth::new(log.clone(), log.clone(), log.clone(), 1);
    Bench { log, auth }
}

impl Bench {
    async fn make(&self, made: NewKey) -> (KeyId, String) {
        let issued = self.auth.keys.create(made, START_MS).await.unwrap();
        (issued.key.id(), issued.text.expose().clone())
    }

    fn ask(&self, text: &str, now_ms: i64) -> Result<KeyId, Reason> {
        let key = self.auth.keys.genuine(text).ok_or(Reason::Invalid)?;
        self.auth.admit_key(&key, now_ms).map(|()| key.id())
    }
}

#[tokio::test]
async fn a_key_is_known_by_its_whole_text_and_by_nothing_else() {
    let b = bench();
    let (id, text) = b.make(NewKey::default()).await;
    assert_eq!(b.ask(&text, START_MS), Ok(id));
    assert_eq!((text.len(), text[3..19].to_owned()), (84, id.text()));
    let (_, other) = b.make(NewKey::default()).await;
    let crossed = format!("{}{}", &text[..19], &other[19..]);
    let changed = |at: usize| {
        let digit = if text.as_bytes()[at] == b'0' { '1' } else { '0' };
        format!("{}{digit}{}", &text[..at], &text[at + 1..])
    };
    let wrong = [
        String::new(),
        "pm_".to_owned(),
        text[1..].to_owned(),
        text[..83].to_owned(),
        format!("{text}0"),
        format!("{text} "),
        text.to_uppercase(),
        text.replace("pm_", "PM_"),
        text.replacen('_', "-", 1),
        format!("{}-{}", &text[..19], &text[20..]),
        format!("é{}", &text[2..]),
        crossed,
        changed(3),
        changed(20),
        changed(83),
    ];
    for wrong in wrong {
        assert_eq!(b.ask(&wrong, START_MS), Err(Reason::Invalid), "{wrong}");
    }
}

#[tokio::test]
async fn only_a_hash_of_the_secret_is_kept_and_nothing_shows_it() {
    let b = bench();
    let (id, text) = b.make(NewKey::default()).await;
    let row = b.log.keys.lock()[&id].clone();
    let secret: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&text[20 + 2 * i..22 + 2 * i], 16).unwrap()).collect();
    assert_ne!(row.digest.as_bytes().as_slice(), secret);
    let sha = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &secret);
    assert_eq!(row.digest.as_bytes().as_slice(), sha.as_ref());
    let issued = b.auth.keys.create(NewKey::default(), START_MS).await.unwrap();
    let shown = format!("{issued:?} {row:?} {:?}", b.auth.keys);
    assert!(!shown.contains(&issued.text.expose()[20..]) && !shown.contains("digest"), "{shown}");
}

#[tokio::test]
async fn a_key_ends_with_its_time_with_its_revocation_and_with_its_account() {
    let b = bench();
    let (_, text) = b.make(NewKey { expires_ms: Some(START_MS + 1_000), ..NewKey::default() }).await;
    assert!(b.ask(&text, START_MS + 999).is_ok());
    assert_eq!(b.ask(&text, START_MS + 1_000), Err(Reason::Expired));
    let (id, text) = b.make(NewKey::default()).await;
    b.auth.keys.revoke(id, START_MS).await.unwrap();
    assert_eq!(b.ask(&text, START_MS), Err(Reason::Revoked));
    let name = AccountName::parse("ada").unwrap();
    let ada = b.auth.accounts.add(name, None, vec![], 0).await.unwrap().id;
    let (_, text) = b.make(NewKey { owner: ada.text(), ..NewKey::default() }).await;
    assert!(b.ask(&text, START_MS).is_ok());
    b.auth.disable(ada).await.unwrap();
    assert_eq!(b.ask(&text, START_MS), Err(Reason::Revoked));
    let nobodys = NewKey { owner: UserId::generate().text(), ..NewKey::default() };
    assert_eq!(b.ask(&b.make(nobodys).await.1, START_MS), Err(Reason::Revoked));
}

#[tokio::test]
async fn a_revocation_that_the_disk_refuses_holds_here_is_told_and_can_be_asked_for_again() {
    let b = bench();
    let (id, text) = b.make(NewKey::default()).await;
    b.log.set_full(true);
    let refused = b.auth.keys.revoke(id, START_MS + 5).await.unwrap_err();
    assert_eq!(refused, KeyError::Unavailable(Unavailable));
    assert_eq!(b.ask(&text, START_MS), Err(Reason::Revoked));
    assert_eq!(b.log.keys.lock()[&id].revoked_ms, None);
    b.log.set_full(false);
    b.auth.keys.revoke(id, START_MS + 9).await.unwrap();
    assert_eq!(b.log.keys.lock()[&id].revoked_ms, Some(START_MS + 5), "the first moment stands");
    let unknown = b.auth.keys.revoke(KeyId::generate(), START_MS).await.unwrap_err();
    assert_eq!(unknown, KeyError::Unknown);
}

#[tokio::test]
async fn a_key_that_the_disk_refuses_is_none_and_takes_no_place() {
    let b = bench();
    b.log.set_full(true);
    assert!(b.auth.keys.create(NewKey::default(), START_MS).await.is_err());
    assert_eq!((b.auth.keys.count(), b.auth.keys.list().len()), (0, 0));
}

#[tokio::test]
async fn keys_are_bounded() {
    let b = bench();
    let row = |n: u64| KeyRow {
        id: KeyId::from_bytes(n.to_be_bytes()),
        digest: SecretDigest::from_bytes([1; 32]),
        made: NewKey::default(),
        created_ms: 0,
        last_used_ms: None,
        revoked_ms: None,
    };
    b.auth.keys.load((0..KEYS_MAX as u64 - 1).map(row).collect());
    assert!(b.auth.keys.create(NewKey::default(), START_MS).await.is_ok());
    assert_eq!(b.auth.keys.create(NewKey::default(), START_MS).await.unwrap_err(), KeyError::TooMany);
    assert_eq!(b.auth.keys.count(), KEYS_MAX);
}

#[tokio::test]
async fn the_last_use_is_noted_at_most_once_a_minute_and_only_of_a_good_key() {
    let b = bench();
    let (id, text) = b.make(NewKey { expires_ms: Some(START_MS + 180_000), ..NewKey::default() }).await;
    let touches = || b.log.touches.load(Ordering::SeqCst);
    for second in 0..60 {
        b.ask(&text, START_MS + second * 1_000).unwrap();
    }
    assert_eq!(touches(), 1);
    b.ask(&text, START_MS + 60_000).unwrap();
    assert_eq!((touches(), b.log.keys.lock()[&id].last_used_ms), (2, Some(START_MS + 60_000)));
    assert!(b.ask(&text, START_MS + 200_000).is_err());
    assert_eq!(touches(), 2);
}

#[tokio::test]
async fn a_restart_takes_in_every_key_as_it_was() {
    let b = bench();
    let made = NewKey {
        name: "ci".into(),
        owner: "billing".into(),
        tier: "gold".into(),
        scopes: vec!["read".into(), "write".into()],
        per_minute: Some(7),
        expires_ms: Some(START_MS + 9),
    };
    let (id, text) = b.make(made).await;
    let (gone, _) = b.make(NewKey::default()).await;
    b.auth.keys.revoke(gone, START_MS + 1).await.unwrap();
    b.ask(&text, START_MS + 2).unwrap();
    let rows: Vec<_> = b.log.keys.lock().values().cloned().collect();
    let again = bench();
    again.auth.keys.load(rows.clone());
    let mut listed: Vec<_> = again.auth.keys.list().iter().map(|key| key.row()).collect();
    listed.sort_unstable_by_key(|row| row.id);
    assert_eq!(listed, rows);
    assert_eq!(again.ask(&text, START_MS + 3), Ok(id));
}

#[test]
fn no_request_that_starts_after_a_revocation_returned_finds_the_key_good() {
    let b = bench();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..100 {
        let (id, text) = runtime.block_on(b.make(NewKey::default()));
        let revoked = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let was_revoked = revoked.load(Ordering::SeqCst);
                        let good = b.ask(&text, START_MS).is_ok();
                        assert!(!(was_revoked && good), "good after its revocation was acknowledged");
                        if was_revoked {
                            break;
                        }
                    }
                });
            }
            runtime.block_on(b.auth.keys.revoke(id, START_MS)).unwrap();
            revoked.store(true, Ordering::SeqCst);
        });
    }
}
