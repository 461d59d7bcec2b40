//! `pluginmind bans`: who is kept out.

use std::net::IpAddr;

use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use super::options::Bans;
use super::{Options, inputs, offline, render, running};
use crate::bans::{MADE_BY_CLI, parse_network};
use crate::base::address::canonical;
use crate::server::admin::action::Action;
use crate::server::admin::bans::{BanView, BanWanted, Freed, Whom};

pub(super) fn run(options: &Options, what: Bans) -> Result<Exit, Failure> {
    match what {
        Bans::List => {
            let bans = offline::bans(&inputs::config(options)?)?;
            render::result(options.format, &bans, || table(&bans));
        }
        Bans::Add { address, user, ttl, reason, force } => {
            let whom = whom(address, user);
            if !force {
                spare_own_connection(&whom, std::env::var("SSH_CONNECTION").ok().as_deref())?;
            }
            let reason = reason.unwrap_or_default();
            let made_by = MADE_BY_CLI.to_owned();
            let wanted = BanWanted { whom, ttl, reason, made_by, force, asked_from: None };
            let made = running::change(options, Action::Ban(wanted))?;
            render::result(options.format, &made, || made_words(&made));
        }
        Bans::Revoke { address, user, all } => {
            let which = if all { Freed::All } else { Freed::One(whom(address, user)) };
            let done = running::change(options, Action::Free(which))?;
            render::result(options.format, &done, || {
                match done.get("revoked").and_then(Value::as_u64).unwrap_or_default() {
                    1 => "1 ban revoked".to_owned(),
                    n => format!("{n} bans revoked"),
                }
            });
        }
    }
    Ok(Exit::Fine)
}

/// The command line names exactly one.
fn whom(address: Option<String>, user: Option<String>) -> Whom {
    match user {
        Some(user) => Whom::User(user),
        None => Whom::Address(address.unwrap_or_default()),
    }
}

/// Refuses to ban the address from which somebody sits at this shell: a gateway cannot see that, for it is asked over
/// loopback. `ssh` is what sshd says: the client's address first.
fn spare_own_connection(whom: &Whom, ssh: Option<&str>) -> Result<(), Failure> {
    let Whom::Address(text) = whom else { return Ok(()) };
    let own = ssh.and_then(|line| line.split_whitespace().next()?.parse::<IpAddr>().ok()).map(canonical);
    match (parse_network(text), own) {
        (Ok(net), Some(own)) if net.contains(&own) => Err(Failure::problem(
            "this would ban the address that you are connected from; add `--force` to do so",
        )),
        _ => Ok(()),
    }
}

fn made_words(made: &Value) -> String {
    let text = |key: &str| made.get(key).and_then(Value::as_str);
    let target = text("address").or(text("user")).or(text("user_id")).unwrap_or_default();
    let until =
        text("expires").map_or_else(|| "until it is revoked".to_owned(), |end| format!("until {end}"));
    format!("banned: {target}, {until}")
}

fn table(bans: &[BanView]) -> String {
    let rows: Vec<_> = bans
        .iter()
        .map(|ban| {
            let expires = ban.expires.clone().unwrap_or_else(|| "-".to_owned());
            let target = ban.target().to_owned();
            [
                target,
                ban.kind.to_owned(),
                expires,
                ban.made_by.clone(),
                ban.created.clone(),
                ban.reason.clone(),
            ]
        })
        .collect();
    render::table(["BANNED", "KIND", "EXPIRES", "MADE BY", "CREATED", "REASON"], &rows, "no bans")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_bans_the_address_of_their_own_shell_by_a_slip() {
        let net = Whom::Address("203.0.113.0/24".to_owned());
        assert!(spare_own_connection(&net, Some("203.0.113.9 50000 192.0.2.1 22")).is_err());
        assert!(spare_own_connection(&net, Some("::ffff:203.0.113.9 50000 192.0.2.1 22")).is_err());
        assert!(spare_own_connection(&net, Some("198.51.100.9 50000 192.0.2.1 22")).is_ok());
        assert!(spare_own_connection(&net, None).is_ok());
        assert!(spare_own_connection(&Whom::User("ann".to_owned()), Some("203.0.113.9 1 2 3")).is_ok());
    }
}
