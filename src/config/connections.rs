//! The keys of `[server]` that say who may connect, how often, and with how much memory.

use ipnet::IpNet;

use crate::base::document::Table;

use super::count;
use super::network::parse_network;

/// Networks at least this wide are most of the internet.
const WIDE_PREFIX_BITS: u8 = 8;

/// Who may connect, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Most connections of one address (IPv6: of one /64) at a time; 0 is no limit. Trusted proxies and fronts that speak
    /// the PROXY protocol are exempt.
    pub per_address_max: usize,
    /// Peers whose connections begin with a PROXY protocol header, and nobody else's.
    pub proxy_protocol: Vec<IpNet>,
    /// How much memory the process may take before it sheds load.
    pub memory_max: MemoryMax,
}

/// How much memory the process may take before it sheds load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryMax {
    /// What the control group allows; without one that limits, no limit.
    #[default]
    Auto,
    /// No limit.
    Off,
    /// This many bytes.
    Bytes(u64),
}

impl Connections {
    /// Reads the keys.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let per_address_max = count(table.integer(
            "connections_per_address_max",
            1_024,
            (0, 1_000_000),
            "Most connections of one address (IPv6: of one /64) at a time; 0 is no limit. Trusted proxies are exempt.",
        ));
        let proxy_protocol = proxy_protocol(table);
        let memory_max = table.optional_size(
            "memory_max",
            "",
            "Resident memory near which load is shed; `0` is no limit, absent is the control group's.",
        );
        let memory_max = match memory_max {
            None => MemoryMax::Auto,
            Some(0) => MemoryMax::Off,
            Some(bytes) => MemoryMax::Bytes(bytes),
        };
        Self { per_address_max, proxy_protocol, memory_max }
    }
}

fn proxy_protocol(table: &mut Table<'_>) -> Vec<IpNet> {
    let networks = table.list(
        "proxy_protocol",
        "list of networks",
        &[],
        "Networks whose connections must begin with a PROXY protocol header (v1 or v2), which tells the client's address.",
        parse_network,
    );
    for network in networks.iter().filter(|n| n.prefix_len() < WIDE_PREFIX_BITS) {
        let message =
            format!("`server.proxy_protocol`: {network} lets almost anybody choose their own address");
        let hint = "list only the load balancers that stand in front of the gateway";
        table.report(table.problem("proxy_protocol", message).hint(hint).warning());
    }
    networks
}

#[cfg(test)]
mod tests {
    use crate::config::check::{dev, finds};

    #[test]
    fn ip_09_a_proxy_header_from_everybody_is_a_loud_warning() {
        finds(
            &dev("[server]\nproxy_protocol = [\"0.0.0.0/0\"]\n"),
            "warning config.toml:2:18: `server.proxy_protocol`: 0.0.0.0/0 lets almost anybody",
        );
        assert_eq!(dev("[server]\nproxy_protocol = [\"10.0.0.0/8\"]\n"), "");
    }

    #[test]
    fn limits_of_connections_and_memory_are_in_range() {
        finds(
            &dev("[server]\nconnections_per_address_max = -1\n"),
            "connections_per_address_max`: -1 is not",
        );
        finds(&dev("[server]\nmemory_max = \"1 XB\"\n"), "`1 XB` needs a unit");
        assert_eq!(dev("[server]\nmemory_max = 0\nconnections_per_address_max = 0\n"), "");
        assert_eq!(dev("[server]\nmemory_max = \"512 MiB\"\n"), "");
    }
}
