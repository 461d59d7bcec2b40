//! `Ip`: an address that compares with text and stands in networks, and never turns into a name.

use std::net::IpAddr;
use std::sync::Arc;

use rhai::{ImmutableString, Module, export_module, exported_module};

use crate::base::address::canonical;
use crate::script::call::{Raised, error};

/// An address in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::script) struct Ip {
    pub address: IpAddr,
    /// The pseudonym; empty where it is not the client's.
    pub hash: Arc<str>,
}

impl Ip {
    /// Reads an address.
    pub fn parse(text: &str) -> Raised<Self> {
        let address = text.parse::<IpAddr>().map_err(|_| error("this is not an IP address"))?;
        Ok(Self { address: canonical(address), hash: "".into() })
    }

    /// Whether the address is the network's, or is the address. A network that cannot be read is an error.
    pub fn is_in(&self, network: &str) -> Raised<bool> {
        if let Ok(address) = network.parse::<IpAddr>() {
            return Ok(canonical(address) == self.address);
        }
        let network: ipnet::IpNet =
            network.parse().map_err(|_| error(format!("`{network}` is not a network")))?;
        Ok(network.contains(&self.address))
    }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Ip>("Ip");
    module.combine_flatten(exported_module!(ip));
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod ip {
    /// Whether it is an IPv6 address.
    #[rhai_fn(get = "is_v6", pure)]
    pub fn is_v6(ip: &mut Ip) -> bool {
        ip.address.is_ipv6()
    }

    /// The pseudonym under which logs and tables know the address; `""` for an address that is not the client's.
    #[rhai_fn(get = "hash", pure)]
    pub fn hash(ip: &mut Ip) -> ImmutableString {
        ip.hash.as_ref().into()
    }

    /// The address as text.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_string(ip: &mut Ip) -> String {
        ip.address.to_string()
    }

    /// Whether the address is in a network: `req.ip in "10.0.0.0/8"`.
    #[rhai_fn(return_raw)]
    pub fn contains(network: &str, ip: Ip) -> Raised<bool> {
        ip.is_in(network)
    }

    #[rhai_fn(name = "==", pure)]
    pub fn same(a: &mut Ip, b: Ip) -> bool {
        a.address == b.address
    }

    #[rhai_fn(name = "!=", pure)]
    pub fn differs(a: &mut Ip, b: Ip) -> bool {
        a.address != b.address
    }

    #[rhai_fn(name = "==", return_raw, pure)]
    pub fn same_text(a: &mut Ip, b: &str) -> Raised<bool> {
        Ok(a.address == Ip::parse(b)?.address)
    }

    #[rhai_fn(name = "!=", return_raw, pure)]
    pub fn differs_text(a: &mut Ip, b: &str) -> Raised<bool> {
        Ok(a.address != Ip::parse(b)?.address)
    }

    #[rhai_fn(name = "==", return_raw)]
    pub fn text_same(a: &str, b: Ip) -> Raised<bool> {
        Ok(Ip::parse(a)?.address == b.address)
    }

    #[rhai_fn(name = "!=", return_raw)]
    pub fn text_differs(a: &str, b: Ip) -> Raised<bool> {
        Ok(Ip::parse(a)?.address != b.address)
    }
}
