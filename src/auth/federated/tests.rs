use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::fake_log::FakeLog;
use super::*;

/// Links in memory. Refuses the first few writes when told to.
#[derive(Default)]
struct FakeLinks {
    links: Mutex<BTreeMap<Key, Link>>,
    refuses: AtomicUsize,
}

impl LinkLog for FakeLinks {
    fn save(&self, link: &Link) -> Written {
        let refused =
            self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if !refused {
            self.links.lock().insert((link.issuer.clone(), link.subject.clone()), link.clone());
        }
        Box::pin(async move {
            // Others get their turn while the disk works.
            tokio::task::yield_now().await;
            if refused { Err(Unavailable) } else { Ok(()) }
        })
    }
}

struct World {
    log: Arc<FakeLog>,
    links: Arc<FakeLinks>,
    accounts: Accounts,
    federated: Federated,
}

impl World {
    fn new() -> Self {
        let (log, links) = (FakeLog::shared(), Arc::new(FakeLinks::default()));
        let accounts = Accounts::new(log.clone());
        let federated = Federated::new(links.clone());
        Self { log, links, accounts, federated }
    }

    async fn sign_in(&self, identity: &Identity) -> Result<Arc<Account>, Unavailable> {
        self.federated.account(&self.accounts, "idp", identity, &["staff".to_owned()], 1_000).await
    }

    /// What a new process finds on this one's disk.
    fn restarted(&self) -> Self {
        let new = Self::new();
        new.accounts.load(self.log.accounts.lock().values().cloned().collect());
        new.federated.load(self.links.links.lock().values().cloned().collect());
        new
    }
}

fn person(subject: &str, email: Option<&str>) -> Identity {
    Identity {
        issuer: "https://idp.example".into(),
        subject: subject.into(),
        email: email.map(str::to_owned),
        name: None,
    }
}

#[tokio::test]
async fn a_person_keeps_the_account_when_the_address_changes_and_after_a_restart() {
    let world = World::new();
    let first = world.sign_in(&person("1", Some("ada@example.org"))).await.unwrap();
    assert_eq!(first.name.expose(), "ada@example.org");
    assert_eq!((first.roles.len(), &*first.roles[0], first.password.is_none()), (1, "staff", true));
    let again = world.sign_in(&person("1", Some("lovelace@example.org"))).await.unwrap();
    assert_eq!(again.id, first.id);
    let profile = world.federated.profile(first.id).unwrap();
    assert_eq!(profile.email.as_deref(), Some("lovelace@example.org"));
    let after = world.restarted();
    assert_eq!(after.sign_in(&person("1", None)).await.unwrap().id, first.id);
    assert_eq!(after.federated.profile(first.id).unwrap().email, None, "what was said last holds");
    assert_eq!(after.accounts.count(), 1);
}

#[tokio::test]
async fn oi_08_an_address_never_leads_into_an_account_that_is_there() {
    let world = World::new();
    let name = AccountName::parse("ada@example.org").unwrap();
    let local = world.accounts.add(name, None, Vec::new(), 0).await.unwrap();
    let first = world.sign_in(&person("1", Some("ada@example.org"))).await.unwrap();
    let second = world.sign_in(&person("2", Some("ada@example.org"))).await.unwrap();
    assert!(first.id != local.id && second.id != local.id && first.id != second.id);
    for account in [&first, &second] {
        let name = account.name.expose();
        assert!(name.starts_with("idp-") && !name.contains("ada"), "an opaque word");
    }
    assert_eq!(world.sign_in(&person("1", None)).await.unwrap().id, first.id);
}

#[tokio::test]
async fn issuer_and_subject_are_told_apart_however_they_are_cut() {
    let world = World::new();
    let cut = |issuer: &str, subject: &str| Identity { issuer: issuer.into(), ..person(subject, None) };
    let one = world.sign_in(&cut("https://idp.example/a", "b")).await.unwrap();
    let other = world.sign_in(&cut("https://idp.example/", "ab")).await.unwrap();
    assert_ne!(one.id, other.id);
    assert_ne!(one.name.expose(), other.name.expose());
}

#[tokio::test]
async fn a_hundred_first_sign_ins_at_once_make_one_account() {
    let world = Arc::new(World::new());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let world = Arc::clone(&world);
        all.spawn(async move { world.sign_in(&person("1", Some("ada@example.org"))).await.unwrap().id });
    }
    let ids = all.join_all().await;
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(world.accounts.count(), 1);
    assert!(world.federated.state.lock().making.is_empty());
}

#[tokio::test]
async fn a_link_that_could_not_be_written_locks_nobody_out() {
    let world = World::new();
    let ada = person("1", Some("ada@example.org"));
    world.links.refuses.store(2, Ordering::SeqCst);
    assert!(world.sign_in(&ada).await.is_err(), "the account is there and its link is not");
    assert!(world.sign_in(&ada).await.is_err(), "and so is one with an opaque name");
    let third = world.sign_in(&ada).await.unwrap();
    assert!(third.name.expose().starts_with("idp-"));
    assert_eq!(world.accounts.count(), 2);
    assert_eq!(world.restarted().sign_in(&ada).await.unwrap().id, third.id);
}

#[tokio::test]
async fn a_disabled_account_stays_the_persons_and_stays_disabled() {
    let world = World::new();
    let account = world.sign_in(&person("1", None)).await.unwrap();
    world.accounts.set_disabled(account.id, true).await.unwrap();
    let again = world.sign_in(&person("1", None)).await.unwrap();
    assert_eq!((again.id, again.disabled), (account.id, true));
}

#[tokio::test]
async fn what_is_forgotten_is_nowhere_and_debug_tells_nothing() {
    let world = World::new();
    let account = world.sign_in(&person("subject-1", Some("ada@example.org"))).await.unwrap();
    let link = world.links.links.lock().values().next().cloned().unwrap();
    let told = format!("{link:?} {:?} {:?}", link.profile, world.federated);
    assert!(!told.contains("ada") && !told.contains("subject-1"), "{told}");
    world.federated.forget_those_without(&world.accounts);
    assert!(world.federated.profile(account.id).is_some(), "the account is there");
    world.accounts.forget(account.id).await.unwrap();
    world.federated.forget_those_without(&world.accounts);
    assert!(world.federated.profile(account.id).is_none());
    assert_ne!(world.sign_in(&person("subject-1", None)).await.unwrap().id, account.id);
}
