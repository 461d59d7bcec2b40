//! Where an address is, as far as somebody knows: what rules read as `req.geo`.

use std::net::IpAddr;

/// What is known of an address; empty, zero and false where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// ISO 3166-1 alpha-2 code of the country, in capitals.
    pub country: String,
    /// The region: the code of the country's subdivision where there is one, else its name.
    pub region: String,
    /// The city's English name.
    pub city: String,
    /// The continent: `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.
    pub continent: String,
    /// Number of the autonomous system.
    pub asn: u32,
    /// Who runs the autonomous system.
    pub org: String,
    /// Whether the address is known as an exit of Tor.
    pub is_tor: bool,
    /// Whether the address is known as an exit of a VPN.
    pub is_vpn: bool,
    /// Whether the network is a hosting company's.
    pub is_hosting: bool,
}

/// Somebody who knows where addresses are.
pub trait Locate: Send + Sync {
    /// What is known of the address. Takes microseconds, and never fails: what is not known is empty.
    fn locate(&self, address: IpAddr) -> Location;
}
