//! Networks by address: one look for each length of prefix that stands in the table, the longest first.

use std::collections::HashMap;
use std::collections::hash_map::Values;
use std::net::IpAddr;

use ipnet::IpNet;

use super::ban::Ban;
use crate::base::address::canonical;

/// Lengths of prefixes: 0 to 32 and 0 to 128.
const LENGTHS: usize = 33 + 129;

/// Banned networks.
pub(super) struct Networks {
    bans: HashMap<IpNet, Ban>,
    /// How many networks there are of each length, IPv4 first: only those that are there are looked for.
    lengths: [u32; LENGTHS],
}

impl Default for Networks {
    fn default() -> Self {
        Self { bans: HashMap::new(), lengths: [0; LENGTHS] }
    }
}

impl Networks {
    /// Adds or replaces; what stood there before.
    pub fn insert(&mut self, net: IpNet, ban: Ban) -> Option<Ban> {
        let before = self.bans.insert(net, ban);
        if before.is_none() {
            self.lengths[place(net)] += 1;
        }
        before
    }

    pub fn remove(&mut self, net: &IpNet) -> Option<Ban> {
        let removed = self.bans.remove(net)?;
        self.lengths[place(*net)] -= 1;
        Some(removed)
    }

    pub fn get(&self, net: &IpNet) -> Option<&Ban> {
        self.bans.get(net)
    }

    /// The nearest ban that holds for an address.
    pub fn find(&self, address: IpAddr, now_ms: i64) -> Option<&Ban> {
        let address = canonical(address);
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (0..=longest)
            .rev()
            .filter_map(|length| IpNet::new(address, length).ok())
            .filter(|net| self.lengths[place(*net)] > 0)
            .find_map(|net| self.bans.get(&net.trunc()).filter(|ban| ban.holds(now_ms)))
    }

    pub fn len(&self) -> usize {
        self.bans.len()
    }

    pub fn values(&self) -> Values<'_, IpNet, Ban> {
        self.bans.values()
    }
}

fn place(net: IpNet) -> usize {
    let length = usize::from(net.prefix_len());
    if net.addr().is_ipv4() { length } else { 33 + length }
}
