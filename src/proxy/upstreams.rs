//! The services, and what is known about each of their addresses. One for the whole process: it outlives a reload.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::watch;

use super::address::Address;
use super::books::Books;
use super::dial::Peer;
use super::endpoint::{Endpoint, State};
use super::report::Report;
use super::resolve::Resolver;
use super::service::Service;
use super::trust::client_config;
use crate::base::clock::Clock;
use crate::config;

/// A service's name and state; no addresses, so that it can be shown to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The service's name.
    pub name: String,
    /// Up where any of its addresses is.
    pub state: State,
    /// Whether the gateway is not ready without it.
    pub required: bool,
    /// How many addresses it has.
    pub addresses: usize,
    /// How many of them are up.
    pub addresses_up: usize,
}

/// Every service by name.
pub struct Upstreams {
    clock: Clock,
    resolver: Resolver,
    services: ArcSwap<Services>,
    /// Those of the configuration before: a request that began under it still finds a service that is gone by now.
    before: ArcSwap<Services>,
    changes: watch::Sender<u64>,
    next_id: AtomicU64,
}

type Services = HashMap<String, Arc<Service>>;

impl Upstreams {
    /// No services yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            resolver: Resolver::system(clock.clone()),
            clock,
            services: ArcSwap::default(),
            before: ArcSwap::default(),
            changes: watch::Sender::new(0),
            next_id: AtomicU64::new(1),
        }
    }

    /// Takes over the services of a configuration. What stays keeps its health and its connections. Callers take turns:
    /// a reload is one at a time.
    pub fn apply(&self, services: &[config::Service]) {
        let old = self.services.load_full();
        let new: Services =
            services.iter().map(|s| (s.name.clone(), self.service(old.get(&s.name), s))).collect();
        retire_the_missing(&old, &new);
        self.before.store(old);
        self.services.store(Arc::new(new));
        self.changes.send_modify(|n| *n += 1);
    }

    /// A service by name; one that the last configuration dropped is found until the next.
    pub fn get(&self, name: &str) -> Option<Arc<Service>> {
        let now = self.services.load().get(name).cloned();
        now.or_else(|| self.before.load().get(name).cloned())
    }

    /// The state of every service, by name.
    pub fn status(&self) -> Vec<Status> {
        let services = self.services.load();
        let mut all: Vec<Status> = services.values().map(|s| s.status()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Everything that is known, addresses too, by name: for the operator alone.
    pub fn reports(&self) -> Vec<Report> {
        let services = self.services.load();
        let mut all: Vec<Report> = services.values().map(|s| Report::of(s, &self.clock)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn all(&self) -> Vec<Arc<Service>> {
        self.services.load().values().cloned().collect()
    }

    fn service(&self, old: Option<&Arc<Service>>, config: &config::Service) -> Arc<Service> {
        if let Some(same) = old.filter(|o| o.config == *config) {
            return Arc::clone(same);
        }
        let now = self.clock.now();
        let tls = config.urls.iter().any(|url| url.starts_with("https:")).then(|| client_config(&config.tls));
        let endpoint = |url: &String| {
            let Some(old) = old else { return self.endpoint(url, config, tls.clone()) };
            if let Some(kept) = old.endpoints.iter().find(|e| e.is(url, &config.tls)) {
                if config.health.path.is_none() {
                    kept.forget_checks();
                }
                return Arc::clone(kept);
            }
            let new = self.endpoint(url, config, tls.clone());
            new.begin_slowly(now);
            new
        };
        Arc::new(Service {
            config: config.clone(),
            endpoints: config.urls.iter().map(endpoint).collect(),
            turn: AtomicUsize::new(0),
            books: old.map_or_else(|| Arc::new(Books::new(now)), |o| Arc::clone(&o.books)),
        })
    }

    fn endpoint(&self, url: &str, config: &config::Service, tls: Option<Arc<ClientConfig>>) -> Arc<Endpoint> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let peer = self.peer(url, config, tls);
        Arc::new(Endpoint::new(id, url, config.tls.clone(), peer, self.clock.now()))
    }

    fn peer(&self, url: &str, config: &config::Service, tls: Option<Arc<ClientConfig>>) -> Option<Peer> {
        let mut address = Address::parse(url).ok()?;
        if let (Some(_), Some(name)) = (&address.certified, &config.tls.name) {
            address.certified = Some(ServerName::try_from(name.clone()).ok()?);
        }
        Some(Peer { address, tls, resolver: self.resolver.clone(), turn: Arc::default() })
    }
}

/// Unused connections to addresses that nobody names any more are let go.
fn retire_the_missing(old: &Services, new: &Services) {
    let stays =
        |endpoint: &Arc<Endpoint>| new.values().any(|s| s.endpoints.iter().any(|e| Arc::ptr_eq(e, endpoint)));
    for gone in old.values().flat_map(|s| &s.endpoints).filter(|e| !stays(e)) {
        gone.retire();
    }
}

#[cfg(test)]
mod tests {
    use super::super::circuit::Blow;
    use super::*;

    const A: &str = "http://127.0.0.1:1";
    const B: &str = "http://127.0.0.1:2";

    #[test]
    fn a_reload_keeps_the_health_of_what_stays_and_forgets_what_goes() {
        let clock = Clock::manual(0);
        let upstreams = Upstreams::new(clock.clone());
        upstreams.apply(&[config::Service::of("app", &[A]), config::Service::of("old", &[A])]);
        let before = upstreams.get("app").unwrap();
        before.endpoints()[0].failed(before.config(), clock.now(), Blow::Connect, "test");
        upstreams.apply(&[config::Service::of("app", &[B, A])]);
        let after = upstreams.get("app").unwrap();
        assert!(Arc::ptr_eq(&after.endpoints()[1], &before.endpoints()[0]));
        assert_eq!(after.endpoints()[1].state(), State::Down);
        assert_eq!(after.status().state, State::Unknown);
        assert_eq!(upstreams.status().len(), 1);
        assert!(upstreams.get("old").is_some(), "a request that began before the reload still goes there");
        upstreams.apply(&[config::Service::of("app", &[B, A])]);
        assert!(upstreams.get("old").is_none());
        assert!(Arc::ptr_eq(&upstreams.get("app").unwrap(), &after));
    }

    #[test]
    fn an_address_that_is_recognised_in_another_way_is_another_one() {
        let upstreams = Upstreams::new(Clock::manual(0));
        let with = |name: Option<&str>| {
            let mut config = config::Service::of("app", &["https://app", A]);
            config.tls.name = name.map(str::to_owned);
            upstreams.apply(&[config]);
            upstreams.get("app").unwrap()
        };
        let (first, second) = (with(None), with(Some("other")));
        assert!(!Arc::ptr_eq(&first.endpoints()[0], &second.endpoints()[0]));
        assert!(Arc::ptr_eq(&first.endpoints()[1], &second.endpoints()[1]));
        assert!(first.endpoints()[0].is_retired() && !first.endpoints()[1].is_retired());
        let peer = second.endpoints()[0].peer().unwrap();
        assert_eq!(peer.address.certified, Some("other".try_into().unwrap()));
    }

    #[test]
    fn a_status_names_no_address() {
        let upstreams = Upstreams::new(Clock::manual(0));
        upstreams.apply(&[config::Service::of("b", &[A]), config::Service::of("a", &[B])]);
        let shown = format!("{:?}", upstreams.status());
        assert!(shown.find("\"a\"") < shown.find("\"b\"") && !shown.contains("127.0.0.1"));
    }
}
