//! Where two trades meet: whom rules want kept out, `bans` keeps out. A ban is in force before the hook's verdict is, and on
//! disk before the answer goes out.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::gateway::Gateway;
use crate::bans::{Ban, BanError, Bans, Target, Written};
use crate::script::{BanChange, GatewayBans, RuleBan};

/// How a ban says that a rule made it; the plugin's name follows.
const MADE_BY_RULE: &str = "rule:";

/// The gateway's bans, as rules see them.
pub struct Seen(pub Arc<Bans>);

impl GatewayBans for Seen {
    fn reason(&self, address: IpAddr, now_ms: i64) -> Option<Arc<str>> {
        self.0.of_address(address, now_ms).map(|ban| ban.reason)
    }

    fn banned_by(&self, network: IpNet, now_ms: i64) -> Option<Arc<str>> {
        let ban = self.0.get(&Target::Network(network), now_ms)?;
        ban.made_by.strip_prefix(MADE_BY_RULE).map(Arc::from)
    }

    fn size(&self, now_ms: i64) -> usize {
        self.0.counts(now_ms).0
    }
}

impl Gateway {
    /// Sees to what rules asked for; the writes are under way.
    pub fn keep_out(&self, asked: Vec<RuleBan>) -> Vec<Written> {
        asked.into_iter().filter_map(|asked| self.carry_out(asked)).collect()
    }

    fn carry_out(&self, asked: RuleBan) -> Option<Written> {
        let RuleBan { plugin, network, change } = asked;
        let (now_ms, target) = (self.clock.unix_ms(), Target::Network(network));
        let made_by: Arc<str> = format!("{MADE_BY_RULE}{plugin}").into();
        let BanChange::Begin { expires_ms, reason } = change else {
            return self.bans.remove_own(&target, &made_by);
        };
        match self.bans.lengthen(Ban { target, reason, made_by, created_ms: now_ms, expires_ms }, now_ms) {
            Ok(written) => {
                if written.is_some() {
                    tracing::info!(plugin = &*plugin, "a rule keeps somebody out");
                }
                written
            }
            Err(BanError::Never) => {
                tracing::debug!(plugin = &*plugin, "a rule would keep out whom `bans.never` names");
                None
            }
            Err(why @ BanError::Full) => {
                if self.bans.tells_that_it_is_full(now_ms) {
                    tracing::warn!(plugin = &*plugin, "a rule cannot keep somebody out: {why}");
                }
                None
            }
        }
    }
}
