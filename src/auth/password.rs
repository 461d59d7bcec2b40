//! Passwords: Argon2id, off the workers, a bounded number at a time.
//!
//! # Source
//! RFC 9106; OWASP Password Storage Cheat Sheet (19 MiB, two passes, one lane).

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, rand};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::secret::Secret;

/// Longest password that is looked at, in bytes: hashing time must not grow with what a stranger sends.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Most checks that wait while all places are taken; whoever comes then is told to come back.
pub const WAITING_MAX: usize = 64;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How far password work stands behind the workers (nice(2)).
const NICENESS: i32 = 10;
const SALT_BYTES: usize = 16;

/// The hash that a name without an account is checked against, so that both take the same time (EN-01). It was drawn at
/// random, not computed: no password is known that fits.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$U5ur2VCQbGDwHHooEypjCA$8ze1KW60J0wirKiHthVX6jvKmhWlE2PWXWIdnQrKRFg";

/// A stored password: a PHC string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordDigest(Secret<String>);

/// Why a password cannot be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Longer than [`PASSWORD_BYTES_MAX`].
    #[error("the password is longer than {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// The memory could not be had.
    #[error("the password could not be hashed")]
    Failed,
}

/// All places and all waiting places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

impl PasswordDigest {
    /// A stored PHC string; whether it is one shows when it is checked against.
    pub fn from_stored(phc: String) -> Self {
        Self(Secret::new(phc))
    }

    /// The PHC string, for storage.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Hashes a password with a fresh salt. Takes tens of milliseconds and 19 MiB: not for a worker.
///
/// # Errors
/// [`PasswordError`] for an overlong password or when memory runs out.
pub fn hash(password: &Secret<String>) -> Result<PasswordDigest, PasswordError> {
    if password.expose().len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| PasswordError::Failed)?;
    let phc = argon()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|_| PasswordError::Failed)?;
    Ok(PasswordDigest::from_stored(phc.to_string()))
}

/// Whether the password is the one that was hashed. `None`, an unreadable or a costlier hash does the same work and is
/// never right. Takes tens of milliseconds and 19 MiB: not for a worker.
pub fn verify(password: &Secret<String>, stored: Option<&PasswordDigest>) -> bool {
    if password.expose().len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let stored = stored.and_then(|digest| PasswordHash::new(digest.expose()).ok()).filter(affordable);
    let against = match &stored {
        Some(phc) => Some(phc.clone()),
        None => PasswordHash::new(NOBODY).ok(),
    };
    let fits = against.is_some_and(|phc| fits(password.expose().as_bytes(), &phc));
    fits && stored.is_some()
}

thread_local! {
    /// The memory of this thread's last password, kept for its next: fresh memory costs a page fault for each of its
    /// pages, so how long an answer takes would tell which thread gave it. It goes when the thread does, after ten idle
    /// seconds.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

fn fits(password: &[u8], phc: &PasswordHash) -> bool {
    let (Some(salt), Some(expected), Ok(params)) = (&phc.salt, &phc.hash, Params::try_from(phc)) else {
        return false;
    };
    if phc.version.is_some_and(|version| version != u32::from(Version::V0x13)) {
        return false;
    }
    let blocks = params.block_count();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut computed = vec![0; expected.as_bytes().len()];
    let done = BLOCKS.with_borrow_mut(|memory| {
        if memory.len() < blocks {
            memory.resize(blocks, Block::default());
        }
        argon.hash_password_into_with_memory(password, salt.as_ref(), &mut computed, &mut memory[..blocks])
    });
    done.is_ok() && constant_time::verify_slices_are_equal(&computed, expected.as_bytes()).is_ok()
}

fn argon() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// A row of the database must not be able to ask for more than we would spend ourselves.
fn affordable(phc: &PasswordHash) -> bool {
    Params::try_from(phc)
        .is_ok_and(|p| p.m_cost() <= MEMORY_KIB && p.t_cost() <= PASSES && p.p_cost() <= LANES)
        && phc.algorithm.as_str() == "argon2id"
}

/// The gate in front of password work. Clones share its places.
#[derive(Clone, Debug)]
pub struct Checks {
    places: Arc<Semaphore>,
    size: Arc<Mutex<Size>>,
    waiting: Arc<AtomicUsize>,
}

/// How many places there are to be.
#[derive(Debug)]
struct Size {
    places: usize,
    /// Places that are taken and go when they are given back, because there are to be fewer.
    owed: usize,
}

impl Checks {
    /// A gate with room for `checks_max` at a time; each takes 19 MiB.
    pub fn new(checks_max: usize) -> Self {
        let places = checks_max.max(1);
        Self {
            places: Arc::new(Semaphore::new(places)),
            size: Arc::new(Mutex::new(Size { places, owed: 0 })),
            waiting: Arc::default(),
        }
    }

    /// Makes room for more or fewer at a time. Work that has begun goes on; its places are the first to go.
    pub fn set_max(&self, checks_max: usize) {
        let wanted = checks_max.max(1);
        let mut size = self.size.lock();
        let (more, fewer) = (wanted.saturating_sub(size.places), size.places.saturating_sub(wanted));
        let forgiven = more.min(size.owed);
        size.owed -= forgiven;
        self.places.add_permits(more - forgiven);
        size.owed += fewer - self.places.forget_permits(fewer);
        size.places = wanted;
    }

    /// Hashes a password off the worker; see [`hash`].
    ///
    /// # Errors
    /// [`Busy`] when too many wait already.
    pub async fn hash(
        &self,
        password: Secret<String>,
    ) -> Result<Result<PasswordDigest, PasswordError>, Busy> {
        self.run(move || hash(&password)).await
    }

    /// Does password work off the worker, when a place is free.
    ///
    /// # Errors
    /// [`Busy`] when too many wait already.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            place
        } else {
            let _waiting = Waiting::enter(&self.waiting)?;
            Arc::clone(&self.places).acquire_owned().await.map_err(|_| Busy)?
        };
        // The place moves into the work: a client that hangs up does not make room for another 19 MiB.
        let place = Place { place: Some(place), size: Arc::clone(&self.size) };
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            step_back();
            work()
        });
        done.await.map_err(|_| Busy)
    }
}

/// A place that is given back when the work ends, however it ends, unless there are to be fewer.
struct Place {
    place: Option<OwnedSemaphorePermit>,
    size: Arc<Mutex<Size>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut size = self.size.lock();
        if let (Some(place), true) = (self.place.take(), size.owed > 0) {
            size.owed -= 1;
            place.forget();
        }
    }
}

/// Lets requests go before password work where both want a processor: the threads that do it yield to the workers. They
/// do nothing else, so they stay so. Where the system does not allow it, nothing is lost but that.
///
/// # Source
/// setpriority(2): on Linux it is an attribute of the thread.
fn step_back() {
    thread_local! {
        static STEPPED_BACK: Cell<bool> = const { Cell::new(false) };
    }
    if !STEPPED_BACK.replace(true) && rustix::process::setpriority_process(None, NICENESS).is_err() {
        tracing::debug!("password work runs at the workers' own priority");
    }
}

/// One waiting place, given back when the wait ends, however it ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Result<Self, Busy> {
        let entry = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX { Ok(entry) } else { Err(Busy) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn only_the_right_password_opens() {
        let stored = hash(&secret("correct horse")).unwrap();
        assert!(stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(&secret("correct horse"), Some(&stored)));
        assert!(!verify(&secret("correct horse "), Some(&stored)));
        assert!(!verify(&secret(""), Some(&stored)));
    }

    #[test]
    fn the_same_password_is_stored_differently_each_time() {
        assert_ne!(hash(&secret("x")).unwrap(), hash(&secret("x")).unwrap());
    }

    #[test]
    fn en_01_a_name_without_an_account_is_checked_against_a_hash_of_the_same_cost() {
        let real = hash(&secret("x")).unwrap();
        let cost = |text: &str| {
            let phc = PasswordHash::new(text).unwrap();
            assert_eq!(phc.hash.unwrap().len(), 32);
            Params::try_from(&phc).map(|p| (p.m_cost(), p.t_cost(), p.p_cost())).unwrap()
        };
        assert_eq!(cost(NOBODY), cost(real.expose()));
        assert!(affordable(&PasswordHash::new(NOBODY).unwrap()));
        assert!(!verify(&secret("x"), None));
    }

    #[test]
    fn a_stored_hash_that_is_unreadable_weak_in_kind_or_too_costly_never_opens() {
        let phc = hash(&secret("x")).unwrap().expose().to_owned();
        for bad in [
            String::new(),
            "x".into(),
            phc.replace("argon2id", "argon2i"),
            phc.replace("m=19456", "m=4000000"),
        ] {
            assert!(!verify(&secret("x"), Some(&PasswordDigest::from_stored(bad))));
        }
    }

    #[test]
    fn an_overlong_password_is_refused_before_any_work() {
        let long = secret(&"x".repeat(PASSWORD_BYTES_MAX + 1));
        assert_eq!(hash(&long), Err(PasswordError::TooLong));
        assert!(!verify(&long, None));
    }

    #[test]
    fn debug_does_not_show_a_hash() {
        assert!(!format!("{:?}", PasswordDigest::from_stored("$argon2id$".into())).contains("argon"));
    }

    #[tokio::test]
    async fn when_all_places_and_waiting_places_are_taken_the_next_is_told_so() {
        let checks = Checks::new(1);
        let held = Arc::clone(&checks.places).acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let checks = checks.clone();
                tokio::spawn(async move { checks.run(|| ()).await })
            })
            .collect();
        while checks.waiting.load(Ordering::Relaxed) < WAITING_MAX {
            tokio::task::yield_now().await;
        }
        assert_eq!(checks.run(|| ()).await, Err(Busy));
        drop(held);
        for one in waiting {
            assert_eq!(one.await.unwrap(), Ok(()));
        }
        assert_eq!(checks.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(checks.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn places_become_more_at_once_and_fewer_as_they_are_given_back() {
        let checks = Checks::new(3);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let busy: Vec<_> = (0..3)
            .map(|_| {
                let (checks, held) = (checks.clone(), Arc::clone(&held));
                tokio::spawn(async move { checks.run(move || held.lock().unwrap().recv().ok()).await })
            })
            .collect();
        while checks.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        checks.set_max(1);
        assert_eq!(checks.size.lock().owed, 2);
        checks.set_max(2);
        assert_eq!((checks.size.lock().owed, checks.places.available_permits()), (1, 0));
        drop(release);
        for work in busy {
            work.await.unwrap().unwrap();
        }
        assert_eq!((checks.size.lock().owed, checks.places.available_permits()), (0, 2));
        checks.set_max(5);
        assert_eq!(checks.places.available_permits(), 5);
        checks.set_max(1);
        assert_eq!((checks.size.lock().owed, checks.places.available_permits()), (0, 1));
    }
}
