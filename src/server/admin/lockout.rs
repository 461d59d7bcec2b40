//! Wrong tokens: after ten in a minute, nobody's token is looked at for the rest of that minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::base::address::bucket_network;
use crate::base::refusal::Refusal;

/// Wrong tokens in a window; with the last of them the door is shut.
pub(super) const WRONG_MAX: u32 = 10;

/// How long a window lasts, from its first wrong token.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// Most networks that are told apart; further ones share one window.
const NETWORKS_MAX: usize = 256;

/// Counts wrong tokens by network.
#[derive(Debug, Default)]
pub(in crate::server) struct Lockout {
    windows: HashMap<Option<IpAddr>, Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    wrong: u32,
}

impl Lockout {
    /// Refuses while the door is shut, a right token too: else there would be no limit to guessing.
    pub(in crate::server) fn check(&self, peer: IpAddr, now: Instant) -> Result<(), Refusal> {
        let own = bucket_network(peer);
        let key = if self.windows.contains_key(&Some(own)) { Some(own) } else { None };
        let Some(window) = self.windows.get(&key).filter(|w| w.wrong >= WRONG_MAX) else { return Ok(()) };
        match (window.began + WINDOW).saturating_duration_since(now) {
            Duration::ZERO => Ok(()),
            retry_after => Err(Refusal::RateLimited { retry_after }),
        }
    }

    /// Counts a wrong token.
    pub(in crate::server) fn wrong(&mut self, peer: IpAddr, now: Instant) {
        self.windows.retain(|_, window| now < window.began + WINDOW);
        let own = Some(bucket_network(peer));
        let key =
            if self.windows.contains_key(&own) || self.windows.len() < NETWORKS_MAX { own } else { None };
        self.windows.entry(key).or_insert(Window { began: now, wrong: 0 }).wrong += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn ad_01_ten_wrong_tokens_shut_the_door_for_the_rest_of_the_minute() {
        let clock = Clock::manual(0);
        let mut lockout = Lockout::default();
        for _ in 0..WRONG_MAX {
            assert!(lockout.check(ip(1), clock.now()).is_ok());
            lockout.wrong(ip(1), clock.now());
        }
        clock.advance(Duration::from_secs(45));
        let refusal = lockout.check(ip(1), clock.now()).unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.retry_after_seconds()), (429, Some(15)));
        assert!(lockout.check(ip(2), clock.now()).is_ok(), "another network is not shut out");
        clock.advance(Duration::from_secs(15));
        assert!(lockout.check(ip(1), clock.now()).is_ok());
        lockout.wrong(ip(1), clock.now());
        assert!(lockout.check(ip(1), clock.now()).is_ok(), "a new window counts from one");
    }

    #[test]
    fn many_networks_share_what_room_there_is() {
        let now = Clock::manual(0).now();
        let mut lockout = Lockout::default();
        for n in 0..10_000 {
            lockout.wrong(ip(n), now);
        }
        assert!(lockout.windows.len() <= NETWORKS_MAX + 1);
        assert!(lockout.check(ip(9_999), now).is_err());
        assert!(lockout.check(ip(1), now).is_ok());
    }
}
