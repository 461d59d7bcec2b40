//! Where the client is: looked up once, when the first rule of a request asks.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::base::location::{Locate, Location};

/// Where a client is. A request whose rules never ask pays for no look-up.
pub struct GeoFacts {
    ask: Option<(Arc<dyn Locate>, IpAddr)>,
    found: OnceLock<Location>,
}

impl GeoFacts {
    /// Somebody to ask about an address.
    pub fn new(who: Arc<dyn Locate>, address: IpAddr) -> Self {
        Self { ask: Some((who, address)), found: OnceLock::new() }
    }

    /// A place that needs no asking.
    pub fn known(location: Location) -> Self {
        Self { ask: None, found: OnceLock::from(location) }
    }

    /// What is known of the place.
    pub fn get(&self) -> &Location {
        self.found.get_or_init(|| {
            self.ask.as_ref().map_or_else(Location::default, |(who, address)| who.locate(*address))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counting(AtomicUsize);

    impl Locate for Counting {
        fn locate(&self, address: IpAddr) -> Location {
            self.0.fetch_add(1, Ordering::Relaxed);
            Location { city: address.to_string(), ..Location::default() }
        }
    }

    #[test]
    fn an_address_is_looked_up_when_somebody_asks_and_only_once() {
        let who = Arc::new(Counting(AtomicUsize::new(0)));
        let facts = GeoFacts::new(who.clone(), IpAddr::from([192, 0, 2, 1]));
        assert_eq!(who.0.load(Ordering::Relaxed), 0);
        assert_eq!(facts.get().city, "192.0.2.1");
        assert_eq!(facts.get().city, "192.0.2.1");
        assert_eq!(who.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_known_place_needs_nobody() {
        let place = Location { country: "CH".to_owned(), ..Location::default() };
        assert_eq!(GeoFacts::known(place).get().country, "CH");
    }
}
