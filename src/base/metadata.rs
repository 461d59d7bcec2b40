//! Where clouds hand out credentials to whoever asks from inside, however the address is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::canonical;

/// Those of IPv4 that are not link-local: Alibaba Cloud's and Oracle Cloud's.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// Those of IPv6 that are not link-local: of AWS for machines and for pods, and Google Cloud's.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// The IPv4 address that an IPv6 address leads to, else the address itself.
///
/// # Source
/// Mapped and compatible: RFC 4291 section 2.5.5; NAT64 `64:ff9b::/96`: RFC 6052 section 2.1; `64:ff9b:1::/48`, of which the
/// last 32 bits are looked at: RFC 8215; translated `::ffff:0:0:0/96`: RFC 2765 section 2.1; 6to4 `2002::/16`: RFC 3056.
pub fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = canonical(address) else { return canonical(address) };
    let (high, low) = match v6.segments() {
        // The loopback and the unspecified address are written alike and wrap nothing.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return address,
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return address,
    };
    IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// Whether a cloud may hand out credentials there: link-local addresses, and those of single clouds.
pub fn is_metadata(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(v4) => v4.is_link_local() || METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || METADATA_V6.contains(&v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rt_16_a_metadata_service_is_known_however_it_is_written() {
        for text in [
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "fe80::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::100.100.100.200",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::192.0.0.192",
            "64:ff9b:1::a9fe:a9fe",
            "::ffff:0:169.254.169.254",
            "2002:a9fe:a9fe::",
            "2002:6464:64c8:1::1",
        ] {
            assert!(is_metadata(text.parse().unwrap()), "{text}");
        }
        for text in [
            "127.0.0.1",
            "::1",
            "::",
            "100.100.100.201",
            "192.0.0.193",
            "fd00:ec2::1",
            "fd20:ce::1",
            "64:ff9b::8.8.8.8",
            "64:ff9c::a9fe:a9fe",
            "2002:808:808::a9fe:a9fe",
            "2001:db8::a9fe:a9fe",
        ] {
            assert!(!is_metadata(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_wraps_nothing_stays_as_it_is() {
        for text in ["::", "::1", "2001:db8::1", "10.0.0.1"] {
            assert_eq!(unwrapped(text.parse().unwrap()).to_string(), text);
        }
        assert_eq!(unwrapped("64:ff9b::10.1.2.3".parse().unwrap()).to_string(), "10.1.2.3");
    }
}
