//! Stage 11: bans of users, lockdown, roles of the route, then the rules that know who it is.

use std::ops::Deref;

use super::endpoints::Own;
use super::gateway::Gateway;
use super::identity::unknown;
use super::rate_limit::Metered;
use super::route::Way;
use super::rules::ask;
use super::standing;
use super::step::Step;
use super::trail::Trail;
use crate::base::refusal::Refusal;
use crate::live::snapshot::Snapshot;
use crate::script::Hook;

/// Proof that the caller may do this, as far as roles and `on_auth` rules know.
pub struct Authorised(Metered);

/// Lets nobody through who is kept out, checks roles, and asks `on_auth`.
///
/// # Errors
/// The refusal of this stage.
pub fn authorise(
    who: Metered,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Step<Authorised> {
    let own = match who.way() {
        Way::Own(own) => Some(*own),
        Way::Route(_) => None,
    };
    if own.is_some_and(Own::answers_in_lockdown) {
        if !trail.probe {
            standing::not_banned(who.identity(), gateway, trail.unix_ms)?;
        }
    } else {
        let lists = &snapshot.config.lockdown;
        let route = who.route().map_or("", |r| r.route.name.as_str());
        standing::check(who.identity(), who.address(), route, lists, gateway, trail.unix_ms)?;
    }
    let needed = who.route().map(|r| r.route.roles.as_slice()).unwrap_or_default();
    if !needed.is_empty() && !who.identity().is_known() {
        return Err(unknown(&who, snapshot, trail));
    }
    if !needed.is_empty() && !needed.iter().any(|role| who.identity().has_role(role)) {
        return Err(Refusal::Forbidden("You may not do this.").into());
    }
    ask(Hook::Auth, None, gateway, snapshot, trail)?;
    Ok(Authorised(who))
}

impl Deref for Authorised {
    type Target = Metered;

    fn deref(&self) -> &Metered {
        &self.0
    }
}
