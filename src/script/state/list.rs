//! Lists: what kinds there are, what an entry of each looks like, and which entries a value matches.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ipnet::IpNet;

use crate::base::address::canonical;
use crate::script::api;

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::script) enum ListKind {
    /// Addresses and networks; an address is in a list when one of its networks is.
    Ip,
    /// Texts that are equal or not.
    String,
    /// Host names, with everything below them.
    Domain,
    /// Globs: `*` stays within a segment of a path, `**` does not.
    Glob,
}

/// The longest host name, in bytes (RFC 1035 section 2.3.4).
const DOMAIN_BYTES_MAX: usize = 253;

/// An entry in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::script) enum Item {
    /// One machine.
    Address(IpAddr),
    /// Everything else, networks as `net-10.0.0.0/8`.
    Text(String),
}

impl ListKind {
    /// The kinds, as a manifest names them.
    pub const WORDS: [(&'static str, Self); 4] =
        [("ip", Self::Ip), ("string", Self::String), ("domain", Self::Domain), ("glob", Self::Glob)];

    /// Reads an entry.
    ///
    /// # Errors
    /// A sentence.
    pub fn entry(self, text: &str) -> Result<Item, String> {
        match self {
            Self::Ip => match text.parse::<IpNet>() {
                Ok(net) if net.prefix_len() == net.max_prefix_len() => {
                    Ok(Item::Address(canonical(net.addr())))
                }
                Ok(net) => Ok(Item::Text(network_key(net))),
                Err(_) => address(text).map(Item::Address),
            },
            Self::String if text.is_empty() => Err("an entry of a list is not empty".to_owned()),
            Self::String => Ok(Item::Text(text.to_owned())),
            Self::Domain => domain(text).map(Item::Text),
            Self::Glob => api::glob(text).map(|_| Item::Text(text.to_owned())),
        }
    }

    /// The entries that would match a value, the nearest first. Not for globs, which are looked at one by one.
    ///
    /// # Errors
    /// A sentence: the value is no address.
    pub fn candidates(self, value: &str, lengths: &Lengths) -> Result<Vec<Item>, String> {
        match self {
            Self::Ip => Ok(lengths.candidates(address(value)?)),
            Self::Domain => {
                let Ok(name) = domain(value) else { return Ok(Vec::new()) };
                let below = name.match_indices('.').map(|(dot, _)| Item::Text(name[dot + 1..].to_owned()));
                Ok(std::iter::once(Item::Text(name.clone())).chain(below).collect())
            }
            Self::String | Self::Glob => Ok(vec![Item::Text(value.to_owned())]),
        }
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse::<IpAddr>().map(canonical).map_err(|_| "this is not an IP address or a network".to_owned())
}

fn domain(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let name = name.strip_prefix("*.").unwrap_or(&name);
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if name.len() <= DOMAIN_BYTES_MAX && name.split('.').all(label) {
        Ok(name.to_owned())
    } else {
        Err("this is not a host name".to_owned())
    }
}

fn network_key(net: IpNet) -> String {
    format!("net-{}", net.trunc())
}

/// Which lengths of prefixes stand in a list: only those are looked up.
#[derive(Debug, Default)]
pub(in crate::script) struct Lengths {
    /// One bit a length, IPv4 in the first, IPv6 in the others.
    bits: [AtomicU64; 4],
}

impl Lengths {
    /// Notes that an entry may stand in the list.
    pub fn note(&self, key: &str) {
        if let Some(net) = key.strip_prefix("net-").and_then(|text| text.parse::<IpNet>().ok()) {
            let (word, bit) = place(net.addr().is_ipv6(), net.prefix_len());
            self.bits[word].fetch_or(1 << bit, Relaxed);
        }
    }

    /// Notes what another list has noted.
    pub fn note_all(&self, other: &Self) {
        for (mine, theirs) in self.bits.iter().zip(&other.bits) {
            mine.fetch_or(theirs.load(Relaxed), Relaxed);
        }
    }

    /// An address and the networks that it is in, the nearest first, as far as such may stand in the list.
    pub fn candidates(&self, address: IpAddr) -> Vec<Item> {
        let address = canonical(address);
        let v6 = address.is_ipv6();
        let longest = if v6 { 127 } else { 31 };
        let stands = |length: &u8| {
            let (word, bit) = place(v6, *length);
            self.bits[word].load(Relaxed) & (1 << bit) != 0
        };
        let nets = (0..=longest).rev().filter(stands).filter_map(|length| IpNet::new(address, length).ok());
        std::iter::once(Item::Address(address)).chain(nets.map(|net| Item::Text(network_key(net)))).collect()
    }
}

fn place(v6: bool, length: u8) -> (usize, u8) {
    if v6 { (1 + usize::from(length / 64), length % 64) } else { (0, length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(kind: ListKind, entry: &str, value: &str) -> bool {
        let lengths = Lengths::default();
        let item = kind.entry(entry).unwrap();
        if let Item::Text(key) = &item {
            lengths.note(key);
        }
        kind.candidates(value, &lengths).unwrap().contains(&item)
    }

    #[test]
    fn an_address_is_in_its_networks_in_both_families() {
        assert!(matches(ListKind::Ip, "10.0.0.0/8", "10.255.0.1"));
        assert!(matches(ListKind::Ip, "10.1.2.3/8", "::ffff:10.0.0.1"));
        assert!(matches(ListKind::Ip, "2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!matches(ListKind::Ip, "2001:db8::/33", "2001:db8:8000::1"));
        assert!(matches(ListKind::Ip, "0.0.0.0/0", "203.0.113.5"));
        assert!(!matches(ListKind::Ip, "::/0", "203.0.113.5"));
        assert!(matches(ListKind::Ip, "203.0.113.5/32", "203.0.113.5"));
        assert!(ListKind::Ip.entry("nonsense").is_err());
    }

    #[test]
    fn a_domain_stands_for_what_is_below_it_and_nothing_beside_it() {
        assert!(matches(ListKind::Domain, "Example.com.", "a.b.example.COM"));
        assert!(matches(ListKind::Domain, "*.example.com", "example.com"));
        assert!(!matches(ListKind::Domain, "example.com", "badexample.com"));
        assert!(!matches(ListKind::Domain, "a.example.com", "example.com"));
        assert!(ListKind::Domain.entry("a b").is_err());
    }
}
