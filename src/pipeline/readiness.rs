//! Whether the gateway can do its work, and why not.

use super::gateway::Gateway;
use crate::proxy::State;

/// What `/ready` says.
pub struct Readiness {
    /// `current`, or `stale` while the last good policy stands in for a bad edit.
    pub policy: &'static str,
    /// Whether only what `[lockdown]` lists passes. That is no reason not to be ready: probes keep a gateway in service.
    pub lockdown: bool,
    /// Why not; empty when ready. Words of the configuration and the code only.
    pub reasons: Vec<String>,
}

/// Looks at storage, the required services, and whether the process is about to end.
pub fn readiness(gateway: &Gateway) -> Readiness {
    let mut reasons = Vec::new();
    if gateway.draining.is_on() {
        reasons.push("draining".to_owned());
    }
    if gateway.pressure.sheds() {
        reasons.push("memory".to_owned());
    }
    if !gateway.store.is_healthy() {
        reasons.push("storage".to_owned());
    }
    let services = gateway.upstreams.status();
    let down = services.iter().filter(|s| s.required && s.state == State::Down);
    reasons.extend(down.map(|s| format!("service {}", s.name)));
    let policy = if gateway.policy.read().is_stale() { "stale" } else { "current" };
    Readiness { policy, lockdown: gateway.bans.lockdown.is_on(gateway.clock.unix_ms()), reasons }
}
