//! `net::`: addresses and networks.

use rhai::{Array, Module, export_module, exported_module};

use super::address::Ip;
use crate::base::address::is_private as private;
use crate::script::budget;
use crate::script::call::{Raised, error};

pub(super) fn module() -> Module {
    exported_module!(net)
}

fn network_of(ip: &Ip, v4: i64, v6: i64) -> Option<ipnet::IpNet> {
    let bits = u8::try_from(if ip.address.is_ipv6() { v6 } else { v4 }).ok()?;
    ipnet::IpNet::new(ip.address, bits).ok().map(|n| n.trunc())
}

#[export_module]
mod net {
    /// Reads an address; what is none is an error.
    #[rhai_fn(return_raw)]
    pub fn ip(text: &str) -> Raised<Ip> {
        Ip::parse(text)
    }

    /// The network of an address, `v4` or `v6` bits long: `"203.0.113.0/24"`.
    #[rhai_fn(return_raw)]
    pub fn prefix(ip: Ip, v4: i64, v6: i64) -> Raised<String> {
        let network = network_of(&ip, v4, v6);
        network
            .map(|n| n.to_string())
            .ok_or_else(|| error("a prefix is 0 to 32 bits for IPv4, 0 to 128 for IPv6"))
    }

    /// Whether the address is loopback, private or link-local.
    pub fn is_private(ip: Ip) -> bool {
        private(ip.address)
    }

    /// Whether the address is in one of the networks, or is one of the addresses.
    #[rhai_fn(return_raw)]
    pub fn in_any(ip: Ip, list: Array) -> Raised<bool> {
        if budget::charge(u64::try_from(list.len()).unwrap_or(u64::MAX)) {
            return Err(error("the budget is spent"));
        }
        for item in list {
            let network = item
                .into_immutable_string()
                .map_err(|_| error("networks are texts such as \"10.0.0.0/8\""))?;
            if ip.is_in(&network)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
