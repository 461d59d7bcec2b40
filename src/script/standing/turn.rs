//! Whether a plugin is asked now, and whether what it says counts.

use std::sync::Arc;

use super::breaker::{Showed, State};
use super::error_budget::Action;
use super::{Fallback, Trip};
use crate::base::clock::Clock;
use crate::config::Mode;
use crate::script::facts::RequestFacts;
use crate::script::hook::Hook;
use crate::script::ledger::FaultKind;
use crate::script::manifest::OnError;
use crate::script::plugin::Plugin;
use crate::script::run::Heard;

/// What becomes of a plugin at one moment of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is asked. A probe must be settled.
    Ask { mode: Mode, probe: bool },
    /// It is tripped, and left out.
    Skip,
    /// It is tripped, and nothing passes without it.
    Refuse,
}

/// What becomes of the plugin at this moment.
pub fn turn(plugin: &Plugin, hook: Hook, facts: &RequestFacts, clock: &Clock) -> Turn {
    let mode = side(plugin, facts);
    if !plugin.record.breaker.is_tripped() {
        return Turn::Ask { mode, probe: false }; // and no clock is read
    }
    let State::Tripped { probe } = plugin.record.breaker.state(clock.now()) else {
        return Turn::Ask { mode, probe: false };
    };
    while_tripped(plugin, hook, mode, probe)
}

fn while_tripped(plugin: &Plugin, hook: Hook, mode: Mode, probe: bool) -> Turn {
    let guards = mode == Mode::Enforce && refuses_while_off(plugin);
    match plugin.manifest.budget.action {
        Action::Shadow => Turn::Ask { mode: Mode::Shadow, probe },
        Action::Off if probe => Turn::Ask { mode: if guards { mode } else { Mode::Shadow }, probe },
        Action::Off if guards && hook.decides() => Turn::Refuse,
        Action::Off => Turn::Skip,
    }
}

/// What becomes of the plugin at this moment where it does not matter how the call goes: a tripped plugin is given no chance
/// to show that it is well again.
pub fn turn_without_probe(plugin: &Plugin, hook: Hook, facts: &RequestFacts) -> Turn {
    let mode = side(plugin, facts);
    if !plugin.record.breaker.is_tripped() {
        return Turn::Ask { mode, probe: false };
    }
    while_tripped(plugin, hook, mode, false)
}

/// Whether the plugin's word counts for this request, as far as can be said before it is asked.
pub fn enforces(plugin: &Plugin, facts: &RequestFacts) -> bool {
    side(plugin, facts) == Mode::Enforce && !plugin.record.breaker.is_tripped()
}

/// Whether requests are refused while the plugin is tripped to off.
fn refuses_while_off(plugin: &Plugin) -> bool {
    plugin.manifest.on_error == OnError::Deny && plugin.manifest.budget.fallback == Fallback::Deny
}

/// The mode for this client. A plugin that looks before anybody is known goes by the address in all its hooks, so that
/// one request is on one side from its beginning to its end.
fn side(plugin: &Plugin, facts: &RequestFacts) -> Mode {
    let mode = plugin.manifest.mode;
    if mode != Mode::Enforce {
        return mode;
    }
    let Some(share) = &plugin.share else { return mode };
    let by_user = !plugin.has(Hook::Request);
    let identity = facts.identity.get().filter(|_| by_user);
    let user = identity.and_then(|identity| identity.user.as_ref()).map(|user| &*user.id);
    if share.covers(user, facts.client_ip) { mode } else { Mode::Shadow }
}

/// Takes down how a call went, and tells when that changes how the plugin stands.
pub fn settle(plugin: &Plugin, heard: &Heard, probe: bool, clock: &Clock) {
    let limit = plugin.manifest.limits.time;
    let showed = match &heard.outcome {
        // Another plugin had used the time of this request.
        Err(fault) if fault.kind == FaultKind::Time && heard.time < limit => Showed::Nothing,
        Err(_) => Showed::Failed,
        Ok(_) if heard.time > limit / 2 => Showed::Slow,
        Ok(_) => Showed::Well,
    };
    if !probe && matches!(showed, Showed::Well | Showed::Nothing) {
        return; // as nearly all do
    }
    let Some(change) = plugin.record.breaker.showed(showed, probe, clock.now()) else { return };
    let action = plugin.manifest.budget.action.word();
    let trip = Trip { plugin: Arc::clone(&plugin.name), change: change.word(), action };
    match change {
        super::Change::Back => tracing::warn!(plugin = &*plugin.name, "a tripped plugin is well again"),
        _ => tracing::error!(
            plugin = &*plugin.name,
            action,
            change = change.word(),
            "a plugin failed or was slow too often"
        ),
    }
    plugin.record.tell(&trip);
}
