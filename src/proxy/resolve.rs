//! Which addresses a name has: asked again and again, believed for a short time, and kept for a while when nobody
//! answers.
//!
//! The system's resolver blocks, so it is asked on threads of its own: few at once, one for a name, and none that the
//! end of the process would wait for.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::base::clock::Clock;
use crate::outbound::is_forbidden;

/// Most names that are looked up at once.
const LOOKUPS_MAX: usize = 16;

/// Most addresses of a name that are kept.
const ADDRESSES_MAX: usize = 16;

/// Most names that are kept.
const NAMES_MAX: usize = 10_000;

/// How long the addresses of a name are used while nobody can say whether they still are right.
const STALE_MAX: Duration = Duration::from_secs(600);

/// How long nobody asks again after an answer was no answer.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// How long a new answer is waited for where an old one would do.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// No such name, or nobody to ask.
    #[error("no such name")]
    Unknown,
    /// It leads only to addresses where clouds hand out credentials, or to no machine.
    #[error("a name that leads to an address that is never asked")]
    Forbidden,
}

/// Asks for the addresses of a name and a port, and blocks.
type Ask = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

type Outcome = Result<Arc<[SocketAddr]>, NoAddress>;

/// The names of all services. Clones share what is known.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    clock: Clock,
    ask: Box<Ask>,
    names: Mutex<HashMap<(String, u16), Name>>,
    lookups: Arc<Semaphore>,
}

#[derive(Default)]
struct Name {
    good: Option<(Arc<[SocketAddr]>, Instant)>,
    failed: Option<(NoAddress, Instant)>,
    /// A look-up that is on its way.
    running: Option<watch::Receiver<Option<Outcome>>>,
}

/// What to do about a name.
enum Plan {
    Use(Outcome),
    Wait(watch::Receiver<Option<Outcome>>, Option<Arc<[SocketAddr]>>),
}

impl Resolver {
    /// Asks the system.
    pub fn system(clock: Clock) -> Self {
        Self::new(clock, Box::new(|host, port| Ok((host, port).to_socket_addrs()?.collect())))
    }

    fn new(clock: Clock, ask: Box<Ask>) -> Self {
        let names = Mutex::default();
        Self(Arc::new(Inner { clock, ask, names, lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }))
    }

    /// The addresses of a name, in the order in which they are to be tried; those known are believed for `ttl`.
    ///
    /// # Errors
    /// [`NoAddress`], when there is none, and none was known lately.
    pub async fn resolve(&self, host: &str, port: u16, ttl: Duration) -> Outcome {
        let (mut news, old) = match self.plan(host, port, ttl) {
            Plan::Use(outcome) => return outcome,
            Plan::Wait(news, old) => (news, old),
        };
        let waiting = async {
            let heard = news.wait_for(Option::is_some).await;
            heard.ok().and_then(|outcome| outcome.clone()).unwrap_or(Err(NoAddress::Unknown))
        };
        let Some(old) = old else { return waiting.await };
        let outcome = tokio::time::timeout(PATIENCE, waiting).await.unwrap_or(Err(NoAddress::Unknown));
        outcome.or(Ok(old))
    }

    fn plan(&self, host: &str, port: u16, ttl: Duration) -> Plan {
        let now = self.0.clock.now();
        let mut names = self.0.names.lock();
        let key = (host.to_owned(), port);
        if names.len() >= NAMES_MAX && !names.contains_key(&key) {
            names.retain(|_, name| name.running.is_some());
        }
        let name = names.entry(key).or_default();
        let age = |at: &Instant| now.saturating_duration_since(*at);
        let usable = name.good.as_ref().filter(|(_, at)| age(at) < ttl.max(STALE_MAX));
        let old = usable.map(|(addresses, _)| Arc::clone(addresses));
        if let Some((addresses, _)) = usable.filter(|(_, at)| age(at) < ttl) {
            return Plan::Use(Ok(Arc::clone(addresses)));
        }
        if let Some((why, _)) = name.failed.filter(|(_, at)| age(at) < FAILED_FOR) {
            return Plan::Use(old.ok_or(why));
        }
        if let Some(running) = &name.running {
            return Plan::Wait(running.clone(), old);
        }
        let (tell, news) = watch::channel(None);
        name.running = Some(news.clone());
        drop(names);
        self.look_up(host.to_owned(), port, tell);
        Plan::Wait(news, old)
    }

    /// Asks on a thread of its own as soon as there is a place for it.
    fn look_up(&self, host: String, port: u16, tell: watch::Sender<Option<Outcome>>) {
        let looking = Looking { resolver: self.clone(), host, port, tell };
        let placed = async move {
            let place = Arc::clone(&looking.resolver.0.lookups).acquire_owned().await;
            let started = std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
                let outcome = judge((looking.resolver.0.ask)(&looking.host, port));
                drop(place);
                looking.finish(outcome);
            });
            // A thread that cannot be started drops what it would have done, which tells that nothing came of it.
            drop(started);
        };
        tokio::spawn(placed);
    }

    fn settle(&self, host: &str, port: u16, outcome: &Outcome) {
        let now = self.0.clock.now();
        let mut names = self.0.names.lock();
        let name = names.entry((host.to_owned(), port)).or_default();
        name.running = None;
        match outcome {
            Ok(addresses) => {
                name.good = Some((Arc::clone(addresses), now));
                name.failed = None;
            }
            Err(why) => name.failed = Some((*why, now)),
        }
    }
}

/// A look-up on its way; one that is dropped has failed.
struct Looking {
    resolver: Resolver,
    host: String,
    port: u16,
    tell: watch::Sender<Option<Outcome>>,
}

impl Looking {
    fn finish(&self, outcome: Outcome) {
        self.resolver.settle(&self.host, self.port, &outcome);
        self.tell.send_replace(Some(outcome));
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        if self.tell.borrow().is_none() {
            self.finish(Err(NoAddress::Unknown));
        }
    }
}

/// The address that is judged is the one that is spoken to: there is no second look-up in between.
fn judge(answer: io::Result<Vec<SocketAddr>>) -> Outcome {
    let all = answer.map_err(|_| NoAddress::Unknown)?;
    if all.is_empty() {
        return Err(NoAddress::Unknown);
    }
    let good: Vec<_> = all.into_iter().filter(|a| !is_forbidden(a.ip())).take(ADDRESSES_MAX).collect();
    if good.is_empty() { Err(NoAddress::Forbidden) } else { Ok(good.into()) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const TTL: Duration = Duration::from_secs(5);

    struct Dns {
        clock: Clock,
        resolver: Resolver,
        asked: Arc<AtomicUsize>,
        answer: Says,
    }

    /// What the resolver answers; nothing: it fails.
    type Says = Arc<Mutex<Option<Vec<SocketAddr>>>>;

    impl Dns {
        fn new() -> Self {
            let (clock, asked, answer) = (Clock::manual(0), Arc::new(AtomicUsize::new(0)), Says::default());
            let (count, say) = (Arc::clone(&asked), Says::clone(&answer));
            let ask = move |_: &str, _: u16| {
                count.fetch_add(1, Ordering::SeqCst);
                say.lock().clone().ok_or_else(|| io::ErrorKind::NotFound.into())
            };
            Self { resolver: Resolver::new(clock.clone(), Box::new(ask)), clock, asked, answer }
        }

        fn says(&self, addresses: &[&str]) {
            *self.answer.lock() = Some(addresses.iter().map(|a| a.parse().unwrap()).collect());
        }

        fn is_dead(&self) {
            *self.answer.lock() = None;
        }

        async fn ask(&self) -> Result<String, NoAddress> {
            let found = self.resolver.resolve("app", 80, TTL).await?;
            Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_name_is_asked_for_again_when_its_time_is_over() {
        let dns = Dns::new();
        dns.says(&["10.0.0.1:80"]);
        assert_eq!(dns.ask().await.as_deref(), Ok("10.0.0.1:80"));
        dns.says(&["10.0.0.2:80"]);
        dns.clock.advance(Duration::from_millis(4_999));
        assert_eq!(dns.ask().await.as_deref(), Ok("10.0.0.1:80"));
        assert_eq!(dns.asked(), 1);
        dns.clock.advance(Duration::from_millis(1));
        assert_eq!(dns.ask().await.as_deref(), Ok("10.0.0.2:80"));
        assert_eq!(dns.asked(), 2);
    }

    #[tokio::test]
    async fn up_03_a_resolver_that_fails_leaves_the_last_good_answer_for_a_while() {
        let dns = Dns::new();
        dns.says(&["10.0.0.1:80"]);
        dns.ask().await.unwrap();
        dns.is_dead();
        dns.clock.advance(TTL);
        assert_eq!(dns.ask().await.as_deref(), Ok("10.0.0.1:80"));
        dns.clock.advance(STALE_MAX.saturating_sub(TTL));
        assert_eq!(dns.ask().await, Err(NoAddress::Unknown));
    }

    #[tokio::test]
    async fn up_03_a_name_that_is_not_there_is_not_asked_for_by_every_request() {
        let dns = Dns::new();
        for _ in 0..50 {
            assert_eq!(dns.ask().await, Err(NoAddress::Unknown));
        }
        assert_eq!(dns.asked(), 1);
        dns.clock.advance(FAILED_FOR);
        dns.says(&["10.0.0.1:80"]);
        assert!(dns.ask().await.is_ok());
    }

    #[tokio::test]
    async fn rt_16_a_name_that_leads_to_where_credentials_are_handed_out_is_not_followed() {
        let dns = Dns::new();
        dns.says(&["169.254.169.254:80", "[fe80::1]:80", "0.0.0.0:80"]);
        assert_eq!(dns.ask().await, Err(NoAddress::Forbidden));
        dns.clock.advance(FAILED_FOR);
        dns.says(&["169.254.169.254:80", "10.0.0.1:80"]);
        assert_eq!(dns.ask().await.as_deref(), Ok("10.0.0.1:80"));
    }

    #[tokio::test]
    async fn a_burst_asks_once_and_no_more_names_are_asked_for_at_once_than_there_are_places() {
        let (go, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, top) = (Arc::clone(&inside), Arc::clone(&most));
        let ask = move |_: &str, port: u16| {
            top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            gate.lock().recv().ok();
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(vec![SocketAddr::from(([10, 0, 0, 1], port))])
        };
        let resolver = Resolver::new(Clock::manual(0), Box::new(ask));
        let mut asking = tokio::task::JoinSet::new();
        for n in 0..200u16 {
            let resolver = resolver.clone();
            asking.spawn(async move { resolver.resolve(&format!("n{}", n % 40), 80, TTL).await });
        }
        for _ in 0..40 {
            go.send(()).unwrap();
        }
        while let Some(outcome) = asking.join_next().await {
            assert!(outcome.unwrap().is_ok());
        }
        assert!(most.load(Ordering::SeqCst) <= LOOKUPS_MAX, "{most:?}");
        assert_eq!(resolver.0.lookups.available_permits(), LOOKUPS_MAX);
    }
}
