//! Stage 10: both buckets, or neither.

use std::ops::Deref;
use std::time::Instant;

use super::gateway::Gateway;
use super::identity::Identity;
use super::origin::SameSite;
use super::step::Step;
use super::trail::Trail;
use crate::base::refusal::Refusal;
use crate::config::RateLimit;
use crate::limiter::{Kind, Limits};
use crate::telemetry::metrics::Bucket;

/// Proof that both buckets were paid, or that nothing has to be paid for a probe.
pub struct Metered(SameSite);

/// Charges the buckets of the address and of the user.
///
/// # Errors
/// The refusal of this stage.
pub fn meter(
    who: SameSite,
    config: &RateLimit,
    gateway: &Gateway,
    now: Instant,
    trail: &mut Trail,
) -> Step<Metered> {
    if trail.probe {
        return Ok(Metered(who));
    }
    let route = who.route();
    let mut limits = match route {
        Some(route) => Limits::of_route(config, &route.route),
        None => Limits::general(config),
    };
    if let Identity::ApiKey(key) = who.identity()
        && let Some(per_minute) = key.per_minute()
    {
        limits = limits.of_key(per_minute, route.and_then(|r| r.route.rate_limit));
    }
    let user = trail.user.clone();
    match gateway.limiter.take_both(who.address(), user.as_deref(), &limits, now) {
        Ok(levels) => {
            trail.level = Some(levels.least());
            trail.charged.both(levels);
            count(gateway, user.is_some(), None);
            Ok(Metered(who))
        }
        Err(denied) => {
            trail.level = Some(denied.by);
            trail.charged.one(denied.by);
            count(gateway, user.is_some(), Some(denied.by.kind));
            Err(Refusal::RateLimited { retry_after: denied.wait }.into())
        }
    }
}

fn count(gateway: &Gateway, has_user: bool, denied_by: Option<Kind>) {
    if let Some(kind) = denied_by {
        gateway.metrics.rate_limit(bucket(kind), false);
        return;
    }
    gateway.metrics.rate_limit(Bucket::Ip, true);
    if has_user {
        gateway.metrics.rate_limit(Bucket::User, true);
    }
}

/// The metric's word for a bucket.
pub fn bucket(kind: Kind) -> Bucket {
    match kind {
        Kind::User => Bucket::User,
        Kind::Ip => Bucket::Ip,
    }
}

impl Deref for Metered {
    type Target = SameSite;

    fn deref(&self) -> &SameSite {
        &self.0
    }
}
