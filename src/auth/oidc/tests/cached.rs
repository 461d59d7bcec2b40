//! Fetches, and what happens between them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::super::cached::*;
use super::clock;

const HOUR: Duration = Duration::from_secs(60 * 60);
const SECOND: Duration = Duration::from_secs(1);
static START: LazyLock<Instant> = LazyLock::new(|| clock().now());

/// Loads that succeed with their number, or fail, and are counted.
#[derive(Clone)]
struct Loads {
    count: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Loads {
    fn open() -> Self {
        Self { count: Arc::default(), gate: Arc::new(Semaphore::new(1_000)) }
    }

    fn closed() -> Self {
        Self { count: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    fn good(&self, fresh: Option<Duration>) -> impl Future<Output = Loaded<usize>> + Send + 'static + use<> {
        let loads = self.clone();
        async move {
            let number = loads.count.fetch_add(1, Ordering::SeqCst) + 1;
            loads.gate.acquire().await.unwrap().forget();
            Some((number, fresh))
        }
    }

    fn bad(&self) -> impl Future<Output = Loaded<usize>> + Send + 'static + use<> {
        let loads = self.clone();
        async move {
            loads.count.fetch_add(1, Ordering::SeqCst);
            None
        }
    }
}

async fn get(cached: &Arc<Cached<usize>>, at: Duration, loads: &Loads) -> Option<usize> {
    cached.get(*START + at, || loads.good(None)).await.map(|v| *v)
}

async fn get_bad(cached: &Arc<Cached<usize>>, at: Duration, loads: &Loads) -> Option<usize> {
    cached.get(*START + at, || loads.bad()).await.map(|v| *v)
}

async fn refetch(cached: &Arc<Cached<usize>>, at: Duration, loads: &Loads) -> Option<usize> {
    cached.refetch(*START + at, || loads.good(None)).await.map(|v| *v)
}

/// Lets detached fetches run until they wait for something.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn jk_08_five_hundred_first_requests_make_one_fetch() {
    let (cached, loads) = (Cached::new(WAIT_MAX), Loads::closed());
    let all: Vec<_> = (0..500)
        .map(|_| {
            let (cached, loads) = (Arc::clone(&cached), loads.clone());
            tokio::spawn(async move { get(&cached, Duration::ZERO, &loads).await })
        })
        .collect();
    settle().await;
    assert_eq!(loads.count(), 1);
    loads.gate.add_permits(1);
    for one in all {
        assert_eq!(one.await.unwrap(), Some(1));
    }
    assert_eq!(loads.count(), 1);
}

#[tokio::test]
async fn jk_08_a_request_gives_up_before_a_fetch_that_hangs_and_the_fetch_goes_on() {
    let (cached, loads) = (Cached::new(Duration::from_millis(1)), Loads::closed());
    assert_eq!(get(&cached, Duration::ZERO, &loads).await, None);
    assert_eq!(get(&cached, Duration::ZERO, &loads).await, None);
    assert_eq!(loads.count(), 1, "the second waited for the fetch of the first");
    loads.gate.add_permits(1);
    settle().await;
    assert_eq!(get(&cached, Duration::ZERO, &loads).await, Some(1));
}

#[tokio::test]
async fn jk_05_a_fetch_outlives_the_request_that_began_it() {
    let (cached, loads) = (Cached::new(WAIT_MAX), Loads::closed());
    let (c, l) = (Arc::clone(&cached), loads.clone());
    let request = tokio::spawn(async move { get(&c, Duration::ZERO, &l).await });
    settle().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    loads.gate.add_permits(1);
    assert_eq!(get(&cached, Duration::ZERO, &loads).await, Some(1));
    assert_eq!(loads.count(), 1);
}

#[tokio::test]
async fn jk_01_after_a_failure_there_is_a_pause_that_grows_to_half_a_minute() {
    let (cached, loads) = (Cached::new(WAIT_MAX), Loads::open());
    let mut at = Duration::ZERO;
    for (failures, pause) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30)] {
        assert_eq!(get_bad(&cached, at, &loads).await, None);
        assert_eq!(loads.count(), failures);
        let pause = SECOND * pause;
        assert_eq!(get(&cached, at + pause / 2, &loads).await, None, "{failures}");
        assert_eq!(loads.count(), failures, "no fetch in the pause");
        at += pause;
    }
    assert_eq!(get(&cached, at, &loads).await, Some(8));
}

#[tokio::test]
async fn jk_02_an_old_document_serves_for_a_day_while_the_provider_is_down() {
    let (cached, loads) = (Cached::new(WAIT_MAX), Loads::open());
    assert_eq!(get(&cached, Duration::ZERO, &loads).await, Some(1));
    assert_eq!(get_bad(&cached, FRESH + SECOND, &loads).await, Some(1));
    assert_eq!(loads.count(), 2, "it was tried");
    assert_eq!(get_bad(&cached, HOUR * 23, &loads).await, Some(1));
    assert_eq!(get_bad(&cached, STALE_MAX + HOUR, &loads).await, None);
    assert_eq!(get(&cached, STALE_MAX + HOUR * 2, &loads).await, Some(loads.count()));
}

#[tokio::test]
async fn jk_05_a_document_that_ages_is_fetched_beside_the_request() {
    let (cached, loads) = (Cached::new(WAIT_MAX), Loads::open());
    assert_eq!(get(&cached, Duration::ZERO, &loads).await, Some(1));
    assert_eq!(get(&cached, FRESH * 2 / 3, &loads).await, Some(1));
    settle().await;
    assert_eq!(loads.count(), 1);
    assert_eq!(get(&cached, FRESH * 3 / 4, &loads).await, Some(1), "nobody waits");
    settle().await;
    assert_eq!(loads.count(), 2);
    assert_eq!(get(&cached, FRESH * 3 / 4, &loads).await, Some(2));
}

#[tokio::test]
async fn jk_04_and_jk_05_refetches_have_a_cooldown_and_a_budget_of_their_own() {
    let (cached, loads) = (Cached::new(WAIT_MAX), Loads::open());
    assert_eq!(get(&cached, Duration::ZERO, &loads).await, Some(1));
    assert_eq!(refetch(&cached, Duration::ZERO, &loads).await, Some(2), "at once after the first fetch");
    for ms in 0..1_000 {
        assert_eq!(refetch(&cached, Duration::from_millis(ms), &loads).await, Some(2));
    }
    assert_eq!(loads.count(), 2);
    assert_eq!(refetch(&cached, REFETCH_COOLDOWN, &loads).await, Some(3));
    let at = REFETCH_COOLDOWN + FRESH;
    assert_eq!(refetch(&cached, at, &loads).await, Some(4));
    assert_eq!(get(&cached, at + FRESH, &loads).await, Some(5), "the schedule is not held up");
}

#[tokio::test]
async fn jk_04_a_refetch_that_fails_keeps_what_is_there() {
    let (cached, loads) = (Cached::new(WAIT_MAX), Loads::open());
    assert_eq!(get(&cached, Duration::ZERO, &loads).await, Some(1));
    let failed = cached.refetch(*START + SECOND, || loads.bad()).await;
    assert_eq!((failed.map(|v| *v), loads.count()), (Some(1), 2));
}

#[tokio::test]
async fn jk_07_what_a_document_says_of_its_freshness_is_clamped() {
    for (said, fresh) in [(0, 5 * 60), (1_000_000_000, 24 * 60 * 60), (1_800, 1_800)] {
        let (cached, loads) = (Cached::new(WAIT_MAX), Loads::open());
        let said = Some(Duration::from_secs(said));
        cached.get(*START, || loads.good(said)).await.unwrap();
        let fresh = Duration::from_secs(fresh);
        assert_eq!(get(&cached, fresh * 2 / 3, &loads).await, Some(1));
        settle().await;
        assert_eq!(loads.count(), 1, "{said:?}");
        assert_eq!(get(&cached, fresh, &loads).await, Some(2), "{said:?}");
    }
}
