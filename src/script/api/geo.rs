//! `req.geo`: where the client is, as far as the databases of `[geo]` know.

use std::sync::Arc;

use rhai::{ImmutableString, Module, export_module, exported_module};

use crate::base::location::Location;
use crate::script::facts::RequestFacts;

/// `req.geo`.
#[derive(Clone)]
pub(super) struct Geo(pub Arc<RequestFacts>);

impl Geo {
    fn get(&self) -> &Location {
        self.0.geo.get()
    }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Geo>("Geo");
    module.combine_flatten(exported_module!(geo));
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod geo {
    /// ISO 3166-1 code of the country, in capitals; `""` where it is not known.
    #[rhai_fn(get = "country", pure)]
    pub fn country(geo: &mut Geo) -> ImmutableString {
        geo.get().country.as_str().into()
    }

    /// The region, where the database has regions: the code of the country's subdivision, else its name.
    #[rhai_fn(get = "region", pure)]
    pub fn region(geo: &mut Geo) -> ImmutableString {
        geo.get().region.as_str().into()
    }

    /// The city, where the database has cities.
    #[rhai_fn(get = "city", pure)]
    pub fn city(geo: &mut Geo) -> ImmutableString {
        geo.get().city.as_str().into()
    }

    /// The continent, where the database has it: `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.
    #[rhai_fn(get = "continent", pure)]
    pub fn continent(geo: &mut Geo) -> ImmutableString {
        geo.get().continent.as_str().into()
    }

    /// Who runs the network.
    #[rhai_fn(get = "org", pure)]
    pub fn org(geo: &mut Geo) -> ImmutableString {
        geo.get().org.as_str().into()
    }

    /// Number of the autonomous system; 0 where it is not known.
    #[rhai_fn(get = "asn", pure)]
    pub fn asn(geo: &mut Geo) -> i64 {
        i64::from(geo.get().asn)
    }

    /// Whether the address is known as an exit of Tor.
    #[rhai_fn(get = "is_tor", pure)]
    pub fn is_tor(geo: &mut Geo) -> bool {
        geo.get().is_tor
    }

    /// Whether the address is known as an exit of a VPN.
    #[rhai_fn(get = "is_vpn", pure)]
    pub fn is_vpn(geo: &mut Geo) -> bool {
        geo.get().is_vpn
    }

    /// Whether the network is a hosting company's.
    #[rhai_fn(get = "is_hosting", pure)]
    pub fn is_hosting(geo: &mut Geo) -> bool {
        geo.get().is_hosting
    }
}
