//! `gateway/ban`: the gateway's own list, which rules may write where the manifest says `lists_write`. What they ask for is
//! carried out by the pipeline; a plugin in shadow writes to its copy, and in tests the list is the plugin's own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::call::Call;
use super::state::ListValue;
use crate::base::address::{bucket_network, canonical, canonical_network};

/// The name of the list of banned addresses.
pub const BANS: &str = "gateway/ban";
/// What a manifest must say.
pub(super) const NEEDS_PERMISSION: &str = "write `lists_write = [\"gateway/ban\"]` in `[permissions]`";
/// Bans that one call of a hook may ask for.
pub(super) const BANS_MAX: usize = 16;
/// The widest networks that a rule may ban, as prefix lengths of IPv4 and IPv6.
const WIDEST: (u8, u8) = (16, 32);

/// The gateway's bans, as rules see them.
pub trait GatewayBans: Send + Sync {
    /// Why an address is kept out; `None` where it is not.
    fn reason(&self, address: IpAddr, now_ms: i64) -> Option<Arc<str>>;
    /// The plugin that had exactly this network banned.
    fn banned_by(&self, network: IpNet, now_ms: i64) -> Option<Arc<str>>;
    /// How many networks are banned.
    fn size(&self, now_ms: i64) -> usize;
}

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleBan {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Whom: an IPv6 address with its /64, as in buckets.
    pub network: IpNet,
    /// What is to happen.
    pub change: BanChange,
}

/// What is to happen to a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BanChange {
    /// It begins.
    Begin {
        /// When it ends, in milliseconds since 1970-01-01 UTC; absent: when it is revoked.
        expires_ms: Option<i64>,
        /// Why; addresses and e-mails are gone.
        reason: Arc<str>,
    },
    /// It ends, if this plugin made it.
    End,
}

/// The network that a rule means.
///
/// # Errors
/// A sentence: it is no address, or too many of them.
pub(super) fn network(value: &ListValue<'_>) -> Result<IpNet, String> {
    let of_address = |address: IpAddr| match bucket_network(address) {
        IpAddr::V6(v6) => IpNet::new(IpAddr::V6(v6), 64).unwrap_or(IpNet::from(IpAddr::V6(v6))),
        v4 @ IpAddr::V4(_) => IpNet::from(v4),
    };
    let net = match value {
        ListValue::Address(address) => of_address(*address),
        ListValue::Text(text) => match text.parse::<IpAddr>() {
            Ok(address) => of_address(address),
            Err(_) => text
                .parse::<IpNet>()
                .map(canonical_network)
                .map_err(|_| "this is not an IP address or a network".to_owned())?,
        },
    };
    let widest = if net.addr().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
    if net.prefix_len() < widest {
        return Err(format!("a rule may ban no wider network than a /{widest}"));
    }
    Ok(net)
}

impl Call {
    /// The gateway's bans, where a list of that name is theirs and the plugin's word counts or can be known to.
    pub fn gateway_bans(&self, name: &str) -> Option<&Arc<dyn GatewayBans>> {
        self.state.space.bans.as_ref().filter(|_| name == BANS && self.state.lists.contains_key(BANS))
    }

    /// Keeps what is asked for until the hook has ended.
    pub fn ask_ban(&self, network: IpNet, change: BanChange) {
        let mut said = self.said.lock();
        if said.bans.len() < BANS_MAX {
            said.bans.push(RuleBan { plugin: self.plugin.clone(), network, change });
        }
    }

    /// Whether this very call has asked for a ban of exactly that network (`true`), or for its end (`false`).
    pub fn asked_ban(&self, network: IpNet) -> Option<bool> {
        let said = self.said.lock();
        let last = said.bans.iter().rev().find(|ban| ban.network == network)?;
        Some(last.change != BanChange::End)
    }

    /// When something ends that begins now.
    pub fn end_of(&self, ttl: Option<Duration>) -> Option<i64> {
        let ms = |ttl: Duration| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        ttl.map(|ttl| self.clock.unix_ms().saturating_add(ms(ttl)))
    }

    /// Why an address is kept out, by this very call or before.
    pub fn ban_reason(
        &self,
        bans: &dyn GatewayBans,
        value: &ListValue<'_>,
    ) -> Result<Option<Arc<str>>, String> {
        let address = match value {
            ListValue::Address(address) => canonical(*address),
            ListValue::Text(text) => text
                .parse::<IpAddr>()
                .map(canonical)
                .map_err(|_| "this is not an IP address or a network".to_owned())?,
        };
        let now_ms = self.clock.unix_ms();
        let said = self.said.lock();
        let own = said.bans.iter().rev().find(|ban| ban.network.contains(&address));
        Ok(match own.map(|ban| &ban.change) {
            Some(BanChange::Begin { reason, .. }) => Some(reason.clone()),
            Some(BanChange::End) => None,
            None => bans.reason(address, now_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_bans_an_ipv6_address_with_its_64_and_no_large_part_of_the_internet() {
        let of = |text: &str| network(&ListValue::Text(text)).map(|net| net.to_string());
        assert_eq!(of("203.0.113.5").unwrap(), "203.0.113.5/32");
        assert_eq!(of("::ffff:203.0.113.5").unwrap(), "203.0.113.5/32");
        assert_eq!(of("2001:db8:1:2:3::4").unwrap(), "2001:db8:1:2::/64");
        assert_eq!(of("203.0.113.77/24").unwrap(), "203.0.113.0/24");
        assert!(of("10.0.0.0/8").unwrap_err().contains("/16"));
        assert_eq!(of("::ffff:203.0.113.77/120").unwrap(), "203.0.113.0/24");
        // All of IPv4, and half of it, in another spelling.
        assert!(of("::ffff:0.0.0.0/96").is_err() && of("::ffff:128.0.0.0/97").is_err());
        assert!(of("::/0").is_err() && of("ann").is_err());
        let ip = "2001:db8:1:2:3::4".parse().unwrap();
        assert_eq!(network(&ListValue::Address(ip)).unwrap().to_string(), "2001:db8:1:2::/64");
    }
}
