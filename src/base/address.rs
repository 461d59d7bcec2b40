//! Network addresses: folded once at the edge, grouped for buckets, hashed for anything that is written down.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;
use ipnet::{IpNet, Ipv4Net};

use super::text::hex;

mod recent;

/// Folds an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) to IPv4, so that one machine has one address.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Folds a network of IPv4-mapped addresses to the IPv4 network that client addresses are compared with, and clears its host
/// bits. `::ffff:0:0/96` is all of IPv4.
pub fn canonical_network(net: IpNet) -> IpNet {
    let folded = match (canonical(net.addr()), net) {
        (IpAddr::V4(v4), IpNet::V6(v6)) => v6
            .prefix_len()
            .checked_sub(96)
            .and_then(|prefix| Ipv4Net::new(v4, prefix).ok())
            .map_or(net, IpNet::V4),
        _ => net,
    };
    folded.trunc()
}

/// The network that shares one rate-limit bucket: an IPv4 address alone, an IPv6 address by its /64.
pub fn bucket_network(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The network that shares one count of wrong passwords: an IPv4 address by its /24, an IPv6 address by its /64.
pub fn lockout_network(address: IpAddr) -> IpAddr {
    match bucket_network(address) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        v6 @ IpAddr::V6(_) => v6,
    }
}

/// Whether the address belongs to a loopback, private, link-local or unique-local network.
pub fn is_private(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let shared = matches!(v4.octets(), [100, b, ..] if (64..128).contains(&b));
    v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
}

/// A keyed hash of an address or a person: equal inputs give equal text, and nobody without the key can go back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 16]);

impl Pseudonym {
    /// The 16 bytes of the hash.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes pseudonyms: HMAC-SHA256 (RFC 2104) under a key of its own, cut to 128 bits.
pub struct Pseudonymiser {
    key: hmac::Key,
    /// Tells it from every other one of the process, so that what is remembered of one is not given out for another.
    number: u64,
}

impl Pseudonymiser {
    /// A pseudonymiser with the given key bytes; 32 random bytes are expected.
    pub fn new(key: &[u8]) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), number }
    }

    /// The pseudonym of a network address.
    pub fn address(&self, address: IpAddr) -> Pseudonym {
        let address = canonical(address);
        recent::recall(self.number, address, || match address {
            IpAddr::V4(v4) => self.tagged(b"ip4:", &v4.octets()),
            IpAddr::V6(v6) => self.tagged(b"ip6:", &v6.octets()),
        })
    }

    /// The pseudonym of somebody who acts, by their opaque id: a machine's under the database's key, a person's under their
    /// own.
    pub fn user(&self, id: &str) -> Pseudonym {
        self.tagged(b"user:", id.as_bytes())
    }

    /// The pseudonym of a session, by its id.
    pub fn session(&self, id: &str) -> Pseudonym {
        self.tagged(b"session:", id.as_bytes())
    }

    /// The pseudonym of any other text that may name somebody, such as an e-mail address.
    pub fn text(&self, text: &str) -> Pseudonym {
        self.tagged(b"text:", text.as_bytes())
    }

    fn tagged(&self, tag: &[u8], value: &[u8]) -> Pseudonym {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(tag);
        context.update(value);
        let mut short = [0; 16];
        short.copy_from_slice(&context.sign().as_ref()[..16]);
        Pseudonym(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ip_04_a_mapped_address_is_the_ipv4_address_in_every_comparison_and_key() {
        assert_eq!(canonical(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
        assert_eq!(bucket_network(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
        assert!(is_private(ip("::ffff:10.0.0.1")));
        let p = Pseudonymiser::new(&[7; 32]);
        assert_eq!(p.address(ip("::ffff:10.0.0.1")), p.address(ip("10.0.0.1")));
    }

    #[test]
    fn ip_07_addresses_of_one_64_share_a_bucket() {
        assert_eq!(bucket_network(ip("2001:db8:1:2:3::4")), bucket_network(ip("2001:db8:1:2:ffff::")));
        assert_ne!(bucket_network(ip("2001:db8:1:2::1")), bucket_network(ip("2001:db8:1:3::1")));
    }

    #[test]
    fn pseudonyms_depend_on_the_key_and_on_the_kind() {
        let (a, b) = (Pseudonymiser::new(&[1; 32]), Pseudonymiser::new(&[2; 32]));
        assert_ne!(a.user("x"), b.user("x"));
        assert_ne!(a.user("127.0.0.1"), a.address(ip("127.0.0.1")));
        assert_eq!(a.user("x").to_string().len(), 32);
    }
}
