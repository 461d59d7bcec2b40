//! Stage 11, first part: is whoever asks kept out, or everybody who is not listed? What has no end is asked again while it
//! goes on.

use std::net::IpAddr;

use super::gateway::Gateway;
use super::identity::Identity;
use crate::base::refusal::Refusal;
use crate::config::Lockdown;

/// Refuses an account that is banned, and in lockdown everybody who is not listed.
///
/// # Errors
/// 403.
pub fn check(
    identity: &Identity,
    address: IpAddr,
    route: &str,
    lists: &Lockdown,
    gateway: &Gateway,
    now_ms: i64,
) -> Result<(), Refusal> {
    not_banned(identity, gateway, now_ms)?;
    if gateway.bans.lockdown.is_on(now_ms) && !passes(identity, address, route, lists) {
        return Err(Refusal::Lockdown { retry_after: gateway.bans.lockdown.left(now_ms) });
    }
    Ok(())
}

/// Refuses an account that is banned, also where it asks by a key.
///
/// # Errors
/// 403.
pub fn not_banned(identity: &Identity, gateway: &Gateway, now_ms: i64) -> Result<(), Refusal> {
    if !gateway.bans.bans_users() {
        return Ok(());
    }
    let account = match identity {
        Identity::Anonymous => None,
        Identity::User(user) => Some(user.user()),
        Identity::ApiKey(key) => key.account(),
    };
    match account {
        Some(id) if gateway.bans.is_user_banned(&id.text(), now_ms) => Err(Refusal::Banned),
        _ => Ok(()),
    }
}

/// Whether the configuration lists the route, the caller, or where the caller is.
fn passes(identity: &Identity, address: IpAddr, route: &str, lists: &Lockdown) -> bool {
    let is_listed = |name: &str, id: &str| lists.users.iter().any(|user| user == name || user == id);
    lists.routes.iter().any(|name| name == route)
        || lists.networks.iter().any(|net| net.contains(&address))
        || lists.roles.iter().any(|role| identity.has_role(role))
        || match identity {
            Identity::Anonymous => false,
            Identity::User(user) => {
                !lists.users.is_empty() && is_listed(user.account.name.expose(), &user.account.id.text())
            }
            Identity::ApiKey(key) => {
                !lists.users.is_empty() && key.account().is_some_and(|id| is_listed("", &id.text()))
            }
        }
}
