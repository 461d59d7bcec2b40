//! Floor 3: token buckets for addresses and users. Both are charged or neither.
//!
//! Buckets live in memory: a restart begins with full ones.
//!
//! # Source
//! CONTRACT section 3, stages 4 and 10; THREATS section RL.

mod bucket;
mod headers;
mod keyed;

pub use bucket::{BURST_MAX, Limit, WAIT_MAX};

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::base::address::bucket_network;
use crate::config;
use bucket::Bucket;
use keyed::{Key, Keyed};

/// The buckets of everybody. One for the whole process, shared by all workers.
pub struct Limiter {
    began: Instant,
    hash: RandomState,
    users: Keyed,
    ips: Keyed,
}

/// The limits in force for one request. They come from its snapshot, so that a reload holds from the next request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits<'a> {
    /// Of `user:<id>`.
    pub user: Limit,
    /// Of `ip:<address>`.
    pub ip: Limit,
    /// Most buckets of each kind.
    pub keys_max: usize,
    /// The route whose own buckets these are; the general ones where absent.
    pub scope: Option<&'a str>,
}

/// Which of the two buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `user:<id>`.
    User,
    /// `ip:<address>`, IPv6 by /64.
    Ip,
}

/// How full a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Which bucket.
    pub kind: Kind,
    /// Tokens that it holds when full.
    pub limit: u32,
    /// Whole tokens that are left.
    pub remaining: u32,
    /// Time in which it fills from empty.
    pub window: Duration,
    /// Time until it is full.
    pub reset: Duration,
}

/// The buckets after both were charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The address's.
    pub ip: Level,
    /// The user's, where one is known.
    pub user: Option<Level>,
}

/// A bucket was empty; nothing was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate limit bucket is empty")]
pub struct Denied {
    /// The bucket that denied: of two empty ones, the one to wait longer for.
    pub by: Level,
    /// Time until it has a token; not rounded.
    pub wait: Duration,
}

impl<'a> Limits<'a> {
    /// The general limits.
    pub fn general(config: &config::RateLimit) -> Self {
        Self {
            user: Limit { per_minute: config.user_per_minute, burst: config.user_burst },
            ip: Limit { per_minute: config.ip_per_minute, burst: config.ip_burst },
            keys_max: config.keys_max,
            scope: None,
        }
    }

    /// The limits of a route: the general ones where it sets none; where it sets any, in buckets of its own.
    pub fn of_route(config: &config::RateLimit, route: &'a config::Route) -> Self {
        let general = Self::general(config);
        let Some(own) = route.rate_limit else { return general };
        Self {
            user: Limit {
                per_minute: own.user_per_minute.unwrap_or(general.user.per_minute),
                burst: own.user_burst.unwrap_or(general.user.burst),
            },
            ip: Limit {
                per_minute: own.ip_per_minute.unwrap_or(general.ip.per_minute),
                burst: own.ip_burst.unwrap_or(general.ip.burst),
            },
            keys_max: general.keys_max,
            scope: Some(&route.name),
        }
    }
}

impl Limits<'_> {
    /// The same for an API key with a limit of its own: it replaces a user's, and its bucket holds one minute of it. Where
    /// the route has limits for users, the tighter of the two holds.
    #[must_use]
    pub fn of_key(mut self, per_minute: u32, route: Option<config::RouteLimits>) -> Self {
        let own = Limit { per_minute, burst: per_minute };
        let by_route = route.is_some_and(|r| r.user_per_minute.is_some() || r.user_burst.is_some());
        self.user = if by_route {
            Limit {
                per_minute: own.per_minute.min(self.user.per_minute),
                burst: own.burst.min(self.user.burst),
            }
        } else {
            own
        };
        self
    }
}

impl Levels {
    /// The bucket with the least left: the one that the response headers describe.
    pub fn least(&self) -> Level {
        match self.user {
            Some(user) if user.remaining <= self.ip.remaining => user,
            _ => self.ip,
        }
    }
}

impl Limiter {
    /// A limiter whose buckets are all full. `now` is the earliest time that it will be asked about.
    pub fn new(now: Instant) -> Self {
        Self { began: now, hash: RandomState::new(), users: Keyed::new(), ips: Keyed::new() }
    }

    /// Takes a token from the bucket of the address and, if one is known, from that of the user: from both or from
    /// neither. `user` is the opaque id, or any other text that names who pays.
    ///
    /// # Errors
    /// [`Denied`] when a bucket is empty.
    pub fn take_both(
        &self,
        ip: IpAddr,
        user: Option<&str>,
        limits: &Limits<'_>,
        now: Instant,
    ) -> Result<Levels, Denied> {
        let now_ns = self.ns(now);
        // The order of locks is user, then ip, everywhere.
        let mut user = user
            .map(|id| self.users.hold(self.user_key(id, limits.scope), limits.user, now_ns, limits.keys_max));
        let mut ip = self.ips.hold(self.ip_key(ip, limits.scope), limits.ip, now_ns, limits.keys_max);
        let by_user = user.as_deref().and_then(|u| denied(Kind::User, u));
        let by_ip = denied(Kind::Ip, &ip);
        if let Some(denied) = by_user.into_iter().chain(by_ip).max_by_key(|d| d.wait) {
            return Err(denied);
        }
        ip.charge();
        let user = user.as_deref_mut().map(|u| {
            u.charge();
            level(Kind::User, u)
        });
        Ok(Levels { ip: level(Kind::Ip, &ip), user })
    }

    /// Whether the bucket of the address has no token; charges nothing and remembers nobody.
    ///
    /// # Errors
    /// [`Denied`] when it has none.
    pub fn check_ip(&self, ip: IpAddr, limits: &Limits<'_>, now: Instant) -> Result<(), Denied> {
        let now_ns = self.ns(now);
        let key = self.ip_key(ip, limits.scope);
        let mut bucket = self.ips.peek(key).unwrap_or_else(|| Bucket::full(limits.ip, now_ns));
        bucket.refill(limits.ip, now_ns);
        denied(Kind::Ip, &bucket).map_or(Ok(()), Err)
    }

    /// Charges the address alone, for a request that is refused anyway. The level may reach nothing, never less.
    pub fn charge_ip(&self, ip: IpAddr, limits: &Limits<'_>, now: Instant) -> Level {
        let key = self.ip_key(ip, limits.scope);
        let mut bucket = self.ips.hold(key, limits.ip, self.ns(now), limits.keys_max);
        bucket.charge();
        level(Kind::Ip, &bucket)
    }

    /// How many users and addresses have a bucket now.
    pub fn keys(&self) -> (usize, usize) {
        (self.users.len(), self.ips.len())
    }

    /// An address is half of its own key: it takes 64 bits. The other half is a keyed hash, so that nobody can choose where
    /// it stands.
    fn ip_key(&self, ip: IpAddr, scope: Option<&str>) -> Key {
        let (family, network) = match bucket_network(ip) {
            IpAddr::V4(v4) => (4, u64::from(v4.to_bits())),
            // By /64.
            IpAddr::V6(v6) => (6, u64::try_from(v6.to_bits() >> 64).unwrap_or_default()),
        };
        let mut bytes = [family; 9];
        bytes[1..].copy_from_slice(&network.to_be_bytes());
        [self.hash(scope, &bytes), network]
    }

    /// An id is random, and its end half of its key.
    fn user_key(&self, id: &str, scope: Option<&str>) -> Key {
        let end = id.as_bytes().last_chunk().copied().unwrap_or_default();
        [self.hash(scope, id.as_bytes()), u64::from_be_bytes(end)]
    }

    /// 64 bits of keyed hash. In few writes, each of which costs as much as the hash of 16 bytes.
    fn hash(&self, scope: Option<&str>, who: &[u8]) -> u64 {
        let mut hasher = self.hash.build_hasher();
        hasher.write(who);
        if let Some(scope) = scope {
            // A byte that no id and no name holds.
            hasher.write_u8(0xff);
            hasher.write(scope.as_bytes());
        }
        hasher.finish()
    }

    fn ns(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }
}

fn denied(kind: Kind, bucket: &Bucket) -> Option<Denied> {
    (!bucket.has_token()).then(|| Denied { by: level(kind, bucket), wait: bucket.wait() })
}

fn level(kind: Kind, bucket: &Bucket) -> Level {
    let limit = bucket.limit();
    Level {
        kind,
        limit: limit.capacity(),
        remaining: bucket.remaining(),
        window: limit.window(),
        reset: bucket.until_full(),
    }
}

#[cfg(test)]
mod tests;
