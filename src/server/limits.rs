//! How many connections there may be: of everybody together, and of each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use parking_lot::Mutex;

use crate::base::address::{bucket_network, canonical};
use crate::config::Server;

/// Shortest time between two log lines about fronts that send no header.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The limits of one listener, and who is there. They outlive the workers: an edit changes them in place.
#[derive(Debug)]
pub struct Limits {
    connections_max: AtomicUsize,
    open: AtomicUsize,
    /// 0 is no limit.
    per_address_max: AtomicUsize,
    /// Fronts, behind whose one address many clients stand.
    exempt: ArcSwap<Vec<IpNet>>,
    short_of_memory: AtomicBool,
    /// Open connections by network. Who has none is not in it, so it is never longer than there are connections.
    by_network: Mutex<HashMap<IpAddr, usize>>,
    /// When a front without a header was last told of.
    told: Mutex<Option<Instant>>,
}

/// Why a connection is closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There are too many.
    TooMany,
    /// There are too many of this address.
    Address,
    /// The workers do not keep up.
    Busy,
    /// Memory is short.
    Memory,
    /// A front that must send a PROXY header sent none that can be read.
    ProxyHeader,
}

impl Refused {
    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooMany => "too_many",
            Self::Address => "address",
            Self::Busy => "busy",
            Self::Memory => "memory",
            Self::ProxyHeader => "proxy_header",
        }
    }
}

/// A place among the connections, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    limits: Arc<Limits>,
    _of_address: Option<AddressSeat>,
}

/// A place among the connections of one address, given back when it is dropped.
#[derive(Debug)]
pub struct AddressSeat {
    limits: Arc<Limits>,
    network: IpAddr,
}

impl Limits {
    /// So many connections at most, however many of one address.
    pub fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max: AtomicUsize::new(connections_max),
            open: AtomicUsize::new(0),
            per_address_max: AtomicUsize::new(0),
            exempt: ArcSwap::default(),
            short_of_memory: AtomicBool::new(false),
            by_network: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// The limits of `[server]`.
    pub fn of(config: &Server) -> Arc<Self> {
        let limits = Self::new(config.connections_max);
        limits.apply(config);
        limits
    }

    /// Lets more or fewer in from now on; those who are there stay.
    pub fn set_connections_max(&self, connections_max: usize) {
        self.connections_max.store(connections_max, Relaxed);
    }

    /// Takes edited limits into force, for connections that come from now on.
    pub fn apply(&self, config: &Server) {
        self.set_connections_max(config.connections_max);
        self.per_address_max.store(config.connections.per_address_max, Relaxed);
        let fronts = config.trusted_proxies.iter().chain(&config.connections.proxy_protocol);
        self.exempt.store(Arc::new(fronts.copied().collect()));
    }

    /// Says whether memory is so short that nobody may come in.
    pub fn set_short_of_memory(&self, is_short: bool) {
        self.short_of_memory.store(is_short, Relaxed);
    }

    /// Whether it is time for another log line about a front that sends no header.
    pub fn may_tell(&self, now: Instant) -> bool {
        let mut told = self.told.lock();
        let may = told.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY);
        if may {
            *told = Some(now);
        }
        may
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A place for a connection from that address.
    ///
    /// # Errors
    /// There is none.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Result<Seat, Refused> {
        if self.short_of_memory.load(Relaxed) {
            return Err(Refused::Memory);
        }
        let of_address = self.enter_address(peer)?;
        // Counted first: connections come in on several threads when there are several listeners.
        let seat = Seat { limits: Arc::clone(self), _of_address: of_address };
        if self.open.fetch_add(1, Relaxed) >= self.connections_max.load(Relaxed) {
            return Err(Refused::TooMany);
        }
        Ok(seat)
    }

    /// A place among the connections of an address, where these are limited, which those of fronts are not; also for an address that a front told.
    ///
    /// # Errors
    /// There are too many of it.
    pub fn enter_address(self: &Arc<Self>, address: IpAddr) -> Result<Option<AddressSeat>, Refused> {
        let most = self.per_address_max.load(Relaxed);
        let address = canonical(address);
        // A front may stand behind another one, which tells its address.
        if most == 0 || self.exempt.load().iter().any(|net| net.contains(&address)) {
            return Ok(None);
        }
        let network = bucket_network(address);
        let mut by_network = self.by_network.lock();
        let open = by_network.entry(network).or_default();
        if *open >= most {
            return Err(Refused::Address);
        }
        *open += 1;
        Ok(Some(AddressSeat { limits: Arc::clone(self), network }))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.limits.open.fetch_sub(1, Relaxed);
    }
}

impl Drop for AddressSeat {
    fn drop(&mut self) {
        let mut by_network = self.limits.by_network.lock();
        if let Some(open) = by_network.get_mut(&self.network) {
            *open -= 1;
            if *open == 0 {
                by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections_max: usize, per_address_max: usize, exempt: &[&str]) -> Arc<Limits> {
        let limits = Limits::new(connections_max);
        limits.per_address_max.store(per_address_max, Relaxed);
        limits.exempt.store(Arc::new(exempt.iter().map(|net| net.parse().unwrap()).collect()));
        limits
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sl_10_one_address_has_its_share_and_others_have_theirs() {
        let limits = limits(100, 2, &[]);
        let kept: Vec<_> = (0..2).map(|_| limits.enter(ip("192.0.2.1")).unwrap()).collect();
        assert_eq!(limits.enter(ip("192.0.2.1")).unwrap_err(), Refused::Address);
        assert_eq!(limits.enter(ip("::ffff:192.0.2.1")).unwrap_err(), Refused::Address, "one machine");
        let other = limits.enter(ip("192.0.2.2")).unwrap();
        drop(kept);
        let again = limits.enter(ip("192.0.2.1")).unwrap();
        assert_eq!(limits.open(), 2);
        drop((other, again));
        assert_eq!((limits.open(), limits.by_network.lock().len()), (0, 0), "nobody is remembered");
    }

    #[test]
    fn ip_07_a_network_of_64_bits_shares_one_limit() {
        let limits = limits(100_000, 3, &[]);
        let entered: Vec<_> =
            (0..1_000).filter_map(|n| limits.enter(ip(&format!("2001:db8::{n:x}"))).ok()).collect();
        assert_eq!(entered.len(), 3);
        assert!(limits.enter(ip("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn ip_08_a_refusal_leaves_nothing_behind() {
        let limits = limits(1, 5, &[]);
        let _one = limits.enter(ip("192.0.2.1")).unwrap();
        for n in 0..200 {
            assert_eq!(limits.enter(ip(&format!("198.51.100.{n}"))).unwrap_err(), Refused::TooMany);
        }
        assert_eq!((limits.open(), limits.by_network.lock().len()), (1, 1));
    }

    #[test]
    fn fronts_are_exempt_and_the_addresses_that_they_tell_are_not() {
        let limits = limits(100, 1, &["10.0.0.0/8"]);
        let _fronts: Vec<_> = (0..10).map(|_| limits.enter(ip("10.1.2.3")).unwrap()).collect();
        for _ in 0..10 {
            assert!(limits.enter_address(ip("::ffff:10.9.9.9")).unwrap().is_none(), "a front behind a front");
        }
        let _told = limits.enter_address(ip("192.0.2.1")).unwrap().unwrap();
        assert_eq!(limits.enter_address(ip("192.0.2.1")).unwrap_err(), Refused::Address);
    }

    #[test]
    fn without_a_limit_nobody_is_counted_and_without_memory_nobody_comes_in() {
        let limits = limits(100, 0, &[]);
        let _open: Vec<_> = (0..50).map(|_| limits.enter(ip("192.0.2.1")).unwrap()).collect();
        assert!(limits.by_network.lock().is_empty());
        limits.set_short_of_memory(true);
        assert_eq!(limits.enter(ip("192.0.2.1")).unwrap_err(), Refused::Memory);
        limits.set_short_of_memory(false);
        assert!(limits.enter(ip("192.0.2.1")).is_ok());
    }
}
