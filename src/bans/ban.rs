//! One ban: who, why, by whom, until when.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::base::address::canonical_network;

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 200;

/// Who made a ban on the command line.
pub const MADE_BY_CLI: &str = "cli";

/// The widest networks that are banned without a second thought, as prefix lengths of IPv4 and IPv6.
const WIDEST: (u8, u8) = (8, 16);

/// Who is kept out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Addresses.
    Network(IpNet),
    /// An account, by its opaque id.
    User(Arc<str>),
}

/// A ban; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub target: Target,
    /// Why, in the words of whoever made it; may be empty.
    pub reason: Arc<str>,
    /// `cli`, `console`, `api`, or `rule:PLUGIN`.
    pub made_by: Arc<str>,
    /// Since when.
    pub created_ms: i64,
    /// Until when; absent: until it is revoked.
    pub expires_ms: Option<i64>,
}

/// Why somebody is not banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// The operator said that these can never be banned.
    #[error("this is in `bans.never`, which can never be banned")]
    Never,
    /// There is no room.
    #[error("there are as many bans as `bans.max` allows; revoke some")]
    Full,
}

impl Ban {
    /// Whether it still holds.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.expires_ms.is_none_or(|end| now_ms < end)
    }
}

impl Target {
    /// The kind, as the database and the metrics call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::User(_) => "user",
        }
    }

    /// The target of a row; `None` where it is none.
    pub fn from_row(kind: &str, text: &str) -> Option<Self> {
        match kind {
            "network" => parse_network(text).ok().map(Self::Network),
            "user" => Some(Self::User(text.into())),
            _ => None,
        }
    }
}

/// As an operator writes it: a network of one machine is its address.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(net) if net.prefix_len() == net.max_prefix_len() => {
                fmt::Display::fmt(&net.addr(), f)
            }
            Self::Network(net) => fmt::Display::fmt(net, f),
            Self::User(id) => f.write_str(id),
        }
    }
}

/// Reads an address or a network. An IPv4-mapped one becomes the IPv4 network that client addresses are compared with;
/// host bits are cleared.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_network(text: &str) -> Result<IpNet, &'static str> {
    const EXPECTED: &str = "an address, or a network such as 203.0.113.0/24, is expected";
    let text = text.trim();
    let net =
        text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| EXPECTED)?;
    Ok(canonical_network(net))
}

/// Whether a network holds so many addresses that banning it is more likely a slip than a wish.
pub fn is_too_wide(net: IpNet) -> bool {
    match net {
        IpNet::V4(v4) => v4.prefix_len() < WIDEST.0,
        // 96 bits in front of every IPv4 address are no network of IPv6 clients.
        IpNet::V6(v6) => v6.prefix_len() < WIDEST.1,
    }
}

/// A reason as it is kept: one line, not too long.
pub fn reason_of(text: &str) -> Arc<str> {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(REASON_CHARS_MAX).collect::<String>().trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_folded_and_cleared_of_host_bits() {
        for (text, shown) in [
            ("203.0.113.5", "203.0.113.5"),
            ("203.0.113.5/24", "203.0.113.0/24"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("2001:db8:1:2:3::4/64", "2001:db8:1:2::/64"),
            ("2001:DB8::1", "2001:db8::1"),
        ] {
            assert_eq!(Target::Network(parse_network(text).unwrap()).to_string(), shown);
        }
        for bad in ["", "here", "10.0.0.0/33", "fe80::1%eth0", "010.0.0.1", "10.0.0.0/-1", "10.0.0.1:80"] {
            assert!(parse_network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn everything_and_its_halves_are_too_wide() {
        let wide = |text: &str| is_too_wide(parse_network(text).unwrap());
        assert!(wide("0.0.0.0/0") && wide("128.0.0.0/1") && wide("::/0") && wide("2000::/3"));
        assert!(!wide("10.0.0.0/8") && !wide("2001:db8::/32"));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(&*reason_of(" a\nb\u{1b}[31m "), "a b [31m");
        assert_eq!(reason_of(&"x".repeat(1_000)).len(), REASON_CHARS_MAX);
    }
}
