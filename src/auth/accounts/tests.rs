//! Accounts over a log that can refuse.

use super::super::fake_log::FakeLog;
use super::*;

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn digest(text: &str) -> PasswordDigest {
    PasswordDigest::from_stored(text.to_owned())
}

fn bench() -> (Arc<FakeLog>, Accounts) {
    let log = FakeLog::shared();
    (log.clone(), Accounts::new(log))
}

async fn add(accounts: &Accounts, text: &str) -> Result<Arc<Account>, AccountError> {
    accounts.add(name(text), Some(digest("old")), vec!["staff".into()], 7).await
}

#[tokio::test]
async fn an_account_is_found_by_id_and_by_any_spelling_of_its_name() {
    let (log, accounts) = bench();
    let added = add(&accounts, "Ada@Example.org").await.unwrap();
    assert_eq!(accounts.get(added.id), Some(added.clone()));
    assert_eq!(accounts.find(&name(" ada@example.ORG ")), Some(added.clone()));
    assert_eq!(accounts.find(&name("bob")), None);
    assert_eq!(log.accounts.lock()[&added.id], *added);
}

#[tokio::test]
async fn en_04_a_name_belongs_to_one_account_in_every_spelling() {
    let (_log, accounts) = bench();
    add(&accounts, "ada").await.unwrap();
    assert_eq!(add(&accounts, "ADA").await.unwrap_err(), AccountError::Taken);
    assert_eq!(accounts.count(), 1);
}

#[tokio::test]
async fn an_account_that_storage_refuses_is_not_there_and_its_name_is_free() {
    let (log, accounts) = bench();
    log.set_full(true);
    assert_eq!(add(&accounts, "ada").await.unwrap_err(), AccountError::Unavailable(Unavailable));
    assert_eq!((accounts.find(&name("ada")), accounts.count()), (None, 0));
    log.set_full(false);
    add(&accounts, "ada").await.unwrap();
}

#[tokio::test]
async fn two_changes_at_the_same_time_are_both_on_disk() {
    let (log, accounts) = bench();
    let id = add(&accounts, "ada").await.unwrap().id;
    let (open, gate) = tokio::sync::watch::channel(false);
    *log.gate.lock() = Some(gate);
    let both =
        async { tokio::join!(accounts.set_password(id, digest("new")), accounts.set_disabled(id, true)) };
    let opener = async { open.send(true) };
    let (outcomes, _) = tokio::join!(both, opener);
    assert_eq!(outcomes, (Ok(()), Ok(())));
    let kept = log.accounts.lock()[&id].clone();
    assert_eq!((kept.password.clone(), kept.disabled), (Some(digest("new")), true));
    assert_eq!(*accounts.get(id).unwrap(), kept);
}

#[tokio::test]
async fn db_01_when_storage_refuses_the_old_password_holds_and_disabled_stays_disabled() {
    let (log, accounts) = bench();
    let id = add(&accounts, "ada").await.unwrap().id;
    log.set_full(true);
    let refused = Err(AccountError::Unavailable(Unavailable));
    assert_eq!(accounts.set_password(id, digest("new")).await, refused);
    assert_eq!(accounts.get(id).unwrap().password, Some(digest("old")));
    assert_eq!(accounts.set_disabled(id, false).await, refused);
    assert!(!accounts.get(id).unwrap().disabled, "it was not disabled before");
    assert_eq!(accounts.set_disabled(id, true).await, refused);
    assert!(accounts.get(id).unwrap().disabled);
    assert_eq!(accounts.set_disabled(id, false).await, refused);
    assert!(accounts.get(id).unwrap().disabled);
    log.set_full(false);
    accounts.set_disabled(id, false).await.unwrap();
    assert!(!accounts.get(id).unwrap().disabled);
    assert!(!log.accounts.lock()[&id].disabled);
}

#[tokio::test]
async fn a_change_to_nobody_is_an_error() {
    let (_log, accounts) = bench();
    assert_eq!(accounts.set_disabled(UserId::generate(), true).await, Err(AccountError::Unknown));
    assert_eq!(accounts.set_password(UserId::generate(), digest("x")).await, Err(AccountError::Unknown));
}

#[tokio::test]
async fn a_restart_takes_in_what_was_on_disk() {
    let (log, accounts) = bench();
    let (bob, ada) = (add(&accounts, "bob").await.unwrap(), add(&accounts, "ada").await.unwrap());
    let restarted = Accounts::new(log.clone());
    restarted.load(log.accounts.lock().values().cloned().collect());
    assert_eq!(restarted.list(), [ada.clone(), bob]);
    assert_eq!(restarted.find(&name("ada")), Some(ada));
}

#[tokio::test]
async fn a_forgotten_account_is_gone_and_its_name_is_another_persons() {
    let (log, accounts) = bench();
    let old = add(&accounts, "ada").await.unwrap().id;
    accounts.forget(old).await.unwrap();
    assert_eq!((accounts.get(old), accounts.find(&name("ada")), accounts.count()), (None, None, 0));
    assert!(log.accounts.lock().is_empty());
    assert_eq!(accounts.forget(old).await, Err(AccountError::Unknown));
    assert_eq!(accounts.set_password(old, digest("new")).await, Err(AccountError::Unknown));
    assert!(log.accounts.lock().is_empty(), "nothing writes it anew");
    assert_ne!(add(&accounts, "ada").await.unwrap().id, old);
}

#[tokio::test]
async fn when_storage_refuses_to_forget_the_account_is_disabled_and_can_be_forgotten_later() {
    let (log, accounts) = bench();
    let id = add(&accounts, "ada").await.unwrap().id;
    log.set_full(true);
    assert_eq!(accounts.forget(id).await, Err(AccountError::Unavailable(Unavailable)));
    assert!(accounts.get(id).unwrap().disabled);
    log.set_full(false);
    accounts.forget(id).await.unwrap();
    assert_eq!(accounts.count(), 0);
}
