//! Stage 4: addresses that are kept out, banned ones for as long as the ban holds. An address whose bucket is already empty is refused before any script or
//! cryptography runs for it, and is charged nothing for asking.

use std::ops::Deref;
use std::time::Instant;

use super::client::Located;
use super::endpoints::Own;
use super::gateway::Gateway;
use super::pressure::RETRY_AFTER;
use super::rate_limit::bucket;
use super::step::Step;
use super::trail::Trail;
use crate::base::refusal::Refusal;
use crate::config::Config;
use crate::limiter::Limits;

/// Proof that the address may ask at all.
pub struct Admitted {
    located: Located,
    own: Option<Own>,
}

/// Lets an address in, unless it is banned, its bucket is empty or memory is short. Probes always get in.
///
/// # Errors
/// The refusal of this stage.
pub fn admit(
    located: Located,
    config: &Config,
    gateway: &Gateway,
    now: Instant,
    trail: &mut Trail,
) -> Step<Admitted> {
    // What a proxy asks about goes to an app, whose paths are its own.
    let own = match located.asked() {
        Some(_) => None,
        None => Own::find(located.path().as_str(), &config.gateway.prefix, &config.auth.providers),
    };
    trail.probe = own.is_some_and(Own::is_probe);
    if trail.probe {
        return Ok(Admitted { located, own });
    }
    if gateway.bans.is_address_banned(located.address(), trail.unix_ms) {
        return Err(Refusal::Banned.into());
    }
    if gateway.pressure.sheds() {
        return Err(Refusal::Unavailable { retry_after: Some(RETRY_AFTER) }.into());
    }
    if let Err(denied) =
        gateway.limiter.check_ip(located.address(), &Limits::general(&config.rate_limit), now)
    {
        trail.level = Some(denied.by);
        trail.charged.one(denied.by);
        gateway.metrics.rate_limit(bucket(denied.by.kind), false);
        return Err(Refusal::RateLimited { retry_after: denied.wait }.into());
    }
    Ok(Admitted { located, own })
}

impl Admitted {
    /// The own endpoint that the path names, if any.
    pub fn own_endpoint(&self) -> Option<Own> {
        self.own
    }
}

impl Deref for Admitted {
    type Target = Located;

    fn deref(&self) -> &Located {
        &self.located
    }
}
