//! Networks and socket addresses.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::base::address::{canonical, canonical_network};

/// Reads `10.0.0.0/8` or a bare address. An IPv4-mapped network becomes the IPv4 network that client addresses are
/// compared with; host bits are cleared.
///
/// # Errors
/// A sentence that says what was expected.
pub(super) fn parse_network(text: &str) -> Result<IpNet, String> {
    if text.contains('%') {
        return Err(format!("`{text}` has a zone: a network has none"));
    }
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("`{text}` is not a network such as \"10.0.0.0/8\" or an address"))?;
    Ok(canonical_network(network))
}

/// Reads `127.0.0.1:8080` or `[::1]:8080`.
///
/// # Errors
/// A sentence that says what was expected.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let right = match text.rsplit_once(':') {
            Some(("localhost", port)) => format!("127.0.0.1:{port}"),
            Some(("", port)) => format!("0.0.0.0:{port}"),
            _ => "127.0.0.1:8080".to_owned(),
        };
        format!("`{text}` is not an address with a port such as \"{right}\"")
    })
}

/// Whether somebody on another machine can reach a listener at the address.
pub(super) fn is_public(listen: SocketAddr) -> bool {
    !canonical(listen.ip()).is_loopback()
}

/// Whether two listeners cannot both stand: one port, and addresses of which one covers the other.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let (x, y) = (canonical(a.ip()), canonical(b.ip()));
    a.port() != 0 && a.port() == b.port() && (x == y || x.is_unspecified() || y.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_address_is_a_network_of_one_and_host_bits_are_cleared() {
        for (text, network) in [
            ("10.0.0.1", "10.0.0.1/32"),
            ("::1", "::1/128"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ] {
            assert_eq!(parse_network(text).unwrap().to_string(), network);
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0",
            "fe80::1%eth0",
            "fe80::%1/64",
            "localhost",
            "010.0.0.1",
            "10.0.0.0/-1",
        ] {
            assert!(parse_network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listener_needs_an_address_and_a_port() {
        assert!(parse_listen("localhost:80").unwrap_err().contains("127.0.0.1:80"));
        assert!(parse_listen(":80").unwrap_err().contains("0.0.0.0:80"));
        for bad in ["", "127.0.0.1", "127.0.0.1:99999", "::1:80x"] {
            assert!(parse_listen(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn listeners_collide_on_one_port_unless_it_is_chosen_by_the_system() {
        let at = |text: &str| text.parse().unwrap();
        assert!(collide(at("127.0.0.1:80"), at("0.0.0.0:80")));
        assert!(!collide(at("127.0.0.1:80"), at("127.0.0.2:80")));
        assert!(!collide(at("127.0.0.1:0"), at("127.0.0.1:0")));
    }
}
