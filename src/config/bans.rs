//! `[bans]`: who can never be kept out, and how many bans there may be.

use ipnet::IpNet;

use crate::base::document::Table;

use super::count;
use super::network::parse_network;

/// What the configuration says about bans. Who is banned stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bans {
    /// Networks that can never be banned, and that pass although a wider network is.
    pub never: Vec<IpNet>,
    /// Most bans, of addresses and users together.
    pub max: usize,
}

impl Bans {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let never = table.list(
            "never",
            "list of networks",
            &["127.0.0.0/8", "::1"],
            "Networks that can never be banned, and that pass although a wider network is.",
            parse_network,
        );
        let max = table.integer(
            "max",
            100_000,
            (1, 10_000_000),
            "Most bans, of addresses and users together; of every ten places one is kept from rules.",
        );
        table.finish();
        Self { never, max: count(max) }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::check::{config, dev, finds};

    #[test]
    fn loopback_can_never_be_banned_unless_the_operator_says_so() {
        let never = |text: &str| config(text).bans.never.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(never(""), ["127.0.0.0/8", "::1/128"]);
        assert_eq!(never("[bans]\nnever = [\"::ffff:10.0.0.1\"]\n"), ["10.0.0.1/32"]);
        finds(
            &dev("[bans]\nnever = [\"office\"]\n"),
            "config.toml:2:10: `bans.never`: `office` is not a network",
        );
        finds(&dev("[bans]\nnevr = []\n"), "did you mean `never`?");
    }
}
